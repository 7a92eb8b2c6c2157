// SPDX-License-Identifier: GPL-2.0

//! Host pages of a pool: `struct page`, its lock, and who it says it belongs to.

use crate::bindings;
use crate::movable;
use crate::pool::Pool;
use crate::zbud::{DescId, Frame, Nid};
use core::ptr::NonNull;
use kernel::sync::{Arc, ArcBorrow};

const _: () = assert!(crate::zbud::PAGE_SIZE == bindings::ZBM_PAGE_SIZE);

/// The node whose memory is nearest to this CPU.
pub(crate) fn local_node() -> Nid {
    // SAFETY: Reads a per-CPU variable; no preconditions.
    let nid = unsafe { bindings::zbm_numa_mem_id() };
    Nid(u16::try_from(nid).unwrap_or(0))
}

/// A host page of which the caller knows that it exists, without owning it.
///
/// # Invariants
///
/// Points to the `struct page` of an order-0 page of the direct mapping. The
/// page is kept in existence by a reference of the pool (while a descriptor
/// names it and L is held), of the core (in the movable operations), or by an
/// owning [`PageRef`].
#[derive(Clone, Copy)]
pub(crate) struct HostPage(NonNull<bindings::page>);

impl HostPage {
    /// # Safety
    ///
    /// `page` is the `struct page` of an order-0 page of the direct mapping,
    /// and stays so while the result is used.
    pub(crate) unsafe fn from_raw(page: *mut bindings::page) -> Option<Self> {
        // INVARIANT: By the safety requirements.
        NonNull::new(page).map(Self)
    }

    /// The page behind a frame of the pool. L must be held, or a reference on
    /// the page: what keeps a frame's page in existence is not visible here.
    pub(crate) fn of(frame: Frame) -> Self {
        // SAFETY: Frames are made by `frame` only, so the address is that of
        // a page of the direct mapping.
        let page = unsafe { bindings::zbm_virt_to_page(frame.address() as *const _) };
        // SAFETY: `virt_to_page` of a direct-mapping address is never null.
        // INVARIANT: The frame is the address of such a page.
        Self(unsafe { NonNull::new_unchecked(page) })
    }

    fn as_ptr(self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Where the direct mapping has it. `None` never happens for a page of the
    /// direct mapping.
    pub(crate) fn frame(self) -> Option<Frame> {
        // SAFETY: Valid by the type invariant.
        Frame::new(unsafe { bindings::zbm_page_address(self.as_ptr()) } as usize)
    }

    /// The node the page is on.
    pub(crate) fn nid(self) -> Nid {
        // SAFETY: Valid by the type invariant.
        let nid = unsafe { bindings::zbm_page_to_nid(self.as_ptr()) };
        // CAST: node ids are below MAX_NUMNODES, at most 1024.
        Nid(nid as u16)
    }

    /// The page frame number.
    pub(crate) fn pfn(self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_page_to_pfn(self.as_ptr()) }
    }

    /// Takes the page lock if nobody has it. Does not sleep.
    pub(crate) fn try_lock(self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_trylock_page(self.as_ptr()) }
    }

    /// Takes a reference, so that the page outlives L.
    pub(crate) fn get(self) -> PageRef {
        // SAFETY: Valid by the type invariant, so its count is not zero.
        unsafe { bindings::zbm_get_page(self.as_ptr()) };
        PageRef(self)
    }

    /// The pool and descriptor the page says it belongs to.
    ///
    /// # Safety
    ///
    /// The page lock is held and stays so while the result is used; the page is
    /// movable by [`movable::OPS`].
    pub(crate) unsafe fn owner<'a>(self) -> Option<(ArcBorrow<'a, Pool>, DescId)> {
        // SAFETY: Valid by the type invariant; the fields are stable under the page lock.
        let (pool, index) = unsafe {
            (
                bindings::zbm_page_owner(self.as_ptr()).cast::<Pool>(),
                bindings::zbm_page_index(self.as_ptr()),
            )
        };
        let id = u32::try_from(index).ok().and_then(DescId::from_raw)?;
        if pool.is_null() {
            return None;
        }
        // SAFETY: `set_movable` put a reference on the pool there, and
        // `clear_movable` takes it away under the page lock.
        Some((unsafe { ArcBorrow::from_raw(pool) }, id))
    }

    /// Copies bytes `offset..offset + len` to the same place of `dst`.
    ///
    /// # Safety
    ///
    /// Nobody writes to that part of either page or reads that of `dst`.
    pub(crate) unsafe fn copy_to(self, dst: HostPage, extent: crate::zbud::Extent) {
        if let (Some(from), Some(to)) = (self.frame(), dst.frame()) {
            let at = |frame: Frame| frame.address().wrapping_add(extent.offset());
            // SAFETY: An extent lies within a page by its invariant, the pages
            // are mapped and distinct, and the caller excludes other access.
            unsafe {
                core::ptr::copy_nonoverlapping(
                    at(from) as *const u8,
                    at(to) as *mut u8,
                    extent.bytes(),
                );
            }
        }
    }
}

/// A reference on a host page.
pub(crate) struct PageRef(HostPage);

