// SPDX-License-Identifier: GPL-2.0

//! What the module has once: the list of its pools, the mover, the worker's queue,
//! the counters of moves, the debugfs tree. C calls back without a context of ours,
//! so it is found through a pointer that is set while the module is in use.

use crate::bindings;
use crate::data::Data;
use crate::debugfs;
use crate::mems::{Change, Mems};
use crate::migrate::Requests;
use crate::mover::Mover;
use crate::pool::Pool;
use crate::stats::Moves;
use crate::zbud::NodeSet;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
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
        // SAFETY: The name is a C string.
        let queue = unsafe {
            bindings::zbm_alloc_workqueue(c"zbud_movable".as_ptr().cast(), bindings::ZBM_WQ_FLAGS)
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
    mover: Arc<Mover>,
    mems: Arc<Mems>,
    /// Whether a change of `mems` moves what is there.
    memory_migrate: AtomicBool,
    requests: Requests,
    /// Taken before any L; nothing that a page lock is held for takes it.
    #[pin]
    pools: Mutex<KVec<Option<Registered>>>,
    /// The module's own pool. Taken before `pools`.
    #[pin]
    data: Mutex<Option<Data>>,
    debugfs: debugfs::Root,
}

impl State {
    /// The module's state; `None` before it is set up and after it is torn down.
    pub(crate) fn get() -> Option<&'static State> {
        // SAFETY: Null, or set by `Owner::new` and valid until `Owner::drop`.
        // That runs when nothing that calls this is left: no zpool driver, no file, no
        // movable page. Work that is still queued (`Owner` waits for it after that,
        // `queue` being the first field of the state) never calls this.
        unsafe { STATE.load(Ordering::Acquire).as_ref() }
    }

    pub(crate) fn queue(&self) -> &Queue {
        // SAFETY: Valid by the invariant of `WorkQueue`, which lives as long as `self`.
        unsafe { Queue::from_raw(self.queue.0.as_ptr().cast()) }
    }

    pub(crate) fn moves(&self) -> &Moves {
        &self.moves
    }

    pub(crate) fn mover(&self) -> &Mover {
        &self.mover
    }

    pub(crate) fn mems(&self) -> &Mems {
        &self.mems
    }

    pub(crate) fn memory_migrate(&self) -> &AtomicBool {
        &self.memory_migrate
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Asks for zpages to be placed on `nodes` from now on, `None` for all.
    pub(crate) fn ask_mems(&self, nodes: Option<NodeSet>) -> Change {
        self.mems.ask(nodes, |allowed| self.allow(allowed))
    }

    /// Nodes have got memory, or lost it.
    pub(crate) fn refresh_mems(&self) {
        self.mems.refresh(|allowed| self.allow(allowed));
    }

    fn allow(&self, allowed: &NodeSet) {
        let pools = self.pools.lock();
        for one in pools.iter().flatten() {
            one.pool.allow(allowed);
        }
    }

    pub(crate) fn data(&self) -> &Mutex<Option<Data>> {
        &self.data
    }

    pub(crate) fn debugfs(&self) -> &debugfs::Root {
        &self.debugfs
    }

    /// Makes a pool and shows it in debugfs. May sleep.
    pub(crate) fn add_pool(&self, name: CString) -> Result<Arc<Pool>> {
        let pool = Pool::new(name, self.mover.clone(), self.mems.clone())?;
        let registered = Registered {
            _dir: self.debugfs.add_pool(&pool),
            pool: pool.clone(),
        };
        let mut pools = self.pools.lock();
        // Before anything must be undone: removing the directory sleeps.
        pools.reserve(1, GFP_KERNEL)?;
        // Whatever changes from here on finds the pool on the list.
        pool.allow(&self.mems.effective());
        match pools.iter_mut().find(|one| one.is_none()) {
            Some(free) => *free = Some(registered),
            None => pools.push(Some(registered), GFP_KERNEL)?,
        }
        Ok(pool)
    }

    /// Ends a pool whose user has freed all zpages. May sleep.
    pub(crate) fn remove_pool(&self, pool: Arc<Pool>) {
        let mut pools = self.pools.lock();
        let is_it = |one: &Registered| Arc::ptr_eq(&one.pool, &pool);
        let registered = pools
            .iter_mut()
            .find(|one| one.as_ref().is_some_and(is_it))
            .and_then(Option::take);
        drop(pools);
        // Waits for readers of the pool's files.
        drop(registered);
        if pool.drain().is_err() {
            pr_err!(
                "{}: destroyed with zpages in it; the pool stays\n",
                pool.name()
            );
            // Its pages stay movable by us: keep them, and the code they need.
            // SAFETY: The module is there: its code is running. If it is being unloaded,
            // which no pool with zpages of others can be, this does not stop it.
            unsafe { bindings::__module_get(bindings::this_module()) };
            core::mem::forget(pool);
        }
    }

    /// The pools that there are. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn pools(&self) -> Result<KVec<Arc<Pool>>> {
        let pools = self.pools.lock();
        let mut list = KVec::with_capacity(pools.len(), GFP_KERNEL)?;
        for one in pools.iter().flatten() {
            list.push(one.pool.clone(), GFP_KERNEL)?;
        }
        Ok(list)
    }

    /// Sums over all pools. May sleep.
    pub(crate) fn sum(&self, of: impl Fn(&Pool) -> u64) -> u64 {
        self.fold(|sum, pool| sum.wrapping_add(of(pool)))
    }

    /// The greatest over all pools. May sleep.
    pub(crate) fn max(&self, of: impl Fn(&Pool) -> u64) -> u64 {
        self.fold(|max, pool| max.max(of(pool)))
    }

    fn fold(&self, with: impl Fn(u64, &Pool) -> u64) -> u64 {
        let pools = self.pools.lock();
        let pools = pools.iter().flatten();
        pools.fold(0, |so_far, one| with(so_far, &one.pool))
    }
}

/// Owns the state.
pub(crate) struct Owner(Pin<KBox<State>>);

impl Owner {
    /// Sets the state up; from now on [`State::get`] finds it.
    pub(crate) fn new() -> Result<Self> {
        let (queue, moves) = (WorkQueue::new()?, Moves::new(nodes())?);
        let mover = Mover::choose()?;
        let mems = Mems::new()?;
        let state = KBox::pin_init(
            pin_init!(State {
                queue,
                moves,
                mover,
                mems,
                memory_migrate: AtomicBool::new(false),
                requests: Requests::new(),
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
