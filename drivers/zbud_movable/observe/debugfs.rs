// SPDX-License-Identifier: GPL-2.0

//! The tree in debugfs, and of `pools/<name>/` the files `summary` and `verify`.

use super::pages;
use crate::linux::bindings;
use crate::linux::debugfs::{behind, Entry, Fops};
use crate::linux::fault;
use crate::linux::seq;
use crate::pool::pool::Pool;
use core::fmt::Write;
use kernel::error::from_result;
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

static SUMMARY: Fops<Pool> = seq::single(open_summary);
static VERIFY: Fops<Pool> = seq::single(open_verify);

/// The tree; its directories are removed when it is dropped.
pub(crate) struct Tree {
    pools: Entry,
    disks: Entry,
    _root: Entry,
}

impl Tree {
    /// May sleep.
    pub(crate) fn new() -> Self {
        let root = Entry::root(kernel::c_str!("zbud_movable"));
        fault::create(&root);
        Self {
            pools: root.dir(kernel::c_str!("pools")),
            disks: root.dir(kernel::c_str!("disks")),
            _root: root,
        }
    }

    /// The directory `disks`.
    pub(crate) fn disks(&self) -> &Entry {
        &self.disks
    }

    /// Makes `pools/<name>/`.
    ///
    /// # Safety
    ///
    /// The pool is there until the directory is removed.
    pub(crate) unsafe fn add(&self, pool: &Pool) -> Entry {
        let dir = self.pools.dir(pool.name());
        let files = [
            (kernel::c_str!("summary"), 0o400, &SUMMARY),
            (kernel::c_str!("verify"), 0o400, &VERIFY),
            (kernel::c_str!("pages"), 0o400, &pages::FOPS),
        ];
        for (name, mode, fops) in files {
            // SAFETY: The pool outlives the directory.
            unsafe { dir.file(name, mode, pool, fops) }.keep();
        }
        dir
    }
}

/// The pool behind a file, as `single_open` keeps it; debugfs keeps the file, and so the
/// pool, while its operations run.
///
/// # Safety
///
/// `inode` is that of a file made by [`Tree::add`], being opened.
unsafe fn private(inode: *mut bindings::inode) -> *mut c_void {
    // SAFETY: By the safety requirements.
    let pool: &Pool = unsafe { behind(inode) };
    core::ptr::from_ref(pool).cast_mut().cast()
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn open_summary(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: Called by debugfs for a file of ours.
    unsafe { bindings::single_open(file, Some(show_summary), private(inode)) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn show_summary(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: Opened by `open_summary`.
    let (pool, mut out) = unsafe { seq::shown::<Pool>(file) };
    let (nodes, pages, bytes) =
        pool.with_books(|books| (books.nodes().len(), books.pages(), books.stored_bytes()));
    // One node at a time: nothing is formatted under the pool lock.
    let figures = |nid: usize| {
        pool.with_books(|books| {
            let node = books.nodes().get(nid)?;
            let lone = node.unbuddied_pages();
            Some((node.pages(), node.zpages(), lone, node.empty_pages()))
        })
        .unwrap_or((0, 0, 0, 0))
    };
    let written = (|| {
        writeln!(out, "pages {pages}")?;
        writeln!(out, "stored_bytes {bytes}")?;
        for nid in 0..nodes {
            let (pages, zpages, unbuddied, empty) = figures(nid);
            if pages != 0 {
                write!(out, "node{nid} pages {pages} zpages {zpages} ")?;
                writeln!(out, "unbuddied_pages {unbuddied} empty_pages {empty}")?;
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
    unsafe { bindings::single_open(file, Some(show_verify), private(inode)) }
}

/// # Safety
///
/// Called by debugfs and seq_file only, for a file of ours.
unsafe extern "C" fn show_verify(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: Opened by `open_verify`.
    let (pool, mut out) = unsafe { seq::shown::<Pool>(file) };
    let written = match pool.verify() {
        Ok(()) => writeln!(out, "ok"),
        Err(violation) => writeln!(out, "violated: {violation:?}"),
    };
    from_result(|| written.map(|()| 0).map_err(|_| EIO))
}
