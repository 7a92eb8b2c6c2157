// SPDX-License-Identifier: GPL-2.0

//! Memory that breaks. mm tells the owner of page cache only, and of other pages nobody; so
//! whenever it has been told of any, all pools look at the marks that it has made.

use crate::linux::bindings;
use crate::linux::worker::Worker;
use crate::pool::broken;
use crate::pool::pools::Pools;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong, c_void};
use kernel::prelude::*;
use kernel::sync::Arc;

/// The pools, and the worker that looks at them.
#[pin_data]
struct Search {
    #[pin]
    worker: Worker,
    pools: Arc<Pools>,
}

/// # Safety
///
/// Called by the work queue, with the work of a search.
unsafe extern "C" fn search(work: *mut bindings::work_struct) {
    // SAFETY: The worker is a field of a `Search`, and does not run any more when it is
    // dropped, before the pools.
    let search = unsafe { &*kernel::container_of!(Worker::of(work), Search, worker) };
    search.pools.lose_broken(&broken::ALL);
}

/// mm tells us, as long as this lives.
///
/// # Invariants
///
/// [`told`] is registered with a pointer to the search.
pub(crate) struct Watch(Pin<KBox<Search>>);

impl Watch {
    /// `None` if the kernel does not tell; then it shows when the pages are to be moved. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pools: Arc<Pools>) -> Result<Option<Self>> {
        // SAFETY: It is the worker of a `Search`.
        let worker = unsafe { Worker::new(pools.resources().queue.clone(), search) };
        let search = pin_init!(Search {
            worker <- worker,
            pools,
        });
        let search = KBox::pin_init(search, GFP_KERNEL)?;
        // SAFETY: `told` takes such a pointer, which is valid until `drop` undoes this.
        let watching = unsafe { bindings::zbm_memory_failure_watch(Some(told), data(&search)) };
        match to_result(watching) {
            // INVARIANT: Registered just now.
            Ok(()) => Ok(Some(Self(search))),
            Err(error) if error == ENOENT => {
                pr_info!("this kernel does not tell of memory that breaks\n");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. Waits for calls that are running.
        unsafe { bindings::zbm_memory_failure_unwatch(Some(told), data(&self.0)) };
    }
}

fn data(search: &Search) -> *mut c_void {
    core::ptr::from_ref(search).cast_mut().cast()
}

/// # Safety
///
/// Called by mm only, with what [`data`] gave.
unsafe extern "C" fn told(search: *mut c_void, _: c_ulong, _: c_int, _: c_int) {
    // SAFETY: Of a `Watch`, which lives until no call is running. The mark has been made.
    unsafe { &*search.cast::<Search>() }.worker.run_now();
}
