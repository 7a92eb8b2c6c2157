// SPDX-License-Identifier: GPL-2.0

//! Pages: `struct page`, references on them, their lock.
//!
//! | type               | its holder has                                               |
//! | ------------------ | ------------------------------------------------------------ |
//! | [`NewPage`]        | a page that nobody else knows                                |
//! | [`PageRef`]        | a reference                                                  |
//! | [`LockedPage`]     | a reference and the page lock                                |
//! | [`BorrowedPage`]   | the page, as long as someone else's reference is borrowed    |
//! | [`PageLock`]       | the same, with the page lock held by the holder or for it    |

use super::bindings;
use super::fault;
use super::node_list::nodemask;
use crate::zbud::{Extent, Nid, NodeSet, PageAddr, PAGE_SIZE};
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong};
use kernel::prelude::*;

const _: () = assert!(PAGE_SIZE == bindings::ZBM_PAGE_SIZE);

/// The error of a copy that finds its source broken.
pub(crate) fn broken() -> Error {
    to_result(-bindings::ZBM_EHWPOISON).err().unwrap_or(EIO)
}

/// Whether the machine says that the memory at an address is broken.
///
/// # Safety
///
/// The address is in memory of the direct mapping that does not go away meanwhile.
#[inline]
pub(crate) unsafe fn is_poisoned(address: usize) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { bindings::zbm_address_poisoned(address as *const _) }
}

/// Copies an extent of a page to one of the same length in another.
///
/// # Errors
///
/// [`broken`] when its memory is.
///
/// # Safety
///
/// Both are pages of the direct mapping on which someone has a reference. Nobody writes to
/// either extent or reads the second.
pub(crate) unsafe fn copy(from: (PageAddr, Extent), to: (PageAddr, Extent)) -> Result {
    let at = |(page, extent): (PageAddr, Extent)| page.address().wrapping_add(extent.offset());
    let bytes = from.1.bytes().min(to.1.bytes());
    // SAFETY: An extent lies within a page by its invariant, the pages are mapped, and the
    // caller excludes other access.
    unsafe { copy_bytes(at(from), at(to), bytes) }
}

/// Copies bytes of a page to another.
///
/// # Errors
///
/// [`broken`] when their memory is.
///
/// # Safety
///
/// As [`copy`]; `bytes` bytes from each address on are in one page.
pub(crate) unsafe fn copy_bytes(from: usize, to: usize, bytes: usize) -> Result {
    // CAST: at most a page.
    let bytes = bytes as u32;
    // SAFETY: By the safety requirements.
    let copied = unsafe { bindings::zbm_copy_mc(to as *mut _, from as *const _, bytes) };
    copied.then_some(()).ok_or(broken())
}

/// The page frame number of a page of the pool.
pub(crate) fn pfn(page: PageAddr) -> usize {
    // SAFETY: Arithmetic on the address of the direct mapping.
    unsafe { bindings::zbm_page_to_pfn(bindings::zbm_virt_to_page(page.address() as *const _)) }
}

/// A page frame and its node.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) pfn: usize,
    pub(crate) nid: Nid,
}

impl Frame {
    pub(super) fn pfn(self) -> c_ulong {
        // CAST: 64 bits.
        self.pfn as _
    }

    pub(super) fn nid(self) -> c_int {
        c_int::from(self.nid.0)
    }
}

/// A page that is kept in existence by a reference for `'a`.
///
/// # Invariants
///
/// Points to the `struct page` of an order-0 page of the direct mapping, on which
/// somebody has a reference for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct BorrowedPage<'a>(NonNull<bindings::page>, PhantomData<&'a PageRef>);

impl<'a> BorrowedPage<'a> {
    /// `None` if `page` is null.
    ///
    /// # Safety
    ///
    /// `page`, if not null, is the `struct page` of an order-0 page of the direct
    /// mapping, on which somebody has a reference for `'a`.
    pub(crate) unsafe fn from_raw(page: *mut bindings::page) -> Option<Self> {
        // INVARIANT: By the safety requirements.
        Some(Self(NonNull::new(page)?, PhantomData))
    }

    /// The page at `address`.
    ///
    /// # Safety
    ///
    /// `address` came from [`BorrowedPage::address`], and somebody has a reference on
    /// the page for `'a`.
    pub(crate) unsafe fn at(address: PageAddr) -> Self {
        // SAFETY: An address of the direct mapping.
        let page = unsafe { bindings::zbm_virt_to_page(address.address() as *const _) };
        // SAFETY: `virt_to_page` of such an address is never null.
        // INVARIANT: By the safety requirements.
        Self(unsafe { NonNull::new_unchecked(page) }, PhantomData)
    }

