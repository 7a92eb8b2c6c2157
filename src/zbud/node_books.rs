// SPDX-License-Identifier: GPL-2.0

//! The books of one node.

use super::chunk::NCHUNKS;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{DescId, Nid};
use super::list::{List, Push, Removal};
use super::table::{DescriptorEntries, Table};

/// What the pool has on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) pages: u64,
    pub(super) zpages: u64,
    pub(super) unbuddied_pages: u64,
    pub(super) empty_pages: u64,
}

impl Tally {
    const NONE: Self = Self {
        pages: 0,
        zpages: 0,
        unbuddied_pages: 0,
        empty_pages: 0,
    };
}

/// The unbuddied pages of one node, and what the pool has on that node.
pub struct NodeBooks {
    /// Bit n is set exactly when `unbuddied[n]` is not empty.
    occupied: u64,
    /// Lists of the pages with one zpage and n free chunks.
    unbuddied: [List; NCHUNKS],
    /// The pages without zpages.
    empty: List,
    has: Tally,
    /// The fewest empty pages there were since [`NodeBooks::take_idle`].
    idle: u64,
    /// The node on which zpages of this one are put, see `Books::allow`.
    home: Nid,
    /// What it had when the audit began, and what that has counted of it so far.
    had: Tally,
    pub(super) counted: Tally,
}

/// What part of the idle pages goes at a time while others are in use: one of so many, as what
/// is not needed for a moment may be in the next.
const SLOWLY: u64 = 8;

const _: () = assert!(NCHUNKS == u64::BITS as usize);

impl Default for NodeBooks {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeBooks {
    /// A node on which the pool has nothing. [`Books`](super::books::Books) says which it is.
    pub const fn new() -> Self {
        Self {
            occupied: 0,
            unbuddied: [List::EMPTY; NCHUNKS],
            empty: List::EMPTY,
            has: Tally::NONE,
            idle: 0,
            home: Nid(0),
            had: Tally::NONE,
            counted: Tally::NONE,
        }
    }

    /// Pool pages on this node, including those without zpages.
    pub fn pages(&self) -> u64 {
        self.has.pages
    }

    /// Zpages on this node.
    pub fn zpages(&self) -> u64 {
        self.has.zpages
    }

    /// Pages with one zpage on this node, without those being moved.
    pub fn unbuddied_pages(&self) -> u64 {
        self.has.unbuddied_pages
    }

    /// Pages without zpages on this node that wait for one, without those being moved.
    #[inline]
    pub fn empty_pages(&self) -> u64 {
        self.has.empty_pages
    }

    #[inline]
    pub(super) fn home(&self) -> Nid {
        self.home
    }

    pub(super) fn set_home(&mut self, home: Nid) {
        self.home = home;
    }

    /// The fewest free chunks, `chunks` at least, that some page has to which a
    /// zpage may be added. O(1).
    #[inline]
    pub(super) fn best_fit(&self, chunks: usize) -> Option<usize> {
        // A zpage of a whole page fits beside nothing: the shift has no result.
        let fitting = self.occupied & u64::MAX.checked_shl(u32::try_from(chunks).ok()?)?;
        // CAST: below 64.
        (fitting != 0).then(|| fitting.trailing_zeros() as usize)
    }

    /// The first unbuddied page with that many free chunks.
    #[inline]
    pub(super) fn first(&self, free_chunks: usize) -> Option<DescId> {
        DescId::from_raw(self.unbuddied.get(free_chunks)?.first()?)
    }

