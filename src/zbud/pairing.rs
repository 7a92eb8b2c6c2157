// SPDX-License-Identifier: GPL-2.0

//! How zpages come into the pool: beside another one, into an empty page, or in a new
//! page, for which a descriptor is reserved first.

use super::books::{node_mut, Books};
use super::chunk::{Buddy, Len, NCHUNKS};
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{DescId, Nid, PageAddr, SlotId, SlotIndex};
use super::node_books::NodeBooks;
use super::state::State;
use super::table::{DescriptorEntries, Table};

/// A zpage that was just stored.
#[must_use]
pub struct Stored<'t> {
    /// The descriptor its slot lives in.
    pub owner: &'t Descriptor,
    /// Which of the slots there.
    pub index: SlotIndex,
    /// The slot's name.
    pub slot: SlotId,
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Puts a zpage of node `nid` beside the one it fits best: into the page with the
    /// fewest free chunks that suffice, on the [home](Self::home) of `nid`. O(1).
    ///
    /// `None` when it fits nowhere there: [`insert`](Self::insert) a page, or
    /// [go elsewhere](Self::pair_elsewhere).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] only; nothing has changed then.
    #[inline]
    pub fn pair<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: Nid,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        let home = self.home(nid).index();
        let node = self.nodes.as_ref().get(home);
        match node.and_then(|node| node.best_fit(len.chunks())) {
            Some(free_chunks) => self.pair_on(table, home, free_chunks, len).map(Some),
            None => Ok(None),
        }
    }

    /// The same on the first [allowed](Self::allow) node but that home on which it fits.
    /// O(1) in the size of the pool.
    ///
    /// # Errors
    ///
    /// As [`pair`](Self::pair).
    pub fn pair_elsewhere<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: Nid,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        let mut nodes = self.elsewhere(nid);
        let found = nodes.find_map(|(index, node)| Some((index, node.best_fit(len.chunks())?)));
        drop(nodes);
        match found {
            Some((index, free_chunks)) => self.pair_on(table, index, free_chunks, len).map(Some),
            None => Ok(None),
        }
    }

    /// Puts a zpage into the first page on a node that has that many free chunks.
    #[inline]
    fn pair_on<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: usize,
        free_chunks: usize,
        len: Len,
    ) -> Result<Stored<'t>, Error> {
        let node = self.nodes.as_ref().get(nid).ok_or(Error::Corrupt)?;
        let id = node.first(free_chunks).ok_or(Error::Corrupt)?;
        self.touch(table, id.leaf());
        let node = self.nodes.as_mut().get_mut(nid).ok_or(Error::Corrupt)?;
        let owner = table.descriptor(id)?;
        let index = owner.free_slot().ok_or(Error::Corrupt)?;
        let removal = node.prepare_remove(table, owner, free_chunks)?;
        let buddy = if owner.len(Buddy::First).is_none() {
            Buddy::First
        } else {
            Buddy::Last
        };

        node.remove(owner, free_chunks, removal);
        let slot = owner.store_at(id, buddy, index, len);
        owner.step(State::Unbuddied, State::Buddied);
        node.add(0, 1);
        self.totals.add(0, len.bytes());
        Ok(Stored { owner, index, slot })
    }

    /// Puts a zpage of node `nid` into a page without zpages on the
    /// [home](Self::home) of `nid`. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] only; nothing has changed then.
    #[inline]
    pub fn refill<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: Nid,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        self.refill_on(table, self.home(nid).index(), len)
    }

    /// The same on the first [allowed](Self::allow) node but that home that has such a
    /// page.
    ///
    /// # Errors
    ///
    /// As [`refill`](Self::refill).
    pub fn refill_elsewhere<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: Nid,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        let mut nodes = self.elsewhere(nid);
        let found = nodes.find(|(_, node)| node.first_empty().is_some());
        let found = found.map(|(index, _)| index);
        drop(nodes);
        match found {
            Some(index) => self.refill_on(table, index, len),
            None => Ok(None),
        }
    }

    /// The [allowed](Self::allow) nodes but the [home](Self::home) of `nid`, with their
    /// indices.
    fn elsewhere(&self, nid: Nid) -> impl Iterator<Item = (usize, &NodeBooks)> {
        let home = self.home(nid).index();
        let nodes = self.nodes.as_ref().iter().enumerate();
        nodes.filter(move |&(index, node)| index != home && index == node.home().index())
    }

    #[inline]
    fn refill_on<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: usize,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        let node = self.nodes.as_ref().get(nid);
        let Some(id) = node.and_then(NodeBooks::first_empty) else {
            return Ok(None);
        };
        self.touch(table, id.leaf());
        let node = self.nodes.as_mut().get_mut(nid).ok_or(Error::Corrupt)?;
        let owner = table.descriptor(id)?;
        let index = owner.free_slot().ok_or(Error::Corrupt)?;
        let free_chunks = NCHUNKS.saturating_sub(len.chunks());
        let removal = owner.links().prepare_remove(DescriptorEntries(table))?;
        let push = node.prepare_push(table, free_chunks)?;

        node.remove_empty(owner, removal);
        let slot = owner.store_at(id, Buddy::First, index, len);
        owner.step(State::Empty, State::Unbuddied);
        node.push(id, owner, free_chunks, push);
        node.add(0, 1);
        self.totals.add(0, len.bytes());
        Ok(Some(Stored { owner, index, slot }))
    }

    /// Adds a page to the pool under a descriptor that was
    /// [reserved](Self::reserve), with a zpage as its first buddy. Under the page
    /// lock as well, so that nobody isolates the page before it is set up.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when the descriptor is not reserved; [`Error::BadNode`];
    /// [`Error::Corrupt`]. Nothing has changed then.
    #[inline]
    pub fn insert<'t, T: Table>(
        &mut self,
        table: &'t T,
        id: DescId,
        page: PageAddr,
        nid: Nid,
        len: Len,
    ) -> Result<Stored<'t>, Error> {
        self.touch(table, id.leaf());
        let node = node_mut(&mut self.nodes, nid)?;
        let owner = reserved(table, id)?;
        let index = owner.free_slot().ok_or(Error::Corrupt)?;
        let free_chunks = NCHUNKS.saturating_sub(len.chunks());
        let push = node.prepare_push(table, free_chunks)?;

        owner.set_page(Some(page), nid);
        let slot = owner.store_at(id, Buddy::First, index, len);
        owner.step(State::Reserved, State::Unbuddied);
        node.push(id, owner, free_chunks, push);
        node.add(1, 1);
        node.demand.got_page(node.pages());
        self.totals.add(1, len.bytes());
        Ok(Stored { owner, index, slot })
    }

    /// Reserves a descriptor for a page to come: [`insert`](Self::insert) it or
    /// [`unreserve`](Self::unreserve) the descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::NoDescriptor`]: add a leaf and try again. [`Error::Corrupt`].
    /// Nothing has changed then.
    #[inline]
    pub fn reserve<T: Table>(&mut self, table: &T) -> Result<DescId, Error> {
        let number = self.leaves.next()?;
        self.touch(table, number);
        let (id, _) = self.leaves.reserve(table, number)?;
        Ok(id)
    }

    /// Releases a descriptor that was [reserved](Self::reserve). Returns a leaf to
    /// remove from the table, as `Released::leaf`.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when it is not reserved; [`Error::Corrupt`]. Nothing has
    /// changed then.
    pub fn unreserve<T: Table>(&mut self, table: &T, id: DescId) -> Result<Option<u32>, Error> {
        let desc = reserved(table, id)?;
        self.touch(table, id.leaf());
        let release = self.leaves.prepare_release(table, id)?;
        Ok(self.leaves.release(id, desc, State::Reserved, release))
    }
}