    pub(crate) fn as_ptr(self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Where the direct mapping has it; `None` never happens for a page of the
    /// direct mapping.
    pub(crate) fn address(self) -> Option<PageAddr> {
        // SAFETY: Valid by the type invariant.
        PageAddr::new(unsafe { bindings::zbm_page_address(self.as_ptr()) } as usize)
    }

    /// Its frame.
    pub(crate) fn frame(self) -> Frame {
        Frame {
            // SAFETY: A page, by the type invariant. CAST: 64 bits.
            pfn: unsafe { bindings::zbm_page_to_pfn(self.as_ptr()) as usize },
            nid: self.nid(),
        }
    }

    /// The node the page is on.
    pub(crate) fn nid(self) -> Nid {
        // SAFETY: Valid by the type invariant.
        let nid = unsafe { bindings::zbm_page_to_nid(self.as_ptr()) };
        // CAST: node ids are below MAX_NUMNODES, at most 1024.
        Nid(nid as u16)
    }

    /// Whether the machine says that its memory is broken.
    pub(crate) fn is_poisoned(self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_page_poisoned(self.as_ptr()) }
    }

    /// Takes a reference of its own.
    pub(crate) fn get(self) -> PageRef {
        // SAFETY: Valid by the type invariant, and its count is not zero: a page that mm is
        // just moving, or that is claimed, is borrowed by nobody.
        unsafe { bindings::zbm_get_page(self.as_ptr()) };
        // INVARIANT: Taken just now.
        PageRef(self.0)
    }
}

/// A page whose lock is held for `'a`, by the caller or by mm on its behalf.
///
/// # Invariants
///
/// Nobody drops the page lock in `'a`.
#[derive(Clone, Copy)]
pub(crate) struct PageLock<'a>(BorrowedPage<'a>);

impl<'a> PageLock<'a> {
    /// # Safety
    ///
    /// The page lock is held for `'a`.
    pub(crate) unsafe fn of(page: BorrowedPage<'a>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(page)
    }

    pub(crate) fn page(self) -> BorrowedPage<'a> {
        self.0
    }

    pub(crate) fn as_ptr(self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Copies `extent` to the same place of `dst`.
    ///
    /// # Errors
    ///
    /// [`broken`] when its memory is.
    ///
    /// # Safety
    ///
    /// Nobody writes to that part of either page or reads that of `dst`.
    pub(crate) unsafe fn copy_to(self, dst: PageLock<'_>, extent: Extent) -> Result {
        let (Some(from), Some(to)) = (self.0.address(), dst.0.address()) else {
            return Err(EINVAL);
        };
        // SAFETY: Both are pages of the direct mapping by the type invariant, and borrowed; the
        // rest by the safety requirements.
        unsafe { copy((from, extent), (to, extent)) }
    }

    /// Overwrites these bytes with zeroes, as far as they are in the page.
    ///
    /// # Safety
    ///
    /// Nobody else writes to them, or has a reference to them.
    pub(crate) unsafe fn wipe(self, bytes: Range<usize>) {
        let end = bytes.end.min(PAGE_SIZE);
        let Some((page, len)) = self.0.address().zip(end.checked_sub(bytes.start)) else {
            return;
        };
        // SAFETY: In a page of the direct mapping by the type invariant; the rest by the safety
        // requirements.
        unsafe {
            let page = page.address() as *mut u8;
            page.add(bytes.start).write_bytes(0, len);
        }
    }
}

/// A page that was allocated and that nobody else knows yet.
///
/// # Invariants
///
/// The reference is the only one through which the page is read or written: pfn walkers
/// may have others for a moment.
pub(crate) struct NewPage(PageRef);

impl NewPage {
    /// Allocates a page on one of `nodes`, all if `None`, as near to node `nid` as can be;
    /// may sleep if `gfp` says so. The caller's memory policy is ignored; `gfp` decides
    /// whether its cpuset applies.
    pub(crate) fn alloc_near(gfp: u32, nid: Nid, nodes: Option<&NodeSet>) -> Option<Self> {
        Self::alloc(gfp, nid, nodes.map_or(core::ptr::null(), nodemask))
    }

    /// Allocates a page on node `nid` if that has memory to spare: neither sleeps nor
    /// touches reserves, whatever `gfp` and the caller are.
    pub(crate) fn alloc_spare(gfp: u32, nid: Nid) -> Option<Self> {
        let gfp = gfp & !bindings::ZBM_GFP_INSISTS | bindings::ZBM_GFP_SPARE;
        Self::alloc(gfp, nid, core::ptr::null())
    }

