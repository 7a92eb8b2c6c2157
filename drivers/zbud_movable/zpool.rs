// SPDX-License-Identifier: GPL-2.0

//! The zpool driver: how zswap uses a pool (include/linux/zpool.h, 6.12).

use crate::bindings;
use crate::error::len_errno;
use crate::handle::Handle;
use crate::pool::Pool;
use crate::state::State;
use crate::zbud::Len;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::ffi::{c_char, c_int, c_void};
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// The registered driver. Dropped before anything that its callbacks use.
pub(crate) struct Registration(KBox<bindings::zpool_driver>);

// SAFETY: The driver is plain data that zpool guards with a lock of its own.
unsafe impl Send for Registration {}
// SAFETY: As above.
unsafe impl Sync for Registration {}

impl Registration {
    /// From now on zswap can use pools of type `zbud_movable`.
    pub(crate) fn new() -> Result<Self> {
        let driver = bindings::zpool_driver {
            type_: c"zbud_movable".as_ptr().cast_mut().cast(),
            owner: bindings::this_module(),
            create: Some(create),
            destroy: Some(destroy),
            malloc_support_movable: true,
            malloc: Some(malloc),
            free: Some(free),
            // A mapping is a pin, not a lock: it may be held across a sleep.
            sleep_mapped: true,
            map: Some(map),
            unmap: Some(unmap),
            total_pages: Some(total_pages),
            ..Default::default()
        };
        let mut driver = KBox::new(driver, GFP_KERNEL)?;
        // SAFETY: The driver is valid, and stays in its box until it is unregistered.
        unsafe { bindings::zpool_register_driver(&mut *driver) };
        Ok(Self(driver))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A pool pins the module, so there is none left when the module goes.
        // SAFETY: Registered by `new`.
        let busy = unsafe { bindings::zpool_unregister_driver(&mut *self.0) };
        if busy != 0 {
            pr_err!("zpool driver still in use\n");
        }
    }
}

/// Says once that a user of a pool broke zpool's contract.
#[cold]
#[inline(never)]
fn complain(what: &str, error: Error) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        pr_err!(
            "{} refused ({:?}): misuse by a user of the pool\n",
            what,
            error
        );
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn create(name: *const c_char, _gfp: bindings::gfp_t) -> *mut c_void {
    let Some(state) = State::get() else {
        return core::ptr::null_mut();
    };
    // SAFETY: zpool gives a C string.
    let name = unsafe { CStr::from_char_ptr(name) };
    let pool = name
        .to_cstring()
        .map_err(Error::from)
        .and_then(|name| state.add_pool(name));
    match pool {
        Ok(pool) => Arc::into_raw(pool).cast_mut().cast(),
        Err(_) => core::ptr::null_mut(),
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn destroy(pool: *mut c_void) {
    // SAFETY: From `create`; zpool does not use it again.
    let pool = unsafe { Arc::from_raw(pool.cast::<Pool>()) };
    if let Some(state) = State::get() {
        state.remove_pool(pool);
    }
}

/// # Safety
///
/// `pool` came from `create` and was not destroyed.
unsafe fn borrow<'a>(pool: *mut c_void) -> ArcBorrow<'a, Pool> {
    // SAFETY: By the safety requirements.
    unsafe { ArcBorrow::from_raw(pool.cast::<Pool>()) }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn malloc(
    pool: *mut c_void,
    size: usize,
    gfp: bindings::gfp_t,
    handle: *mut usize,
) -> c_int {
    // SAFETY: zpool calls with a live pool.
    let pool = unsafe { borrow(pool) };
    let stored = Len::new(size)
        .map_err(len_errno)
        .and_then(|len| Pool::alloc(pool, len, gfp));
    match stored {
        Ok(stored) => {
            // SAFETY: zpool gives a place for the handle.
            unsafe { handle.write(stored.raw()) };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn free(pool: *mut c_void, handle: usize) {
    // SAFETY: zpool calls with a live pool.
    let pool = unsafe { borrow(pool) };
    let Some(handle) = Handle::from_raw(handle) else {
        return;
    };
    // SAFETY: zpool's users free what `malloc` gave, once.
    if let Err(error) = unsafe { Pool::free(pool, handle) } {
        complain("free", error);
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn map(
    pool: *mut c_void,
    handle: usize,
    _mode: bindings::zpool_mapmode,
) -> *mut c_void {
    // SAFETY: zpool calls with a live pool.
    let pool = unsafe { borrow(pool) };
    let Some(handle) = Handle::from_raw(handle) else {
        return core::ptr::null_mut();
    };
    // SAFETY: zpool's users map what `malloc` gave and do not free it meanwhile.
    match unsafe { pool.map(handle) } {
        Ok(mapped) => mapped.address as *mut c_void,
        Err(error) => {
            complain("map", error);
            core::ptr::null_mut()
        }
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn unmap(pool: *mut c_void, handle: usize) {
    // SAFETY: zpool calls with a live pool.
    let pool = unsafe { borrow(pool) };
    let Some(handle) = Handle::from_raw(handle) else {
        return;
    };
    // SAFETY: zpool's users unmap what they mapped.
    if let Err(error) = unsafe { pool.unmap(handle) } {
        complain("unmap", error);
    }
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn total_pages(pool: *mut c_void) -> u64 {
    // SAFETY: zpool calls with a live pool.
    unsafe { borrow(pool) }.pages()
}
