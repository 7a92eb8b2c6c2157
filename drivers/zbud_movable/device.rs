// SPDX-License-Identifier: GPL-2.0

//! `/dev/zbud_movable`: the pages of all pools as a file to map, read-only, where
//! the mover is [`mapping`](crate::mapping). Who has mapped it can have the system
//! calls that move a process's pages move the pool's. An access where there is no
//! page is answered with SIGBUS, as beyond the end of a file; it gets the page
//! that is there at the next try. While a page moves, it waits. lseek(2) tells
//! how long the file is, mincore(2) where it has pages.

use crate::bindings;
use crate::mover::Mover;
use crate::state::State;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;

struct VmOps(bindings::vm_operations_struct);

// SAFETY: Never changed; holds pointers to functions only.
unsafe impl Sync for VmOps {}

static VM_OPS: VmOps = VmOps(bindings::vm_operations_struct {
    fault: Some(fault),
    ..bindings::vm_operations_struct::empty()
});

/// The device; gone when dropped. Open files keep the module, so none is left then.
pub(crate) struct Device {
    device: KBox<bindings::miscdevice>,
    /// What the device's files do; they are gone before it is.
    _fops: KBox<bindings::file_operations>,
}

// SAFETY: The device is plain data that the driver core guards with its own locks.
unsafe impl Send for Device {}
// SAFETY: As above.
unsafe impl Sync for Device {}

impl Device {
    /// The device, where the mover has one. May sleep.
    pub(crate) fn new(mover: &Mover) -> Result<Option<Self>> {
        if mover.mapping().is_none() {
            return Ok(None);
        }
        let fops = KBox::new(
            bindings::file_operations {
                owner: bindings::this_module(),
                open: Some(open),
                mmap: Some(mmap),
                llseek: Some(seek),
                ..Default::default()
            },
            GFP_KERNEL,
        )?;
        let mut device = KBox::new(
            bindings::miscdevice {
                minor: bindings::ZBM_MISC_DYNAMIC_MINOR,
                name: c"zbud_movable".as_ptr().cast(),
                fops: &*fops,
                mode: 0o600,
                ..bindings::miscdevice::empty()
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The device is valid and stays in its box until it is deregistered.
        to_result(unsafe { bindings::misc_register(&mut *device) })?;
        Ok(Some(Self {
            device,
            _fops: fops,
        }))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`.
        unsafe { bindings::misc_deregister(&mut *self.device) };
    }
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is being opened.
unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is being opened by us alone.
    let file = unsafe { &mut *file };
    if file.f_mode & bindings::ZBM_FMODE_WRITE != 0 {
        return EACCES.to_errno();
    }
    match State::get().and_then(|state| state.mover().mapping()) {
        Some(mapping) => {
            file.f_mapping = mapping.as_ptr();
            0
        }
        None => ENODEV.to_errno(),
    }
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn seek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    let Some(state) = State::get() else {
        return i64::from(ENODEV.to_errno());
    };
    let end = state.max(|pool| u64::from(pool.leaves()));
    let pages = crate::mapping::index_of_leaf(end);
    // CAST: leaves are below 2^24.
    let size = pages.saturating_mul(crate::zbud::PAGE_SIZE as u64) as i64;
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
/// Called by the core only, for an area that `mmap` has set up.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    let Some(mapping) = State::get().and_then(|state| state.mover().mapping()) else {
        return bindings::ZBM_VM_FAULT_SIGBUS;
    };
    // SAFETY: The fault is being handled by us alone, the area is valid.
    let index = unsafe { (*fault).__bindgen_anon_1.pgoff };
    // SAFETY: A valid address space. Waits for the page lock, so for the move.
    let page = unsafe { bindings::zbm_mapping_lock_page(mapping.as_ptr(), index) };
    if page.is_null() {
        return bindings::ZBM_VM_FAULT_SIGBUS;
    }
    // SAFETY: As above; the core takes over lock and reference.
    unsafe { (*fault).page = page };
    bindings::ZBM_VM_FAULT_LOCKED
}
