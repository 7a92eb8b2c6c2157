// SPDX-License-Identifier: GPL-2.0

//! zbud_movable: a zbud-style compressed pool whose pages the kernel can move.
//!
//! The core is in `src/zbud/` and knows no kernel; this crate connects it to Linux.
//! Modules use those below them only (`layers.list`, checked by `make lint`):
//!
//! - [`front`][]: zswap stores in the pool;
//! - [`disk`][]: the pool as a disk;
//! - [`control`][]: sysfs, requests, memory hotplug, processes that map pages;
//! - [`observe`][]: debugfs;
//! - [`mover`][]: how mm learns of pool pages and moves them, in one of two ways;
//! - [`pool`][]: the core under a spinlock, with real pages;
//! - [`linux`][]: everything that faces C.
//!
//! Documentation/internals.rst has the life of a page and the lock order.

#[path = "../../src/zbud/mod.rs"]
// A crate of its own for the tests on the host, which use more of it.
#[allow(dead_code, unreachable_pub, unused_imports)]
pub(crate) mod zbud;

mod control;
mod disk;
mod front;
mod linux;
mod mover;
mod observe;
mod pool;

use kernel::prelude::*;
use kernel::sync::Arc;

module! {
    type: ZbudMovable,
    name: "zbud_movable",
    description: "Buddy allocator for compressed pages that can be moved, and disks on it",
    license: "GPL v2",
    alias: ["zpool-zbud_movable"],
}

/// The loaded module. Fields are dropped in order: the ways in first, then the things
/// that they use.
struct ZbudMovable {
    _disks: disk::disks::Disks,
    #[cfg(CONFIG_ZPOOL)]
    _zpool: front::zpool::Registered,
    _device: Option<control::device::Registered>,
    _watch: Option<control::failures::Watch>,
    _sysfs: control::sysfs::Tree,
    _hotplug: control::hotplug::Notifier,
    _tree: Arc<observe::debugfs::Tree>,
}

impl kernel::Module for ZbudMovable {
    fn init(_: &'static ThisModule) -> Result<Self> {
        let counters = pool::counters::Counters::new()?;
        let mover::select::Selected { mover, page_cache } = mover::select::Selected::new()?;
        let pools = pool::pools::Pools::new(pool::pool::Resources {
            mover,
            counters,
            queue: linux::work_queue::WorkQueue::new()?,
            numbers: pool::numbers::Numbers::new()?,
        })?;
        let hotplug = control::hotplug::Notifier::new(pools.clone())?;
        // Nodes may have come before we listened.
        pools.refresh_mems();
        let watch = control::failures::Watch::new(pools.clone())?;
        let requests = control::requests::Requests::new(pools.clone())?;
        let tree = Arc::new(observe::debugfs::Tree::new(), GFP_KERNEL)?;
        let disks = disk::disks::Disks::new(disk::device::Context {
            pools: pools.clone(),
            requests: requests.clone(),
            tree: tree.clone(),
        })?;
        let sysfs = control::sysfs::Tree::new(pools.clone(), requests, disks.owners())?;
        let device = page_cache
            .map(|page_cache| control::device::Device::new(page_cache, pools.clone()))
            .transpose()?;
        #[cfg(CONFIG_ZPOOL)]
        let zpool = front::zpool::Driver::new(pools.clone(), tree.clone())?;

        // From the first of these on other processes can have something of the module
        // open, which keeps a module that is loaded, but not one that fails to load.
        let device = match device {
            // SAFETY: The last step that may fail.
            Some(device) => Some(unsafe { device.register() }?),
            None => None,
        };
        // SAFETY: Nothing fails after it.
        #[cfg(CONFIG_ZPOOL)]
        let zpool = unsafe { zpool.register() };
        // SAFETY: As above.
        unsafe { disks.open() };
        Ok(Self {
            _disks: disks,
            #[cfg(CONFIG_ZPOOL)]
            _zpool: zpool,
            _device: device,
            _watch: watch,
            _sysfs: sysfs,
            _hotplug: hotplug,
            _tree: tree,
        })
    }
}
