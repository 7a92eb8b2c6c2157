// SPDX-License-Identifier: GPL-2.0

//! Memory that comes and goes: which nodes have any decides where pages may be.

use crate::bindings;
use crate::state::State;
use core::cell::UnsafeCell;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_ulong, c_void};
use kernel::prelude::*;

struct Block(UnsafeCell<bindings::notifier_block>);

// SAFETY: The notifier chain guards what it changes there with locks of its own.
unsafe impl Sync for Block {}

static BLOCK: Block = Block(UnsafeCell::new(bindings::notifier_block {
    notifier_call: Some(notified),
    ..bindings::notifier_block::empty()
}));

/// Notified as long as this lives.
pub(crate) struct Notifier(());

impl Notifier {
    /// May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: A static, registered once: modules are loaded once.
        to_result(unsafe { bindings::zbm_register_memory_notifier(BLOCK.0.get()) })?;
        Ok(Self(()))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`. Waits for calls that are running.
        unsafe { bindings::zbm_unregister_memory_notifier(BLOCK.0.get()) };
    }
}

/// # Safety
///
/// Called by the notifier chain only.
unsafe extern "C" fn notified(
    _: *mut bindings::notifier_block,
    action: c_ulong,
    _: *mut c_void,
) -> c_int {
    // Both come after the masks of nodes have changed (mm/memory_hotplug.c).
    if [bindings::ZBM_MEM_ONLINE, bindings::ZBM_MEM_OFFLINE].contains(&action) {
        if let Some(state) = State::get() {
            state.refresh_mems();
        }
    }
    // NOTIFY_DONE: it is no matter to us.
    0
}
