// SPDX-License-Identifier: GPL-2.0

//! The mover `page_cache`: pool pages are folios in the page cache of an inode of
//! ours, whose `migrate_folio` moves them. Any kernel can do that, and does it
//! for every path that moves page cache: compaction, memory offline and, once a
//! process has mapped them (control/device.rs), migrate_pages(2).
//!
//! - A page's place in the file follows from its descriptor's name ([`index`]),
//!   its private data is a reference on its pool.
//! - The inode is on no list of its superblock, so drop_caches and sync never
//!   see it; where pages are evicted one by one (soft offline, posix_fadvise),
//!   `release_folio` refuses. The mapping is unevictable: no reclaim.
//! - Pages are released by truncation, which waits for their locks and unmaps them from
//!   all processes. That sleeps: only the worker does it, for several pages at once.
//! - A page keeps what was in it until a process is to see it ([`wipe`]): most are never seen.
//!
//! Lock order: page lock, then the pool lock (in `migrate_folio` and `wipe`) or the mapping's
//! own locks, which are never held together with the pool lock.

use crate::linux::bindings;
use crate::linux::page::{BorrowedPage, LockedPage, NewPage, PageLock, PageRef};
use crate::linux::trace::{Mode, Move};
use crate::pool::pool::Pool;
use crate::pool::seam::{Claim, Mover};
use crate::zbud::{DescId, Run, Stayed, DESCRIPTORS_PER_LEAF};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// "zbdm", for statfs(2), for which nobody can reach the file.
const MAGIC: usize = 0x7a62_646d;

/// The type of a file system that has one file and is mounted nowhere.
struct FsType(UnsafeCell<bindings::file_system_type>);

// SAFETY: The VFS guards what it changes there with locks of its own.
unsafe impl Sync for FsType {}

/// In the module's data, as lockdep wants its keys.
static FS_TYPE: FsType = FsType(UnsafeCell::new(bindings::file_system_type {
    name: c"zbud_movable".as_ptr().cast(),
    init_fs_context: Some(init_fs_context),
    kill_sb: Some(bindings::kill_anon_super),
    ..bindings::file_system_type::empty()
}));

/// # Safety
///
/// Called by the VFS only.
unsafe extern "C" fn init_fs_context(context: *mut bindings::fs_context) -> c_int {
    // SAFETY: The VFS gives a new context.
    if unsafe { bindings::init_pseudo(context, MAGIC) }.is_null() {
        ENOMEM.to_errno()
    } else {
        0
    }
}

static OPS: bindings::address_space_operations = bindings::address_space_operations {
    // mm calls it without a look. Nobody can write to a page, so nothing is lost if a
    // driver that had one pinned says that it did.
    dirty_folio: Some(bindings::noop_dirty_folio),
    migrate_folio: Some(bindings::zbm_migrate_folio),
    error_remove_folio: Some(error_remove_folio),
    release_folio: Some(release_folio),
    invalidate_folio: Some(invalidate_folio),
    ..bindings::address_space_operations::empty()
};

/// The page-cache index of the first page of a leaf. Dense: the leaves of all
/// pools are numbered together.
pub(crate) fn index_of_leaf(number: u64) -> u64 {
    // CAST: a page's worth of descriptors.
    number.saturating_mul(DESCRIPTORS_PER_LEAF as u64)
}

/// The page-cache index of a descriptor's page.
fn index(id: DescId) -> usize {
    // CAST: 64-bit kernels; a leaf's number is below 2^24, so nothing overflows.
    (index_of_leaf(u64::from(id.leaf())) as usize).wrapping_add(id.offset())
}

/// The inverse of [`index`].
fn descriptor_at(index: usize) -> Option<DescId> {
    let leaf = index.checked_div(DESCRIPTORS_PER_LEAF)?;
    let offset = index.checked_rem(DESCRIPTORS_PER_LEAF)?;
    DescId::new(u32::try_from(leaf).ok()?, offset)
}

