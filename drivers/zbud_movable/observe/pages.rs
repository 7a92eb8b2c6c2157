// SPDX-License-Identifier: GPL-2.0

//! `pools/<name>/pages`: a line for each page of a pool. Each line is of one moment, but
//! not all of the same one: the pool lock is held for a few descriptors at a time, and
//! nothing is formatted under it.

use crate::linux::bindings;
use crate::linux::debugfs::{behind, Fops};
use crate::linux::page;
use crate::linux::seq::{self, Seq};
use crate::linux::task;
use crate::pool::pool::Pool;
use crate::zbud::{Buddy, Cursor, Descriptor, Len, State, Table, DESCRIPTORS_PER_LEAF};
use core::fmt::Write;
use kernel::error::from_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// Descriptors that are looked at under the lock at a time; 680 bytes of stack.
const AT_ONCE: usize = 17;

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
    let Ok(leaf) = u32::try_from(leaf) else {
        return 0;
    };
    let mut cursor = Cursor::at_leaf(leaf);
    for _ in 0..DESCRIPTORS_PER_LEAF.div_ceil(AT_ONCE) {
        let mut lines = [None; AT_ONCE];
        pool.look_at(&mut cursor, &mut lines, Line::new);
        for line in lines.iter().flatten() {
            // When the buffer is full seq_file comes again with a larger one.
            let _ = line.write(&mut out);
        }
    }
    0
}

/// What is shown of a page.
#[derive(Clone, Copy)]
struct Line {
    pfn: usize,
    nid: u16,
    bytes: [usize; 2],
    pins: u64,
    state: Option<State>,
}

impl Line {
    fn new<T: Table>(desc: &Descriptor, table: &T) -> Option<Self> {
        let bytes = |buddy| desc.len(buddy).map_or(0, Len::bytes);
        Some(Self {
            pfn: page::pfn(desc.page()?),
            nid: desc.nid().0,
            bytes: Buddy::BOTH.map(bytes),
            pins: desc.pins(table),
            state: desc.state(),
        })
    }

    fn write(&self, out: &mut Seq<'_>) -> core::fmt::Result {
        let [first, last] = self.bytes;
        write!(
            out,
            "{} {} {} {} {} ",
            self.pfn, self.nid, first, last, self.pins
        )?;
        match self.state {
            Some(state) => writeln!(out, "{state:?}"),
            None => writeln!(out, "?"),
        }
    }
}
