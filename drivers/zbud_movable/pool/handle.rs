// SPDX-License-Identifier: GPL-2.0

//! Handles: the address of a zpage's slot.
//!
//! zpool wants a `long` and calls back with it millions of times, so a handle is the
//! address itself and not an index: mapping needs no look-up. A descriptor is
//! aligned to 16 bytes, so bit 3 tells which of its two slots it is. Everybody but
//! zpool has [`Zpage`](super::zpage::Zpage)s.

use crate::zbud::{Descriptor, SlotIndex};
use core::num::NonZeroUsize;

const SECOND: usize = 8;
const _: () = assert!(core::mem::align_of::<Descriptor>() == 2 * SECOND);

/// Names a zpage for as long as it is not freed, wherever it moves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(NonZeroUsize);

impl Handle {
    /// The handle of the zpage whose slot is that one of `owner`.
    pub(crate) fn new(owner: &Descriptor, index: SlotIndex) -> Self {
        let owner = core::ptr::from_ref(owner) as usize;
        let raw = match index {
            SlotIndex::A => owner,
            SlotIndex::B => owner | SECOND,
        };
        // SAFETY: The address of a reference, with a bit more, is not zero.
        Self(unsafe { NonZeroUsize::new_unchecked(raw) })
    }

    /// The handle as zpool has it.
    pub(crate) fn raw(self) -> usize {
        self.0.get()
    }

    /// The inverse of `raw`; 0 is none.
    #[cfg_attr(not(CONFIG_ZPOOL), allow(dead_code))]
    pub(crate) fn from_raw(raw: usize) -> Option<Self> {
        NonZeroUsize::new(raw).map(Self)
    }

    /// The slot that the handle names: the descriptor that owns it, and which one.
    ///
    /// # Safety
    ///
    /// The handle came from [`Handle::new`], and the zpage is not freed while
    /// the result is used: until then the leaf that holds its slot stays.
    #[inline]
    pub(crate) unsafe fn slot<'a>(self) -> (&'a Descriptor, SlotIndex) {
        let index = if self.raw() & SECOND == 0 {
            SlotIndex::A
        } else {
            SlotIndex::B
        };
        let owner = (self.raw() & !SECOND) as *const Descriptor;
        // SAFETY: The address of a descriptor by `new`, valid by the safety
        // requirements; descriptors are shared and change by atomics only.
        (unsafe { &*owner }, index)
    }
}