/// The inode and its page cache.
///
/// # Invariants
///
/// Both pointers are valid and ours; the inode belongs to the mount. When it is
/// dropped no page is left: pools keep their mover.
pub(crate) struct PageCache {
    mount: NonNull<bindings::vfsmount>,
    inode: NonNull<bindings::inode>,
}

// SAFETY: Mounts and inodes may be used and put by any thread.
unsafe impl Send for PageCache {}
// SAFETY: As above.
unsafe impl Sync for PageCache {}

impl PageCache {
    /// An empty page cache. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of the VFS.
    pub(crate) fn new() -> Result<Arc<Self>> {
        // SAFETY: A static type; it is not registered, so no module is pinned.
        let mount = from_err_ptr(unsafe { bindings::kern_mount(FS_TYPE.0.get()) })?;
        let mount = NonNull::new(mount).ok_or(ENOMEM)?;
        // SAFETY: A mount has a superblock.
        let inode = from_err_ptr(unsafe { bindings::alloc_anon_inode(mount.as_ref().mnt_sb) });
        let inode = inode.and_then(|inode| NonNull::new(inode).ok_or(ENOMEM));
        let inode = inode.inspect_err(|_| {
            // SAFETY: Mounted above, and used by nobody.
            unsafe { bindings::kern_unmount(mount.as_ptr()) }
        })?;
        // INVARIANT: Both were made just now.
        let this = Self { mount, inode };
        // SAFETY: The inode is new; the operations are a static that outlives
        // the pages: the module goes after them.
        unsafe { bindings::zbm_page_cache_set_up(this.mapping(), &OPS) };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    /// Its address space, valid as long as `self`.
    pub(crate) fn mapping(&self) -> *mut bindings::address_space {
        // SAFETY: A valid inode by the type invariant.
        unsafe { self.inode.as_ref() }.i_mapping
    }

    /// Removes `pages` pages from that of `first` on, and unmaps them from all processes;
    /// their references on the pool are dropped. Waits for their page locks.
    ///
    /// # Safety
    ///
    /// No zpage is in them, and none will be.
    unsafe fn remove(&self, first: DescId, pages: u32) {
        // SAFETY: A valid address space.
        unsafe { bindings::zbm_page_cache_remove(self.mapping(), index(first), pages) };
    }
}

// SAFETY: The page cache has a reference on each admitted page until it is removed, by
// `withdraw`, `evict` or `abandon`, or replaced by the page that it moved to.
unsafe impl Mover<Pool> for PageCache {
    fn name(&self) -> &'static str {
        "page_cache"
    }

    unsafe fn admit(
        &self,
        page: NewPage,
        id: DescId,
        pool: Arc<Pool>,
        gfp: u32,
    ) -> Result<LockedPage> {
        let owner = Arc::into_raw(pool).cast_mut();
        // SAFETY: The page is new and ours, the address space valid.
        let added = to_result(unsafe {
            let page = page.page().as_ptr();
            bindings::zbm_page_cache_add(self.mapping(), page, index(id), owner.cast(), gfp)
        });
        match added {
            // SAFETY: Locked by the call. The guard's reference is ours; the
            // page cache has taken its own.
            Ok(()) => Ok(unsafe { LockedPage::from_raw(page.into_ref()) }),
            Err(error) => {
                // SAFETY: The call has not taken it.
                drop(unsafe { Arc::from_raw(owner) });
                Err(error)
            }
        }
    }

    unsafe fn settle(&self, page: LockedPage) {
        // The page cache has a reference.
        drop(page);
    }

    unsafe fn withdraw(&self, page: LockedPage, id: DescId) {
        drop(page);
        // SAFETY: It never got into the books.
        unsafe { self.remove(id, 1) };
    }

    /// Truncation sleeps.
    unsafe fn try_claim(&self, _: BorrowedPage<'_>) -> Option<Claim> {
        None
    }

