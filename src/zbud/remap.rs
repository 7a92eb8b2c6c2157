// SPDX-License-Identifier: GPL-2.0

//! Maps from nodes to nodes, with the meaning that migrate_pages(2) gives to two
//! sets of nodes (`do_migrate_pages` in mm/mempolicy.c, 6.12).

use super::id::Nid;
use super::node_set::NodeSet;

/// Pages of one node, to be moved to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node they are on.
    pub from: Nid,
    /// Where they go: another node.
    pub to: Nid,
}

/// A map from nodes to nodes.
#[derive(Clone, Copy, Debug)]
pub struct Remap {
    from: NodeSet,
    to: NodeSet,
    /// Nodes of neither set, whose pages go to `to` as well.
    strays: NodeSet,
}

impl Remap {
    /// The pages of the k-th node of `from` go to the k-th node of `to`: their
    /// relative placement is preserved. If the sets differ in size it cannot be:
    /// then pages on a node of both sets stay, and the count starts again at the
    /// first node of `to` when it has come to the last.
    pub fn new(from: NodeSet, to: NodeSet) -> Self {
        Self {
            from,
            to,
            strays: NodeSet::EMPTY,
        }
    }

    /// The same for a change of the allowed nodes from `old` to `new`, as
    /// cpuset.memory_migrate does it. Pages on other nodes of `all` go to `new`, too,
    /// so that all pages are there in the end.
    pub fn allowed(old: NodeSet, new: NodeSet, all: &NodeSet) -> Self {
        Self {
            from: old,
            to: new,
            strays: all.difference(&old).difference(&new),
        }
    }

    /// Where pages on `nid` go; `None` if they stay.
    pub fn target(&self, nid: Nid) -> Option<Nid> {
        let rank = match self.from.rank(nid) {
            Some(_) if self.from.len() != self.to.len() && self.to.contains(nid) => return None,
            Some(rank) => rank,
            None => self.strays.rank(nid)?,
        };
        let to = self.to.nth(rank.checked_rem(self.to.len())?)?;
        (to != nid).then_some(to)
    }

    /// The steps, in an order that moves no page twice: pages leave a node before
    /// others come to it.
    ///
    /// Only sets of the same size have nodes that do both, and for these the map
    /// is increasing. So if pages of a go up to b and those of b go to c, c is
    /// above b: the highest go first. Where they go down, the lowest do. Nothing
    /// comes to the nodes of `strays`, so they are last.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let step = |from: Nid| self.target(from).map(|to| Step { from, to });
        let up = self.from.iter().rev().filter_map(step);
        let down = self.from.iter().filter_map(step);
        let strays = self.strays.iter().filter_map(step);
        up.filter(|step| step.to.0 > step.from.0)
            .chain(down.filter(|step| step.to.0 < step.from.0))
            .chain(strays)
    }
}
