// SPDX-License-Identifier: GPL-2.0

//! Memory that comes and goes: the nodes that have any decide where pages may be. mm does
//! not move a page whose memory is broken out of what goes offline, and takes it for gone or
//! tries for ever; so such pages leave the pools before, and while it is at it.

use crate::linux::bindings;
use crate::linux::worker::Worker;
use crate::pool::pools::Pools;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong, c_void};
use kernel::prelude::*;
use kernel::sync::Arc;

/// How long memory that goes offline waits for users of a broken page, some seconds: much
/// longer than one that reads needs.
const TICKS: u32 = 1000;

/// How often memory that goes offline is searched for what mm would try to move for ever, in
/// milliseconds: mm has no limit of time of its own.
const PERIOD: u32 = 500;

/// The memory that is going offline, at most one range at a time, and the worker that searches it.
#[pin_data]
struct Search {
    /// Runs while memory is going offline only.
    #[pin]
    worker: Worker,
    start: AtomicUsize,
    end: AtomicUsize,
    pools: Arc<Pools>,
}

impl Search {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn new(pools: Arc<Pools>) -> Result<Pin<KBox<Self>>> {
        // SAFETY: It is the worker of a `Search`.
        let worker = unsafe { Worker::new(pools.resources().queue.clone(), search) };
        let search = pin_init!(Self {
            worker <- worker,
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            pools,
        });
        KBox::pin_init(search, GFP_KERNEL)
    }

    /// Searches the page frames `frames` until [`Search::end`].
    fn begin(&self, frames: &Range<usize>) {
        self.start.store(frames.start, Ordering::Relaxed);
        self.end.store(frames.end, Ordering::Relaxed);
        // Queueing it is a full barrier.
        self.worker.run_now();
    }

    /// Ends the search, if there is one. Sleeps.
    fn end(&self) {
        self.worker.cancel();
    }
}

/// # Safety
///
/// Called by the work queue, with the work of a search.
unsafe extern "C" fn search(work: *mut bindings::work_struct) {
    // SAFETY: The worker is a field of a `Search`, and does not run any more when it is
    // dropped, before the pools.
    let search = unsafe { &*kernel::container_of!(Worker::of(work), Search, worker) };
    let (start, end) = (&search.start, &search.end);
    let frames = start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed);
    search.pools.lose_broken(&frames);
    // SAFETY: The frames are there until mm has called `notified`, which waits for this.
    unsafe { bindings::zbm_forget_broken_pages(frames.start, frames.end) };
    search.worker.run_in(PERIOD);
}

/// A block of the notifier chain, which C changes, and what it is about.
#[repr(C)]
struct Block {
    block: UnsafeCell<bindings::notifier_block>,
    search: Pin<KBox<Search>>,
    pools: Arc<Pools>,
}

/// Notified as long as this lives.
///
/// # Invariants
///
/// From `KBox::into_raw`, owned; its block is registered.
pub(crate) struct Notifier(NonNull<Block>);

// SAFETY: The notifier chain guards what it changes in the block with locks of its own;
// the pools are an `Arc` that any thread may have.
unsafe impl Send for Notifier {}
// SAFETY: As above.
unsafe impl Sync for Notifier {}

impl Notifier {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pools: Arc<Pools>) -> Result<Self> {
        let block = Block {
            block: UnsafeCell::new(bindings::notifier_block {
                notifier_call: Some(notified),
                ..bindings::notifier_block::empty()
            }),
            search: Search::new(pools.clone())?,
            pools,
        };
        let block = KBox::into_raw(KBox::new(block, GFP_KERNEL)?);
        // SAFETY: The block, the first field, stays where it is until it is unregistered.
        let result = unsafe { bindings::zbm_register_memory_notifier(block.cast()) };
        if let Err(error) = to_result(result) {
            // SAFETY: From `into_raw` above, and known to nobody.
            drop(unsafe { KBox::from_raw(block) });
            return Err(error);
        }
        // SAFETY: A box is never null.
        // INVARIANT: Registered just now.
        Ok(Self(unsafe { NonNull::new_unchecked(block) }))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Unregistering waits for calls that are running.
        unsafe {
            bindings::zbm_unregister_memory_notifier(self.0.as_ptr().cast());
            drop(KBox::from_raw(self.0.as_ptr()));
        }
    }
}

/// The page frames that a notifier is told of.
///
/// # Safety
///
/// `memory` is what the chain of memory gives.
unsafe fn frames(memory: *mut c_void) -> Range<usize> {
    // SAFETY: By the safety requirements.
    let memory = unsafe { &*memory.cast::<bindings::memory_notify>() };
    memory.start_pfn..memory.start_pfn.saturating_add(memory.nr_pages)
}

/// # Safety
///
/// Called by the notifier chain only, for a [`Block`].
unsafe extern "C" fn notified(
    block: *mut bindings::notifier_block,
    action: c_ulong,
    memory: *mut c_void,
) -> c_int {
    // SAFETY: The first field of a `Block`, which stays while this runs.
    let Block { search, pools, .. } = unsafe { &*block.cast::<Block>() };
    // Both come after the masks of nodes have changed (mm/memory_hotplug.c).
    if [bindings::ZBM_MEM_ONLINE, bindings::ZBM_MEM_OFFLINE].contains(&action) {
        pools.refresh_mems();
    }
    if action == bindings::ZBM_MEM_GOING_OFFLINE {
        // SAFETY: mm says which memory it is.
        let frames = unsafe { frames(memory) };
        if let Err(error) = pools.clear_of_broken(&frames, TICKS) {
            // SAFETY: Arithmetic.
            return unsafe { bindings::zbm_notifier_from_errno(error.to_errno()) };
        }
        search.begin(&frames);
    }
    if [bindings::ZBM_MEM_CANCEL_OFFLINE, bindings::ZBM_MEM_OFFLINE].contains(&action) {
        search.end();
    }
    if action == bindings::ZBM_MEM_OFFLINE {
        // What has broken since, and is in use: it must go before the memory does.
        // SAFETY: As above.
        let frames = unsafe { frames(memory) };
        while pools.clear_of_broken(&frames, TICKS).is_err() {}
    }
    // NOTIFY_DONE
    0
}
