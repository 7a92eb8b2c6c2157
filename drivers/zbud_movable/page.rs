// SPDX-License-Identifier: GPL-2.0

//! Host pages of a pool: `struct page`, references, its lock.

use crate::bindings;
use crate::node_list::nodemask;
use crate::zbud::{Frame, Nid, NodeSet};
use core::ptr::NonNull;
use kernel::ffi::c_int;

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
/// names it and L is held), of the core (in its callbacks), or by an owning
/// [`PageRef`].
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

    pub(crate) fn as_ptr(self) -> *mut bindings::page {
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

    /// Whether the host has taken the page to move it. Stable under its lock.
    pub(crate) fn is_isolated(self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_page_isolated(self.as_ptr()) }
    }

    /// Whether the machine says that its memory is broken.
    pub(crate) fn is_poisoned(self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_page_poisoned(self.as_ptr()) }
    }

    /// Takes a reference, so that the page outlives L. Not for a page that is just being
    /// moved or given up: the host, or [`Departing`](crate::movable_ops::Departing), may
    /// have its count at zero for a moment.
    pub(crate) fn get(self) -> PageRef {
        // SAFETY: Valid by the type invariant, and nobody keeps its count at zero by the
        // contract above.
        unsafe { bindings::zbm_get_page(self.as_ptr()) };
        PageRef(self)
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

    /// The same from one of `nodes`, as near to this CPU as can be. What the
    /// caller's memory policy says is no matter; `gfp` says whether his cpuset is.
    pub(crate) fn alloc_among(gfp: u32, nodes: &NodeSet) -> Option<Self> {
        Self::alloc_near(gfp, local_node(), nodemask(nodes))
    }

    /// The same from node `nid` only. May sleep.
    pub(crate) fn alloc_on(nid: Nid, gfp: u32) -> Option<Self> {
        let gfp = gfp | bindings::ZBM_GFP_THIS_NODE;
        Self::alloc_near(gfp, nid, core::ptr::null())
    }

    fn alloc_near(gfp: u32, nid: Nid, nodes: *const bindings::nodemask_t) -> Option<Self> {
        // SAFETY: Any flags are fine, the node is one that is possible, and the
        // node mask, if any, is valid during the call.
        let page = unsafe { bindings::zbm_alloc_page_from(gfp, c_int::from(nid.0), nodes) };
        // SAFETY: As in `alloc`.
        unsafe { HostPage::from_raw(page) }.map(PageRef)
    }

    /// The page.
    pub(crate) fn page(&self) -> HostPage {
        self.0
    }

    /// Takes the page lock if nobody has it. Does not sleep.
    pub(crate) fn try_lock(self) -> Option<LockedPage> {
        // INVARIANT: The lock was taken just now, the reference is handed over.
        self.0.try_lock().then(|| LockedPage(self))
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
    /// The guard of a page whose lock was taken for its holder.
    ///
    /// # Safety
    ///
    /// The caller has the page lock, and gives it up.
    pub(crate) unsafe fn of(page: PageRef) -> Self {
        // INVARIANT: By the safety requirements.
        Self(page)
    }

    /// The page.
    pub(crate) fn page(&self) -> HostPage {
        self.0 .0
    }

    /// Unlocks it and leaves the reference to the pool.
    pub(crate) fn into_pool(self) {
        let page = self.into_inner();
        // SAFETY: The lock was this guard's.
        unsafe { bindings::zbm_unlock_page(page.as_ptr()) };
    }

    /// Takes the guard apart: lock and reference are the caller's now.
    pub(crate) fn into_inner(self) -> HostPage {
        let page = self.page();
        core::mem::forget(self);
        page
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        // SAFETY: The lock is held by this guard. The reference goes after.
        unsafe { bindings::zbm_unlock_page(self.page().as_ptr()) };
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

/// Whether the caller is being killed.
pub(crate) fn fatal_signal_pending() -> bool {
    // SAFETY: Reads flags of the caller.
    unsafe { bindings::zbm_fatal_signal_pending() }
}
