// SPDX-License-Identifier: GPL-2.0

//! One pool: the core under a spinlock, with real pages.
//!
//! Lock order: page lock (P), then [`Pool::locked`] (L). Nothing sleeps,
//! allocates, frees or drops a page under L; P is only tried under L. `map`,
//! `unmap` and `alloc` take no lock of a page that is in the pool: the core of
//! the kernel may hold many of them while it allocates, and that allocation
//! can reclaim, swap, and end up here.

use crate::error::errno;
use crate::handle::Handle;
use crate::page::{self, HostPage, LockedPage, NoPreempt, PageRef};
use crate::state::State;
use crate::stats::EVENTS;
use crate::table::{Growth, Leaves, Numbers, TakenLeaf};
use crate::zbud::{DescId, Finish, Freed, Len, Lists, Mapping, NodeLists, Released, Violation};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_spinlock, Arc, ArcBorrow, SpinLock};
use kernel::workqueue::{impl_has_work, new_work, Work, WorkItem};

/// Per-node lists, index = node id.
pub(crate) struct Nodes(KVec<NodeLists>);

impl AsRef<[NodeLists]> for Nodes {
    fn as_ref(&self) -> &[NodeLists] {
        &self.0
    }
}

impl AsMut<[NodeLists]> for Nodes {
    fn as_mut(&mut self) -> &mut [NodeLists] {
        &mut self.0
    }
}

/// What L protects.
pub(crate) struct Locked {
    pub(crate) lists: Lists<Nodes>,
    numbers: Numbers,
}

/// A pool.
#[pin_data]
pub(crate) struct Pool {
    name: CString,
    table: Leaves,
    /// "L".
    #[pin]
    locked: SpinLock<Locked>,
    /// A copy of `locked.lists.pages()` that is read without L.
    pages: AtomicU64,
    /// Gives back the pages on the deferred list.
    #[pin]
    worker: Work<Pool>,
}

impl_has_work! {
    impl HasWork<Self> for Pool { self.worker }
}

impl WorkItem for Pool {
    type Pointer = Arc<Pool>;

    fn run(this: Arc<Pool>) {
        this.give_back_deferred();
    }
}

