// SPDX-License-Identifier: GPL-2.0

//! Large slices of memory that are zero at first.

use super::bindings;
use super::node;
use crate::zbud::{BlockState, BlockValue, PAGE_SHIFT};
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A type of which zeroes are a value that needs no dropping.
///
/// # Safety
///
/// That is so.
pub(crate) unsafe trait Zeroed: Send + Sync {}

// SAFETY: A transparent atomic, of which zero is a state.
unsafe impl Zeroed for BlockState {}
// SAFETY: A transparent atomic.
unsafe impl Zeroed for BlockValue {}

/// A slice of `T`s.
///
/// # Invariants
///
/// Owned memory from `zbm_vzalloc` for that many `T`s.
pub(crate) struct ZeroedSlice<T: Zeroed>(NonNull<T>, usize);

// SAFETY: The memory is owned, and a `Zeroed` may be used by any thread.
unsafe impl<T: Zeroed> Send for ZeroedSlice<T> {}
// SAFETY: As above.
unsafe impl<T: Zeroed> Sync for ZeroedSlice<T> {}

impl<T: Zeroed> ZeroedSlice<T> {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(len: usize) -> Result<Self> {
        let bytes = len.checked_mul(core::mem::size_of::<T>()).ok_or(ENOMEM)?;
        // Not even tried, as that would be a warning in the log.
        if bytes >> PAGE_SHIFT >= node::total_pages() {
            return Err(ENOMEM);
        }
        // SAFETY: Any size is fine.
        let memory = NonNull::new(unsafe { bindings::zbm_vzalloc(bytes) });
        // INVARIANT: Allocated just now; a page is aligned for anything.
        Ok(Self(memory.ok_or(ENOMEM)?.cast(), len))
    }
}

impl<T: Zeroed> Deref for ZeroedSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: That many `T`s by the type invariant: zeroes are valid ones.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr(), self.1) }
    }
}

impl<T: Zeroed> Drop for ZeroedSlice<T> {
    fn drop(&mut self) {
        // SAFETY: Owned by the type invariant.
        unsafe { bindings::zbm_vfree(self.0.as_ptr().cast()) };
    }
}
