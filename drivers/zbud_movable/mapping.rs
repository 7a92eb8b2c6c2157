// SPDX-License-Identifier: GPL-2.0

//! The mover `mapping`: pool pages are folios in the page cache of an inode of
//! ours, whose `migrate_folio` moves them. Any kernel can do that, and does it
//! for every path that moves page cache: compaction, memory offline and, once a
//! process has mapped them ([`device`](crate::device)), migrate_pages(2).
//!
//! - A page's place in the file follows from its descriptor's name ([`index`]),
//!   its private data is a reference on its pool.
//! - The inode is on no list of its superblock, so drop_caches and sync never
//!   see it; where pages are evicted one by one (soft offline, posix_fadvise),
//!   `release_folio` refuses. The mapping is unevictable: no reclaim.
//! - A page is given up by truncating it, which waits for its lock and takes
//!   it away from whoever has it mapped. That sleeps: only the worker does it.
//! - Every page comes zeroed: users of the device must not see what was there.
//!
//! Locks, outer to inner: page lock, then L (in `migrate_folio`), or the mapping's
//! own locks, which are never taken together with L.

use crate::bindings;
use crate::page::{HostPage, LockedPage, PageRef};
use crate::pool::Pool;
use crate::zbud::{DescId, DESCRIPTORS_PER_LEAF};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// "zbdm", for statfs(2) on what nobody can reach.
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
    migrate_folio: Some(migrate_folio),
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
pub(crate) struct Mapping {
    mount: NonNull<bindings::vfsmount>,
    inode: NonNull<bindings::inode>,
}

// SAFETY: Mounts and inodes may be used and put by any thread.
unsafe impl Send for Mapping {}
// SAFETY: As above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// An empty page cache. May sleep.
    pub(crate) fn new() -> Result<Self> {
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
        unsafe { bindings::zbm_mapping_set_up(this.as_ptr(), &OPS) };
        Ok(this)
    }

    /// The address space.
    pub(crate) fn as_ptr(&self) -> *mut bindings::address_space {
        // SAFETY: A valid inode by the type invariant.
        unsafe { self.inode.as_ref() }.i_mapping
    }

    /// Puts a new page at the place of `id`, which is reserved, as a page of
    /// `pool`. `gfp` is for what the page cache itself needs.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn add(
        &self,
        page: PageRef,
        id: DescId,
        pool: Arc<Pool>,
        gfp: u32,
    ) -> Result<LockedPage> {
        let owner = Arc::into_raw(pool).cast_mut();
        let gfp = gfp & !(bindings::ZBM_GFP_ZONE_BITS | bindings::ZBM_GFP_ZERO);
        // SAFETY: The page is new and ours, the address space valid.
        let added = to_result(unsafe {
            let page = page.page().as_ptr();
            bindings::zbm_mapping_add(self.as_ptr(), page, index(id), owner.cast(), gfp)
        });
        match added {
            // SAFETY: Locked by the call. The guard's reference is ours; the
            // page cache has taken its own.
            Ok(()) => Ok(unsafe { LockedPage::of(page) }),
            Err(error) => {
                // SAFETY: Not taken by the call.
                drop(unsafe { Arc::from_raw(owner) });
                Err(error)
            }
        }
    }

    /// Takes the page of `id` out, and away from those who have it mapped; its
    /// reference on the pool goes with it. Waits for the page lock.
    pub(crate) fn remove(&self, id: DescId) {
        // SAFETY: A valid address space.
        unsafe { bindings::zbm_mapping_remove(self.as_ptr(), index(id)) };
    }
}