impl Pool {
    /// An empty pool. May sleep.
    pub(crate) fn new(name: CString) -> Result<Arc<Self>> {
        let count = crate::state::nodes();
        let mut nodes = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            nodes.push(NodeLists::new(), GFP_KERNEL)?;
        }
        let locked = Locked {
            lists: Lists::new(Nodes(nodes)),
            numbers: Numbers::new(),
        };
        let table = Leaves::new()?;
        Arc::pin_init(
            pin_init!(Self {
                name,
                table,
                locked <- new_spinlock!(locked, "zbud_movable::Pool::locked"),
                pages: AtomicU64::new(0),
                worker <- new_work!("zbud_movable::Pool::worker"),
            }),
            GFP_KERNEL,
        )
    }

    /// Stores nothing yet, but makes room for `len` bytes. May sleep if `gfp`
    /// says so; `gfp` is for a new page, if one is needed.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn alloc(this: ArcBorrow<'_, Self>, len: Len, gfp: u32) -> Result<Handle> {
        let nid = page::local_node();
        if let Some(stored) = this
            .locked
            .lock()
            .lists
            .pair(&this.table, nid, len)
            .map_err(errno)?
        {
            return Ok(Handle::new(&stored));
        }
        Self::alloc_in_new_page(this, len, gfp).inspect_err(|_| EVENTS.alloc_failed.inc())
    }

    fn alloc_in_new_page(this: ArcBorrow<'_, Self>, len: Len, gfp: u32) -> Result<Handle> {
        // A new page is in no batch of the core's yet: its lock is free, but
        // for someone who takes every page's for a moment.
        let page = PageRef::alloc(gfp).ok_or(ENOMEM)?.lock();
        let frame = page.page().frame().ok_or(ENOMEM)?;
        let nid = page.page().nid();
        loop {
            let mut locked = this.locked.lock();
            if locked.lists.has_descriptor() {
                let stored = locked
                    .lists
                    .insert(&this.table, frame, nid, len)
                    .map_err(errno)?;
                let (handle, id) = (Handle::new(&stored), stored.slot.desc());
                this.note_pages(&locked);
                drop(locked);
                // It can be paired meanwhile, but not isolated nor emptied:
                // the lock is ours, and the handle has not been given out.
                page.publish(Arc::from(this), id);
                return Ok(handle);
            }
            drop(locked);
            this.grow(gfp)?;
        }
    }

    /// Adds a leaf of descriptors.
    fn grow(&self, gfp: u32) -> Result {
        let mut growth = Growth::new(gfp)?;
        loop {
            let mut locked = self.locked.lock();
            let Locked { lists, numbers } = &mut *locked;
            if lists.has_descriptor() {
                // Someone else was faster, or freed one.
                return Ok(());
            }
            match self.table.install(numbers, &mut growth) {
                Ok(number) => return lists.add_leaf(&self.table, number).map_err(errno),
                Err(error) if error == EAGAIN => drop(locked),
                Err(error) => return Err(error),
            }
            growth.add_mid(gfp)?;
        }
    }

    fn note_pages(&self, locked: &Locked) {
        self.pages.store(locked.lists.pages(), Ordering::Relaxed);
    }

    /// Takes what the pool gives up out of its books. Under L; drop the leaf after.
    fn take_leaf(&self, locked: &mut Locked, released: &Released) -> Option<TakenLeaf> {
        self.note_pages(locked);
        self.table.take(&mut locked.numbers, released.leaf?)
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
        let (home, half) = unsafe { handle.home() };
        let mut page = None;
        let mut locked = this.locked.lock();
        let freed = locked
            .lists
            .free(&this.table, home, half, |frame| {
                page = Some(HostPage::of(frame)).filter(|page| page.try_lock());
                page.is_some()
            })
            .map_err(errno)?;
        match freed {
            Freed::Kept | Freed::Moving => {}
            Freed::Released(released) => {
                let leaf = this.take_leaf(&mut locked, &released);
                drop(locked);
                if let Some(page) = page {
                    // SAFETY: The lock was taken above; the reference is the
                    // pool's, which has forgotten the page.
                    let page = unsafe { LockedPage::adopt(page) };
                    // SAFETY: A page of the pool. Never the last reference on
                    // the pool: the caller has one.
                    drop(unsafe { page.retract() });
                }
                drop(leaf);
            }
            Freed::Deferred => {
                drop(locked);
                EVENTS.deferred_frees.inc();
                Self::start_worker(this);
            }
        }
        Ok(())
    }

    fn start_worker(this: ArcBorrow<'_, Self>) {
        if let Some(state) = State::get() {
            // Already queued is fine: the worker empties the whole list.
            let _ = state.queue().enqueue(Arc::from(this));
        }
    }

    /// Gives back the pages whose last zpage went while their lock was taken.
    /// Sleeps.
    fn give_back_deferred(&self) {
        loop {
            let locked = self.locked.lock();
            let Some((id, frame)) = locked.lists.deferred(&self.table) else {
                return;
            };
            // The reference keeps the page in existence while its lock is
            // waited for, even if a mover gives the page back meanwhile.
            let page = HostPage::of(frame).get();
            drop(locked);
            let page = page.lock();
            let mut locked = self.locked.lock();
            // Stale: someone else was faster, nothing is left to do.
            if let Ok(released) = locked.lists.release(&self.table, id, frame) {
                let leaf = self.take_leaf(&mut locked, &released);
                drop(locked);
                // SAFETY: It was a page of the pool.
                drop(unsafe { page.retract() });
                // SAFETY: The pool's reference, which has forgotten the page;
                // `page` has one of its own.
                drop(unsafe { PageRef::adopt(page.page()) });
                drop(leaf);
            }
            drop(page);
            page::cond_resched();
        }
    }

    /// Maps a zpage. Takes no lock; waits for at most one page copy.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and is not freed before `unmap`.
    #[inline]
    pub(crate) unsafe fn map(&self, handle: Handle) -> Result<Mapping> {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (home, half) = unsafe { handle.home() };
        home.map(&self.table, half).map_err(errno)
    }

    /// Unmaps a zpage.
    ///
    /// # Safety
    ///
    /// As for [`Pool::map`].
    #[inline]
    pub(crate) unsafe fn unmap(&self, handle: Handle) -> Result {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (home, half) = unsafe { handle.home() };
        home.slot(half).unpin().map_err(errno)
    }

    /// Host pages of the pool. Takes no lock.
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// Whether page `page` with descriptor `id` could move now. P is held.
    pub(crate) fn can_move(&self, id: DescId, page: HostPage) -> bool {
        let Some(frame) = page.frame() else {
            return false;
        };
        let locked = self.locked.lock();
        locked
            .lists
            .can_move(&self.table, id, frame)
            .unwrap_or(false)
    }

    /// Moves what is in `src` to `dst`. `src` is a page of this pool with
    /// descriptor `id`, `dst` a new page. When it returns `Ok`, `src` is not the
    /// pool's any more and the pool's reference on it is dropped; `dst` is, and
    /// the pool has taken a reference on it.
    ///
    /// # Errors
    ///
    /// `EBUSY` when a zpage is mapped, `EAGAIN` when no zpage is left in `src`.
    /// Neither page has changed then.
    ///
    /// # Safety
    ///
    /// Both page locks are held by the caller, who has a reference on each.
    pub(crate) unsafe fn move_page(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: HostPage,
        dst: HostPage,
    ) -> Result {
        let (from, to) = (src.frame().ok_or(EINVAL)?, dst.frame().ok_or(EINVAL)?);
        let to_nid = dst.nid();
        // From the first frozen slot to the last thawed one others may spin.
        let no_preempt = NoPreempt::new();
        let mut locked = this.locked.lock();
        let extents = locked
            .lists
            .begin_move(&this.table, id, from, to_nid)
            .map_err(errno)?;
        drop(locked);
        for extent in extents.into_iter().flatten() {
            // SAFETY: The zpages are frozen: nobody maps them. Nobody else
            // knows `dst`.
            unsafe { src.copy_to(dst, extent) };
        }
        locked = this.locked.lock();
        let finish = locked
            .lists
            .finish_move(&this.table, id, to, to_nid)
            .map_err(errno)?;
        drop(locked);
        drop(no_preempt);
        let Finish::Moved { from: from_nid } = finish else {
            EVENTS.deferred_frees.inc();
            Self::start_worker(this);
            return Err(EAGAIN);
        };
        // SAFETY: Both locks are held, and `src` was a page of the pool; its
        // reference on the pool goes over to `dst`.
        unsafe { page::set_movable(dst, page::clear_movable(src), id) };
        core::mem::forget(dst.get());
        EVENTS.migrated.inc();
        if let Some(state) = State::get() {
            state.moves().count(from_nid, to_nid);
        }
        // SAFETY: The pool's reference, which has forgotten `src`.
        drop(unsafe { PageRef::adopt(src) });
        Ok(())
    }

    /// Calls `look` with everything that L protects, under L.
    pub(crate) fn with_locked<R>(&self, look: impl FnOnce(&Locked, &Leaves) -> R) -> R {
        look(&self.locked.lock(), &self.table)
    }

    /// Runs the whole-pool validator, under L.
    pub(crate) fn verify(&self) -> Result<(), Violation> {
        self.with_locked(|locked, table| locked.lists.verify(table))
    }

    /// Waits until all pages are given back. The user has freed all zpages.
    ///
    /// Pages that the core has isolated are not waited for: they are torn down
    /// under their lock like any other, and the core sees it. What is waited for
    /// is page locks, which the core holds while it is in a callback. As only
    /// this, the worker and `free` give pages up, no callback is running for a
    /// page of the pool once this returns, and none can begin.
    ///
    /// # Errors
    ///
    /// `EBUSY` when zpages are left: the user broke the contract. The pool
    /// must stay then, and so must the module.
    pub(crate) fn drain(&self) -> Result {
        loop {
            self.give_back_deferred();
            let (pages, zpages) = self.with_locked(|locked, _| {
                let zpages = |node: &NodeLists| node.zpages() != 0;
                (
                    locked.lists.pages(),
                    locked.lists.nodes().iter().any(zpages),
                )
            });
            match (pages, zpages) {
                (0, _) => return Ok(()),
                (_, true) => return Err(EBUSY),
                // The worker has the rest in hand, or a mover is copying.
                _ => page::short_sleep(),
            }
        }
    }
}
