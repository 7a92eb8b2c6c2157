// SPDX-License-Identifier: GPL-2.0

//! The pool as a disk: `/dev/zbud0` and so on, each on a pool of its own.

mod compaction;
pub(crate) mod compress;
pub(crate) mod device;
pub(crate) mod disks;
mod gathering;
mod knobs;
#[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
mod lz4;
#[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
mod lzo;
mod pin_tree;
mod pins;
mod stats;
mod store;
mod sysfs;
mod triggers;
#[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
mod zstd;
