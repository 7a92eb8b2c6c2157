// SPDX-License-Identifier: GPL-2.0

//! The zpool driver: how zswap uses a pool (include/linux/zpool.h, 6.12).

use crate::linux::{bindings, node, task};
use crate::observe::debugfs::Tree;
use crate::observe::shown_pool::ShownPool;
use crate::pool::handle::Handle;
use crate::pool::pool::Pool;
use crate::pool::pools::Pools;
use crate::zbud::{Len, PAGE_SIZE};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use kernel::ffi::{c_char, c_int, c_void};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, ArcBorrow, Mutex};

/// The pools that zpool has, and all that a new one needs.
#[pin_data]
struct Context {
    pools: Arc<Pools>,
    tree: Arc<Tree>,
    /// Locked before all else.
    #[pin]
    shown: Mutex<KVec<Option<ShownPool>>>,
}

/// The context of the registered driver: zpool's `create` and `destroy` get none.
static CONTEXT: AtomicPtr<Context> = AtomicPtr::new(core::ptr::null_mut());

/// # Safety
///
/// `create` or `destroy` is running for `'a`.
unsafe fn context<'a>() -> Option<&'a Context> {
    // SAFETY: Set while the driver is registered, and none of the two runs when it no
    // longer is: a driver that is in use cannot be unregistered.
    unsafe { CONTEXT.load(Ordering::Acquire).as_ref() }
}

/// zpool's part, which C changes.
struct CDriver(KBox<UnsafeCell<bindings::zpool_driver>>);

// SAFETY: Plain data that zpool guards with a lock of its own.
unsafe impl Send for CDriver {}
// SAFETY: As above.
unsafe impl Sync for CDriver {}

/// A driver that can be registered without a further allocation.
pub(crate) struct Driver {
    driver: CDriver,
    context: Pin<KBox<Context>>,
}

/// The registered driver. Dropped before anything that its callbacks use.
pub(crate) struct Registered(Option<Driver>);

