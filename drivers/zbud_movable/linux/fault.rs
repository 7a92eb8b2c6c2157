// SPDX-License-Identifier: GPL-2.0

//! Faults that tests ask for in debugfs, on kernels with CONFIG_FAULT_INJECTION_DEBUG_FS: each
//! costs a call, a load and a branch where it may strike. Elsewhere nothing of this is left.

#![cfg_attr(
    not(CONFIG_FAULT_INJECTION_DEBUG_FS),
    allow(unused_variables, unused_imports)
)]

use super::bindings;
use super::debugfs::Entry;
use crate::zbud::PageAddr;
use kernel::error::to_result;
use kernel::prelude::*;

/// Makes the directories `fail_alloc`, `fail_migrate` and `fail_copy` in `dir`.
pub(crate) fn create(dir: &Entry) {
    #[cfg(CONFIG_FAULT_INJECTION_DEBUG_FS)]
    // SAFETY: What debugfs gave; what the files change are statics of the module, which has
    // removed them when it goes.
    unsafe {
        bindings::zbm_fault_create_debugfs(dir.as_ptr());
    }
}

/// Whether a page can be allocated.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn alloc() -> Result {
    #[cfg(CONFIG_FAULT_INJECTION_DEBUG_FS)]
    // SAFETY: May be called anywhere.
    to_result(unsafe { bindings::zbm_fault_alloc() })?;
    Ok(())
}

/// Whether a page whose zpages are frozen can move.
///
/// # Errors
///
/// `EBUSY`.
pub(crate) fn migrate() -> Result {
    #[cfg(CONFIG_FAULT_INJECTION_DEBUG_FS)]
    // SAFETY: May be called anywhere.
    to_result(unsafe { bindings::zbm_fault_migrate() })?;
    Ok(())
}

/// Whether the bytes in a page can be copied; if not mm is told that its memory is broken.
///
/// # Errors
///
/// That of [`page::copy`](super::page::copy).
pub(crate) fn copy(page: PageAddr) -> Result {
    #[cfg(CONFIG_FAULT_INJECTION_DEBUG_FS)]
    // SAFETY: The address of a page of the direct mapping, of which mm is told the frame.
    to_result(unsafe { bindings::zbm_fault_copy(page.address() as *const _) })?;
    Ok(())
}
