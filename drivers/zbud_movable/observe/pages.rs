// SPDX-License-Identifier: GPL-2.0

//! `pools/<name>/pages`: a line for each page of a pool. Shown leaf by leaf, so that
//! the pool lock is held for one leaf at a time.

use crate::linux::bindings;
use crate::linux::debugfs::{behind, Fops};
use crate::linux::page;
use crate::linux::seq::{self, Seq};
use crate::linux::task;
use crate::pool::pool::Pool;
use crate::zbud::{Buddy, Descriptor, PageAddr, Table};
use core::fmt::Write;
use kernel::error::from_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// Expects a pool behind the file.
pub(crate) static FOPS: Fops<Pool> = seq::iterated(open_pages);

static PAGES: bindings::seq_operations = bindings::seq_operations {
    start: Some(start_pages),
    next: Some(next_pages),
    stop: Some(stop_pages),
    show: Some(show_pages),
};

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn open_pages(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Called by debugfs for a file of ours; `seq_open` puts a seq_file
    // into the private data.
    unsafe {
        let result = bindings::seq_open(file, &PAGES);
        if result == 0 {
            let pool: &Pool = behind(inode);
            let seq = (*file).private_data.cast::<bindings::seq_file>();
            (*seq).private = core::ptr::from_ref(pool).cast_mut().cast();
        }
        result
    }
}

/// The iterator: 1 is the heading, n + 2 the leaf n; null the end.
fn position(pool: &Pool, pos: i64) -> *mut c_void {
    if (0..=i64::from(pool.leaves())).contains(&pos) {
        // CAST: small and positive.
        (pos + 1) as *mut c_void
    } else {
        core::ptr::null_mut()
    }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn start_pages(file: *mut bindings::seq_file, pos: *mut i64) -> *mut c_void {
    // SAFETY: Opened by `open_pages`; seq_file gives a valid position.
    unsafe { position(seq::shown(file).0, *pos) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn next_pages(
    file: *mut bindings::seq_file,
    _: *mut c_void,
    pos: *mut i64,
) -> *mut c_void {
    task::cond_resched();
    // SAFETY: As above.
    unsafe {
        *pos = (*pos).saturating_add(1);
        position(seq::shown(file).0, *pos)
    }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn stop_pages(_: *mut bindings::seq_file, _: *mut c_void) {}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn show_pages(file: *mut bindings::seq_file, at: *mut c_void) -> c_int {
    // SAFETY: Opened by `open_pages`.
    let (pool, mut out) = unsafe { seq::shown::<Pool>(file) };
    let Some(leaf) = (at as usize).checked_sub(2) else {
        let heading = writeln!(out, "pfn nid first last pins state");
        return from_result(|| heading.map(|()| 0).map_err(|_| EIO));
    };
    if let Ok(leaf) = u32::try_from(leaf) {
        pool.with_leaf(leaf, |desc, table| {
            if let Some(page) = desc.page() {
                // Writing to a seq_file only copies: fine under the pool lock.
                let _ = show_page(&mut out, table, desc, page);
            }
        });
    }
    0
}

fn show_page<T: Table>(
    out: &mut Seq<'_>,
    table: &T,
    desc: &Descriptor,
    page: PageAddr,
) -> core::fmt::Result {
    let bytes = |buddy| desc.len(buddy).map_or(0, |len| len.bytes());
    write!(out, "{} {} ", page::pfn(page), desc.nid().0)?;
    write!(out, "{} {} ", bytes(Buddy::First), bytes(Buddy::Last))?;
    match desc.state() {
        Some(state) => writeln!(out, "{} {:?}", desc.pins(table), state),
        None => writeln!(out, "{} ?", desc.pins(table)),
    }
}
