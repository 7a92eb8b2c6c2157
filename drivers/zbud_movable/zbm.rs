// SPDX-License-Identifier: GPL-2.0

//! zbud_movable: a zbud-style compressed pool whose pages the kernel can move.
//!
//! The pool itself is in `src/zbud/` and knows no kernel; this is what connects
//! it to one. From the edges inwards:
//!
//! - [`zpool`]: zswap's way in; [`data`]: the module's own pool, behind a file;
//! - [`movable`]: the core's way in, when it moves pages;
//! - [`pool`]: the core under a spinlock, with real pages ([`page`]), a real
//!   table ([`table`]) and handles ([`handle`]);
//! - [`sysfs`], [`debugfs`], [`stats`]: what can be seen of it;
//! - [`state`]: what the module has once.
//!
//! Documentation/internals.rst has the state machine and the lock order.

#[path = "../../src/zbud/mod.rs"]
// A crate of its own for the tests on the host, which use more of it.
#[allow(dead_code, unreachable_pub, unused_imports)]
pub(crate) mod zbud;

mod bindings;
mod compress;
mod data;
mod debugfs;
mod error;
mod handle;
mod input;
mod movable;
mod page;
mod pool;
mod seq;
mod state;
mod stats;
mod sysfs;
mod table;
mod zpool;

use kernel::prelude::*;

module! {
    type: ZbudMovable,
    name: "zbud_movable",
    author: "The zbud_movable developers",
    description: "Buddy allocator for compressed pages that can be moved",
    license: "GPL v2",
    alias: ["zpool-zbud_movable"],
}

/// The loaded module. Fields are dropped in order: first the ways in, last what
/// they all use.
struct ZbudMovable {
    _zpool: zpool::Registration,
    _data: Option<data::Files>,
    _sysfs: sysfs::Tree,
    _state: state::Owner,
}

impl kernel::Module for ZbudMovable {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let state = state::Owner::new()?;
        let sysfs = sysfs::Tree::new()?;
        // zswap can do without it, and so can a kernel without lz4.
        let data = data::Files::new(state.state())
            .inspect_err(|error| pr_warn!("no data file in debugfs: {:?}\n", error))
            .ok();
        Ok(Self {
            _zpool: zpool::Registration::new(module)?,
            _data: data,
            _sysfs: sysfs,
            _state: state,
        })
    }
}
