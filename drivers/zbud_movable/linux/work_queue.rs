// SPDX-License-Identifier: GPL-2.0

//! A work queue of the module's own: freeing pages must go on under memory pressure.

use super::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::Arc;

/// # Invariants
///
/// A valid work queue that is ours.
pub(crate) struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Work queues may be used and destroyed by any thread.
unsafe impl Send for WorkQueue {}
// SAFETY: As above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        // SAFETY: The name is a C string.
        let queue = unsafe {
            bindings::zbm_alloc_workqueue(c"zbud_movable".as_ptr().cast(), bindings::ZBM_WQ_FLAGS)
        };
        // INVARIANT: Made just now.
        let queue = NonNull::new(queue).map(Self).ok_or(ENOMEM)?;
        Ok(Arc::new(queue, GFP_KERNEL)?)
    }

    /// Valid as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::workqueue_struct {
        self.0.as_ptr()
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: Valid and ours. Waits for all work.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}
