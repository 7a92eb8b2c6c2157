// SPDX-License-Identifier: GPL-2.0

//! A work queue of the module's own: freeing pages must go on under memory pressure,
//! and the module must not go before the last work is done.

use super::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::workqueue::Queue;

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

    /// The kernel crate's view of it.
    pub(crate) fn queue(&self) -> &Queue {
        // SAFETY: Valid by the type invariant, as long as `self`.
        unsafe { Queue::from_raw(self.0.as_ptr().cast()) }
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: Valid and ours. Waits for all work.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Waits for all work when dropped. Work holds references on the pools that want
/// it, and through them on the queue: without this the last of these could go, and
/// the queue be destroyed, in work of its own.
pub(crate) struct Flush(pub(crate) Arc<WorkQueue>);

impl Drop for Flush {
    fn drop(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_flush_workqueue(self.0 .0.as_ptr()) };
    }
}
