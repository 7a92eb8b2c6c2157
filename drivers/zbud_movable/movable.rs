// SPDX-License-Identifier: GPL-2.0

//! The mover of Linux 6.12: `struct movable_operations`, per page
//! (include/linux/migrate.h, mm/migrate.c).
//!
//! The core holds the page lock in all three callbacks and has checked under it
//! that the page is movable by [`OPS`]; so the page is still its pool's. A page
//! is only given up under its lock, and never by a callback: so no pool, and no
//! module, goes while a callback runs (see `Pool::drain`).

use crate::bindings;
use crate::page::HostPage;
use crate::pool::Pool;
use crate::stats::EVENTS;
use crate::zbud::DescId;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::ArcBorrow;

/// The operations of every page of every pool. The core keeps the pointer in
/// `page->mapping`, whose two low bits are flags.
pub(crate) static OPS: bindings::movable_operations = bindings::movable_operations {
    isolate_page: Some(isolate_page),
    migrate_page: Some(migrate_page),
    putback_page: Some(putback_page),
};

const _: () = assert!(core::mem::align_of::<bindings::movable_operations>() >= 4);

/// # Safety
///
/// Called by the core with the page lock held, for a page movable by [`OPS`].
unsafe fn owner<'a>(page: *mut bindings::page) -> Option<(ArcBorrow<'a, Pool>, DescId, HostPage)> {
    // SAFETY: The core has a reference on the page.
    let page = unsafe { HostPage::from_raw(page) }?;
    // SAFETY: By the safety requirements.
    let (pool, id) = unsafe { page.owner() }?;
    Some((pool, id, page))
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
    let can_move = unsafe { owner(page) }.is_some_and(|(pool, id, page)| pool.can_move(id, page));
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
    // SAFETY: The core holds both locks and a reference on each page.
    match unsafe { Pool::move_page(pool, id, src, dst) } {
        Ok(()) => 0,
        Err(_) => {
            EVENTS.migrate_busy.inc();
            EAGAIN.to_errno()
        }
    }
}

/// # Safety
///
/// Called by the core only, as struct movable_operations says.
unsafe extern "C" fn putback_page(_page: *mut bindings::page) {
    EVENTS.putback.inc();
}
