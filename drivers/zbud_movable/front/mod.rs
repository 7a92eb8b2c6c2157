// SPDX-License-Identifier: GPL-2.0

//! Users that store, of the kernel's own: zswap through zpool.

#[cfg(CONFIG_ZPOOL)]
pub(crate) mod zpool;
