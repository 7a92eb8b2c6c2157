// SPDX-License-Identifier: GPL-2.0

//! The mover `movable_ops`: `struct movable_operations` (include/linux/migrate.h,
//! mm/migrate.c), which Linux 6.12 has per page, and 7.x per page type. compat.c
//! knows the difference.
//!
//! mm holds the page lock in all three callbacks. 6.12 has checked under it that the
//! page is still movable by [`OPS`]; 7.x calls back for pages that were released, too,
//! so a page is only claimed once nobody else has a reference. A callback never
//! releases a page: so no pool, and no module, goes while one runs (see `Pool::drain`).

use crate::linux::bindings;
use crate::linux::page::{BorrowedPage, LockedPage, NewPage, PageLock, PageRef};
use crate::linux::trace::{self, Mode, Move};
use crate::pool::pool::Pool;
use crate::pool::seam::{Claim, Mover};
use crate::zbud::{DescId, Run, Stayed};
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// The operations of every page of every pool. 6.12 keeps the pointer in
/// `page->mapping`, whose two low bits are flags.
static OPS: bindings::movable_operations = bindings::movable_operations {
    isolate_page: Some(isolate_page),
    migrate_page: Some(bindings::zbm_migrate_page),
    putback_page: Some(putback_page),
};

const _: () = assert!(core::mem::align_of::<bindings::movable_operations>() >= 4);

/// The right to have movable pages.
pub(crate) struct MovableOps {
    _registered: Registered,
}

/// Unregisters when dropped.
struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: Registered by `MovableOps::new`. Pools keep their mover, and have no page
        // when they go.
        unsafe { bindings::zbm_movable_ops_unregister() };
    }
}

impl MovableOps {
    /// # Errors
    ///
    /// `EBUSY` when the page type that can be had on 7.x is zsmalloc's; `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        // SAFETY: The operations are a static, and no page is left that needs
        // them when they are unregistered.
        to_result(unsafe { bindings::zbm_movable_ops_register(&OPS) })?;
        let this = Self {
            _registered: Registered,
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }
}

/// Makes a page movable, as the page of `pool` with the descriptor `id`. The
/// page keeps the reference on its pool.
///
/// # Safety
///
/// The pool will have a reference on the page, which is not movable yet.
unsafe fn set_movable(page: PageLock<'_>, pool: Arc<Pool>, id: DescId) {
    // SAFETY: Page and operations are valid, the lock is held. `OPS` is a
    // static that outlives every movable page: see `Pool::drain`.
    unsafe {
        bindings::zbm_page_set_movable(
            page.as_ptr(),
            &OPS,
            Arc::into_raw(pool).cast_mut().cast(),
            id.raw() as usize,
        );
    }
}

/// Undoes [`set_movable`] and returns the page's reference on its pool.
///
/// # Safety
///
/// The page lock is held, and the page is movable by us.
unsafe fn clear_movable(page: *mut bindings::page) -> Arc<Pool> {
    // SAFETY: The page is valid, the lock is held. The owner is what
    // `set_movable` put there, and is read once.
    unsafe {
        let pool = bindings::zbm_page_owner(page);
        bindings::zbm_page_clear_movable(page);
        Arc::from_raw(pool.cast::<Pool>())
    }
}