impl PageRef {
    /// Allocates a page with the caller's `gfp` flags; may sleep if they say so.
    pub(crate) fn alloc(gfp: u32) -> Option<Self> {
        // SAFETY: Any flags are fine. The result is an order-0 page, of the
        // direct mapping since 64-bit kernels have no high memory.
        let page = unsafe { HostPage::from_raw(bindings::zbm_alloc_page(gfp)) };
        page.map(PageRef)
    }

    /// Takes over a reference, to drop it.
    ///
    /// # Safety
    ///
    /// The caller has a reference on `page` and gives it up.
    pub(crate) unsafe fn adopt(page: HostPage) -> Self {
        Self(page)
    }

    /// Takes the page lock; may sleep.
    pub(crate) fn lock(self) -> LockedPage {
        if !self.0.try_lock() {
            // SAFETY: Valid by the type invariant of `HostPage`.
            unsafe { bindings::zbm_lock_page(self.0.as_ptr()) };
        }
        // INVARIANT: The lock was taken just now, the reference is handed over.
        LockedPage(self)
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        // SAFETY: The reference is ours to give.
        unsafe { bindings::zbm_put_page(self.0.as_ptr()) };
    }
}

/// A page lock that is held, with a reference of its own. Unlocks when dropped,
/// and drops the reference then.
///
/// # Invariants
///
/// The page lock is held by this guard.
pub(crate) struct LockedPage(PageRef);

impl LockedPage {
    /// # Safety
    ///
    /// The caller has the page lock and a reference on `page`, and gives up both.
    pub(crate) unsafe fn adopt(page: HostPage) -> Self {
        // INVARIANT: By the safety requirements.
        Self(PageRef(page))
    }

    /// The page.
    pub(crate) fn page(&self) -> HostPage {
        self.0 .0
    }

    /// Makes it a movable page of `pool` under the name `id` and unlocks it;
    /// the reference on the page becomes the pool's.
    pub(crate) fn publish(self, pool: Arc<Pool>, id: DescId) {
        let page = self.page();
        // SAFETY: The page lock is held.
        unsafe { set_movable(page, pool, id) };
        // SAFETY: The lock is ours, and `self` is forgotten below.
        unsafe { bindings::zbm_unlock_page(page.as_ptr()) };
        core::mem::forget(self);
    }

    /// Makes it no movable page of ours any more and gives back the reference it
    /// had on its pool. If the core has the page isolated, it sees that the page
    /// is not movable any more, and only drops its own reference.
    ///
    /// # Safety
    ///
    /// `publish` made it a movable page of ours.
    pub(crate) unsafe fn retract(&self) -> Arc<Pool> {
        // SAFETY: The page lock is held, the rest is the caller's promise.
        unsafe { clear_movable(self.page()) }
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        // SAFETY: The lock is held by this guard. The reference goes after.
        unsafe { bindings::zbm_unlock_page(self.page().as_ptr()) };
    }
}

/// Makes `page` movable, as the page of `pool` with the descriptor `id`. The
/// page keeps the reference on its pool.
///
/// # Safety
///
/// The page lock is held, the pool has a reference on the page, and the page is
/// not movable yet.
pub(crate) unsafe fn set_movable(page: HostPage, pool: Arc<Pool>, id: DescId) {
    // SAFETY: Page and operations are valid, the lock is held. `OPS` is a
    // static that outlives every movable page: see `Pool::drain`.
    unsafe {
        bindings::zbm_set_page_owner(
            page.as_ptr(),
            Arc::into_raw(pool).cast_mut().cast(),
            id.raw() as usize,
        );
        bindings::__SetPageMovable(page.as_ptr(), &movable::OPS);
    }
}

/// Undoes [`set_movable`] and gives back the page's reference on its pool.
///
/// # Safety
///
/// The page lock is held, and the page is movable by us.
pub(crate) unsafe fn clear_movable(page: HostPage) -> Arc<Pool> {
    // SAFETY: Page and operations are valid, the lock is held. The owner is
    // what `set_movable` put there, and is taken once.
    unsafe {
        let pool = bindings::zbm_page_owner(page.as_ptr());
        bindings::__ClearPageMovable(page.as_ptr());
        bindings::zbm_set_page_owner(page.as_ptr(), core::ptr::null_mut(), 0);
        Arc::from_raw(pool.cast::<Pool>())
    }
}

/// Preemption is off while this lives.
pub(crate) struct NoPreempt(());

impl NoPreempt {
    pub(crate) fn new() -> Self {
        // SAFETY: Undone in `drop`.
        unsafe { bindings::zbm_preempt_disable() };
        Self(())
    }
}

impl Drop for NoPreempt {
    fn drop(&mut self) {
        // SAFETY: Pairs with `new`.
        unsafe { bindings::zbm_preempt_enable() };
    }
}

/// Lets others run if they want to. Process context, no spinlock held.
pub(crate) fn cond_resched() {
    // SAFETY: By the contract above.
    unsafe { bindings::zbm_cond_resched() };
}

/// Sleeps for one tick. Process context, no spinlock held.
pub(crate) fn short_sleep() {
    // SAFETY: By the contract above.
    unsafe { bindings::zbm_short_sleep() };
}
