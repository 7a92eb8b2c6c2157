// SPDX-License-Identifier: GPL-2.0

//! Leaves: pages full of descriptors.
//!
//! A leaf hands out its descriptors itself, so that a leaf without a descriptor in
//! use can be released.

use super::descriptor::Descriptor;
use super::id::DescId;
use super::list::Links;
use super::primitive::{AtomicU16, AtomicU32, AtomicU8, Ordering};

/// Descriptors in a leaf: what fits in a page beside the leaf's header.
#[cfg(not(loom))]
pub const DESCRIPTORS_PER_LEAF: usize = 85;
/// Few, so that loom's models stay small.
#[cfg(loom)]
pub const DESCRIPTORS_PER_LEAF: usize = 2;

const _: () = assert!(DESCRIPTORS_PER_LEAF <= DescId::OFFSETS);

const NO_OFFSET: u8 = u8::MAX;

/// One page of descriptors. The pool lock protects the header.
///
/// All zeroes is a leaf that has not been set up; `Books::add_leaf` does that.
#[repr(C, align(16))]
pub struct Leaf {
    number: AtomicU32,
    /// On the list of leaves that have a free descriptor.
    links: Links,
    /// Offset of the first free descriptor; the next links of these name the
    /// offset of the next one, or `NO_OFFSET`.
    free: AtomicU8,
    used: AtomicU8,
    /// That of the last audit that has counted it, see `Books::touch`.
    mark: AtomicU16,
    descriptors: [Descriptor; DESCRIPTORS_PER_LEAF],
}

#[cfg(not(loom))]
const _: () = assert!(core::mem::size_of::<Leaf>() == super::chunk::PAGE_SIZE);

impl Leaf {
    /// A leaf that has not been set up, for tables that cannot hand out zeroed memory.
    #[allow(clippy::new_without_default)] // A leaf is never made by default.
    pub fn new() -> Self {
        Self {
            number: AtomicU32::new(0),
            links: Links::new(),
            free: AtomicU8::new(0),
            used: AtomicU8::new(0),
            mark: AtomicU16::new(0),
            descriptors: core::array::from_fn(|_| Descriptor::new()),
        }
    }

    /// The number under which the table has it.
    #[inline]
    pub fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// The descriptor at `offset`, if there is one.
    #[inline]
    pub fn descriptor(&self, offset: usize) -> Option<&Descriptor> {
        self.descriptors.get(offset)
    }

    #[inline]
    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// Descriptors in use.
    #[inline]
    pub(super) fn used(&self) -> usize {
        usize::from(self.used.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn full(&self) -> bool {
        self.free.load(Ordering::Relaxed) == NO_OFFSET
    }

    #[inline]
    pub(super) fn mark(&self) -> u16 {
        self.mark.load(Ordering::Relaxed)
    }

    pub(super) fn set_mark(&self, mark: u16) {
        self.mark.store(mark, Ordering::Relaxed);
    }

    /// Makes all descriptors free. Under the pool lock, before the leaf is used.
    pub(super) fn set_up(&self, number: u32, mark: u16) {
        self.number.store(number, Ordering::Relaxed);
        self.set_mark(mark);
        self.used.store(0, Ordering::Relaxed);
        self.free.store(NO_OFFSET, Ordering::Relaxed);
        for offset in (0..DESCRIPTORS_PER_LEAF).rev() {
            if let Some(desc) = self.descriptor(offset) {
                desc.set_up();
            }
            self.push(offset);
        }
    }

    #[inline]
    fn push(&self, offset: usize) {
        if let Some(desc) = self.descriptor(offset) {
            let next = u32::from(self.free.load(Ordering::Relaxed));
            desc.links().set_next(next);
            // CAST: below DESCRIPTORS_PER_LEAF, which is below 255.
            self.free.store(offset as u8, Ordering::Relaxed);
        }
    }

    /// The free descriptor that [`Leaf::reserve`] takes. Under the pool lock.
    #[inline]
    pub(super) fn first_free(&self) -> Option<(DescId, &Descriptor)> {
        let offset = usize::from(self.free.load(Ordering::Relaxed));
        let desc = self.descriptor(offset)?;
        Some((DescId::new(self.number(), offset)?, desc))
    }

    /// Takes `desc`, the first free descriptor, into use. Under the pool lock.
    #[inline]
    pub(super) fn reserve(&self, desc: &Descriptor) {
        // CAST: an offset or NO_OFFSET, see `push`.
        self.free
            .store(desc.links().next() as u8, Ordering::Relaxed);
        // At most DESCRIPTORS_PER_LEAF are in use: no saturation.
        let used = self.used.load(Ordering::Relaxed).saturating_add(1);
        self.used.store(used, Ordering::Relaxed);
    }

    /// Makes a descriptor that was in use free. Under the pool lock.
    #[inline]
    pub(super) fn release(&self, id: DescId) {
        self.push(id.offset());
        let used = self.used.load(Ordering::Relaxed).saturating_sub(1);
        self.used.store(used, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn reserve(leaf: &Leaf) -> Option<DescId> {
        let (id, desc) = leaf.first_free()?;
        leaf.reserve(desc);
        Some(id)
    }

    #[test]
    fn each_descriptor_is_given_once() -> Result<(), &'static str> {
        let leaf = Leaf::new();
        leaf.set_up(9, 0);
        let mut taken: [Option<DescId>; DESCRIPTORS_PER_LEAF] =
            core::array::from_fn(|_| reserve(&leaf));
        assert!(leaf.full() && reserve(&leaf).is_none());
        assert_eq!(leaf.used(), DESCRIPTORS_PER_LEAF);
        taken.sort_unstable_by_key(|id| id.map(DescId::raw));
        for (offset, id) in taken.into_iter().enumerate() {
            assert_eq!(id, DescId::new(9, offset));
        }
        let last = taken.last().copied().flatten().ok_or("no descriptor")?;
        leaf.release(last);
        assert!(!leaf.full());
        assert_eq!(reserve(&leaf), Some(last));
        taken.into_iter().flatten().for_each(|id| leaf.release(id));
        assert_eq!(leaf.used(), 0);
        Ok(())
    }
}
