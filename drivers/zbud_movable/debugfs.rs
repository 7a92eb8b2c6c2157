// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/zbud_movable/`: the tree, and `pools/<name>/` with
//! `summary`, `pages` and `verify`. Not ABI.
//!
//! debugfs keeps a file's operations from running while and after it is
//! removed, so a pool that is behind a file stays until its directory is gone.

use crate::bindings;
use crate::page::HostPage;
use crate::pool::Pool;
use crate::seq::Seq;
use crate::zbud::{Buddy, Descriptor, Frame, Table};
use core::fmt::Write;
use kernel::error::from_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// File operations; the owner is filled in when the module is loaded, so that
/// an open file keeps the module.
pub(crate) struct Fops(bindings::file_operations);

// SAFETY: Never changed; holds pointers to functions and to the module only.
unsafe impl Send for Fops {}
// SAFETY: As above.
unsafe impl Sync for Fops {}

impl Fops {
    /// `operations`, owned by this module.
    pub(crate) fn new(operations: bindings::file_operations) -> Self {
        Self(bindings::file_operations {
            owner: bindings::this_module(),
            ..operations
        })
    }
}

/// A file or a directory; removed, with all that is in it, when dropped. Sleeps
/// then, until no operation of its files is running.
pub(crate) struct Entry(*mut bindings::dentry);

// SAFETY: debugfs may be used by any thread.
unsafe impl Send for Entry {}
// SAFETY: As above.
unsafe impl Sync for Entry {}

impl Entry {
    // Errors need no check: debugfs takes its own error pointers everywhere, and
    // an entry that could not be made is missed by whoever looks for it only.
    fn dir(name: &CStr, parent: *mut bindings::dentry) -> Self {
        // SAFETY: A C string, and null or what debugfs gave.
        Self(unsafe { bindings::debugfs_create_dir(name.as_char_ptr().cast(), parent) })
    }

