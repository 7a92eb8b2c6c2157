// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/zbud_movable/disks/<name>/`: what no disk can be asked for, for
//! tests.

use super::pins;
use super::store::Store;
use crate::linux::bindings;
use crate::linux::debugfs::{behind, Entry, Fops};
use crate::linux::input::{self, Input};
use crate::observe::debugfs::Tree;
use kernel::error::from_result;
use kernel::ffi::c_char;
use kernel::prelude::*;

/// A file that does something with the words that are written to it.
trait Trigger {
    fn pull(store: &Store, first: &str, second: Option<&str>) -> Result;
}

/// `N`: frees every N-th block, the last of each N.
struct FreeEvery;

impl Trigger for FreeEvery {
    fn pull(store: &Store, n: &str, second: Option<&str>) -> Result {
        let n = input::number(n)?;
        if n == 0 || second.is_some() {
            return Err(EINVAL);
        }
        pins::free(store, |index| index.checked_rem(n) == n.checked_sub(1))
    }
}

/// `BLOCK [COUNT]`: maps COUNT blocks from BLOCK on; a page with a mapped zpage does
/// not move.
struct Pin;

impl Trigger for Pin {
    fn pull(store: &Store, first: &str, count: Option<&str>) -> Result {
        let (first, count) = blocks(first, count)?;
        pins::pin(store, first, count)
    }
}

/// `BLOCK [COUNT]` or `all`: unmaps them again.
struct Unpin;

impl Trigger for Unpin {
    fn pull(store: &Store, first: &str, count: Option<&str>) -> Result {
        if (first, count) == ("all", None) {
            return pins::unpin_all(store);
        }
        let (first, count) = blocks(first, count)?;
        pins::unpin(store, first, count)
    }
}

/// `BLOCK [COUNT]`; COUNT is 1 without.
fn blocks(first: &str, count: Option<&str>) -> Result<(u64, u64)> {
    let first = input::number(first)?;
    let count = count.map_or(Ok(1), input::number)?;
    if count == 0 {
        return Err(EINVAL);
    }
    Ok((first, count))
}

const fn trigger(
    write: unsafe extern "C" fn(*mut bindings::file, *const c_char, usize, *mut i64) -> isize,
) -> Fops<Store> {
    Fops::new(bindings::file_operations {
        write: Some(write),
        ..bindings::file_operations::empty()
    })
}

static FREE_EVERY: Fops<Store> = trigger(pull::<FreeEvery>);
static PIN: Fops<Store> = trigger(pull::<Pin>);
static UNPIN: Fops<Store> = trigger(pull::<Unpin>);

/// Makes the directory of the disk `name`; removing it waits for those that use its files.
///
/// # Safety
///
/// The store is there until the directory is removed.
pub(super) unsafe fn show(tree: &Tree, name: &CStr, store: &Store) -> Entry {
    let dir = tree.disks().dir(name);
    let files = [
        (kernel::c_str!("free_every"), &FREE_EVERY),
        (kernel::c_str!("pin"), &PIN),
        (kernel::c_str!("unpin"), &UNPIN),
    ];
    for (name, fops) in files {
        // SAFETY: By the safety requirements.
        unsafe { dir.file(name, 0o200, store, fops) }.keep();
    }
    dir
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn pull<T: Trigger>(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    _: *mut i64,
) -> isize {
    // SAFETY: The file is open, and has an inode; made by `show` over a store.
    let store: &Store = unsafe { behind(bindings::zbm_file_inode(file)) };
    from_result(|| {
        let input = Input::read(from as usize, len)?;
        let [Some(first), second] = input.words::<2>()? else {
            return Err(EINVAL);
        };
        T::pull(store, first, second)?;
        // CAST: at most 64.
        Ok(len as isize)
    })
}
