// SPDX-License-Identifier: GPL-2.0

//! One pool: the core under a spinlock, with real pages.
//!
//! Lock order: a page lock, or that of an audit (`Pool::auditing`), then the pool lock
//! ([`Pool::locked`]). Nothing sleeps, allocates, frees or drops a page under the pool
//! lock; page locks are only tried under it. `map`, `unmap` and `alloc` take no
//! lock of a page that is in the pool: mm may hold many of them while it allocates,
//! and that allocation can reclaim, swap, and end up here.

use super::compaction::Compaction;
use super::counters::Counters;
use super::helpers::Helpers;
use super::mems::Mems;
use super::numbers::Numbers;
use super::seam::Mover;
use super::table::{Editor, Leaves, RemovedLeaf};
use crate::linux::bindings;
use crate::linux::node;
use crate::linux::task;
use crate::linux::work_queue::WorkQueue;
use crate::linux::worker::Worker;
use crate::zbud::{Books, Cursor, Descriptor, Nid, NodeBooks, Table, Violation};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::lock::spinlock::SpinLockBackend;
use kernel::sync::{new_mutex, new_spinlock, Arc, Mutex, SpinLock};

/// Pages without zpages that are kept on each node at least for the next zpages, so that
/// these need no page from the kernel; 256 KiB.
const KEPT: u64 = 64;
/// Descriptors that are free at least, so that all others find some while one CPU makes a leaf;
/// it may be the CPU of a guest, and not run for a while.
const SPARE: u64 = 64;

/// All that pools share.
#[derive(Clone)]
pub(crate) struct Resources {
    /// Makes their pages known to mm.
    pub(crate) mover: Arc<dyn Mover<Pool>>,
    pub(crate) counters: Arc<Counters>,
    /// Where their workers run.
    pub(crate) queue: Arc<WorkQueue>,
    pub(crate) numbers: Arc<Numbers>,
}

/// Per-node books, index = node id.
pub(crate) struct Nodes(KVVec<NodeBooks>);

impl AsRef<[NodeBooks]> for Nodes {
    fn as_ref(&self) -> &[NodeBooks] {
        &self.0
    }
}

impl AsMut<[NodeBooks]> for Nodes {
    fn as_mut(&mut self) -> &mut [NodeBooks] {
        &mut self.0
    }
}

/// All that the pool lock protects.
pub(super) struct Locked {
    pub(super) books: Books<Nodes>,
    /// To change the table.
    pub(super) editor: Editor,
    /// Whether somebody is making a leaf.
    pub(super) growing: bool,
    /// What the worker is to do when it runs next.
    pub(super) asked: Asked,
    /// When the worker has last looked for pages that were not needed.
    pub(super) looked: u64,
}

/// What the worker is asked to do with pages without zpages: each more than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Nothing,
    /// Later: to release those that were not needed meanwhile. It does so in any case once the
    /// time has come.
    Idle,
    /// Soon: to release those that are too many; lost pages are dropped in any case.
    Soon,
    /// The same at once.
    Surplus,
    /// To release all.
    All,
}

/// A pool.
#[pin_data]
pub(crate) struct Pool {
    /// Releases pages without zpages.
    #[pin]
    pub(super) worker: Worker,
    /// Do that as well, when there are many. Dropped after the worker, which calls them.
    #[pin]
    pub(super) helpers: Helpers,
    name: CString,
    resources: Resources,
    /// Where its pages may be.
    mems: Arc<Mems>,
    pub(super) table: Leaves,
    /// The pool lock.
    #[pin]
    pub(super) locked: SpinLock<Locked>,
    /// Held by the one whose audit of the books goes on. Taken before the pool lock.
    #[pin]
    auditing: Mutex<()>,
    pub(super) compaction: Compaction,
    /// A copy of `books.pages()` that is read without the pool lock.
    pages: AtomicU64,
}

/// # Safety
///
/// Called by the work queue, with the work of a pool's worker.
unsafe extern "C" fn run_worker(work: *mut bindings::work_struct) {
    // SAFETY: The worker is a field of a pool, and does not run any more when it is dropped,
    // before the others.
    let pool = unsafe { &*kernel::container_of!(Worker::of(work), Pool, worker) };
    pool.work();
}

macro_rules! run_helper {
    ($($run:ident: $helper:ident),*) => {$(
        /// # Safety
        ///
        /// As [`run_worker`], for that helper.
        unsafe extern "C" fn $run(work: *mut bindings::work_struct) {
            // SAFETY: As in `run_worker`.
            let pool = unsafe {
                &*kernel::container_of!(Worker::of(work), Pool, helpers.$helper)
            };
            pool.help();
        }
    )*};
}

run_helper!(run_first: first, run_second: second, run_third: third);

