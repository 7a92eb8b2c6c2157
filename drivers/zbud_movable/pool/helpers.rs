// SPDX-License-Identifier: GPL-2.0

//! Those who help a pool's worker when it has much to do: frees come from several CPUs.

use crate::linux::bindings;
use crate::linux::work_queue::WorkQueue;
use crate::linux::worker::Worker;
use kernel::prelude::*;
use kernel::sync::Arc;

/// Runs on behalf of a helper.
type Run = unsafe extern "C" fn(*mut bindings::work_struct);

/// Workers that do the same.
#[pin_data]
pub(super) struct Helpers {
    #[pin]
    pub(super) first: Worker,
    #[pin]
    pub(super) second: Worker,
    #[pin]
    pub(super) third: Worker,
}

impl Helpers {
    /// # Safety
    ///
    /// As [`Worker::new`], for each of them.
    pub(super) unsafe fn new(queue: &Arc<WorkQueue>, runs: [Run; 3]) -> impl PinInit<Self> {
        let [first, second, third] = runs;
        // SAFETY: By the safety requirements.
        let (first, second, third) = unsafe {
            (
                Worker::new(queue.clone(), first),
                Worker::new(queue.clone(), second),
                Worker::new(queue.clone(), third),
            )
        };
        pin_init!(Self {
            first <- first,
            second <- second,
            third <- third,
        })
    }

    fn each(&self) -> [&Worker; 3] {
        [&self.first, &self.second, &self.third]
    }

    /// Has all of them help. Does not sleep.
    pub(super) fn call(&self) {
        self.each().into_iter().for_each(Worker::run_now);
    }

    /// None of them helps any more. Sleeps.
    pub(super) fn cancel(&self) {
        self.each().into_iter().for_each(Worker::cancel);
    }
}
