// SPDX-License-Identifier: GPL-2.0

//! Users that store: zswap through zpool, and the file `data` in debugfs.

pub(crate) mod data;
pub(crate) mod data_file;
#[cfg(CONFIG_ZPOOL)]
pub(crate) mod zpool;
