// SPDX-License-Identifier: GPL-2.0

//! What a user of a pool holds: the address of the zpage's slot.
//!
//! zpool wants a `long` and calls back with it millions of times, so it is the
//! address itself and not an index: mapping needs no look-up. A descriptor is
//! aligned to 16 bytes, so bit 3 tells which of its two slots it is.

use crate::zbud::{Descriptor, Half, Stored};
use core::num::NonZeroUsize;

const HALF: usize = 8;
const _: () = assert!(core::mem::align_of::<Descriptor>() == 2 * HALF);

/// Names a zpage for as long as it is not freed, wherever it moves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(NonZeroUsize);

impl Handle {
    /// The handle of a zpage that was just stored.
    pub(crate) fn new(stored: &Stored<'_>) -> Self {
        let home = core::ptr::from_ref(stored.home) as usize;
        let raw = match stored.half {
            Half::A => home,
            Half::B => home | HALF,
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

    /// The slot the handle names.
    ///
    /// # Safety
    ///
    /// The handle came from [`Handle::new`], and the zpage is not freed while
    /// the result is used: until then the leaf that holds its slot stays.
    #[inline]
    pub(crate) unsafe fn home<'a>(self) -> (&'a Descriptor, Half) {
        let half = if self.raw() & HALF == 0 {
            Half::A
        } else {
            Half::B
        };
        let home = (self.raw() & !HALF) as *const Descriptor;
        // SAFETY: The address of a descriptor by `new`, valid by the safety
        // requirements; descriptors are shared and change by atomics only.
        (unsafe { &*home }, half)
    }
}
