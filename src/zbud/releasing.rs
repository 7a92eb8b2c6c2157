// SPDX-License-Identifier: GPL-2.0

//! How pages without zpages leave the pool: in runs, so that a mover can take several out
//! of mm at once.

use super::books::{node_mut, Books};
use super::error::Error;
use super::id::{DescId, Nid};
use super::leaf::Leaf;
use super::node_books::NodeBooks;
use super::state::State;
use super::table::{DescriptorEntries, Table};

/// Descriptors that follow each other in a leaf, of pages that are being released.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    first: DescId,
    len: usize,
}

impl Run {
    /// The first of them.
    pub fn first(&self) -> DescId {
        self.first
    }

    /// How many there are; at least one.
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        self.len
    }

    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = DescId> {
        let (leaf, first) = (self.first.leaf(), self.first.offset());
        let offsets = first..first.saturating_add(self.len);
        offsets.filter_map(move |offset| DescId::new(leaf, offset))
    }
}

/// Those pages of a [`Run`] that could not be taken out of mm.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stayed(u128);

const _: () = assert!(DescId::OFFSETS <= u128::BITS as usize);

impl Stayed {
    /// This page, too.
    pub fn add(&mut self, id: DescId) {
        self.0 |= 1 << id.offset();
    }

    /// Whether this page has stayed.
    pub fn contains(&self, id: DescId) -> bool {
        (self.0 >> id.offset()) & 1 != 0
    }
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// How many of the empty pages on node `nid` should go, as they were not needed since this
    /// was last asked: all when the pool is at rest, else some of them.
    pub fn take_idle(&mut self, nid: Nid) -> u64 {
        let node = self.nodes.as_mut().get_mut(nid.index());
        node.map_or(0, NodeBooks::take_idle)
    }

    /// So many pages on node `nid` were released, as there were more than are
    /// [kept](Self::kept_on). If the pool soon gets pages again there, it keeps more.
    pub fn note_surplus(&mut self, nid: Nid, pages: u64) {
        if let Some(node) = self.nodes.as_mut().get_mut(nid.index()) {
            node.demand.released(pages);
        }
    }

    /// Whether pages that a node gets are taken for missed, as some were
    /// [released as too many](Self::note_surplus) since [`take_idle`](Self::take_idle) was asked.
    pub fn may_miss(&self) -> bool {
        self.nodes
            .as_ref()
            .iter()
            .any(|node| node.demand.may_miss())
    }

    /// Takes up to `at_most` pages without zpages on node `nid` that follow each other in a
    /// leaf, to be released: no zpage comes into them any more, and they do not move.
    /// [Release](Self::release) each, or [put it back](Self::put_back). `None` when there
    /// is none. It begins with one that a zpage has left for good, if there is one, and then
    /// has no others, but not with the first `skip` of all: those that were just put back. The
    /// time this takes is bounded by that and the size of a leaf.
    ///
    /// # Errors
    ///
    /// [`Error::BadNode`]; [`Error::Corrupt`]. Nothing has changed then.
    pub fn take_empty<T: Table>(
        &mut self,
        table: &T,
        nid: Nid,
        at_most: usize,
        skip: usize,
    ) -> Result<Option<Run>, Error> {
        let node = node_mut(&mut self.nodes, nid)?;
        let first = node.empty_after(table, skip)?;
        let Some(first) = first.filter(|_| at_most != 0) else {
            return Ok(None);
        };
        let leaf = table.leaf(first.leaf()).ok_or(Error::Corrupt)?;
        self.touch(table, first.leaf());
        let node = node_mut(&mut self.nodes, nid)?;
        let state = take(node, table, leaf, nid, first.offset(), None)?;
        let (mut from, mut to) = (first.offset(), first.offset());
        let mut len = 1_usize;
        while let Some(next) = from.checked_sub(1).filter(|_| len < at_most) {
            if take(node, table, leaf, nid, next, Some(state)).is_err() {
                break;
            }
            from = next;
            len = len.saturating_add(1);
        }
        while let Some(next) = to.checked_add(1).filter(|_| len < at_most) {
            if take(node, table, leaf, nid, next, Some(state)).is_err() {
                break;
            }
            to = next;
            len = len.saturating_add(1);
        }
        // CAST: at most a leaf.
        self.leaving = self.leaving.wrapping_add(len as u64);
        let first = DescId::new(first.leaf(), from).ok_or(Error::Corrupt)?;
        Ok(Some(Run { first, len }))
    }

