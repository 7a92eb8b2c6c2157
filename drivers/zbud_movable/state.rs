// SPDX-License-Identifier: GPL-2.0

//! What the module has once: the list of its pools, the worker's queue, the
//! counters of moves, the debugfs tree. C calls back without a context of ours,
//! so it is found through a pointer that is set while the module is in use.

use crate::bindings;
use crate::data::Data;
use crate::debugfs;
use crate::pool::Pool;
use crate::stats::Moves;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::workqueue::Queue;

static STATE: AtomicPtr<State> = AtomicPtr::new(core::ptr::null_mut());

/// Node ids are below this.
pub(crate) fn nodes() -> usize {
    // SAFETY: Reads a variable.
    // CAST: 32 bits fit.
    unsafe { bindings::zbm_nr_node_ids() as usize }
}

/// A work queue of our own: freeing pages must go on under memory pressure,
/// and the module must not go before the last work is done.
///
/// # Invariants
///
/// A valid work queue that is ours.
struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Work queues may be used and destroyed by any thread.
unsafe impl Send for WorkQueue {}
// SAFETY: As above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    fn new() -> Result<Self> {
        // SAFETY: The name is a C string without format directives.
        let queue = unsafe {
            bindings::alloc_workqueue(
                c"zbud_movable".as_ptr().cast(),
                bindings::ZBM_WQ_MEM_RECLAIM,
                0,
            )
        };
        // INVARIANT: Made just now.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: Valid and ours. Waits for all work.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// A pool and its directory in debugfs.
struct Registered {
    // Removed first.
    _dir: debugfs::Entry,
    pool: Arc<Pool>,
}

/// See the module's documentation.
#[pin_data]
pub(crate) struct State {
    queue: WorkQueue,
    moves: Moves,
    /// Taken before any L; nothing that a page lock is held for takes it.
    #[pin]
    pools: Mutex<KVec<Registered>>,
    /// The module's own pool. Taken before `pools`.
    #[pin]
    data: Mutex<Option<Data>>,
    debugfs: debugfs::Root,
}

impl State {
    /// The module's state; `None` before it is set up and after it is torn down.
    pub(crate) fn get() -> Option<&'static State> {
        // SAFETY: Null, or set by `Owner::new` and valid until `Owner::drop`.
        // That runs when nothing that calls this is left: no zpool driver, no
        // file, no work, no movable page.
        unsafe { STATE.load(Ordering::Acquire).as_ref() }
    }

    pub(crate) fn queue(&self) -> &Queue {
        // SAFETY: Valid by the invariant of `WorkQueue`, which lives as long as `self`.
        unsafe { Queue::from_raw(self.queue.0.as_ptr().cast()) }
    }

    pub(crate) fn moves(&self) -> &Moves {
        &self.moves
    }

    pub(crate) fn data(&self) -> &Mutex<Option<Data>> {
        &self.data
    }

    pub(crate) fn debugfs(&self) -> &debugfs::Root {
        &self.debugfs
    }

    /// Makes a pool and shows it in debugfs. May sleep.
    pub(crate) fn add_pool(&self, name: CString) -> Result<Arc<Pool>> {
        let pool = Pool::new(name)?;
        let mut pools = self.pools.lock();
        pools.reserve(1, GFP_KERNEL)?;
        let registered = Registered {
            _dir: self.debugfs.add_pool(&pool),
            pool: pool.clone(),
        };
        pools.push(registered, GFP_KERNEL)?;
        Ok(pool)
    }

    /// Ends a pool whose user has freed all zpages. May sleep.
    pub(crate) fn remove_pool(&self, pool: Arc<Pool>) {
        let mut pools = self.pools.lock();
        let registered = pools
            .iter()
            .position(|one| Arc::ptr_eq(&one.pool, &pool))
            .and_then(|index| swap_remove(&mut pools, index));
        drop(pools);
        // Waits for readers of the pool's files.
        drop(registered);
        if pool.drain().is_err() {
            pr_err!(
                "{}: destroyed with zpages in it; the pool stays\n",
                pool.name()
            );
            // Its pages stay movable by us: keep them, and the code they need.
            // SAFETY: The module is in use by the caller.
            unsafe { bindings::__module_get(crate::THIS_MODULE.as_ptr().cast()) };
            core::mem::forget(pool);
        }
    }

    /// Sums over all pools. May sleep.
    pub(crate) fn sum(&self, of: impl Fn(&Pool) -> u64) -> u64 {
        self.pools
            .lock()
            .iter()
            .fold(0, |sum, one| sum.wrapping_add(of(&one.pool)))
    }
}

/// Takes one element out; the last takes its place.
fn swap_remove(pools: &mut KVec<Registered>, index: usize) -> Option<Registered> {
    let last = pools.len().checked_sub(1)?;
    if index > last {
        return None;
    }
    pools.swap(index, last);
    // SAFETY: The element is within bounds, and never seen again once the
    // length is shorter.
    unsafe {
        let registered = core::ptr::read(pools.as_ptr().add(last));
        pools.set_len(last);
        Some(registered)
    }
}

/// Owns the state.
pub(crate) struct Owner(Pin<KBox<State>>);

impl Owner {
    /// Sets the state up; from now on [`State::get`] finds it.
    pub(crate) fn new() -> Result<Self> {
        let (queue, moves) = (WorkQueue::new()?, Moves::new(nodes())?);
        let state = KBox::pin_init(
            pin_init!(State {
                queue,
                moves,
                pools <- new_mutex!(KVec::new(), "zbud_movable::State::pools"),
                data <- new_mutex!(None, "zbud_movable::State::data"),
                debugfs: debugfs::Root::new(),
            }),
            GFP_KERNEL,
        )?;
        STATE.store(core::ptr::from_ref(&*state).cast_mut(), Ordering::Release);
        Ok(Self(state))
    }

    pub(crate) fn state(&self) -> &State {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        STATE.store(core::ptr::null_mut(), Ordering::Release);
    }
}
