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
use super::handle::Handle;
use super::helpers::Helpers;
use super::mems::Mems;
use super::numbers::Numbers;
use super::seam::{Admitted, Claimed, Mover};
use super::table::{Editor, Growth, Leaves, RemovedLeaf};
use crate::linux::bindings;
use crate::linux::fault;
use crate::linux::node;
use crate::linux::page::{self, BorrowedPage, LockedPage, NewPage, PageLock, PageRef};
use crate::linux::task::{self, NoPreempt};
use crate::linux::trace::{self, Mode, Move, Place};
use crate::linux::work_queue::WorkQueue;
use crate::linux::worker::Worker;
use crate::zbud::{
    Books, Cursor, DescId, Descriptor, Extents, Freed, Len, MappedZpage, Nid, NodeBooks, Run,
    Table, Violation, DESCRIPTORS_PER_LEAF,
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::lock::spinlock::SpinLockBackend;
use kernel::sync::{new_mutex, new_spinlock, Arc, ArcBorrow, Mutex, SpinLock};

/// How long a store at the limit waits for pages that are to be released: longer than a
/// worker that runs needs, and short for one who waits for memory.
const TICKS: u32 = 25;
/// Pages without zpages that are kept on each node at least for the next zpages, so that
/// these need no page from the kernel; 256 KiB.
const KEPT: u64 = 64;
/// Descriptors that are free at least, so that all others find some while one CPU makes a leaf;
/// it may be the CPU of a guest, and not run for a while.
const SPARE: u64 = 64;
/// So many pages without zpages are too many for one worker; some 10 ms of work.
const MANY: u64 = 2048;
/// How many one of them releases before it looks whether there are more. The worker and its
/// three helpers together release [`MANY`] at a time.
const SLICE: u64 = 512;
/// Those that are too many go after so many milliseconds, many at a time: a worker that is woken
/// for each takes the lock from the task that frees again and again.
const SOON: u32 = 10;
/// Those that were not needed for so many milliseconds go.
const REST: u32 = 500;

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
    editor: Editor,
    /// Whether somebody is making a leaf.
    growing: bool,
    /// What the worker is to do when it runs next.
    asked: Asked,
    /// When the worker has last looked for pages that were not needed.
    looked: u64,
}

