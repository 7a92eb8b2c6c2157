// SPDX-License-Identifier: GPL-2.0

//! Work that its owner has done later, by a work queue.

use super::bindings;
use super::work_queue::WorkQueue;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;

/// A part of the structure that has the work to do. It is the first field to be dropped
/// there: dropping it waits until the work does not run and cannot run any more.
#[pin_data(PinnedDrop)]
pub(crate) struct Worker {
    #[pin]
    work: Opaque<bindings::delayed_work>,
    queue: Arc<WorkQueue>,
}

// SAFETY: Work may be queued and cancelled by any thread.
unsafe impl Send for Worker {}
// SAFETY: As above.
unsafe impl Sync for Worker {}

impl Worker {
    /// `run` does the work, in process context.
    ///
    /// # Safety
    ///
    /// `run` may be called with a pointer to the work of this worker ([`Worker::of`]) as
    /// long as the worker exists.
    pub(crate) unsafe fn new(
        queue: Arc<WorkQueue>,
        run: unsafe extern "C" fn(*mut bindings::work_struct),
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: Memory for the work, which stays where it is.
            work <- Opaque::ffi_init(move |work| unsafe {
                bindings::zbm_delayed_work_init(work, Some(run));
            }),
            queue,
        })
    }

    /// The worker whose work this is.
    ///
    /// # Safety
    ///
    /// `work` is what a function that was given to [`Worker::new`] is called with.
    pub(crate) unsafe fn of(work: *mut bindings::work_struct) -> *mut Self {
        let offset = core::mem::offset_of!(Self, work);
        // SAFETY: A `delayed_work` begins with its `work_struct`, and is that field.
        unsafe { work.cast::<u8>().sub(offset).cast() }
    }

    /// Has the work done in `ms` milliseconds, unless it is to be done anyway. Does not
    /// sleep.
    pub(crate) fn run_in(&self, ms: u32) {
        // SAFETY: Set up by `new`; the queue is valid.
        unsafe { bindings::zbm_queue_delayed_work(self.queue.as_ptr(), self.work.get(), ms) };
    }

    /// Has the work done in `ms` milliseconds, also if that was to be later. Does not sleep.
    pub(crate) fn run_within(&self, ms: u32) {
        // SAFETY: As in `run_in`.
        unsafe { bindings::zbm_queue_within(self.queue.as_ptr(), self.work.get(), ms) };
    }

    /// Has the work done at once, also if that was to be later. Does not sleep.
    pub(crate) fn run_now(&self) {
        self.run_within(0);
    }

    /// The work is not to be done; waits for it if it runs. Not in the work itself.
    pub(crate) fn cancel(&self) {
        // SAFETY: Set up by `new`.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Worker {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}
