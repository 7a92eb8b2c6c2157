// SPDX-License-Identifier: GPL-2.0

//! One pool: the core under a spinlock, with real pages.
//!
//! Lock order: [`Pool::giving_back`] (W), page lock (P), [`Pool::locked`] (L).
//! Nothing sleeps, allocates, frees or drops a page under L; P is only tried
//! under L. `map`, `unmap` and `alloc` take no lock of a page that is in the
//! pool: the core of the kernel may hold many of them while it allocates, and
//! that allocation can reclaim, swap, and end up here.

use crate::bindings;
use crate::error::errno;
use crate::handle::Handle;
use crate::mapping::Mapping;
use crate::mems::Mems;
use crate::movable_ops::{self, Departing};
use crate::mover::Mover;
use crate::page::{self, HostPage, LockedPage, NoPreempt, PageRef};
use crate::state::State;
use crate::stats::EVENTS;
use crate::table::{Growth, Leaves, TakenLeaf};
use crate::zbud::{
    self, DescId, Extents, Freed, Len, Lists, Nid, NodeLists, NodeSet, Table, Violation,
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, new_spinlock, Arc, ArcBorrow, Mutex, SpinLock};
use kernel::workqueue::{impl_has_work, new_work, Work, WorkItem};

/// Per-node lists, index = node id.
pub(crate) struct Nodes(KVVec<NodeLists>);

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
}