    fn alloc(gfp: u32, nid: Nid, nodes: *const bindings::nodemask_t) -> Option<Self> {
        fault::alloc().ok()?;
        // SAFETY: Any flags and any node are fine, and the node mask, if any, is valid
        // during the call.
        let page = unsafe { bindings::zbm_alloc_page_from(gfp, c_int::from(nid.0), nodes) };
        // SAFETY: From the allocator just now.
        unsafe { Self::from_raw(page) }
    }

    /// `None` if `page` is null.
    ///
    /// # Safety
    ///
    /// `page`, if not null, is an order-0 page from the allocator, and the caller passes its
    /// reference on, the only one.
    pub(super) unsafe fn from_raw(page: *mut bindings::page) -> Option<Self> {
        // INVARIANT: By the safety requirements; of the direct mapping since 64-bit kernels
        // have no high memory.
        Some(Self(PageRef(NonNull::new(page)?)))
    }

    pub(crate) fn page(&self) -> BorrowedPage<'_> {
        self.0.page()
    }

    /// Its reference, once the caller makes it known to others.
    pub(crate) fn into_ref(self) -> PageRef {
        self.0
    }

    /// Takes the page lock. mm has not isolated a new page, so its lock is free; a pfn
    /// walker may hold it briefly.
    pub(crate) fn lock(self) -> LockedPage {
        self.0.lock()
    }
}

/// A reference on a page.
///
/// # Invariants
///
/// Points to the `struct page` of an order-0 page of the direct mapping; one
/// reference on it is owned.
pub(crate) struct PageRef(NonNull<bindings::page>);

// SAFETY: A reference may be dropped by any thread.
unsafe impl Send for PageRef {}

impl PageRef {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// The caller has a reference on `page` and passes it on.
    pub(crate) unsafe fn from_raw(page: BorrowedPage<'_>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(page.0)
    }

    /// Leaves the reference to the caller.
    pub(crate) fn into_raw(self) -> *mut bindings::page {
        let page = self.0.as_ptr();
        core::mem::forget(self);
        page
    }

    pub(crate) fn page(&self) -> BorrowedPage<'_> {
        // INVARIANT: `self` has a reference and is borrowed.
        BorrowedPage(self.0, PhantomData)
    }

    /// Takes the page lock if it is free. Does not sleep.
    pub(crate) fn try_lock(self) -> Option<LockedPage> {
        // SAFETY: Valid by the type invariant.
        let locked = unsafe { bindings::zbm_trylock_page(self.0.as_ptr()) };
        // INVARIANT: The lock was taken just now.
        locked.then(|| LockedPage(self))
    }

    /// Takes the page lock; may sleep.
    pub(crate) fn lock(self) -> LockedPage {
        // SAFETY: Valid by the type invariant.
        unsafe {
            if !bindings::zbm_trylock_page(self.0.as_ptr()) {
                bindings::zbm_lock_page(self.0.as_ptr());
            }
        }
        // INVARIANT: The lock was taken just now.
        LockedPage(self)
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        // SAFETY: The reference is owned by the type invariant.
        unsafe { bindings::zbm_put_page(self.0.as_ptr()) };
    }
}

/// A page lock that is held, with a reference. Dropping it drops both.
///
/// # Invariants
///
/// The page lock is held by this guard.
pub(crate) struct LockedPage(PageRef);

impl LockedPage {
    /// The guard of a page whose lock was taken for the caller.
    ///
    /// # Safety
    ///
    /// The caller has the page lock and passes it on.
    pub(crate) unsafe fn from_raw(page: PageRef) -> Self {
        // INVARIANT: By the safety requirements.
        Self(page)
    }

    pub(crate) fn page(&self) -> BorrowedPage<'_> {
        self.0.page()
    }

    /// The proof that the lock is held.
    pub(crate) fn lock(&self) -> PageLock<'_> {
        // INVARIANT: Held by this guard, which is borrowed.
        PageLock(self.page())
    }

    /// Drops the lock and keeps the reference.
    pub(crate) fn unlock(self) -> PageRef {
        let page = self.into_raw();
        // SAFETY: The lock was this guard's.
        unsafe { bindings::zbm_unlock_page(page) };
        // SAFETY: The pointer came from a `PageRef`. INVARIANT: Its reference.
        PageRef(unsafe { NonNull::new_unchecked(page) })
    }

    /// Leaves lock and reference to the caller.
    pub(crate) fn into_raw(self) -> *mut bindings::page {
        let page = self.0 .0.as_ptr();
        core::mem::forget(self);
        page
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        // SAFETY: The lock is held by this guard. The reference goes after.
        unsafe { bindings::zbm_unlock_page(self.0 .0.as_ptr()) };
    }
}