// SAFETY: An admitted page keeps the reference of the `NewPage` it was, which is dropped by
// `withdraw`, `evict`, `abandon`, `release` and, for the page that it moved from, `replace`.
unsafe impl Mover<Pool> for MovableOps {
    fn name(&self) -> &'static str {
        "movable_ops"
    }

    unsafe fn admit(
        &self,
        page: NewPage,
        id: DescId,
        pool: Arc<Pool>,
        _: u32,
    ) -> Result<LockedPage> {
        let page = page.lock();
        // SAFETY: The page is new; its reference becomes the pool's.
        unsafe { set_movable(page.lock(), pool, id) };
        Ok(page)
    }

    unsafe fn settle(&self, page: LockedPage) {
        // The reference is the pool's from now on.
        page.unlock().into_raw();
    }

    unsafe fn withdraw(&self, page: LockedPage, _: DescId) {
        // SAFETY: Locked, and made movable by `admit`.
        drop(unsafe { clear_movable(page.page().as_ptr()) });
    }

    unsafe fn try_claim(&self, page: BorrowedPage<'_>) -> Option<Claim> {
        // SAFETY: Valid; the pool has one reference.
        let claimed = unsafe {
            let locked = bindings::zbm_trylock_page(page.as_ptr());
            let claimed = locked && bindings::zbm_page_claim(page.as_ptr(), 1);
            if locked && !claimed {
                bindings::zbm_unlock_page(page.as_ptr());
            }
            claimed
        };
        NonNull::new(page.as_ptr()).filter(|_| claimed).map(Claim)
    }

    unsafe fn evict(&self, run: Run, page: &dyn Fn(DescId) -> Option<PageRef>) -> Stayed {
        let mut stayed = Stayed::default();
        for id in run.ids() {
            let Some(page) = page(id) else {
                stayed.add(id);
                continue;
            };
            let page = page.lock();
            // SAFETY: The lock is held; the guard and the pool have a reference each.
            if unsafe { bindings::zbm_page_claim(page.page().as_ptr(), 2) } {
                // SAFETY: Claimed just now, with both.
                unsafe { release(page.into_raw(), 2, false) };
            } else {
                // 7.x: mm has it isolated.
                stayed.add(id);
            }
        }
        stayed
    }

    unsafe fn abandon(&self, page: PageRef, _: DescId) -> Result<(), PageRef> {
        let page = page.lock();
        let raw = page.page().as_ptr();
        // SAFETY: The lock is held; the guard and the pool have a reference each.
        if unsafe { bindings::zbm_page_isolated(raw) || !bindings::zbm_page_claim(raw, 2) } {
            return Err(page.unlock());
        }
        // SAFETY: Claimed just now, with both.
        unsafe { release(page.into_raw(), 2, true) };
        Ok(())
    }

    unsafe fn release(&self, claim: Claim) {
        // SAFETY: Claimed by `try_claim`, with one reference.
        unsafe { release(claim.0.as_ptr(), 1, false) };
    }

    unsafe fn unclaim(&self, claim: Claim) {
        let page = claim.0.as_ptr();
        // SAFETY: Claimed by `try_claim`, with one reference, and locked.
        unsafe {
            bindings::zbm_page_unclaim(page, 1);
            bindings::zbm_unlock_page(page);
        }
    }

    fn relocate(
        &self,
        pool: ArcBorrow<'_, Pool>,
        id: DescId,
        src: LockedPage,
        dst: NewPage,
    ) -> Result {
        // SAFETY: The page lock is held.
        if unsafe { bindings::zbm_page_isolated(src.page().as_ptr()) } {
            return Err(EBUSY);
        }
        let dst = dst.lock();
        // SAFETY: Both are locked; `dst` is new, and its reference becomes the pool's.
        unsafe { replace(pool, id, src.lock(), dst.lock()) }?;
        // SAFETY: It has taken the place of an admitted page.
        unsafe { self.settle(dst) };
        Ok(())
    }
}

/// Frees a claimed page, and drops its reference on its pool. If 6.12 has the page
/// isolated, it sees that it is not movable any more, and only drops its own reference.
///
/// # Safety
///
/// The page is locked, was admitted, and is claimed with `refs` references. The caller has
/// a reference on its pool. `broken`: its memory is, and nobody shall use it again.
unsafe fn release(page: *mut bindings::page, refs: c_int, broken: bool) {
    // SAFETY: By the safety requirements.
    let pool = unsafe { clear_movable(page) };
    // SAFETY: As above.
    unsafe { bindings::zbm_page_put_claimed(page, refs, broken) };
    drop(pool);
}

/// The pool, the descriptor and the page behind a callback; `None` for a page
/// that was released.
///
/// # Safety
///
/// Called by mm with the page lock held, for a page movable by [`OPS`], and a
/// reference on it for `'a`.
unsafe fn owner<'a>(
    page: *mut bindings::page,
) -> Option<(ArcBorrow<'a, Pool>, DescId, PageLock<'a>)> {
    // SAFETY: mm has a reference on the page, and its lock.
    let lock = unsafe { PageLock::of(BorrowedPage::from_raw(page)?) };
    // SAFETY: Valid by the above; the fields are stable under the page lock.
    let (pool, index) = unsafe {
        (
            bindings::zbm_page_owner(page).cast::<Pool>(),
            bindings::zbm_page_index(page),
        )
    };
    let id = u32::try_from(index).ok().and_then(DescId::from_raw)?;
    if pool.is_null() {
        return None;
    }
    // SAFETY: `set_movable` put a reference on the pool there, and
    // `clear_movable` removes it under the page lock.
    Some((unsafe { ArcBorrow::from_raw(pool) }, id, lock))
}