impl Driver {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pools: Arc<Pools>, tree: Arc<Tree>) -> Result<Self> {
        let driver = UnsafeCell::new(bindings::zpool_driver {
            type_: c"zbud_movable".as_ptr().cast_mut().cast(),
            owner: bindings::this_module(),
            create: Some(create),
            destroy: Some(destroy),
            malloc_support_movable: true,
            malloc: Some(malloc),
            free: Some(free),
            // A mapping is a pin, not a lock: it may be held across a sleep.
            sleep_mapped: true,
            map: Some(bindings::zbm_zpool_map),
            unmap: Some(unmap),
            total_pages: Some(total_pages),
            ..bindings::zpool_driver::empty()
        });
        let context = pin_init!(Context {
            pools,
            tree,
            shown <- new_mutex!(KVec::new(), "zbud_movable::Context::shown"),
        });
        Ok(Self {
            driver: CDriver(KBox::new(driver, GFP_KERNEL)?),
            context: KBox::pin_init(context, GFP_KERNEL)?,
        })
    }

    /// From now on zswap can use pools of type `zbud_movable`. Does not fail.
    ///
    /// # Safety
    ///
    /// Loading the module does not fail after this: zswap may have a pool from then on,
    /// which keeps the module, but not one that fails to load. Called once.
    pub(crate) unsafe fn register(self) -> Registered {
        let context = core::ptr::from_ref(&*self.context).cast_mut();
        CONTEXT.store(context, Ordering::Release);
        // SAFETY: The driver is valid, and stays in its box until it is unregistered.
        unsafe { bindings::zpool_register_driver(self.driver.0.get()) };
        Registered(Some(self))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Some(driver) = self.0.take() else {
            return;
        };
        // A pool pins the module, so there is none left when the module goes.
        // SAFETY: Registered by `register`.
        let busy = unsafe { bindings::zpool_unregister_driver(driver.driver.0.get()) };
        if busy != 0 {
            pr_err!("zpool driver still in use\n");
            core::mem::forget(driver);
            return;
        }
        CONTEXT.store(core::ptr::null_mut(), Ordering::Release);
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

/// Where zswap writes a zpage whose memory broke since it was allocated. Nobody reads it.
struct Scratch(UnsafeCell<[u8; PAGE_SIZE]>);

// SAFETY: Only its address is used here.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch(UnsafeCell::new([0; PAGE_SIZE]));

/// What a user maps in the place of a zpage whose memory is broken. zswap cannot be told:
/// whatever it reads it takes for good, and stops with a BUG where it cannot decompress it.
/// So a reader gets nothing at all, and only it is stopped.
#[cold]
#[inline(never)]
fn lost(mode: bindings::zpool_mapmode) -> *mut c_void {
    if mode == bindings::zpool_mapmode_ZPOOL_MM_WO {
        return SCRATCH.0.get().cast();
    }
    pr_err!("a zpage of zswap is lost, as its memory is broken: its reader cannot go on\n");
    core::ptr::null_mut()
}

/// # Safety
///
/// Called by zpool only, as struct zpool_driver says: with a live pool and with
/// handles that `malloc` gave.
unsafe extern "C" fn create(name: *const c_char, _gfp: bindings::gfp_t) -> *mut c_void {
    // SAFETY: `create` is running.
    let Some(context) = (unsafe { context() }) else {
        return core::ptr::null_mut();
    };
    // SAFETY: zpool gives a C string.
    let name = unsafe { CStr::from_char_ptr(name) };
    let created = (|| {
        let pools = &context.pools;
        let mems = pools.mems().clone();
        let pool = ShownPool::new(name.to_cstring()?, pools, &context.tree, mems)?;
        let handle = Arc::clone(&pool);
        let mut shown = context.shown.lock();
        match shown.iter_mut().find(|one| one.is_none()) {
            Some(free) => *free = Some(pool),
            None => shown.push(Some(pool), GFP_KERNEL)?,
        }
        Ok::<_, Error>(handle)
    })();
    match created {
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
    // SAFETY: `destroy` is running.
    let Some(context) = (unsafe { context() }) else {
        return;
    };
    let is_it = |one: &Option<ShownPool>| one.as_ref().is_some_and(|one| Arc::ptr_eq(one, &pool));
    let mut shown = context.shown.lock();
    let found = shown
        .iter_mut()
        .find(|one| is_it(one))
        .and_then(Option::take);
    drop(shown);
    // Without the lock: this waits for readers of the pool's files, and for movers.
    drop(found);
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
        .map_err(Error::from)
        // zpool does not say where the page comes from.
        .and_then(|len| Pool::alloc(pool, len, gfp, node::local()));
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
/// handles that `malloc` gave; through callbacks.c.
#[no_mangle]
unsafe extern "C" fn zbud_movable_zpool_map(
    pool: *mut c_void,
    handle: usize,
    mode: bindings::zpool_mapmode,
) -> *mut c_void {
    // SAFETY: zpool calls with a live pool.
    let pool = unsafe { borrow(pool) };
    let Some(handle) = Handle::from_raw(handle) else {
        return core::ptr::null_mut();
    };
    // SAFETY: zpool's users map what `malloc` gave and do not free it meanwhile.
    match unsafe { pool.map(handle) } {
        Ok(mapped) => mapped.address as *mut c_void,
        // SAFETY: Likewise.
        Err(error) if error == EAGAIN => unsafe { map_again(&pool, handle, mode) },
        Err(error) => not_mapped(mode, error),
    }
}

/// What a user maps while the page is being copied: waits for it.
///
/// # Safety
///
/// As for [`Pool::map`].
#[cold]
#[inline(never)]
unsafe fn map_again(pool: &Pool, handle: Handle, mode: bindings::zpool_mapmode) -> *mut c_void {
    // zpool does not say in what context its users map; zswap may sleep.
    // SAFETY: By the safety requirements.
    match unsafe { pool.map_again(handle, task::may_sleep()) } {
        Ok(mapped) => mapped.address as *mut c_void,
        Err(error) => not_mapped(mode, error),
    }
}

/// What a user maps that cannot map its zpage.
#[cold]
#[inline(never)]
fn not_mapped(mode: bindings::zpool_mapmode, error: Error) -> *mut c_void {
    if error == EIO {
        return lost(mode);
    }
    complain("map", error);
    core::ptr::null_mut()
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
    let unmapped = unsafe { pool.unmap(handle) };
    // SAFETY: Likewise.
    unmapped.unwrap_or_else(|error| unsafe { not_unmapped(&pool, handle, error) });
}

/// A zpage that is unmapped is not mapped, as one is not that was [`lost`].
///
/// # Safety
///
/// As for [`Pool::map`].
#[cold]
#[inline(never)]
unsafe fn not_unmapped(pool: &Pool, handle: Handle, error: Error) {
    // SAFETY: By the safety requirements.
    let mapped = unsafe { pool.map_again(handle, task::may_sleep()) };
    if mapped.is_ok() {
        // SAFETY: Mapped just now.
        let _ = unsafe { pool.unmap(handle) };
    }
    if mapped.err() != Some(EIO) {
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
