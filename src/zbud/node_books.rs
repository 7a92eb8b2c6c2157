// SPDX-License-Identifier: GPL-2.0

//! The books of one node.

use super::chunk::NCHUNKS;
use super::demand::Demand;
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
    pub(super) vacated_pages: u64,
}

impl Tally {
    const NONE: Self = Self {
        pages: 0,
        zpages: 0,
        unbuddied_pages: 0,
        empty_pages: 0,
        vacated_pages: 0,
    };
}

/// The unbuddied pages of one node, and what the pool has on that node.
pub struct NodeBooks {
    /// Bit n is set exactly when `unbuddied[n]` is not empty.
    occupied: u64,
    /// The pages with one zpage and n free chunks.
    unbuddied: [Class; NCHUNKS],
    /// The pages without zpages.
    empty: List,
    /// The pages that a zpage has left for good.
    vacated: List,
    has: Tally,
    /// The fewest empty pages there were since [`NodeBooks::take_idle`].
    idle: u64,
    pub(super) demand: Demand,
    /// The node on which zpages of this one are put, see `Books::allow`.
    home: Nid,
    /// What it had when the audit began, and what that has counted of it so far.
    had: Tally,
    pub(super) counted: Tally,
}

/// Pages with the same number of free chunks.
struct Class {
    list: List,
    pages: u32,
}

impl Class {
    const EMPTY: Self = Self {
        list: List::EMPTY,
        pages: 0,
    };
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
            unbuddied: [Class::EMPTY; NCHUNKS],
            empty: List::EMPTY,
            vacated: List::EMPTY,
            has: Tally::NONE,
            idle: 0,
            demand: Demand::NONE,
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

    /// Pages on this node that are to be released, as their last zpage is beside another now.
    #[inline]
    pub fn vacated_pages(&self) -> u64 {
        self.has.vacated_pages
    }

    /// How many pages there would be fewer if the zpages of unbuddied pages were put together
    /// as well as they can be. O(1).
    pub fn winnable(&self) -> u64 {
        // The largest zpage beside the smallest, if they fit; then the next of those that are
        // used up. What does not fit beside the smallest fits beside none.
        let count = |free_chunks: usize| {
            let class = self.unbuddied.get(free_chunks);
            class.map_or(0, |class| class.pages)
        };
        let fit = |less: usize, more: usize| less.saturating_add(more) >= NCHUNKS;
        let (mut less, mut more) = (1_usize, NCHUNKS - 1);
        let (mut large, mut small) = (count(less), count(more));
        let mut pairs = 0_u64;
        while less < more {
            if large == 0 || !fit(less, more) {
                less = less.saturating_add(1);
                large = count(less);
            } else if small == 0 {
                more = more.saturating_sub(1);
                small = count(more);
            } else {
                let both = large.min(small);
                pairs = pairs.saturating_add(both.into());
                large = large.saturating_sub(both);
                small = small.saturating_sub(both);
            }
        }
        // Both are of one class now, and one of them knows what is left of it.
        let left = if fit(less, more) { large.min(small) } else { 0 };
        pairs.saturating_add(u64::from(left / 2))
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
        DescId::from_raw(self.unbuddied.get(free_chunks)?.list.first()?)
    }