    /// Looks up what [`NodeBooks::push`] of a page with that many free chunks needs.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    #[inline]
    pub(super) fn prepare_push<'t, T: Table>(
        &self,
        table: &'t T,
        free_chunks: usize,
    ) -> Result<Push<'t>, Error> {
        let list = self.unbuddied.get(free_chunks).ok_or(Error::Corrupt)?;
        list.prepare_push(DescriptorEntries(table))
    }

    /// Puts a page with that many free chunks on its list.
    #[inline]
    pub(super) fn push(
        &mut self,
        id: DescId,
        desc: &Descriptor,
        free_chunks: usize,
        push: Push<'_>,
    ) {
        if let Some(list) = self.unbuddied.get_mut(free_chunks) {
            list.push(id.raw(), desc.links(), push);
            self.occupied |= 1 << free_chunks;
            self.has.unbuddied_pages = self.has.unbuddied_pages.wrapping_add(1);
        }
    }

    /// Looks up what [`NodeBooks::remove`] of a page with that many free chunks needs.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    #[inline]
    pub(super) fn prepare_remove<'t, T: Table>(
        &self,
        table: &'t T,
        desc: &Descriptor,
        free_chunks: usize,
    ) -> Result<Removal<'t>, Error> {
        if free_chunks >= NCHUNKS {
            return Err(Error::Corrupt);
        }
        desc.links().prepare_remove(DescriptorEntries(table))
    }

    /// Removes a page with that many free chunks from its list.
    #[inline]
    pub(super) fn remove(&mut self, desc: &Descriptor, free_chunks: usize, removal: Removal<'_>) {
        if let Some(list) = self.unbuddied.get_mut(free_chunks) {
            list.remove(desc.links(), removal);
            if list.is_empty() {
                self.occupied &= !(1 << free_chunks);
            }
            self.has.unbuddied_pages = self.has.unbuddied_pages.wrapping_sub(1);
        }
    }

    /// The first page without zpages.
    #[inline]
    pub(super) fn first_empty(&self) -> Option<DescId> {
        DescId::from_raw(self.empty.first()?)
    }

    /// The page without zpages that comes after `skip` others. The time this takes grows
    /// with that.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when one of them cannot be found.
    pub(super) fn empty_after<T: Table>(
        &self,
        table: &T,
        skip: usize,
    ) -> Result<Option<DescId>, Error> {
        let mut next = self.first_empty();
        for _ in 0..skip {
            let Some(id) = next else { break };
            next = DescId::from_raw(table.descriptor(id)?.links().next());
        }
        Ok(next)
    }

    /// As [`NodeBooks::prepare_push`], for the empty pages.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    #[inline]
    pub(super) fn prepare_push_empty<'t, T: Table>(&self, table: &'t T) -> Result<Push<'t>, Error> {
        self.empty.prepare_push(DescriptorEntries(table))
    }

    /// Puts a page among the empty ones.
    #[inline]
    pub(super) fn push_empty(&mut self, id: DescId, desc: &Descriptor, push: Push<'_>) {
        self.empty.push(id.raw(), desc.links(), push);
        self.has.empty_pages = self.has.empty_pages.wrapping_add(1);
    }

    /// Takes a page from the empty ones.
    #[inline]
    pub(super) fn remove_empty(&mut self, desc: &Descriptor, removal: Removal<'_>) {
        self.empty.remove(desc.links(), removal);
        self.has.empty_pages = self.has.empty_pages.wrapping_sub(1);
        self.idle = self.idle.min(self.has.empty_pages);
    }

    /// How many of the empty pages should go: of those that were not needed since this was
    /// last asked a [part](SLOWLY), or all if none came or went meanwhile.
    pub(super) fn take_idle(&mut self) -> u64 {
        let idle = core::mem::replace(&mut self.idle, self.has.empty_pages);
        if idle == self.has.empty_pages {
            idle
        } else {
            idle.div_ceil(SLOWLY)
        }
    }

    /// The list of empty pages, and whether the counts that go with it may be right.
    pub(super) fn empty(&self) -> (&List, bool) {
        (&self.empty, self.idle <= self.has.empty_pages)
    }

    /// The list of pages with that many free chunks.
    pub(super) fn unbuddied(&self, free_chunks: usize) -> Option<&List> {
        self.unbuddied.get(free_chunks)
    }

    /// The audit begins.
    pub(super) fn begin_audit(&mut self) {
        self.had = self.has;
        self.counted = Tally::NONE;
    }

    /// Whether it has counted what there was.
    pub(super) fn adds_up(&self) -> bool {
        self.counted == self.had
    }

    #[inline]
    pub(super) fn add(&mut self, pages: u64, zpages: u64) {
        self.has.pages = self.has.pages.wrapping_add(pages);
        self.has.zpages = self.has.zpages.wrapping_add(zpages);
    }

    #[inline]
    pub(super) fn sub(&mut self, pages: u64, zpages: u64) {
        self.has.pages = self.has.pages.wrapping_sub(pages);
        self.has.zpages = self.has.zpages.wrapping_sub(zpages);
    }

    /// The lists, each with its number of free chunks and whether its bit is set.
    pub(super) fn lists(&self) -> impl Iterator<Item = (usize, &List, bool)> {
        let lists = self.unbuddied.iter().enumerate();
        lists
            .map(|(free_chunks, list)| (free_chunks, list, (self.occupied >> free_chunks) & 1 == 1))
    }
}