    /// Forgets a page that [`take_empty`](Self::take_empty) took: mm has it no longer.
    /// Returns a leaf to remove from the table, as `Released::leaf`. The descriptor stays as
    /// long as a zpage that is elsewhere has a slot there.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when the page was not taken; [`Error::Corrupt`]. Nothing has
    /// changed then.
    pub fn release<T: Table>(&mut self, table: &T, id: DescId) -> Result<Option<u32>, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !desc.is(State::Leaving) {
            return Err(Error::Stale);
        }
        self.touch(table, id.leaf());
        let release = self.leaves.prepare_release(table, id)?;
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;

        node.sub(1, 0);
        self.leaving = self.leaving.wrapping_sub(1);
        self.totals.sub(1, 0);
        desc.set_page(None, Nid(0));
        if desc.has_live_slot() {
            desc.step(State::Leaving, State::Stub);
            return Ok(None);
        }
        Ok(self.leaves.release(id, desc, State::Leaving, release))
    }

    /// Keeps a page that [`take_empty`](Self::take_empty) took: mm has hold of it. If a zpage
    /// that is elsewhere has a slot there, it is not for other zpages, but to be released soon.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    pub fn put_back<T: Table>(&mut self, table: &T, id: DescId) -> Result<(), Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !desc.is(State::Leaving) {
            return Err(Error::Stale);
        }
        self.touch(table, id.leaf());
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;
        let vacated = desc.has_live_slot();
        let push = if vacated {
            node.prepare_push_vacated(table)?
        } else {
            node.prepare_push_empty(table)?
        };

        self.leaving = self.leaving.wrapping_sub(1);
        if vacated {
            desc.step(State::Leaving, State::Vacated);
            node.push_vacated(id, desc, push);
        } else {
            desc.step(State::Leaving, State::Empty);
            node.push_empty(id, desc, push);
        }
        Ok(())
    }
}

/// Takes the page at that offset of a leaf, if it is an empty or vacated one on node `nid`, in
/// the state `only` if there is one. Returns its state.
fn take<T: Table>(
    node: &mut NodeBooks,
    table: &T,
    leaf: &Leaf,
    nid: Nid,
    offset: usize,
    only: Option<State>,
) -> Result<State, Error> {
    let desc = leaf.descriptor(offset).ok_or(Error::Stale)?;
    let state = match desc.state() {
        Some(state @ (State::Empty | State::Vacated)) if desc.nid() == nid => state,
        _ => return Err(Error::Stale),
    };
    if only.is_some_and(|only| only != state) {
        return Err(Error::Stale);
    }
    let removal = desc.links().prepare_remove(DescriptorEntries(table))?;
    if state == State::Empty {
        node.remove_empty(desc, removal);
    } else {
        node.remove_vacated(desc, removal);
    }
    desc.step(state, State::Leaving);
    Ok(state)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn pages_that_have_stayed_are_told_from_the_others() {
        let stay = [0, 1, 63, 64, 84];
        let mut stayed = Stayed::default();
        let ids = || (0..DescId::OFFSETS).filter_map(|offset| DescId::new(7, offset));
        assert!(!ids().any(|id| stayed.contains(id)));
        let of_these = |id: &DescId| stay.contains(&id.offset());
        ids().filter(of_these).for_each(|id| stayed.add(id));
        assert!(ids().all(|id| stayed.contains(id) == of_these(&id)));
        // Once more is no other.
        ids().filter(of_these).for_each(|id| stayed.add(id));
        assert!(ids().all(|id| stayed.contains(id) == of_these(&id)));
    }
}