    /// Makes a file in this directory whose operations are `fops`, with `data`
    /// behind it.
    ///
    /// # Safety
    ///
    /// `data` is valid until the file is removed; `fops` as long as the module, which
    /// open files keep: debugfs looks at it when one is closed.
    pub(crate) unsafe fn file(
        &self,
        name: &CStr,
        mode: u16,
        data: *mut c_void,
        fops: &Fops,
    ) -> Entry {
        // SAFETY: By the safety requirements.
        Self(unsafe {
            bindings::zbm_debugfs_create_file(
                name.as_char_ptr().cast(),
                mode,
                self.0,
                data,
                &fops.0,
            )
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: Ours, removed once.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// The tree's root, and what its files do.
pub(crate) struct Root {
    pools: Entry,
    root: Entry,
    summary: Fops,
    verify: Fops,
    pages: Fops,
}

impl Root {
    pub(crate) fn new() -> Self {
        let root = Entry::dir(kernel::c_str!("zbud_movable"), core::ptr::null_mut());
        Self {
            pools: Entry::dir(kernel::c_str!("pools"), root.0),
            root,
            summary: single(open_summary),
            verify: single(open_verify),
            pages: seq_fops(open_pages, Some(bindings::seq_release)),
        }
    }

    /// The root directory.
    pub(crate) fn root(&self) -> &Entry {
        &self.root
    }

    /// Makes `pools/<name>/`. The pool must outlive the directory.
    pub(crate) fn add_pool(&self, pool: &Pool) -> Entry {
        let dir = Entry::dir(pool.name(), self.pools.0);
        let data = core::ptr::from_ref(pool).cast_mut().cast();
        let files = [
            (kernel::c_str!("summary"), 0o444, &self.summary),
            (kernel::c_str!("verify"), 0o400, &self.verify),
            (kernel::c_str!("pages"), 0o400, &self.pages),
        ];
        for (name, mode, fops) in files {
            // SAFETY: The pool outlives the directory, and `self` all files: it
            // goes with the module, which open files keep.
            // The directory removes the file.
            core::mem::forget(unsafe { dir.file(name, mode, data, fops) });
        }
        dir
    }
}

type Open = unsafe extern "C" fn(*mut bindings::inode, *mut bindings::file) -> c_int;

fn seq_fops(open: Open, release: Option<Open>) -> Fops {
    Fops::new(bindings::file_operations {
        open: Some(open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release,
        ..Default::default()
    })
}

fn single(open: Open) -> Fops {
    seq_fops(open, Some(bindings::single_release))
}

/// The pool behind a file.
///
/// # Safety
///
/// `inode` is that of a file made by [`Root::add_pool`], being opened.
unsafe fn pool_of(inode: *mut bindings::inode) -> *mut c_void {
    // SAFETY: By the safety requirements.
    unsafe { (*inode).i_private }
}

/// The pool that is shown.
///
/// # Safety
///
/// `file` is being shown, and was opened with what `pool_of` gave as private data.
unsafe fn shown<'a>(file: *mut bindings::seq_file) -> (&'a Pool, Seq) {
    // SAFETY: By the safety requirements; the pool stays while the file's
    // operations run.
    unsafe { (&*(*file).private.cast::<Pool>(), Seq::new(file)) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn open_summary(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Called by debugfs for a file of ours.
    unsafe { bindings::single_open(file, Some(show_summary), pool_of(inode)) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn show_summary(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: Opened by `open_summary`.
    let (pool, mut out) = unsafe { shown(file) };
    let mut nodes = 0_usize;
    let (pages, bytes) = pool.with_locked(|locked, _| {
        nodes = locked.lists.nodes().len();
        (locked.lists.pages(), locked.lists.stored_bytes())
    });
    // One node at a time: nothing is formatted under L.
    let figures = |nid: usize| {
        pool.with_locked(|locked, _| {
            let node = locked.lists.nodes().get(nid)?;
            Some((node.pages(), node.zpages(), node.unbuddied_pages()))
        })
        .unwrap_or((0, 0, 0))
    };
    let written = (|| {
        writeln!(out, "pages {pages}")?;
        writeln!(out, "stored_bytes {bytes}")?;
        for nid in 0..nodes {
            let (pages, zpages, unbuddied) = figures(nid);
            if pages != 0 {
                writeln!(
                    out,
                    "node{nid} pages {pages} zpages {zpages} unbuddied_pages {unbuddied}"
                )?;
            }
        }
        core::fmt::Result::Ok(())
    })();
    from_result(|| written.map(|()| 0).map_err(|_| EIO))
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn open_verify(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Called by debugfs for a file of ours.
    unsafe { bindings::single_open(file, Some(show_verify), pool_of(inode)) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn show_verify(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: Opened by `open_verify`.
    let (pool, mut out) = unsafe { shown(file) };
    let written = match pool.verify() {
        Ok(()) => writeln!(out, "ok"),
        Err(violation) => writeln!(out, "violated: {violation:?}"),
    };
    from_result(|| written.map(|()| 0).map_err(|_| EIO))
}

/// `pages` is shown leaf by leaf, so that L is held for one leaf at a time.
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
            (*(*file).private_data.cast::<bindings::seq_file>()).private = pool_of(inode);
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
    unsafe { position(shown(file).0, *pos) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn next_pages(
    file: *mut bindings::seq_file,
    _: *mut c_void,
    pos: *mut i64,
) -> *mut c_void {
    crate::page::cond_resched();
    // SAFETY: As above.
    unsafe {
        *pos = (*pos).saturating_add(1);
        position(shown(file).0, *pos)
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
    let (pool, mut out) = unsafe { shown(file) };
    let Some(leaf) = (at as usize).checked_sub(2) else {
        let heading = writeln!(out, "pfn nid first last pins state");
        return from_result(|| heading.map(|()| 0).map_err(|_| EIO));
    };
    pool.with_locked(|_, table| {
        let leaf = u32::try_from(leaf).ok().and_then(|leaf| table.leaf(leaf));
        for (_, desc) in leaf.into_iter().flat_map(|leaf| leaf.descriptors()) {
            if let Some(frame) = desc.frame() {
                // Writing to a seq_file only copies: fine under L.
                let _ = show_page(&mut out, table, desc, frame);
            }
        }
    });
    0
}

fn show_page<T: Table>(
    out: &mut Seq,
    table: &T,
    desc: &Descriptor,
    frame: Frame,
) -> core::fmt::Result {
    let bytes = |buddy| desc.len(buddy).map_or(0, |len| len.bytes());
    let page = HostPage::of(frame);
    write!(out, "{} {} ", page.pfn(), desc.nid().0)?;
    write!(out, "{} {} ", bytes(Buddy::First), bytes(Buddy::Last))?;
    match desc.state() {
        Some(state) => writeln!(out, "{} {:?}", desc.pins(table), state),
        None => writeln!(out, "{} ?", desc.pins(table)),
    }
}
