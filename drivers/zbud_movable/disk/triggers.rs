// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/zbud_movable/disks/<name>/`: what no disk can be asked for, for
//! tests.

use super::pins;
use super::store::Store;
use crate::linux::debugfs::{Entry, Fops};
use crate::linux::input;
use crate::linux::trigger::{trigger, Trigger};
use crate::observe::debugfs::Tree;
use kernel::prelude::*;

/// `N`: frees every N-th block, the last of each N.
struct FreeEvery;

impl Trigger<Store> for FreeEvery {
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

impl Trigger<Store> for Pin {
    fn pull(store: &Store, first: &str, count: Option<&str>) -> Result {
        let (first, count) = input::range(first, count)?;
        pins::pin(store, first, count)
    }
}

/// `BLOCK [COUNT]` or `all`: unmaps them again.
struct Unpin;

impl Trigger<Store> for Unpin {
    fn pull(store: &Store, first: &str, count: Option<&str>) -> Result {
        if (first, count) == ("all", None) {
            return pins::unpin_all(store);
        }
        let (first, count) = input::range(first, count)?;
        pins::unpin(store, first, count)
    }
}

static FREE_EVERY: Fops<Store> = trigger::<_, FreeEvery>();
static PIN: Fops<Store> = trigger::<_, Pin>();
static UNPIN: Fops<Store> = trigger::<_, Unpin>();

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
