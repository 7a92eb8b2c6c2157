// SPDX-License-Identifier: GPL-2.0

//! A view of the pools beyond sysfs: `/sys/kernel/debug/zbud_movable/`. Not ABI.

pub(crate) mod debugfs;
pub(crate) mod pages;
pub(crate) mod shown_pool;