#[inline]
fn reserved<T: Table>(table: &T, id: DescId) -> Result<&Descriptor, Error> {
    let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
    desc.is(State::Reserved).then_some(desc).ok_or(Error::Stale)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::zbud::id::Place;
    use crate::zbud::leaf::Leaf;
    use crate::zbud::one_leaf::OneLeaf;

    #[test]
    fn a_page_without_a_free_slot_is_refused_and_stays_on_its_list() -> Result<(), Error> {
        let table = OneLeaf(Leaf::new());
        let mut books = Books::new([NodeBooks::new()]);
        books.add_leaf(&table, 0)?;
        let page = PageAddr::new(4096).ok_or(Error::Corrupt)?;
        let len = Len::new(100).map_err(|_| Error::Corrupt)?;
        let id = books.reserve(&table)?;
        let stored = books.insert(&table, id, page, Nid(0), len)?;
        let other = match stored.index {
            SlotIndex::A => SlotIndex::B,
            SlotIndex::B => SlotIndex::A,
        };

        // A slot that belongs to no zpage, which the books do not allow.
        let slot = stored.owner.slot(other);
        slot.publish(Place::new(id, Buddy::Last), true);
        let refused = books.pair(&table, Nid(0), len).err();
        assert_eq!(refused, Some(Error::Corrupt));
        assert_eq!(stored.owner.state(), Some(State::Unbuddied));

        slot.retire(slot.unpinned()?)?;
        assert_eq!(books.verify(&table), Ok(()));
        assert!(books.pair(&table, Nid(0), len)?.is_some());
        assert_eq!(books.verify(&table), Ok(()));
        Ok(())
    }
}