    unsafe fn evict(&self, run: Run, _: &dyn Fn(DescId) -> Option<PageRef>) -> Stayed {
        // CAST: at most a leaf.
        // SAFETY: The pages are being released, and no others have these indices until
        // the books have forgotten them.
        unsafe { self.remove(run.first(), run.len() as u32) };
        Stayed::default()
    }

    unsafe fn abandon(&self, page: PageRef, id: DescId) -> Result<(), PageRef> {
        // SAFETY: The page is being dropped, and no other has this index until the books have
        // forgotten it.
        unsafe { self.remove(id, 1) };
        // SAFETY: The reference was `page`'s. mm has one already if it found the page here.
        unsafe { bindings::zbm_put_broken_page(page.into_raw()) };
        Ok(())
    }

    /// `try_claim` gives no claim.
    unsafe fn release(&self, _: Claim) {}

    /// As above.
    unsafe fn unclaim(&self, _: Claim) {}

    /// Unlike when mm moves a page, references on `src` do no harm: they are on a page
    /// that is not the pool's any more.
    fn relocate(
        &self,
        pool: ArcBorrow<'_, Pool>,
        id: DescId,
        src: LockedPage,
        dst: NewPage,
    ) -> Result {
        let dst = dst.lock();
        let (from, to) = (src.page().as_ptr(), dst.page().as_ptr());
        // SAFETY: A valid page; nobody maps it while it is locked.
        if unsafe { bindings::zbm_page_is_mapped(from) } {
            // Not for a page that would stay anyway.
            pool.check_move(id, src.lock())?;
            // SAFETY: A page of the pool, so of our mapping, as long as it is locked. A process
            // that touches it from now on waits for its lock, and finds the new one then.
            unsafe { bindings::zbm_page_cache_unmap(from) };
        }
        // SAFETY: Both are locked, `src` is in our mapping, nobody knows `dst`. The
        // zpages are frozen: nobody writes to the page.
        let copy = |_| to_result(unsafe { bindings::zbm_page_cache_replace(from, to) });
        // SAFETY: `dst` is new; the page cache takes a reference on it, and copies all.
        unsafe { Pool::move_page(pool, id, src.lock(), dst.lock(), copy) }?;
        // SAFETY: In the page cache, and locked, since just now.
        unsafe { bindings::zbm_folio_add_lru(to) };
        // The guards' references go; the page cache has its own.
        Ok(())
    }
}

impl Drop for PageCache {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariant; the mount goes last.
        unsafe {
            bindings::iput(self.inode.as_ptr());
            bindings::kern_unmount(self.mount.as_ptr());
        }
    }
}

/// A locked order-0 folio as a page.
///
/// # Safety
///
/// `folio` is valid, locked and has one page, as all of ours, for `'a`.
unsafe fn page_of<'a>(folio: *mut bindings::folio) -> Option<PageLock<'a>> {
    // SAFETY: A folio begins with its first page; the rest by the safety requirements.
    unsafe { BorrowedPage::from_raw(folio.cast()).map(|page| PageLock::of(page)) }
}

/// The pool and the descriptor of a folio in our mapping, and the folio as a page.
///
/// # Safety
///
/// `folio` is valid, and locked for `'a`, so that it stays in our mapping.
unsafe fn owner<'a>(
    folio: *mut bindings::folio,
) -> Option<(ArcBorrow<'a, Pool>, DescId, PageLock<'a>)> {
    // SAFETY: By the safety requirements: the private data is what `admit` put there, and is
    // removed under the folio lock only.
    let (page, pool, index) = unsafe {
        let pool = bindings::zbm_page_owner(folio.cast()).cast::<Pool>();
        (
            page_of(folio)?,
            pool,
            bindings::zbm_page_index(folio.cast()),
        )
    };
    if pool.is_null() {
        return None;
    }
    // SAFETY: The page has a reference on it.
    let pool = unsafe { ArcBorrow::from_raw(pool) };
    Some((pool, descriptor_at(index)?, page))
}

