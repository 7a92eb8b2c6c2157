// SPDX-License-Identifier: GPL-2.0

//! Trace events, see trace.h. Each costs a load and a branch while nobody traces it.

use super::bindings;
use super::page::{BorrowedPage, Frame};
use crate::zbud::Nid;
use core::ptr::addr_of;
use kernel::ffi::{c_int, c_uint, c_void};
use kernel::prelude::*;

/// Where a zpage was put.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Beside another one.
    Beside = bindings::ZBM_BESIDE as isize,
    /// In a page that had none.
    Empty = bindings::ZBM_EMPTY as isize,
    /// In a page that is new in the pool.
    New = bindings::ZBM_NEW as isize,
}

/// In which mode mm moves a page, or that it does not.
#[derive(Clone, Copy)]
pub(crate) struct Mode(c_int);

impl Mode {
    /// By a request.
    // CAST: 255.
    pub(crate) const BY_HAND: Self = Self(bindings::ZBM_BY_HAND as c_int);

    pub(crate) fn of_mm(mode: bindings::migrate_mode) -> Self {
        // CAST: a small number.
        Self(mode as c_int)
    }
}

fn errno(result: Result) -> c_int {
    result.map_or_else(Error::to_errno, |()| 0)
}

macro_rules! traced {
    ($($(#[$doc:meta])* $name:ident: $event:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name() -> bool {
            // SAFETY: A flag that C changes whole; whoever sees the old value traces one event
            // too many, which does no harm, or too few.
            unsafe { addr_of!(bindings::zbm_traced.$event).read_volatile() }
        }
    )*};
}

traced! {
    /// Whether somebody traces [`store`].
    stores: store;
    /// Whether somebody traces [`free`].
    frees: free;
    /// Whether somebody traces [`isolate`].
    isolates: isolate;
    /// Whether somebody traces [`migrate`].
    migrates: migrate;
    /// Whether somebody traces [`putback`].
    putbacks: putback;
    /// Whether somebody traces [`node_move`].
    node_moves: node_move;
    /// Whether somebody traces [`repair`].
    repairs: repair;
}

/// A zpage, as its pool's user knows it, and its length in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Zpage {
    pub(crate) handle: usize,
    pub(crate) bytes: usize,
}

impl Zpage {
    fn handle(self) -> *const c_void {
        // CAST: only shown.
        self.handle as *const c_void
    }

    fn bytes(self) -> c_uint {
        // CAST: at most a page.
        self.bytes as c_uint
    }
}

/// A zpage has come.
#[cold]
pub(crate) fn store(pool: &CStr, page: Frame, zpage: Zpage, place: Place) {
    // CAST: three places. SAFETY: The name ends with 0.
    unsafe {
        bindings::zbm_trace_store(
            pool.as_char_ptr().cast(),
            page.pfn(),
            page.nid(),
            zpage.bytes(),
            place as c_uint,
            zpage.handle(),
        )
    };
}

/// A zpage has gone.
#[cold]
pub(crate) fn free(pool: &CStr, page: Frame, zpage: Zpage) {
    // SAFETY: As above.
    unsafe {
        bindings::zbm_trace_free(
            pool.as_char_ptr().cast(),
            page.pfn(),
            page.nid(),
            zpage.bytes(),
            zpage.handle(),
        )
    };
}

/// mm has asked for a page, to move it.
#[cold]
pub(crate) fn isolate(pool: &CStr, page: Frame, result: Result) {
    // SAFETY: As above.
    unsafe {
        bindings::zbm_trace_isolate(
            pool.as_char_ptr().cast(),
            page.pfn(),
            page.nid(),
            errno(result),
        )
    };
}

/// A page was to move. `since`: what [`now`] said before.
#[cold]
fn migrate(pool: &CStr, from: Frame, to: Frame, mode: Mode, result: Result, since: u64) {
    // SAFETY: As above.
    unsafe {
        bindings::zbm_trace_migrate(
            pool.as_char_ptr().cast(),
            from.pfn(),
            from.nid(),
            to.pfn(),
            to.nid(),
            mode.0,
            errno(result),
            now().saturating_sub(since),
        )
    };
}

/// A move that is traced, if somebody does that.
pub(crate) struct Move(Option<(Frame, Frame, u64)>);

impl Move {
    /// Of one page to the other.
    #[inline]
    pub(crate) fn begin(from: BorrowedPage<'_>, to: BorrowedPage<'_>) -> Self {
        Self(migrates().then(|| (from.frame(), to.frame(), now())))
    }

    /// It has ended.
    #[inline]
    pub(crate) fn end(self, pool: &CStr, mode: Mode, result: Result) {
        if let Some((from, to, since)) = self.0 {
            migrate(pool, from, to, mode, result, since);
        }
    }
}

/// mm gives a page back that it has isolated and not moved.
#[cold]
pub(crate) fn putback(pool: &CStr, page: Frame) {
    // SAFETY: As above.
    unsafe { bindings::zbm_trace_putback(pool.as_char_ptr().cast(), page.pfn(), page.nid()) };
}

/// A request has tried the pages of a pool on one node.
#[cold]
pub(crate) fn node_move(
    pool: &CStr,
    from: Nid,
    to: Nid,
    moved: u64,
    not_moved: u64,
    result: Result,
) {
    let (from, to) = (c_int::from(from.0), c_int::from(to.0));
    // SAFETY: As above.
    unsafe {
        bindings::zbm_trace_node_move(
            pool.as_char_ptr().cast(),
            from,
            to,
            moved,
            not_moved,
            errno(result),
        )
    };
}

/// A zpage was to go beside another.
#[cold]
pub(crate) fn repair(pool: &CStr, zpage: Zpage, from: Frame, to: Frame, result: Result) {
    // SAFETY: As above.
    unsafe {
        bindings::zbm_trace_repair(
            pool.as_char_ptr().cast(),
            zpage.handle(),
            from.pfn(),
            from.nid(),
            to.pfn(),
            to.nid(),
            zpage.bytes(),
            errno(result),
        )
    };
}

/// Nanoseconds of a clock that only goes forward.
#[cold]
fn now() -> u64 {
    // SAFETY: Reads a clock.
    unsafe { bindings::zbm_trace_clock() }
}
