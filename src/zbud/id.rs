// SPDX-License-Identifier: GPL-2.0

//! Names of things: nodes, pages, descriptors, slots, places.

use super::chunk::Buddy;
use core::num::NonZeroUsize;

/// A NUMA node id; below the number of nodes the pool was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nid(pub u16);

impl Nid {
    #[inline]
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A page, named by the address of its first byte (in the kernel: in the direct
/// map). The core adds offsets to it and never accesses the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAddr(NonZeroUsize);

impl PageAddr {
    /// `address` is the page's first byte; 0 is no page.
    #[inline]
    pub fn new(address: usize) -> Option<Self> {
        NonZeroUsize::new(address).map(Self)
    }

    /// The address of the page's first byte.
    #[inline]
    pub fn address(self) -> usize {
        self.0.get()
    }
}

/// How far the leaf's number is shifted in a [`DescId`].
const LEAF_SHIFT: u32 = 7;
const OFFSET_MASK: u32 = (1 << LEAF_SHIFT) - 1;

/// Names a descriptor: the number of its leaf and its offset in the leaf.
///
/// # Invariants
///
/// Below 2^31, so that one bit can be appended (see [`SlotId`], [`Place`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescId(u32);

impl DescId {
    /// Leaves that can be named.
    pub const MAX_LEAVES: u32 = 1 << (31 - LEAF_SHIFT);

    /// Descriptors that can be named in each.
    pub(super) const OFFSETS: usize = 1 << LEAF_SHIFT;

    /// `None` when `leaf` or `offset` is out of range.
    #[inline]
    pub fn new(leaf: u32, offset: usize) -> Option<Self> {
        // INVARIANT: leaf < 2^24, offset < 2^7.
        // CAST: seven bits.
        (leaf < Self::MAX_LEAVES && offset < Self::OFFSETS)
            .then_some(Self((leaf << LEAF_SHIFT) | offset as u32))
    }

    /// The number of the leaf the descriptor is in.
    #[inline]
    pub fn leaf(self) -> u32 {
        self.0 >> LEAF_SHIFT
    }

    /// The descriptor's offset in its leaf.
    #[inline]
    pub fn offset(self) -> usize {
        // CAST: seven bits.
        (self.0 & OFFSET_MASK) as usize
    }

    /// The number behind the name, below 2^31.
    #[inline]
    pub fn raw(self) -> u32 {
        self.0
    }

    /// The inverse of [`DescId::raw`]; `None` for a number that is no name.
    #[inline]
    pub fn from_raw(raw: u32) -> Option<Self> {
        (raw >> 31 == 0).then_some(Self(raw))
    }
}

/// One of the two slots that live in each descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// The first slot.
    A = 0,
    /// The second slot.
    B = 1,
}

impl SlotIndex {
    /// Both slots of a descriptor.
    pub const BOTH: [SlotIndex; 2] = [SlotIndex::A, SlotIndex::B];
}

/// Names a slot: the descriptor it lives in, and which of the two it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId(u32);

impl SlotId {
    #[inline]
    pub(super) fn new(desc: DescId, index: SlotIndex) -> Self {
        Self((desc.0 << 1) | index as u32)
    }

    /// The descriptor it lives in, its owner.
    #[inline]
    pub fn desc(self) -> DescId {
        // INVARIANT: 31 bits are left.
        DescId(self.0 >> 1)
    }

    /// Which of that descriptor's slots.
    #[inline]
    pub fn index(self) -> SlotIndex {
        if self.0 & 1 == 0 {
            SlotIndex::A
        } else {
            SlotIndex::B
        }
    }

    #[inline]
    pub(super) fn raw(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}

/// Where a zpage is: the descriptor of its page, and as which buddy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    #[inline]
    pub(super) fn new(desc: DescId, buddy: Buddy) -> Self {
        Self((desc.0 << 1) | buddy as u32)
    }

    /// The descriptor of the page.
    #[inline]
    pub fn desc(self) -> DescId {
        // INVARIANT: 31 bits are left.
        DescId(self.0 >> 1)
    }

    /// As which buddy the zpage lies in the page.
    #[inline]
    pub fn buddy(self) -> Buddy {
        if self.0 & 1 == 0 {
            Buddy::First
        } else {
            Buddy::Last
        }
    }

    #[inline]
    pub(super) fn raw(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}
