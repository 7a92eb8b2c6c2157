// SPDX-License-Identifier: GPL-2.0

//! Shrinkers: what the kernel asks for memory when that is short.

use super::bindings;
use core::ptr::NonNull;
use kernel::ffi::c_ulong;
use kernel::prelude::*;
use kernel::sync::Arc;

/// SHRINK_STOP, which bindgen does not evaluate: shrinker.c compares them.
const STOP: c_ulong = c_ulong::MAX;

/// Something that can give memory back. Its methods are called by tasks that reclaim memory,
/// whatever locks they hold: they take none under which memory is allocated.
pub(crate) trait Shrink: Send + Sync {
    /// How many pages it could give back.
    fn count(&self) -> u64;

    /// Gives back about so many, or fewer if it takes too much to find them; returns how
    /// many. `None` when it cannot now.
    fn scan(&self, pages: u64) -> Option<u64>;
}

/// Has a `T` asked until it is dropped.
pub(crate) struct Shrinker<T: Shrink> {
    shrinker: NonNull<bindings::shrinker>,
    /// What `count` and `scan` use.
    _of: Arc<T>,
}

// SAFETY: It may be freed by any thread.
unsafe impl<T: Shrink> Send for Shrinker<T> {}

impl<T: Shrink> Shrinker<T> {
    /// `None` if there is no memory. May sleep.
    pub(crate) fn new(of: Arc<T>, name: &CStr) -> Option<Self> {
        let data = (&*of as *const T).cast_mut().cast();
        // SAFETY: The functions use the data as what they are, which is there until the
        // shrinker is freed; the name is copied.
        let shrinker = unsafe {
            bindings::zbm_shrinker_new(
                Some(count::<T>),
                Some(scan::<T>),
                data,
                name.as_char_ptr().cast(),
            )
        };
        Some(Self {
            shrinker: NonNull::new(shrinker)?,
            _of: of,
        })
    }
}

impl<T: Shrink> Drop for Shrinker<T> {
    /// Waits for calls that are running.
    fn drop(&mut self) {
        // SAFETY: Made by `new`, freed once.
        unsafe { bindings::shrinker_free(self.shrinker.as_ptr()) };
    }
}

/// # Safety
///
/// Called by mm only, for a shrinker made by [`Shrinker::new`].
unsafe extern "C" fn count<T: Shrink>(
    shrinker: *mut bindings::shrinker,
    _: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: What `new` put there, and is there until the shrinker is freed.
    let of = unsafe { &*bindings::zbm_shrinker_data(shrinker).cast::<T>() };
    // CAST: 64-bit kernels.
    of.count() as c_ulong
}

/// # Safety
///
/// Called by mm only, for a shrinker made by [`Shrinker::new`].
unsafe extern "C" fn scan<T: Shrink>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: As in `count`; mm gives a valid request.
    let (of, pages) = unsafe {
        (
            &*bindings::zbm_shrinker_data(shrinker).cast::<T>(),
            bindings::zbm_shrink_nr(control),
        )
    };
    // CAST: 64-bit kernels.
    of.scan(pages as u64).map_or(STOP, |pages| pages as c_ulong)
}
