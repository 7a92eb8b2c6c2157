// SPDX-License-Identifier: GPL-2.0

//! Leaves: host pages full of descriptors, and the table that finds them.
//!
//! A leaf is to this pool what a page-table page is to virtual memory. It hands
//! out its descriptors through a list of its own, so that a leaf of which none
//! is used any more can go back to the kernel.

use super::descriptor::Descriptor;
use super::error::Error;
use super::id::DescId;
use super::primitive::{AtomicU32, AtomicU8, Ordering};

/// Descriptors in a leaf: what fits in a page beside the leaf's header.
#[cfg(not(loom))]
pub const DESCRIPTORS_PER_LEAF: usize = 85;
/// Few, so that loom's models stay small.
#[cfg(loom)]
pub const DESCRIPTORS_PER_LEAF: usize = 2;

/// No leaf, no descriptor.
pub(super) const NONE: u32 = u32::MAX;
const NO_OFFSET: u8 = u8::MAX;

/// One host page of descriptors. L protects the header.
///
/// All zeroes is a leaf that has not been set up: [`Lists::add_leaf`](super::Lists::add_leaf)
/// does that.
#[repr(C, align(16))]
pub struct Leaf {
    number: AtomicU32,
    /// Neighbours on the list of leaves that have a free descriptor.
    pub(super) next: AtomicU32,
    pub(super) prev: AtomicU32,
    /// Offset of the first free descriptor; they are linked by their `next`.
    free: AtomicU8,
    used: AtomicU8,
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
            next: AtomicU32::new(0),
            prev: AtomicU32::new(0),
            free: AtomicU8::new(0),
            used: AtomicU8::new(0),
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

    /// All descriptors with their names.
    pub fn descriptors(&self) -> impl Iterator<Item = (DescId, &Descriptor)> {
        let number = self.number();
        self.descriptors
            .iter()
            .enumerate()
            .filter_map(move |(offset, desc)| Some((DescId::new(number, offset)?, desc)))
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

    /// Makes all descriptors free. Under L, before anybody uses the leaf.
    pub(super) fn set_up(&self, number: u32) {
        self.number.store(number, Ordering::Relaxed);
        self.used.store(0, Ordering::Relaxed);
        self.free.store(NO_OFFSET, Ordering::Relaxed);
        for offset in (0..DESCRIPTORS_PER_LEAF).rev() {
            if let Some(desc) = self.descriptor(offset) {
                desc.set_up();
            }
            self.push(offset);
        }
    }

    fn push(&self, offset: usize) {
        if let Some(desc) = self.descriptor(offset) {
            desc.set_next(u32::from(self.free.load(Ordering::Relaxed)));
            // CAST: below DESCRIPTORS_PER_LEAF, which is below 255.
            self.free.store(offset as u8, Ordering::Relaxed);
        }
    }

    /// Takes a free descriptor. Under L.
    #[inline]
    pub(super) fn take(&self) -> Option<(DescId, &Descriptor)> {
        let offset = usize::from(self.free.load(Ordering::Relaxed));
        let desc = self.descriptor(offset)?;
        let id = DescId::new(self.number(), offset)?;
        // CAST: an offset or NO_OFFSET, see `push`.
        self.free.store(desc.next() as u8, Ordering::Relaxed);
        // At most DESCRIPTORS_PER_LEAF are taken: no saturation.
        self.used.store(
            self.used.load(Ordering::Relaxed).saturating_add(1),
            Ordering::Relaxed,
        );
        Some((id, desc))
    }

    /// Takes a descriptor back that `take` gave. Under L.
    #[inline]
    pub(super) fn give_back(&self, id: DescId) {
        self.push(id.offset());
        self.used.store(
            self.used.load(Ordering::Relaxed).saturating_sub(1),
            Ordering::Relaxed,
        );
    }
}

/// Finds leaves by number.
///
/// A leaf may be taken away again when [`Lists`](super::Lists) says that it is
/// not needed any more ([`Released::leaf`](super::Released)). The owner of the
/// table sees to it that nobody holds a reference into it then; that is the
/// case for callers of this crate because a leaf in which a handle's slot or a
/// page's descriptor lives is never given up, and everything else is looked up
/// under L and not kept.
pub trait Table {
    /// The leaf of that number.
    fn leaf(&self, number: u32) -> Option<&Leaf>;

    /// One more than the highest number that `leaf` may know.
    fn leaves(&self) -> u32;

    /// The descriptor of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when there is none: names come from the pool itself.
    #[inline]
    fn descriptor(&self, id: DescId) -> Result<&Descriptor, Error> {
        self.leaf(id.leaf())
            .and_then(|leaf| leaf.descriptor(id.offset()))
            .ok_or(Error::Corrupt)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_descriptor_is_given_once() -> Result<(), Error> {
        let leaf = Leaf::new();
        leaf.set_up(9);
        let mut taken: [Option<DescId>; DESCRIPTORS_PER_LEAF] =
            core::array::from_fn(|_| leaf.take().map(|(id, _)| id));
        assert!(leaf.full() && leaf.take().is_none());
        assert_eq!(leaf.used(), DESCRIPTORS_PER_LEAF);
        taken.sort_unstable_by_key(|id| id.map(DescId::raw));
        for (offset, id) in taken.into_iter().enumerate() {
            assert_eq!(id, DescId::new(9, offset));
        }
        let last = taken.last().copied().flatten().ok_or(Error::Corrupt)?;
        leaf.give_back(last);
        assert!(!leaf.full());
        assert_eq!(leaf.take().map(|(id, _)| id), Some(last));
        taken
            .into_iter()
            .flatten()
            .for_each(|id| leaf.give_back(id));
        assert_eq!(leaf.used(), 0);
        Ok(())
    }
}
