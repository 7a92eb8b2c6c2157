// SPDX-License-Identifier: GPL-2.0

//! Gathering: zpages that keep leaves of which little is used are stored anew elsewhere, if
//! their owner can give them another name, so that these leaves become free.

use super::books::Books;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{DescId, Nid, SlotIndex};
use super::node_books::NodeBooks;
use super::open_leaves::is_sparse;
use super::table::Table;

/// A zpage that is to be stored anew.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// The page in which it is.
    pub from: DescId,
    /// The descriptor that is reserved for a page to come, into which it is to go.
    pub to: DescId,
    /// The node on which that should be.
    pub home: Nid,
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Whether a leaf is [sparse](Self::gather), and would be released if its descriptors were in
    /// others. O(1); a hint, as only a few leaves are looked at.
    pub fn has_sparse_leaf<T: Table>(&self, table: &T) -> bool {
        self.leaves.enough() && self.leaves.any_sparse(table)
    }

    /// Reserves a descriptor for a page to come into which the zpage whose slot is slot `index` of
    /// `owner` is to go, if that helps a leaf to be released: the descriptor of its slot, or that
    /// of its page, is in a sparse leaf, of which less than three eighths are in use, but not in
    /// the one from which descriptors are taken just now; and so many are free that a leaf can go.
    /// The page should be on the [home](Self::home) of the node where the zpage is. `None` when it
    /// may stay. O(1) in the size of the pool.
    ///
    /// Beside no other zpage, as [`pair`](Self::pair) would put it: that one may be in a sparse
    /// leaf itself, and which fits best is known once all are out of them.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when there is no such zpage; [`Error::Corrupt`]. Nothing has changed
    /// then.
    pub fn gather<T: Table>(
        &mut self,
        table: &T,
        owner: &Descriptor,
        index: SlotIndex,
    ) -> Result<Option<Gather>, Error> {
        let word = owner.slot(index).word();
        if !word.live() {
            return Err(Error::BadHandle);
        }
        let (from, buddy) = (word.place().desc(), word.place().buddy());
        let desc = table.descriptor(from)?;
        let name = desc.rmap(buddy).ok_or(Error::Corrupt)?;
        if !self.leaves.enough() {
            return Ok(None);
        }
        let next = self.leaves.next()?;
        let sparse = |number| number != next && table.leaf(number).is_some_and(is_sparse);
        if !sparse(from.leaf()) && !sparse(name.desc().leaf()) {
            return Ok(None);
        }
        let home = self.home(desc.nid());
        let to = self.reserve(table)?;
        Ok(Some(Gather { from, to, home }))
    }
}