/// Moves page `src` of `pool` to the new page `dst`, without being asked by the
/// host. Sleeps. Other than the host's way this one does not care who has a
/// reference on `src`: they keep what is not the pool's any more.
///
/// # Errors
///
/// Those of [`Pool::move_page`].
pub(crate) fn relocate(
    pool: ArcBorrow<'_, Pool>,
    id: DescId,
    src: LockedPage,
    dst: LockedPage,
) -> Result {
    let (from, to) = (src.page().as_ptr(), dst.page().as_ptr());
    // Not for a page that would stay anyway.
    pool.check_move(id, src.page())?;
    // SAFETY: A page of the pool, so of our mapping, as long as it is locked. Who
    // touches it from now on waits for its lock, and finds the new one then.
    unsafe { bindings::zbm_mapping_unmap(from) };
    Pool::move_page(pool, id, src.page(), dst.page(), |_| {
        // SAFETY: Both are locked, `src` is in our mapping, nobody knows `dst`. The
        // zpages are frozen: nobody writes to the page.
        to_result(unsafe { bindings::zbm_mapping_replace(from, to) })
    })?;
    // SAFETY: In the page cache, and locked, since just now.
    unsafe { bindings::zbm_folio_add_lru(to) };
    // The guards' references go; the page cache has its own.
    Ok(())
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariant; the mount goes last.
        unsafe {
            bindings::iput(self.inode.as_ptr());
            bindings::kern_unmount(self.mount.as_ptr());
        }
    }
}

/// The host page of an order-0 folio.
///
/// # Safety
///
/// `folio` is valid and has one page, as all of ours.
unsafe fn page_of(folio: *mut bindings::folio) -> Option<HostPage> {
    // SAFETY: A folio begins with its first page.
    unsafe { HostPage::from_raw(folio.cast()) }
}

/// Moves the zpages of `src` to `dst`; -EAGAIN when one is mapped, or someone has
/// a reference on the page. Does not sleep.
///
/// # Safety
///
/// Called by the core only, with both folios locked and `src` in our mapping.
unsafe extern "C" fn migrate_folio(
    mapping: *mut bindings::address_space,
    dst: *mut bindings::folio,
    src: *mut bindings::folio,
    mode: bindings::migrate_mode,
) -> c_int {
    // SAFETY: The folios are valid and locked, so `src` stays in our mapping.
    let pages = unsafe { page_of(src).zip(page_of(dst)) };
    let Some((src_page, dst_page)) = pages else {
        return EAGAIN.to_errno();
    };
    // SAFETY: As above: the private data is what `add` put there, and is taken
    // away under the folio lock only.
    let (pool, id) = unsafe {
        let pool = bindings::zbm_page_owner(src.cast()).cast::<Pool>();
        (pool, descriptor_at(bindings::zbm_page_index(src.cast())))
    };
    let (false, Some(id)) = (pool.is_null(), id) else {
        return EAGAIN.to_errno();
    };
    // SAFETY: The page has a reference on it.
    let pool = unsafe { ArcBorrow::from_raw(pool) };
    let mut result = EAGAIN.to_errno();
    let moved = Pool::move_page(pool, id, src_page, dst_page, |_| {
        // SAFETY: As the core called us. Copies the page, puts `dst` in the
        // place of `src`, and hands the private data over; or does nothing.
        result = unsafe { bindings::filemap_migrate_folio(mapping, dst, src, mode) };
        to_result(result)
    });
    moved.map_or(result, |()| 0)
}

/// Pages are given up by their pool only.
///
/// # Safety
///
/// Called by the core only.
unsafe extern "C" fn release_folio(_: *mut bindings::folio, _: bindings::gfp_t) -> bool {
    false
}

/// The page is being truncated: by `remove`, as nobody else does.
///
/// # Safety
///
/// Called by the core only, with the folio locked.
unsafe extern "C" fn invalidate_folio(folio: *mut bindings::folio, _: usize, _: usize) {
    // SAFETY: Locked.
    let owner = unsafe { bindings::zbm_folio_detach_private(folio) };
    if !owner.is_null() {
        // SAFETY: What `add` put there, taken once. Not the last reference:
        // the worker has one, or who drains the pool.
        drop(unsafe { Arc::from_raw(owner.cast::<Pool>()) });
    }
}