/// Whether the page can be moved now: no zpage of it is mapped. No list is
/// touched, so there is nothing to undo in `putback_page`.
///
/// # Safety
///
/// Called by mm only, as struct movable_operations says.
unsafe extern "C" fn isolate_page(
    page: *mut bindings::page,
    _mode: bindings::isolate_mode_t,
) -> bool {
    // SAFETY: Called by mm.
    let Some((pool, id, page)) = (unsafe { owner(page) }) else {
        return false;
    };
    let checked = pool.check_move(id, page);
    if trace::isolates() {
        trace::isolate(pool.name(), page.page().frame(), checked);
    }
    let can_move = checked.is_ok();
    if can_move {
        pool.counters().isolated.inc();
    } else {
        pool.counters().isolate_refused.inc();
    }
    can_move
}

/// Moves the zpages of `src` to `dst`; -EAGAIN when one is mapped. Does not
/// sleep, so all modes are served alike.
///
/// # Safety
///
/// Called by mm only, as struct movable_operations says, through callbacks.c.
#[no_mangle]
unsafe extern "C" fn zbud_movable_migrate_page(
    dst: *mut bindings::page,
    src: *mut bindings::page,
    mode: bindings::migrate_mode,
) -> c_int {
    // SAFETY: Called by mm.
    let Some((pool, id, src)) = (unsafe { owner(src) }) else {
        return EAGAIN.to_errno();
    };
    // SAFETY: A new page, of which mm has a reference and the lock.
    let Some(dst) = (unsafe { BorrowedPage::from_raw(dst).map(|dst| PageLock::of(dst)) }) else {
        return EINVAL.to_errno();
    };
    let traced = Move::begin(src.page(), dst.page());
    // SAFETY: mm uses `dst` for nothing else. It gets a reference for the pool below,
    // mm's goes.
    let moved = unsafe { replace(pool, id, src, dst) };
    traced.end(pool.name(), Mode::of_mm(mode), moved);
    match moved {
        Ok(()) => {
            dst.page().get().into_raw();
            0
        }
        Err(_) => EAGAIN.to_errno(),
    }
}

/// Puts `dst` in the place of `src`, whose reference, the pool's, is dropped. Does not
/// sleep.
///
/// # Errors
///
/// Those of [`Pool::move_page`]; nothing has changed then.
///
/// # Safety
///
/// `dst` is new, the caller has a reference beside the pool's on `src`, and on success
/// makes one on `dst` the pool's.
unsafe fn replace(
    pool: ArcBorrow<'_, Pool>,
    id: DescId,
    src: PageLock<'_>,
    dst: PageLock<'_>,
) -> Result {
    let copy = |extents: crate::zbud::Extents| {
        let mut extents = extents.into_iter().flatten();
        // SAFETY: The zpages are frozen: nobody maps them. Nobody else knows `dst`.
        extents.try_for_each(|extent| unsafe { src.copy_to(dst, extent) })
    };
    // SAFETY: By the safety requirements; `copy` copies all extents.
    unsafe { Pool::move_page(pool, id, src, dst, copy) }?;
    // SAFETY: Both are locked, and `src` was a page of the pool; its reference
    // on the pool goes over to `dst`.
    unsafe { set_movable(dst, clear_movable(src.as_ptr()), id) };
    // SAFETY: The pool's reference: the books have forgotten `src`.
    drop(unsafe { PageRef::from_raw(src.page()) });
    Ok(())
}

/// # Safety
///
/// Called by mm only, as struct movable_operations says.
unsafe extern "C" fn putback_page(page: *mut bindings::page) {
    // SAFETY: Called by mm.
    if let Some((pool, _, page)) = unsafe { owner(page) } {
        if trace::putbacks() {
            trace::putback(pool.name(), page.page().frame());
        }
        pool.counters().putback.inc();
    }
}
