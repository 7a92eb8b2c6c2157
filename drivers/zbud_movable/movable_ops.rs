// SPDX-License-Identifier: GPL-2.0

//! The mover `movable_ops`: `struct movable_operations` (include/linux/migrate.h,
//! mm/migrate.c), which Linux 6.12 has per page, and 7.x per page type. compat.h
//! knows the difference.
//!
//! The core holds the page lock in all three callbacks. 6.12 has checked under it
//! that the page is still movable by [`OPS`]; 7.x calls back for pages that were
//! given up, too, so a page is only given up once nobody else has a reference
//! ([`Departing`]). A callback never gives a page up: so no pool, and no module,
//! goes while one runs (see `Pool::drain`).

use crate::bindings;
use crate::page::{HostPage, LockedPage, PageRef};
use crate::pool::Pool;
use crate::stats::EVENTS;
use crate::zbud::DescId;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// The operations of every page of every pool. 6.12 keeps the pointer in
/// `page->mapping`, whose two low bits are flags.
static OPS: bindings::movable_operations = bindings::movable_operations {
    isolate_page: Some(isolate_page),
    migrate_page: Some(migrate_page),
    putback_page: Some(putback_page),
};

const _: () = assert!(core::mem::align_of::<bindings::movable_operations>() >= 4);

/// The right to have movable pages.
pub(crate) struct Registration(());

impl Registration {
    /// # Errors
    ///
    /// `EBUSY` when the page type that can be had on 7.x is zsmalloc's.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The operations are a static, and no page is left that needs
        // them when they are unregistered.
        to_result(unsafe { bindings::zbm_movable_register(&OPS) })?;
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by `new`. Pools keep their mover, and have no page
        // when they go.
        unsafe { bindings::zbm_movable_unregister() };
    }
}

/// Makes a new page a movable page of `pool` under the name `id` and unlocks it;
/// the reference on the page becomes the pool's.
pub(crate) fn publish(page: LockedPage, pool: Arc<Pool>, id: DescId) {
    // SAFETY: The page lock is held, the page is new, and `into_pool` makes the
    // reference the pool's.
    unsafe { set_movable(page.page(), pool, id) };
    page.into_pool();
}

/// Makes `page` movable, as the page of `pool` with the descriptor `id`. The
/// page keeps the reference on its pool.
///
/// # Safety
///
/// The page lock is held, the pool has a reference on the page, and the page is
/// not movable yet.
unsafe fn set_movable(page: HostPage, pool: Arc<Pool>, id: DescId) {
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

/// Undoes [`set_movable`] and gives back the page's reference on its pool.
///
/// # Safety
///
/// The page lock is held, and the page is movable by us.
unsafe fn clear_movable(page: HostPage) -> Arc<Pool> {
    // SAFETY: The page is valid, the lock is held. The owner is what
    // `set_movable` put there, and is taken once.
    unsafe {
        let pool = bindings::zbm_page_owner(page.as_ptr());
        bindings::zbm_page_clear_movable(page.as_ptr());
        Arc::from_raw(pool.cast::<Pool>())
    }
}

/// A page of a pool that can be given up now.
///
/// # Invariants
///
/// Its lock is held. `refs` references are this guard's: the pool's, and maybe
/// another. On 7.x there are no others, and none can be taken.
#[must_use]
pub(crate) struct Departing {
    page: HostPage,
    refs: i32,
}

impl Departing {
    /// One try, that takes over the pool's reference if it succeeds. Does not
    /// sleep.
    pub(crate) fn try_new(page: HostPage) -> Option<Self> {
        if !page.try_lock() {
            return None;
        }
        // SAFETY: The lock is held, and the pool has one reference.
        if unsafe { bindings::zbm_page_claim(page.as_ptr(), 1) } {
            // INVARIANT: Locked and claimed just now.
            return Some(Self { page, refs: 1 });
        }
        // SAFETY: Locked above.
        unsafe { bindings::zbm_unlock_page(page.as_ptr()) };
        None
    }

    /// The same for a page whose lock is held already, beside the pool's
    /// reference; the guard comes back if it does not succeed.
    pub(crate) fn new(page: LockedPage) -> core::result::Result<Self, LockedPage> {
        // SAFETY: The lock is held, and the guard and the pool have one
        // reference each.
        if unsafe { bindings::zbm_page_claim(page.page().as_ptr(), 2) } {
            // INVARIANT: Locked by the guard, which is taken apart, and claimed.
            Ok(Self {
                page: page.into_inner(),
                refs: 2,
            })
        } else {
            Err(page)
        }
    }

    /// Gives it up: unlocks it and drops the references. If 6.12 has the page
    /// isolated, it sees that it is not movable any more, and only drops its own
    /// reference. Must not be the last to have a reference on the pool.
    ///
    /// # Safety
    ///
    /// It was a movable page of ours; the pool has forgotten it.
    pub(crate) unsafe fn give_up(self) {
        // SAFETY: Locked by the type invariant, the rest is the caller's promise.
        let pool = unsafe { clear_movable(self.page) };
        // SAFETY: Locked and claimed with `refs` references by the type invariant.
        unsafe { bindings::zbm_page_put_claimed(self.page.as_ptr(), self.refs) };
        drop(pool);
    }
}

/// The pool, the descriptor and the page behind a callback; `None` for a page
/// that was given up.
///
/// # Safety
///
/// Called by the core with the page lock held, for a page movable by [`OPS`].
unsafe fn owner<'a>(page: *mut bindings::page) -> Option<(ArcBorrow<'a, Pool>, DescId, HostPage)> {
    // SAFETY: The core has a reference on the page.
    let host = unsafe { HostPage::from_raw(page) }?;
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
    // `clear_movable` takes it away under the page lock.
    Some((unsafe { ArcBorrow::from_raw(pool) }, id, host))
}

