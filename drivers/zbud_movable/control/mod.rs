// SPDX-License-Identifier: GPL-2.0

//! Control over the pools: sysfs, requests, memory hotplug, processes that map pages.

pub(crate) mod device;
pub(crate) mod failures;
pub(crate) mod hotplug;
pub(crate) mod requests;
pub(crate) mod sysfs;