/// The pool lock, held.
pub(super) type Guard<'a> = kernel::sync::lock::Guard<'a, Locked, SpinLockBackend>;

impl Pool {
    /// An empty pool. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(name: CString, resources: Resources, mems: Arc<Mems>) -> Result<Arc<Self>> {
        let mut nodes = KVVec::with_capacity(node::count(), GFP_KERNEL)?;
        for _ in 0..node::count() {
            nodes.push(NodeBooks::new(), GFP_KERNEL)?;
        }
        let (table, editor) = Leaves::new(resources.numbers.clone())?;
        let mut books = Books::new(Nodes(nodes));
        books.keep(KEPT);
        books.keep_descriptors(SPARE);
        let locked = Locked {
            books,
            editor,
            growing: false,
            asked: Asked::Nothing,
            looked: task::now(),
        };
        // SAFETY: It is the worker of a pool.
        let worker = unsafe { Worker::new(resources.queue.clone(), run_worker) };
        // SAFETY: They are the helpers of a pool, in this order.
        let helpers = unsafe { Helpers::new(&resources.queue, [run_first, run_second, run_third]) };
        Arc::pin_init(
            pin_init!(Self {
                worker <- worker,
                helpers <- helpers,
                name,
                resources,
                mems,
                table,
                locked <- new_spinlock!(locked, "zbud_movable::Pool::locked"),
                auditing <- new_mutex!((), "zbud_movable::Pool::auditing"),
                compaction: Compaction::default(),
                pages: AtomicU64::new(0),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// Where its pages may be.
    pub(crate) fn mems(&self) -> &Mems {
        &self.mems
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.resources.counters
    }

    pub(super) fn mover(&self) -> &dyn Mover<Self> {
        &*self.resources.mover
    }

    pub(super) fn note_pages(&self, locked: &Locked) {
        self.pages.store(locked.books.pages(), Ordering::Relaxed);
    }

    /// Removes a leaf that the books do not need any more. Drop it after the pool lock.
    pub(super) fn remove_leaf(
        &self,
        locked: &mut Locked,
        leaf: Option<u32>,
    ) -> Option<RemovedLeaf> {
        self.note_pages(locked);
        // SAFETY: The books have said so under the pool lock, which is still held. Without it
        // only users of a zpage look into leaves: those of its slot and of the descriptor of its
        // page, neither of which is free before the zpage is.
        unsafe { self.table.remove(&mut locked.editor, leaf?) }
    }

    /// From now on no page without zpages is kept while the pool has more than `pages`.
    pub(crate) fn set_limit(&self, pages: u64) {
        self.locked.lock().books.limit(pages);
    }

    /// Pages of the pool. Takes no lock.
    #[cfg_attr(not(CONFIG_ZPOOL), allow(dead_code))]
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Where zpages may be put beside others has changed.
    pub(crate) fn allow(&self) {
        self.locked.lock().books.allow(|nid| self.mems.home(nid));
    }

    /// A figure of node `nid`, or the sum over all nodes.
    pub(crate) fn figure(&self, nid: Option<Nid>, of: impl Fn(&NodeBooks) -> u64) -> u64 {
        self.with_books(|books| {
            let nodes = books.nodes();
            match nid {
                Some(nid) => nodes.get(usize::from(nid.0)).map_or(0, of),
                None => nodes.iter().map(of).fold(0, u64::saturating_add),
            }
        })
    }

    /// One more than the highest number of a leaf.
    pub(crate) fn leaves(&self) -> u32 {
        self.table.leaves()
    }

    /// Calls `look` with the books, under the pool lock.
    pub(crate) fn with_books<R>(&self, look: impl FnOnce(&Books<Nodes>) -> R) -> R {
        look(&self.locked.lock().books)
    }

    /// Fills `found` with what `look` makes of the next descriptors in the leaf of `cursor`, under
    /// the pool lock; what is left of it stays as it is when the leaf ends.
    pub(crate) fn look_at<R>(
        &self,
        cursor: &mut Cursor,
        found: &mut [Option<R>],
        look: impl Fn(&Descriptor, &Leaves) -> Option<R>,
    ) {
        let locked = self.locked.lock();
        for found in found {
            let Some((_, desc)) = cursor.next_in_leaf(&self.table) else {
                break;
            };
            *found = look(desc, &self.table);
        }
        drop(locked);
    }

    /// Runs the whole-pool validator, with the pool lock held for a leaf at a time. Sleeps.
    pub(crate) fn verify(&self) -> Result<(), Violation> {
        let auditing = self.auditing.lock();
        self.locked.lock().books.begin_audit();
        let result = loop {
            let step = self.locked.lock().books.audit(&self.table);
            if let Some(result) = step {
                break result;
            }
            task::cond_resched();
        };
        drop(auditing);
        result
    }
}
