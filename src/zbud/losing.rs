// SPDX-License-Identifier: GPL-2.0

//! How a page whose memory is broken leaves the pool: nothing more comes into it, its
//! zpages cannot be mapped any more, and once nobody has one mapped the page is dropped.
//! The descriptor stays until its zpages are freed.

use super::books::{node_mut, Books};
use super::chunk::Buddy;
use super::descriptor::Descriptor;
use super::error::Error;
use super::freeing::{Forgotten, Freed};
use super::id::{DescId, Nid, PageAddr};
use super::moving::slot_of;
use super::node_books::NodeBooks;
use super::slot::{Slot, Word};
use super::state::State;
use super::table::{DescriptorEntries, Table};

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Zpages that cannot be mapped any more, as their memory is broken, and that were not
    /// freed yet.
    pub fn lost_zpages(&self) -> u64 {
        self.lost_zpages
    }

    /// Whether there are lost pages that are not being dropped.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Takes a page out of use, as its memory is broken. Its zpages are lost: they can only
    /// be freed. A user who has one mapped keeps it until it is unmapped.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when `id` does not describe `page`, when it is being moved, re-paired
    /// or released, or lost already; [`Error::Corrupt`]. Nothing has changed then.
    pub fn lose<T: Table>(&mut self, table: &T, id: DescId, page: PageAddr) -> Result<(), Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if desc.page() != Some(page) {
            return Err(Error::Stale);
        }
        self.touch(table, id.leaf());
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;
        let push = self.lost.prepare_push(DescriptorEntries(table))?;
        let free_chunks = desc.free_chunks();
        let bytes = desc.extents().into_iter().flatten();
        let bytes = bytes.fold(0_usize, |sum, extent| sum.saturating_add(extent.bytes()));
        let (state, zpages) = match desc.state() {
            Some(state @ State::Unbuddied) => {
                let removal = node.prepare_remove(table, desc, free_chunks)?;
                node.remove(desc, free_chunks, removal);
                (state, 1)
            }
            Some(state @ State::Buddied) => (state, 2),
            Some(state @ State::Empty) => {
                let removal = desc.links().prepare_remove(DescriptorEntries(table))?;
                node.remove_empty(desc, removal);
                (state, 0)
            }
            _ => return Err(Error::Stale),
        };

        desc.step(state, State::Lost);
        Buddy::BOTH.into_iter().for_each(|buddy| desc.lose(buddy));
        self.lost.push(id.raw(), desc.links(), push);
        self.lost_pages = self.lost_pages.wrapping_add(1);
        node.sub(0, zpages);
        self.totals.sub(0, bytes);
        self.lost_zpages = self.lost_zpages.wrapping_add(zpages);
        Ok(())
    }

    /// Takes a lost page that nobody has mapped, and that nobody will, to be dropped:
    /// [forget](Self::forget) it, or [keep it](Self::keep_lost). `None` when there is none.
    /// Those that somebody has mapped, which are few and mostly not for long, are looked at
    /// first; of the others, the first `skip` are left: those that were just kept.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]. Nothing has changed then.
    pub fn take_lost<T: Table>(
        &mut self,
        table: &T,
        skip: usize,
    ) -> Result<Option<(DescId, PageAddr)>, Error> {
        let (mut next, mut skip) = (self.lost.first(), skip);
        while let Some(id) = next.and_then(DescId::from_raw) {
            let desc = table.descriptor(id)?;
            next = Some(desc.links().next());
            if !is_unmapped(table, desc)? {
                continue;
            }
            if let Some(left) = skip.checked_sub(1) {
                skip = left;
                continue;
            }
            let page = desc.page().ok_or(Error::Corrupt)?;
            let removal = desc.links().prepare_remove(DescriptorEntries(table))?;

            self.touch(table, id.leaf());
            self.lost.remove(desc.links(), removal);
            self.lost_pages = self.lost_pages.wrapping_sub(1);
            self.dropping = self.dropping.wrapping_add(1);
            return Ok(Some((id, page)));
        }
        Ok(None)
    }

    /// Forgets the page of a descriptor that [`take_lost`](Self::take_lost) named: mm has it
    /// no longer. Returns a leaf to remove from the table, as `Released::leaf`.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when it is not lost; [`Error::Corrupt`]. Nothing has changed then.
    pub fn forget<T: Table>(&mut self, table: &T, id: DescId) -> Result<Option<u32>, Error> {
        let desc = lost(table, id)?;
        self.touch(table, id.leaf());
        let release = self.leaves.prepare_release(table, id)?;
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;

        self.dropping = self.dropping.wrapping_sub(1);
        node.sub(1, 0);
        self.totals.sub(1, 0);
        desc.set_page(None, Nid(0));
        if desc.has_zpages() {
            return Ok(None);
        }
        Ok(self.leaves.release(id, desc, State::Lost, release))
    }

    /// Keeps the page of a descriptor that [`take_lost`](Self::take_lost) named: mm has hold
    /// of it.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget).
    pub fn keep_lost<T: Table>(&mut self, table: &T, id: DescId) -> Result<(), Error> {
        let desc = lost(table, id)?;
        let push = self.lost.prepare_push(DescriptorEntries(table))?;

        self.touch(table, id.leaf());
        self.lost_pages = self.lost_pages.wrapping_add(1);
        self.dropping = self.dropping.wrapping_sub(1);
        self.lost.push(id.raw(), desc.links(), push);
        Ok(())
    }

    /// Frees a lost zpage: that of `slot`, whose word is `word`.
    #[cold]
    pub(super) fn free_lost<T: Table>(
        &mut self,
        table: &T,
        slot: &Slot,
        word: Word,
        desc: &Descriptor,
    ) -> Result<Freed, Error> {
        let (id, buddy) = (word.place().desc(), word.place().buddy());
        self.touch(table, id.leaf());
        let release = self.leaves.prepare_release(table, id)?;
        slot.retire(word)?;

        desc.clear(buddy);
        self.lost_zpages = self.lost_zpages.wrapping_sub(1);
        if desc.page().is_some() || desc.has_zpages() {
            return Ok(Freed::Kept);
        }
        let leaf = self.leaves.release(id, desc, State::Lost, release);
        Ok(Freed::Forgotten(Forgotten {
            leaves: [leaf, None],
            ..Forgotten::default()
        }))
    }
}

/// A lost descriptor that has a page.
fn lost<T: Table>(table: &T, id: DescId) -> Result<&Descriptor, Error> {
    let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
    let lost = desc.is(State::Lost) && desc.page().is_some();
    lost.then_some(desc).ok_or(Error::Stale)
}

/// Whether nobody has a zpage of a lost page mapped. If so that does not change: a caller that
/// pins from now on sees that the page is lost, and unpins.
fn is_unmapped<T: Table>(table: &T, desc: &Descriptor) -> Result<bool, Error> {
    let slots = [
        slot_of(table, desc, Buddy::First)?,
        slot_of(table, desc, Buddy::Last)?,
    ];
    Ok(slots.into_iter().flatten().all(Slot::is_unpinned))
}