/// Whether the page can be moved now: no zpage of it is mapped. No list is
/// touched, so there is nothing to undo in `putback_page`.
///
/// # Safety
///
/// Called by the core only, as struct movable_operations says.
unsafe extern "C" fn isolate_page(
    page: *mut bindings::page,
    _mode: bindings::isolate_mode_t,
) -> bool {
    // SAFETY: Called by the core.
    let owner = unsafe { owner(page) };
    let can_move = owner.is_some_and(|(pool, id, page)| pool.check_move(id, page).is_ok());
    if can_move {
        EVENTS.isolated.inc();
    } else {
        EVENTS.isolate_refused.inc();
    }
    can_move
}

/// Moves the zpages of `src` to `dst`; -EAGAIN when one is mapped. Does not
/// sleep, so all modes are served alike.
///
/// # Safety
///
/// Called by the core only, as struct movable_operations says.
unsafe extern "C" fn migrate_page(
    dst: *mut bindings::page,
    src: *mut bindings::page,
    _mode: bindings::migrate_mode,
) -> c_int {
    // SAFETY: Called by the core.
    let Some((pool, id, src)) = (unsafe { owner(src) }) else {
        return EAGAIN.to_errno();
    };
    // SAFETY: A new page, of which the core has a reference.
    let Some(dst) = (unsafe { HostPage::from_raw(dst) }) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The core holds both locks, and has references on both.
    match unsafe { replace(pool, id, src, dst) } {
        Ok(()) => {
            // The pool's; the core's goes.
            core::mem::forget(dst.get());
            0
        }
        Err(_) => EAGAIN.to_errno(),
    }
}

/// Puts `dst` in the place of `src`; a reference on `dst` becomes the pool's, that
/// on `src` is dropped. Does not sleep.
///
/// # Errors
///
/// Those of [`Pool::move_page`]; nothing has changed then.
///
/// # Safety
///
/// Both locks are held, and a reference on each beside the pool's. `src` is, if `id`
/// says so, a page of `pool`; `dst` is new.
unsafe fn replace(pool: ArcBorrow<'_, Pool>, id: DescId, src: HostPage, dst: HostPage) -> Result {
    Pool::move_page(pool, id, src, dst, |extents| {
        for extent in extents.into_iter().flatten() {
            // SAFETY: The zpages are frozen: nobody maps them. Nobody else
            // knows `dst`.
            unsafe { src.copy_to(dst, extent) };
        }
        Ok(())
    })?;
    // SAFETY: Both are locked, and `src` was a page of the pool; its reference
    // on the pool goes over to `dst`.
    unsafe { set_movable(dst, clear_movable(src), id) };
    // SAFETY: The pool's reference, which has forgotten `src`; the caller has one
    // of his own.
    drop(unsafe { PageRef::adopt(src) });
    Ok(())
}

/// Moves page `src` of `pool` to the new page `dst`, without being asked by the
/// host.
///
/// # Errors
///
/// Those of [`Pool::move_page`], and `EBUSY` when the host is about to move the page.
pub(crate) fn relocate(
    pool: ArcBorrow<'_, Pool>,
    id: DescId,
    src: LockedPage,
    dst: LockedPage,
) -> Result {
    if src.page().is_isolated() {
        return Err(EBUSY);
    }
    // SAFETY: Both are locked and referenced by their guards. If `src` is not the
    // page of `id` any more, the pool knows.
    unsafe { replace(pool, id, src.page(), dst.page()) }?;
    dst.into_pool();
    Ok(())
}

/// # Safety
///
/// Called by the core only, as struct movable_operations says.
unsafe extern "C" fn putback_page(_page: *mut bindings::page) {
    EVENTS.putback.inc();
}