/// Sees to it that there is nothing in a page that a process is about to map but what is, or was,
/// in the pool. Says whether it could: not while a zpage is being stored or copied there. mm does
/// not let it have one whose memory is broken.
///
/// # Errors
///
/// `EAGAIN` when the page is lost.
///
/// # Safety
///
/// `page` is locked and in our mapping.
pub(crate) unsafe fn wipe(page: *mut bindings::page) -> Result<bool> {
    // SAFETY: By the safety requirements; a folio begins with its page.
    unsafe {
        let (pool, id, lock) = owner(page.cast()).ok_or(EAGAIN)?;
        if bindings::zbm_page_is_wiped(page) || lock.page().is_poisoned() {
            return Ok(true);
        }
        let wiped = pool.wipe(id, lock)?;
        if wiped {
            bindings::zbm_page_set_wiped(page);
        }
        Ok(wiped)
    }
}

/// Moves the zpages of `src` to `dst`; -EAGAIN when one is mapped, or someone has
/// a reference on the page. Does not sleep.
///
/// # Safety
///
/// Called by mm only, with both folios locked and `src` in our mapping, through callbacks.c.
#[no_mangle]
unsafe extern "C" fn zbud_movable_migrate_folio(
    mapping: *mut bindings::address_space,
    dst: *mut bindings::folio,
    src: *mut bindings::folio,
    mode: bindings::migrate_mode,
) -> c_int {
    // SAFETY: The folios are valid and locked, so `src` stays in our mapping.
    let folios = unsafe { owner(src).zip(page_of(dst)) };
    let Some(((pool, id, src_page), dst_page)) = folios else {
        return EAGAIN.to_errno();
    };
    let traced = Move::begin(src_page.page(), dst_page.page());
    let mut result = EAGAIN.to_errno();
    let copy = |_| {
        // SAFETY: As mm called us. Copies the page, puts `dst` in the
        // place of `src`, and hands the private data over; or does nothing.
        result = unsafe { bindings::filemap_migrate_folio(mapping, dst, src, mode) };
        to_result(result)
    };
    // SAFETY: mm uses `dst` for nothing else; the page cache takes a reference on it.
    let moved = unsafe { Pool::move_page(pool, id, src_page, dst_page, copy) };
    traced.end(pool.name(), Mode::of_mm(mode), moved);
    moved.map_or(result, |()| 0)
}

/// The memory of a page is broken: its pool loses it. The worker removes it from the page
/// cache, as a callback must not release a page.
///
/// # Safety
///
/// Called by mm only, with the folio locked and in our mapping.
unsafe extern "C" fn error_remove_folio(
    _: *mut bindings::address_space,
    folio: *mut bindings::folio,
) -> c_int {
    // SAFETY: By the safety requirements.
    if let Some((pool, id, page)) = unsafe { owner(folio) } {
        if let Some(address) = page.page().address() {
            pool.lose(id, address);
        }
    }
    EBUSY.to_errno()
}

/// Only its pool releases a page.
///
/// # Safety
///
/// Called by mm only.
unsafe extern "C" fn release_folio(_: *mut bindings::folio, _: bindings::gfp_t) -> bool {
    false
}

/// The page is being truncated: by `remove`, as nobody else does.
///
/// # Safety
///
/// Called by mm only, with the folio locked.
unsafe extern "C" fn invalidate_folio(folio: *mut bindings::folio, _: usize, _: usize) {
    // SAFETY: Locked.
    let owner = unsafe { bindings::zbm_folio_detach_private(folio) };
    if !owner.is_null() {
        // SAFETY: What `admit` put there, detached once. Not the last reference: the pool's
        // user has one until `Pool::drain` has returned, which waits for the worker.
        drop(unsafe { Arc::from_raw(owner.cast::<Pool>()) });
    }
}