impl Locked {
    /// Whether a leaf should be made, and nobody does it.
    fn should_grow(&self) -> bool {
        !self.growing && self.books.wants_leaf()
    }
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
    worker: Worker,
    /// Do that as well, when there are many. Dropped after the worker, which calls them.
    #[pin]
    helpers: Helpers,
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
type Guard<'a> = kernel::sync::lock::Guard<'a, Locked, SpinLockBackend>;

/// A descriptor that is reserved for a page to come.
///
/// # Invariants
///
/// The descriptor is in the state Reserved, on behalf of this guard only.
pub(super) struct Reserved<'p> {
    pub(super) pool: &'p Pool,
    pub(super) id: DescId,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut locked = self.pool.locked.lock();
        let unreserved = locked.books.unreserve(&self.pool.table, self.id);
        let leaf = self
            .pool
            .remove_leaf(&mut locked, unreserved.ok().flatten());
        drop(locked);
        drop(leaf);
    }
}

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

    /// Makes room for a zpage of `len` bytes that belongs to node `nid`. May sleep if
    /// `gfp` says so; `gfp` is for a new page, if one is needed.
    ///
    /// It goes beside a zpage on its node, else into an empty or a new page there, else
    /// beside one elsewhere, else into an empty or a new page elsewhere.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn alloc(this: ArcBorrow<'_, Self>, len: Len, gfp: u32, nid: Nid) -> Result<Handle> {
        let mut locked = this.locked.lock();
        if let Some(stored) = locked.books.pair(&this.table, nid, len)? {
            return Ok(this.stored(&stored, len, Place::Beside));
        }
        if let Some(stored) = locked.books.refill(&this.table, nid, len)? {
            return Ok(this.stored(&stored, len, Place::Empty));
        }
        let home = locked.books.home(nid);
        let reserved = if locked.should_grow() || !locked.books.has_descriptor() {
            None
        } else {
            Some(locked.books.reserve(&this.table)?)
        };
        drop(locked);
        // INVARIANT: Reserved just now.
        let reserved = reserved.map(|id| Reserved { pool: &this, id });
        Self::alloc_apart(&this, reserved, len, gfp, home)
            .inspect_err(|_| this.counters().alloc_failed.inc())
    }

    /// Where no zpage on node `home` leaves room for one more.
    fn alloc_apart<'p>(
        this: &'p ArcBorrow<'_, Self>,
        mut reserved: Option<Reserved<'p>>,
        len: Len,
        gfp: u32,
        home: Nid,
    ) -> Result<Handle> {
        let mems = &this.mems;
        if mems.several() {
            let at_home = |gfp| NewPage::alloc_spare(gfp, home);
            match Self::alloc_in_new_page(this, &mut reserved, len, gfp, at_home) {
                Err(error) if error == ENOMEM => {}
                done => return done,
            }
            if let Some(handle) = this.store_elsewhere(home, len)? {
                return Ok(handle);
            }
        }
        let anywhere = |gfp| mems.alloc(gfp, home);
        Self::alloc_in_new_page(this, &mut reserved, len, gfp, anywhere)
    }

    /// mm may want to know the name of a page before it takes it, and may refuse: so
    /// first the name, then mm, then the books. After an error the name may be reserved
    /// still, for another attempt.
    pub(super) fn alloc_in_new_page<'p>(
        this: &'p ArcBorrow<'_, Self>,
        reserved: &mut Option<Reserved<'p>>,
        len: Len,
        gfp: u32,
        alloc: impl FnOnce(u32) -> Option<NewPage>,
    ) -> Result<Handle> {
        let pool = &**this;
        let id = match reserved {
            Some(reserved) => reserved.id,
            None => reserved.insert(pool.reserve(gfp)?).id,
        };
        let mover = pool.mover();
        let page = alloc(gfp).ok_or(ENOMEM)?;
        // SAFETY: Reserved by a guard of the caller's, so dropped after `admitted` is.
        let admitted = unsafe { Admitted::new(mover, page, id, Arc::from(*this), gfp) }?;
        let handle = pool.insert(id, &admitted, len)?;
        // SAFETY: In the books now.
        unsafe { admitted.settle() };
        // It is not reserved any more.
        core::mem::forget(reserved.take());
        Ok(handle)
    }

    /// In a page that there is on another node, if there is one.
    fn store_elsewhere(&self, home: Nid, len: Len) -> Result<Option<Handle>> {
        let mut locked = self.locked.lock();
        if let Some(stored) = locked.books.pair_elsewhere(&self.table, home, len)? {
            return Ok(Some(self.stored(&stored, len, Place::Beside)));
        }
        let stored = locked.books.refill_elsewhere(&self.table, home, len)?;
        Ok(stored.map(|stored| self.stored(&stored, len, Place::Empty)))
    }

    /// Puts a zpage of `len` bytes into an admitted page, whose name is reserved.
    ///
    /// # Errors
    ///
    /// Only when the books are damaged.
    fn insert(&self, id: DescId, admitted: &Admitted<'_, Self>, len: Len) -> Result<Handle> {
        let page = admitted.page().ok_or(EINVAL)?;
        let address = page.address().ok_or(EINVAL)?;
        let mut locked = self.locked.lock();
        let books = &mut locked.books;
        let stored = books.insert(&self.table, id, address, page.nid(), len)?;
        let handle = self.stored(&stored, len, Place::New);
        self.note_pages(&locked);
        // Then the caller finds it lost when it maps it.
        if self.lose_if_broken(&mut locked, id, address) {
            self.ask(locked, Asked::Surplus);
        }
        Ok(handle)
    }

    /// Reserves a descriptor, once there is a new leaf if there are few. May sleep if `gfp`
    /// says so.
    fn reserve(&self, gfp: u32) -> Result<Reserved<'_>> {
        let mut locked = self.locked.lock();
        if locked.should_grow() {
            locked.growing = true;
            drop(locked);
            let grown = self.grow(gfp);
            locked = self.locked.lock();
            locked.growing = false;
            if !locked.books.has_descriptor() {
                grown?;
            }
        }
        loop {
            if locked.books.has_descriptor() {
                // INVARIANT: Reserved now.
                return Ok(Reserved {
                    pool: self,
                    id: locked.books.reserve(&self.table)?,
                });
            }
            // Whoever is making a leaf may take long, or fail.
            drop(locked);
            let grown = self.grow(gfp);
            locked = self.locked.lock();
            if !locked.books.has_descriptor() {
                grown?;
            }
        }
    }

    /// Adds a leaf, unless somebody else has done so meanwhile. May sleep if `gfp` says so.
    fn grow(&self, gfp: u32) -> Result {
        // Freed after the pool lock is dropped.
        let mut growth = Growth::new(&self.table, gfp)?;
        loop {
            let mut locked = self.locked.lock();
            let Locked { books, editor, .. } = &mut *locked;
            if !books.wants_leaf() {
                return Ok(());
            }
            match self.table.install(editor, &mut growth) {
                Ok(number) => return Ok(books.add_leaf(&self.table, number)?),
                Err(error) if error == EAGAIN => drop(locked),
                Err(error) => return Err(error),
            }
            growth.add_mid(gfp)?;
        }
    }

    fn note_pages(&self, locked: &Locked) {
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

    /// Frees a zpage. Does not sleep; may be called under spinlocks.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and was not freed, or is being.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is mapped; `EINVAL` when it is no handle of a zpage.
    pub(crate) unsafe fn free(this: ArcBorrow<'_, Self>, handle: Handle) -> Result {
        // SAFETY: The zpage is not freed yet, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        let pool = &*this;
        let mut claimed = None;
        let mut locked = pool.locked.lock();
        let was = pool.before_free(owner, index);
        let freed = locked.books.free(&pool.table, owner, index, |page| {
            // SAFETY: A page of the pool, as the pool lock is held.
            claimed = unsafe { Claimed::try_new(pool.mover(), BorrowedPage::at(page)) };
            claimed.is_some()
        })?;
        if let Some((page, zpage)) = was {
            trace::free(pool.name(), page, zpage);
        }
        match freed {
            Freed::Kept | Freed::Moving => {}
            Freed::Released(released) => {
                let leaf = pool.remove_leaf(&mut locked, released.leaf);
                drop(locked);
                if let Some(page) = claimed {
                    // SAFETY: The books have forgotten it, and the caller has a
                    // reference on the pool.
                    unsafe { page.release() };
                }
                drop(leaf);
            }
            Freed::Forgotten(forgotten) => {
                let remove = |leaf| pool.remove_leaf(&mut locked, leaf);
                let leaves = forgotten.leaves.map(remove);
                if forgotten.emptied {
                    pool.emptied(locked, forgotten.surplus);
                } else {
                    drop(locked);
                }
                drop(leaves);
            }
            Freed::Empty { surplus } => pool.emptied(locked, surplus),
        }
        Ok(())
    }

    /// A page has lost its last zpage, and is kept; `surplus`: it is one too many.
    #[inline]
    fn emptied(&self, locked: Guard<'_>, surplus: bool) {
        if surplus {
            self.counters().deferred_frees.inc();
        }
        self.ask(locked, if surplus { Asked::Soon } else { Asked::Idle });
    }

    /// Asks the worker for something, if it is not asked for as much already. Does not
    /// sleep.
    pub(super) fn ask(&self, mut locked: Guard<'_>, asked: Asked) {
        if locked.asked >= asked {
            return;
        }
        locked.asked = asked;
        drop(locked);
        match asked {
            Asked::Nothing => {}
            Asked::Idle => self.worker.run_in(REST),
            Asked::Soon => self.worker.run_within(SOON),
            Asked::Surplus | Asked::All => self.worker.run_now(),
        }
    }

    /// The worker. Sleeps.
    fn work(&self) {
        let now = task::now();
        let mut locked = self.locked.lock();
        let asked = core::mem::replace(&mut locked.asked, Asked::Nothing);
        // Not only when it was asked for just that: some may always be asking for more.
        let rested = now.saturating_sub(locked.looked) >= u64::from(REST);
        if rested {
            locked.looked = now;
        }
        drop(locked);
        self.drop_lost();
        if self.with_books(|books| books.empty_pages()) >= MANY {
            self.helpers.call();
        }
        for nid in node::possible() {
            // Before fewer are kept than until now: those are idle.
            self.release_surplus(nid, 1);
            let mut locked = self.locked.lock();
            let idle = if rested {
                locked.books.take_idle(nid)
            } else {
                0
            };
            let beyond = locked.books.beyond_limit();
            let node = locked.books.nodes().get(usize::from(nid.0));
            let empty = node.map_or(0, NodeBooks::empty_pages);
            let vacated = node.map_or(0, NodeBooks::vacated_pages);
            drop(locked);
            let pages = match asked {
                Asked::All => empty,
                _ => idle.max(beyond),
            };
            self.release_empty(nid, pages.saturating_add(vacated));
        }
        let locked = self.locked.lock();
        let waits = locked.books.empty_pages() != 0 || locked.books.has_lost();
        if waits || locked.books.may_miss() {
            self.ask(locked, Asked::Idle);
        }
    }

    /// A helper: releases those that are too many while there are many, and leaves the rest to
    /// the worker: what all release at a time must not be more than there is. Sleeps.
    fn help(&self) {
        for nid in node::possible() {
            self.release_surplus(nid, MANY);
        }
    }

    /// Releases those pages without zpages on node `nid` that are too many, as long as these are
    /// `least` or more, and mm has not hold of them. Sleeps.
    fn release_surplus(&self, nid: Nid, least: u64) {
        loop {
            let (surplus, vacated) = self.with_books(|books| {
                let node = books.nodes().get(usize::from(nid.0));
                let vacated = node.map_or(0, NodeBooks::vacated_pages);
                (books.surplus_on(nid), vacated)
            });
            if surplus < least {
                break;
            }
            let released = self.release_empty(nid, surplus.min(SLICE));
            if released == 0 {
                break;
            }
            let books = &mut self.locked.lock().books;
            books.note_surplus(nid, released.saturating_sub(vacated));
        }
    }

    /// Releases up to `pages` pages without zpages on node `nid`, those first that are vacated;
    /// fewer when there are not so many. Those that mm has hold of stay. Returns how many were
    /// released. Sleeps.
    pub(crate) fn release_empty(&self, nid: Nid, pages: u64) -> u64 {
        let mut left = usize::try_from(pages).unwrap_or(usize::MAX);
        let (mut taken_in_all, mut stayed) = (0_usize, 0_usize);
        while left != 0 && stayed <= DESCRIPTORS_PER_LEAF {
            let mut locked = self.locked.lock();
            let taken = locked.books.take_empty(&self.table, nid, left, stayed);
            drop(locked);
            let run = match taken {
                Ok(Some(run)) => run,
                Ok(None) => break,
                Err(error) => {
                    pr_err!(
                        "{}: empty pages cannot be released ({error:?})\n",
                        self.name()
                    );
                    break;
                }
            };
            left = left.saturating_sub(run.len());
            taken_in_all = taken_in_all.saturating_add(run.len());
            stayed = stayed.saturating_add(self.release(run));
            task::cond_resched();
        }
        // CAST: 64-bit kernels.
        taken_in_all.saturating_sub(stayed) as u64
    }

    /// Releases all pages without zpages, but for those that mm has hold of. Sleeps.
    pub(crate) fn release_unused(&self) {
        for nid in node::possible() {
            self.release_empty(nid, u64::MAX);
        }
    }

    /// Releases pages that were taken for it, but for those that mm has hold of; returns how
    /// many these are. Sleeps.
    fn release(&self, run: Run) -> usize {
        let page = |id| {
            let locked = self.locked.lock();
            let address = self.table.descriptor(id).ok()?.page()?;
            // SAFETY: A page of the pool: nobody else releases it, and only the mover that
            // is given it freezes its count.
            let page = unsafe { BorrowedPage::at(address) }.get();
            drop(locked);
            Some(page)
        };
        // SAFETY: Taken to be released; the caller has a reference on the pool, or is its
        // worker or one of the helpers, for which its end waits.
        let stayed = unsafe { self.mover().evict(run, &page) };
        let mut locked = self.locked.lock();
        let (mut leaf, mut lost) = (None, false);
        for id in run.ids() {
            let done = if stayed.contains(id) {
                let kept = self.put_back(&mut locked, id);
                kept.map(|broken| lost |= broken)
            } else {
                let released = locked.books.release(&self.table, id);
                released.map(|released| leaf = leaf.or(released))
            };
            if let Err(error) = done {
                pr_err!("{}: an empty page has changed ({error:?})\n", self.name());
            }
        }
        let leaf = self.remove_leaf(&mut locked, leaf);
        if lost {
            self.ask(locked, Asked::Surplus);
        } else {
            drop(locked);
        }
        drop(leaf);
        run.ids().filter(|&id| stayed.contains(id)).count()
    }

    /// Keeps a page that was to be released, and says whether it is lost: nobody has looked at its
    /// memory since it was taken.
    fn put_back(&self, locked: &mut Locked, id: DescId) -> Result<bool, crate::zbud::Error> {
        locked.books.put_back(&self.table, id)?;
        let page = self.table.descriptor(id)?.page();
        Ok(page.is_some_and(|page| self.lose_if_broken(locked, id, page)))
    }

    /// From now on no page without zpages is kept while the pool has more than `pages`.
    pub(crate) fn set_limit(&self, pages: u64) {
        self.locked.lock().books.limit(pages);
    }

    /// Whether the pool has no more than `limit` pages, or will have once those that are
    /// empty are released. Waits for that, but some ticks at most: the caller may hold what
    /// the worker needs. Sleeps.
    pub(crate) fn comes_down_to(&self, limit: u64) -> bool {
        for _ in 0..TICKS {
            if self.pages() <= limit {
                return true;
            }
            let locked = self.locked.lock();
            if locked.books.empty_pages() == 0 {
                break;
            }
            self.ask(locked, Asked::All);
            // One who has asked for less before may put it off only now.
            self.worker.run_now();
            task::short_sleep();
        }
        self.pages() <= limit
    }

    /// Maps a zpage. Takes no lock, and does not wait.
    ///
    /// # Errors
    ///
    /// `EAGAIN` while its page is being copied: see [`Pool::map_again`]. `EIO` when its memory is
    /// broken, `EBUSY` when it is mapped too often (2^28 times), `EINVAL` when it is no handle of
    /// a zpage.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and is not freed before `unmap`.
    #[inline]
    pub(crate) unsafe fn map(&self, handle: Handle) -> Result<MappedZpage> {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        Ok(owner.map(&self.table, index)?)
    }

    /// [`Pool::map`], for one that could not map at once. While the page is being copied it
    /// waits, and sleeps if that takes long and the caller `may_sleep`.
    ///
    /// # Errors
    ///
    /// As there, but for `EAGAIN`.
    ///
    /// # Safety
    ///
    /// As there. Not in an interrupt: it may be the one that copies which was interrupted.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn map_again(&self, handle: Handle, may_sleep: bool) -> Result<MappedZpage> {
        let mut turn = 0_u32;
        loop {
            // SAFETY: By the safety requirements.
            match unsafe { self.map(handle) } {
                Err(error) if error == EAGAIN => task::wait(turn, may_sleep),
                done => return done,
            }
            turn = turn.saturating_add(1);
        }
    }

    /// Unmaps a zpage.
    ///
    /// # Safety
    ///
    /// As for [`Pool::map`], which the caller has called.
    #[inline]
    pub(crate) unsafe fn unmap(&self, handle: Handle) -> Result {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        Ok(owner.slot(index).unpin()?)
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

    /// Fills `found` with the next pages on node `nid` that can move, in the leaf of `cursor`,
    /// which goes on behind them, and returns how many there are: fewer when the leaf ends.
    /// `None` stands for one that is just being moved.
    pub(crate) fn next_pages_on(
        &self,
        cursor: &mut Cursor,
        nid: Nid,
        found: &mut [Option<(DescId, PageRef)>],
    ) -> usize {
        let locked = self.locked.lock();
        let mut pages = 0_usize;
        for found in found {
            let Some((id, page)) = locked.books.next_page_on(&self.table, cursor, nid) else {
                break;
            };
            // SAFETY: A page of the pool, as the pool lock is held. As it is neither being
            // moved nor released its count is not zero.
            *found = page.map(|page| (id, unsafe { BorrowedPage::at(page) }.get()));
            pages = pages.saturating_add(1);
        }
        pages
    }

    /// Takes `cursor` to the next leaf, if there is one.
    pub(crate) fn next_leaf(&self, cursor: &mut Cursor) -> bool {
        cursor.next_leaf(&self.table)
    }

    /// Moves page `src` with descriptor `id` to `dst`, by hand. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Mover::relocate`]; `EAGAIN` when the memory of `src` is broken, and it is lost.
    pub(crate) fn relocate(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: LockedPage,
        dst: NewPage,
    ) -> Result {
        if src.page().is_poisoned() {
            this.lose(id, src.page().address().ok_or(EINVAL)?);
            return Err(EAGAIN);
        }
        let traced = Move::begin(src.page(), dst.page());
        let moved = this.mover().relocate(this, id, src, dst);
        traced.end(this.name(), Mode::BY_HAND, moved);
        moved
    }

    /// Whether page `page` with descriptor `id` could move now. It is lost if its memory is
    /// broken.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when `id` does not describe the page any more, or it is being released, or
    /// lost; `EBUSY` when a zpage is mapped.
    pub(crate) fn check_move(&self, id: DescId, page: PageLock<'_>) -> Result {
        let poisoned = page.page().is_poisoned();
        let page = page.page().address().ok_or(EINVAL)?;
        if poisoned {
            self.lose(id, page);
            return Err(EAGAIN);
        }
        let locked = self.locked.lock();
        match locked.books.can_move(&self.table, id, page)? {
            true => Ok(()),
            false => Err(EBUSY),
        }
    }

    /// Moves the zpages of `src` to `dst`. `copy` copies the extents, or says that it
    /// could not; it must not sleep, and preemption is off: others may be spinning.
    ///
    /// # Errors
    ///
    /// `EBUSY` when a zpage is mapped, `EAGAIN` when `src` is not the page of `id`, is being
    /// released, or its memory is broken, and those of `copy`. Neither page has changed then,
    /// but `src` is lost if its memory is broken.
    ///
    /// # Safety
    ///
    /// `dst` is a page that nobody else uses. When `copy` has returned `Ok`, the extents
    /// are in `dst`; when this returns `Ok`, `dst` is the page of `id`, and stays in
    /// existence as [`Mover`] demands.
    pub(crate) unsafe fn move_page(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: PageLock<'_>,
        dst: PageLock<'_>,
        copy: impl FnOnce(Extents) -> Result,
    ) -> Result {
        let moved = Self::try_move(this, id, src.page(), dst.page(), copy);
        if moved.is_err() {
            this.counters().migrate_busy.inc();
        }
        moved
    }

    fn try_move(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: BorrowedPage<'_>,
        dst: BorrowedPage<'_>,
        copy: impl FnOnce(Extents) -> Result,
    ) -> Result {
        let (from, to) = (src.address().ok_or(EINVAL)?, dst.address().ok_or(EINVAL)?);
        if src.is_poisoned() {
            this.lose(id, from);
            return Err(EAGAIN);
        }
        let to_nid = dst.nid();
        // From the first frozen slot to the last thawed one others may spin.
        let no_preempt = NoPreempt::new();
        let mut locked = this.locked.lock();
        let extents = locked.books.begin_move(&this.table, id, from, to_nid)?;
        drop(locked);
        let copied = fault::migrate()
            .and_then(|()| fault::copy(from))
            .and_then(|()| copy(extents));
        let (now, nid) = match copied {
            Ok(()) => (to, to_nid),
            Err(_) => (from, src.nid()),
        };
        locked = this.locked.lock();
        let finish = locked.books.finish_move(&this.table, id, now, nid)?;
        // Before others read what could not be copied.
        let lost = if copied.is_err_and(|error| error == page::broken()) {
            this.lose_locked(&mut locked, id, from)
        } else {
            this.lose_if_broken(&mut locked, id, now)
        };
        drop(locked);
        drop(no_preempt);
        if lost {
            this.ask(this.locked.lock(), Asked::Surplus);
        } else if finish.emptied {
            this.ask(this.locked.lock(), Asked::Idle);
        }
        copied?;
        this.counters().moved(finish.from, to_nid);
        Ok(())
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

    /// Waits until all pages are released. The user has freed all zpages.
    ///
    /// On 6.12, pages that mm has isolated are not waited for: they are torn down under
    /// their lock like any other, and mm sees it. (On 7.x they are: see the movers.)
    /// Otherwise this waits for page locks, which mm holds while it is in a callback. As
    /// only this, the worker and `free` release pages, no callback is running for a page
    /// of the pool once this returns, and none can begin.
    ///
    /// # Errors
    ///
    /// `EBUSY` when zpages are left: the user broke the contract. The pool
    /// must stay then, and so must the module.
    pub(crate) fn drain(&self) -> Result {
        loop {
            self.drop_lost();
            self.release_unused();
            let (pages, zpages) = self.with_books(|books| {
                let zpages = |node: &NodeBooks| node.zpages() != 0;
                let zpages = books.nodes().iter().any(zpages) || books.lost_zpages() != 0;
                (books.pages(), zpages)
            });
            match (pages, zpages) {
                (_, true) => return Err(EBUSY),
                (0, _) => break,
                // The worker has the rest in hand, or a mover is copying.
                _ => task::short_sleep(),
            }
        }
        self.worker.cancel();
        self.helpers.cancel();
        Ok(())
    }
}
