// SPDX-License-Identifier: GPL-2.0

//! `/dev/zbud_movable`: the pages of all pools as a file to map, read-only, where
//! the mover is the page cache. The system calls that move the pages of a process move
//! the pool's, once a process has them mapped. An access where there is no page is
//! answered with SIGBUS, as beyond the end of a file; it gets the page that is there at
//! the next try. While a page moves, it waits. lseek(2) tells how long the file is,
//! mincore(2) where it has pages.

use crate::linux::bindings;
use crate::linux::task;
use crate::mover::page_cache::{self, PageCache};
use crate::pool::pools::Pools;
use crate::zbud::PAGE_SIZE;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::Arc;

struct VmOps(bindings::vm_operations_struct);

// SAFETY: Never changed; holds pointers to functions only.
unsafe impl Sync for VmOps {}

static VM_OPS: VmOps = VmOps(bindings::vm_operations_struct {
    fault: Some(fault),
    ..bindings::vm_operations_struct::empty()
});

struct Fops(bindings::file_operations);

// SAFETY: Never changed; holds pointers to functions and to the module only.
unsafe impl Sync for Fops {}

static FOPS: Fops = Fops(bindings::file_operations {
    owner: bindings::this_module(),
    open: Some(open),
    mmap: Some(mmap),
    llseek: Some(seek),
    ..bindings::file_operations::empty()
});

/// The device, which C changes, and all that its files show.
#[repr(C)]
struct Shared {
    /// The private data of an open file points to it.
    device: UnsafeCell<bindings::miscdevice>,
    page_cache: Arc<PageCache>,
    pools: Arc<Pools>,
}

/// A device that can be registered without a further allocation of ours.
///
/// # Invariants
///
/// From `KBox::into_raw`, owned.
pub(crate) struct Device(NonNull<Shared>);

// SAFETY: The driver core guards the device with locks of its own; the rest are `Arc`s
// that any thread may have.
unsafe impl Send for Device {}
// SAFETY: As above.
unsafe impl Sync for Device {}

/// A registered device; gone when dropped. Open files keep the module, so none is left
/// then: provided that loading the module cannot fail any more once it is registered.
pub(crate) struct Registered(Device);

impl Device {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(page_cache: Arc<PageCache>, pools: Arc<Pools>) -> Result<Self> {
        let shared = Shared {
            device: UnsafeCell::new(bindings::miscdevice {
                minor: bindings::ZBM_MISC_DYNAMIC_MINOR,
                name: c"zbud_movable".as_ptr().cast(),
                fops: &FOPS.0,
                mode: 0o600,
                ..bindings::miscdevice::empty()
            }),
            page_cache,
            pools,
        };
        let shared = KBox::into_raw(KBox::new(shared, GFP_KERNEL)?);
        // SAFETY: A box is never null. INVARIANT: From `into_raw`.
        Ok(Self(unsafe { NonNull::new_unchecked(shared) }))
    }

    /// Shows it to all. May sleep.
    ///
    /// # Safety
    ///
    /// Loading the module does not fail after this has succeeded: a process may have the
    /// device open from then on, which keeps the module, but not one that fails to load.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nobody has seen it then.
    pub(crate) unsafe fn register(self) -> Result<Registered> {
        // SAFETY: The device, the first field, is valid and stays where it is until it is
        // deregistered.
        to_result(unsafe { bindings::misc_register(self.0.as_ptr().cast()) })?;
        Ok(Registered(self))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; not registered, or not any more.
        drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: Registered by `register`.
        unsafe { bindings::misc_deregister(self.0 .0.as_ptr().cast()) };
    }
}

/// # Safety
///
/// `file` is open, and a file of the device.
unsafe fn shared<'a>(file: *const bindings::file) -> &'a Shared {
    // SAFETY: misc_open (drivers/char/misc.c) leaves a pointer to the device there, which
    // is the first field of a `Shared`; an open file keeps the module, and so that.
    unsafe { &*(*file).private_data.cast::<Shared>() }
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is being opened.
unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // A node for the device can be made anywhere, with any mode, and the pages have what all
    // others have swapped out.
    if !task::may_see_memory() {
        return EPERM.to_errno();
    }
    // SAFETY: The file is being opened by us alone.
    unsafe {
        if (*file).f_mode & bindings::ZBM_FMODE_WRITE != 0 {
            return EACCES.to_errno();
        }
        (*file).f_mapping = shared(file).page_cache.mapping();
    }
    0
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn seek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    // SAFETY: The file is open.
    let shared = unsafe { shared(file) };
    let end = shared.pools.max(|pool| u64::from(pool.leaves()));
    let pages = page_cache::index_of_leaf(end);
    // CAST: leaves are below 2^24.
    let size = pages.saturating_mul(PAGE_SIZE as u64) as i64;
    // SAFETY: The file is open.
    unsafe { bindings::generic_file_llseek_size(file, offset, whence, i64::MAX, size) }
}

/// # Safety
///
/// Called by the VFS only, for a new mapping of a file of ours.
unsafe extern "C" fn mmap(_: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: The area is being set up by us alone.
    unsafe {
        let result = bindings::zbm_vma_set_read_only(vma);
        if result == 0 {
            (*vma).vm_ops = &VM_OPS.0;
        }
        result
    }
}

/// # Safety
///
/// Called by mm only, for an area that `mmap` has set up.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The fault is being handled by us alone, the area is valid and has its file.
    let (index, shared) = unsafe {
        let info = &(*fault).__bindgen_anon_1;
        (info.pgoff, shared((*info.vma).vm_file))
    };
    // SAFETY: A valid address space. Waits for the page lock, so for the move.
    let page = unsafe { bindings::zbm_page_cache_lock(shared.page_cache.mapping(), index) };
    if page.is_null() {
        return bindings::ZBM_VM_FAULT_SIGBUS;
    }
    // SAFETY: Locked just now, and in the mapping.
    let wiped = unsafe { page_cache::wipe(page) };
    if wiped != Ok(true) {
        // SAFETY: Lock and reference are from the call above.
        unsafe {
            bindings::zbm_unlock_page(page);
            bindings::zbm_put_page(page);
        }
        if wiped.is_err() {
            return bindings::ZBM_VM_FAULT_SIGBUS;
        }
        // Whoever stores may need this processor for it. The access is made again.
        task::short_sleep();
        return match task::cond_resched_killable() {
            Ok(()) => bindings::ZBM_VM_FAULT_NOPAGE,
            // The kernel may be at it for the process, again and again.
            Err(_) => bindings::ZBM_VM_FAULT_SIGBUS,
        };
    }
    // SAFETY: As above; lock and reference are mm's from now on.
    unsafe { (*fault).page = page };
    bindings::ZBM_VM_FAULT_LOCKED
}