/// A pool.
#[pin_data]
pub(crate) struct Pool {
    name: CString,
    /// What the host knows the pages by.
    mover: Arc<Mover>,
    /// Where its pages may come from.
    mems: Arc<Mems>,
    table: Leaves,
    /// "W": who has it gives back the pages on the deferred list, alone.
    #[pin]
    giving_back: Mutex<()>,
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
    pub(crate) fn new(name: CString, mover: Arc<Mover>, mems: Arc<Mems>) -> Result<Arc<Self>> {
        let count = crate::state::nodes();
        let mut nodes = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            nodes.push(NodeLists::new(), GFP_KERNEL)?;
        }
        let locked = Locked {
            lists: Lists::new(Nodes(nodes)),
        };
        let table = Leaves::new()?;
        Arc::pin_init(
            pin_init!(Self {
                name,
                mover,
                mems,
                table,
                giving_back <- new_mutex!((), "zbud_movable::Pool::giving_back"),
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
        match &*this.mover {
            Mover::MovableOps(_) => Self::alloc_in_movable_page(this, len, gfp),
            Mover::Mapping(mapping) => Self::alloc_in_mapping(this, mapping, len, gfp),
        }
    }

    fn alloc_in_movable_page(this: ArcBorrow<'_, Self>, len: Len, gfp: u32) -> Result<Handle> {
        // A new page is in no batch of the core's yet: its lock is free, but
        // for someone who takes every page's for a moment.
        let page = this.mems.alloc(gfp).ok_or(ENOMEM)?.lock();
        let frame = page.page().frame().ok_or(ENOMEM)?;
        let nid = page.page().nid();
        let (handle, id) = this.with_descriptor(gfp, |lists| {
            let stored = lists.insert(&this.table, frame, nid, len)?;
            Ok((Handle::new(&stored), stored.slot.desc()))
        })?;
        // It can be paired meanwhile, but not isolated nor emptied: the lock is
        // ours, and the handle has not been given out.
        movable_ops::publish(page, Arc::from(this), id);
        Ok(handle)
    }

    /// The page cache wants to know where a page belongs before it takes it, and
    /// may refuse: so first a name, then the page cache, then the books.
    fn alloc_in_mapping(
        this: ArcBorrow<'_, Self>,
        mapping: &Mapping,
        len: Len,
        gfp: u32,
    ) -> Result<Handle> {
        let page = this
            .mems
            .alloc(gfp | bindings::ZBM_GFP_ZERO)
            .ok_or(ENOMEM)?;
        let frame = page.page().frame().ok_or(ENOMEM)?;
        let nid = page.page().nid();
        let id = this.with_descriptor(gfp, |lists| lists.reserve(&this.table))?;
        let page = match mapping.add(page, id, Arc::from(this), gfp) {
            Ok(page) => page,
            Err(error) => {
                let mut locked = this.locked.lock();
                let leaf = locked.lists.unreserve(&this.table, id).ok().flatten();
                let leaf = this.take_leaf(&locked, leaf);
                drop(locked);
                drop(leaf);
                return Err(error);
            }
        };
        let mut locked = this.locked.lock();
        // Fails for a node that is none only, and no page is on one.
        let stored = locked
            .lists
            .insert_reserved(&this.table, id, frame, nid, len)
            .map_err(errno)?;
        let handle = Handle::new(&stored);
        this.note_pages(&locked);
        drop(locked);
        // The guard's reference goes, the page cache has one.
        drop(page);
        Ok(handle)
    }

    /// Calls `take` under L once there is a free descriptor for it.
    fn with_descriptor<R>(
        &self,
        gfp: u32,
        take: impl Fn(&mut Lists<Nodes>) -> core::result::Result<R, zbud::Error>,
    ) -> Result<R> {
        loop {
            let mut locked = self.locked.lock();
            if locked.lists.has_descriptor() {
                let taken = take(&mut locked.lists).map_err(errno);
                self.note_pages(&locked);
                return taken;
            }
            drop(locked);
            self.grow(gfp)?;
        }
    }

    /// Adds a leaf of descriptors.
    fn grow(&self, gfp: u32) -> Result {
        let mut growth = Growth::new(&self.table, gfp)?;
        loop {
            let mut locked = self.locked.lock();
            if locked.lists.has_descriptor() {
                // Someone else was faster, or freed one. What was not needed is
                // freed after L.
                drop(locked);
                return Ok(());
            }
            match self.table.install(&mut growth) {
                Ok(number) => return locked.lists.add_leaf(&self.table, number).map_err(errno),
                Err(error) if error == EAGAIN => drop(locked),
                Err(error) => return Err(error),
            }
            growth.add_mid(gfp)?;
        }
    }

    fn note_pages(&self, locked: &Locked) {
        self.pages.store(locked.lists.pages(), Ordering::Relaxed);
    }

    /// Takes a leaf that is not needed any more out of the table. Under L; drop
    /// it after.
    fn take_leaf(&self, locked: &Locked, leaf: Option<u32>) -> Option<TakenLeaf> {
        self.note_pages(locked);
        self.table.take(leaf?)
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
        let mut departing = None;
        let mut locked = this.locked.lock();
        let freed = locked
            .lists
            .free(&this.table, home, half, |frame| {
                // The page cache cannot give up a page without sleeping.
                if this.mover.mapping().is_none() {
                    departing = Departing::try_new(HostPage::of(frame));
                }
                departing.is_some()
            })
            .map_err(errno)?;
        match freed {
            Freed::Kept | Freed::Moving => {}
            Freed::Released(released) => {
                let leaf = this.take_leaf(&locked, released.leaf);
                drop(locked);
                if let Some(page) = departing {
                    // SAFETY: A page of the pool, which has forgotten it. The
                    // caller has a reference on the pool.
                    unsafe { page.give_up() };
                }
                drop(leaf);
            }
            Freed::Deferred => {
                drop(locked);
                if this.mover.mapping().is_none() {
                    EVENTS.deferred_frees.inc();
                }
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

    /// Gives back the pages that `free` could not. Sleeps.
    fn give_back_deferred(&self) {
        // From here on such a page stays as it is: it cannot move, and nobody
        // else gives it up.
        let _alone = self.giving_back.lock();
        loop {
            let locked = self.locked.lock();
            let Some((id, frame)) = locked.lists.deferred(&self.table) else {
                return;
            };
            let page = HostPage::of(frame).get();
            drop(locked);
            let (mut departing, mut removed) = (None, None);
            match &*self.mover {
                Mover::MovableOps(_) => match Departing::new(page.lock()) {
                    Ok(page) => departing = Some(page),
                    Err(page) => {
                        // 7.x: the core has it isolated.
                        drop(page);
                        page::short_sleep();
                        continue;
                    }
                },
                Mover::Mapping(mapping) => {
                    mapping.remove(id);
                    // It exists as long as a descriptor names it.
                    removed = Some(page);
                }
            }
            let mut locked = self.locked.lock();
            let Ok(released) = locked.lists.release(&self.table, id, frame) else {
                pr_err!("{}: a page on the deferred list has changed\n", self.name());
                return;
            };
            let leaf = self.take_leaf(&locked, released.leaf);
            drop(locked);
            if let Some(page) = departing {
                // SAFETY: It was a page of the pool. The worker, or whoever
                // drains the pool, has a reference on that.
                unsafe { page.give_up() };
            }
            drop(removed);
            drop(leaf);
            page::cond_resched();
        }
    }

    /// Maps a zpage. Takes no lock; waits for at most one page copy.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and is not freed before `unmap`.
    #[inline]
    pub(crate) unsafe fn map(&self, handle: Handle) -> Result<zbud::Mapping> {
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
    #[cfg_attr(not(CONFIG_ZPOOL), allow(dead_code))]
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// From now on zpages are put beside others on the nodes of `allowed` only.
    pub(crate) fn allow(&self, allowed: &NodeSet) {
        self.locked.lock().lists.allow(allowed);
    }

    /// Host pages on node `nid`.
    pub(crate) fn pages_on(&self, nid: Nid) -> u64 {
        let locked = self.locked.lock();
        let node = locked.lists.nodes().get(usize::from(nid.0));
        node.map_or(0, NodeLists::pages)
    }

    /// One more than the highest number of a leaf.
    pub(crate) fn leaves(&self) -> u32 {
        self.table.leaves()
    }

    /// The first page on node `nid` that has zpages, among the descriptors of leaf
    /// `leaf` from `offset` on; `None` in its place if it is just being moved.
    pub(crate) fn page_on(
        &self,
        leaf: u32,
        offset: usize,
        nid: Nid,
    ) -> Option<(DescId, Option<PageRef>)> {
        let locked = self.locked.lock();
        let (id, frame) = locked.lists.page_on(&self.table, leaf, offset, nid)?;
        Some((id, frame.map(|frame| HostPage::of(frame).get())))
    }

    /// Moves page `src` with descriptor `id` to `dst`, a new page, by hand. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Mover::relocate`].
    pub(crate) fn relocate(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: LockedPage,
        dst: PageRef,
    ) -> Result {
        this.mover.relocate(this, id, src, dst.lock())
    }

    /// Whether page `page` with descriptor `id` could move now. P is held.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when `id` does not describe the page any more, or no zpage is left in it;
    /// `EBUSY` when one is mapped.
    pub(crate) fn check_move(&self, id: DescId, page: HostPage) -> Result {
        let frame = page.frame().ok_or(EINVAL)?;
        let locked = self.locked.lock();
        match locked.lists.can_move(&self.table, id, frame) {
            Ok(true) => Ok(()),
            Ok(false) => Err(EBUSY),
            Err(error) => Err(errno(error)),
        }
    }

    /// Moves what is in `src` to `dst`. `src` is a page of this pool with
    /// descriptor `id`, `dst` a new page; both locks are held. `copy` copies the
    /// extents, or says that it could not; it must not sleep, and preemption is
    /// off: others may be spinning. When this returns `Ok`, `dst` is the pool's
    /// page in place of `src`; the caller tells the host so.
    ///
    /// # Errors
    ///
    /// `EBUSY` when a zpage is mapped, `EAGAIN` when no zpage is left in `src`,
    /// and those of `copy`. Neither page has changed then.
    pub(crate) fn move_page(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: HostPage,
        dst: HostPage,
        copy: impl FnOnce(Extents) -> Result,
    ) -> Result {
        let moved = Self::try_move(this, id, src, dst, copy);
        if moved.is_ok() {
            EVENTS.migrated.inc();
        } else {
            EVENTS.migrate_busy.inc();
        }
        moved
    }

    fn try_move(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: HostPage,
        dst: HostPage,
        copy: impl FnOnce(Extents) -> Result,
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
        let copied = copy(extents);
        let (now, nid) = match copied {
            Ok(()) => (to, to_nid),
            Err(_) => (from, src.nid()),
        };
        locked = this.locked.lock();
        let finish = locked
            .lists
            .finish_move(&this.table, id, now, nid)
            .map_err(errno)?;
        drop(locked);
        drop(no_preempt);
        if finish.emptied {
            EVENTS.deferred_frees.inc();
            Self::start_worker(this);
        }
        copied?;
        if let Some(state) = State::get() {
            state.moves().count(finish.from, to_nid);
        }
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
    /// On 6.12, pages that the core has isolated are not waited for: they are torn
    /// down under their lock like any other, and the core sees it. (On 7.x they are:
    /// see [`Departing`].) What is waited for besides is page locks, which the core
    /// holds while it is in a callback. As only
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