    /// The page into which a zpage of `chunks` chunks fits best, with its number of free
    /// chunks, but for page `id`, which is unbuddied and has `its` free chunks. O(1).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    pub(super) fn best_but<T: Table>(
        &self,
        table: &T,
        chunks: usize,
        id: DescId,
        its: usize,
    ) -> Result<Option<(DescId, usize)>, Error> {
        let Some(mut free_chunks) = self.best_fit(chunks) else {
            return Ok(None);
        };
        let mut first = self.first(free_chunks);
        if first == Some(id) {
            first = DescId::from_raw(table.descriptor(id)?.links().next());
        }
        if first.is_none() {
            // It is the only one of its class.
            match self.best_fit(its.saturating_add(1)) {
                Some(next) => free_chunks = next,
                None => return Ok(None),
            }
            first = self.first(free_chunks);
        }
        let found = first.ok_or(Error::Corrupt)?;
        Ok(Some((found, free_chunks)))
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
        let class = self.unbuddied.get(free_chunks).ok_or(Error::Corrupt)?;
        class.list.prepare_push(DescriptorEntries(table))
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
        if let Some(class) = self.unbuddied.get_mut(free_chunks) {
            class.list.push(id.raw(), desc.links(), push);
            class.pages = class.pages.wrapping_add(1);
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
        if let Some(class) = self.unbuddied.get_mut(free_chunks) {
            class.list.remove(desc.links(), removal);
            class.pages = class.pages.wrapping_sub(1);
            if class.list.is_empty() {
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

    /// The page without zpages that comes after `skip` others; first come those that are to
    /// be released in any case. The time this takes grows with `skip`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when one of them cannot be found.
    pub(super) fn empty_after<T: Table>(
        &self,
        table: &T,
        skip: usize,
    ) -> Result<Option<DescId>, Error> {
        let vacated = self.vacated.first().and_then(DescId::from_raw);
        let mut left = skip;
        let mut found = None;
        for first in [vacated, self.first_empty()] {
            found = first;
            while let Some(id) = found.filter(|_| left != 0) {
                found = DescId::from_raw(table.descriptor(id)?.links().next());
                left = left.saturating_sub(1);
            }
            if found.is_some() {
                break;
            }
        }
        Ok(found)
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

    /// As [`NodeBooks::prepare_push`], for the vacated pages.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    pub(super) fn prepare_push_vacated<'t, T: Table>(
        &self,
        table: &'t T,
    ) -> Result<Push<'t>, Error> {
        self.vacated.prepare_push(DescriptorEntries(table))
    }

    /// Puts a page among the vacated ones.
    pub(super) fn push_vacated(&mut self, id: DescId, desc: &Descriptor, push: Push<'_>) {
        self.vacated.push(id.raw(), desc.links(), push);
        self.has.vacated_pages = self.has.vacated_pages.wrapping_add(1);
    }

    /// Takes a page from the vacated ones.
    pub(super) fn remove_vacated(&mut self, desc: &Descriptor, removal: Removal<'_>) {
        self.vacated.remove(desc.links(), removal);
        self.has.vacated_pages = self.has.vacated_pages.wrapping_sub(1);
    }

    /// The list of vacated pages.
    pub(super) fn vacated(&self) -> &List {
        &self.vacated
    }

    /// How many of the empty pages should go: of those that were not needed since this was
    /// last asked a [part](SLOWLY), or all if none came or went meanwhile.
    pub(super) fn take_idle(&mut self) -> u64 {
        let idle = core::mem::replace(&mut self.idle, self.has.empty_pages);
        let gone = if idle == self.has.empty_pages {
            idle
        } else {
            idle.div_ceil(SLOWLY)
        };
        self.demand.settle(gone, self.has.pages);
        gone
    }

    /// The list of empty pages, and whether the counts that go with it may be right.
    pub(super) fn empty(&self) -> (&List, bool) {
        (&self.empty, self.idle <= self.has.empty_pages)
    }

    /// The list of pages with that many free chunks.
    pub(super) fn unbuddied(&self, free_chunks: usize) -> Option<&List> {
        Some(&self.unbuddied.get(free_chunks)?.list)
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

    /// The bits of the lists, to be made wrong.
    #[cfg(all(test, not(loom)))]
    pub(super) fn occupied_mut(&mut self) -> &mut u64 {
        &mut self.occupied
    }

    /// The lists, each with its number of free chunks, whether its bit is set, and how many
    /// pages it should have.
    pub(super) fn lists(&self) -> impl Iterator<Item = (usize, &List, bool, u64)> {
        let classes = self.unbuddied.iter().enumerate();
        classes.map(|(free_chunks, class)| {
            let occupied = (self.occupied >> free_chunks) & 1 == 1;
            (free_chunks, &class.list, occupied, class.pages.into())
        })
    }
}
