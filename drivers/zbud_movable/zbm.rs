// SPDX-License-Identifier: GPL-2.0

//! zbud_movable: a zbud-style compressed pool whose pages the kernel can move.
//!
//! The pool itself is in `src/zbud/` and knows no kernel; this is what connects
//! it to one. From the edges inwards:
//!
//! - [`zpool`]: zswap's way in, where there is zpool; [`data`]: the module's own
//!   pool, behind a file; [`device`]: a look at the pages themselves;
//! - [`mover`]: the core's way in, when it moves pages: [`movable_ops`] or
//!   [`mapping`];
//! - [`pool`]: the core under a spinlock, with real pages ([`page`]), a real
//!   table ([`table`]) and handles ([`handle`]);
//! - [`mems`]: where its pages may be, after [`hotplug`], too; [`migrate`]: moving
//!   them by hand; [`node_list`]: how people name nodes;
//! - [`sysfs`], [`debugfs`], [`stats`]: what can be seen of it;
//! - [`state`]: what the module has once.
//!
//! Documentation/internals.rst has the state machine and the lock order.

#[path = "../../src/zbud/mod.rs"]
// A crate of its own for the tests on the host, which use more of it.
#[allow(dead_code, unreachable_pub, unused_imports)]
pub(crate) mod zbud;

mod bindings;
mod compat;
mod compress;
mod data;
mod debugfs;
mod device;
mod error;
mod handle;
mod hotplug;
mod input;
mod mapping;
mod mems;
mod migrate;
mod movable_ops;
mod mover;
mod node_list;
mod page;
mod pool;
mod seq;
mod state;
mod stats;
mod sysfs;
mod table;
#[cfg(CONFIG_ZPOOL)]
mod zpool;

use kernel::prelude::*;

module! {
    type: ZbudMovable,
    name: "zbud_movable",
    description: "Buddy allocator for compressed pages that can be moved",
    license: "GPL v2",
    alias: ["zpool-zbud_movable"],
}

/// The loaded module. Fields are dropped in order: first the ways in, last what
/// they all use.
struct ZbudMovable {
    #[cfg(CONFIG_ZPOOL)]
    _zpool: zpool::Registration,
    _device: Option<device::Device>,
    _data: Option<data::Files>,
    _sysfs: sysfs::Tree,
    _hotplug: hotplug::Notifier,
    _state: state::Owner,
}

impl kernel::Module for ZbudMovable {
    fn init(_: &'static ThisModule) -> Result<Self> {
        let state = state::Owner::new()?;
        let hotplug = hotplug::Notifier::new()?;
        // Nodes may have come before we listened.
        state.state().refresh_mems();
        let sysfs = sysfs::Tree::new()?;
        let device = device::Device::new(state.state().mover())?;
        // The last that may fail: zswap can have a pool from then on.
        #[cfg(CONFIG_ZPOOL)]
        let zpool = zpool::Registration::new()?;
        // zswap can do without it, and so can a kernel without lz4.
        let data = data::Files::new(state.state())
            .inspect_err(|error| pr_warn!("no data file in debugfs: {:?}\n", error))
            .ok();
        Ok(Self {
            #[cfg(CONFIG_ZPOOL)]
            _zpool: zpool,
            _device: device,
            _data: data,
            _sysfs: sysfs,
            _hotplug: hotplug,
            _state: state,
        })
    }
}
