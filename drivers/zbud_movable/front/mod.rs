// SPDX-License-Identifier: GPL-2.0

//! zswap, which stores through zpool, where the kernel has that.

#[cfg(CONFIG_ZPOOL)]
pub(crate) mod zpool;
