// SPDX-License-Identifier: GPL-2.0

//! Blocks of memory: what a huge page of x86-64 takes. Their numbers are their addresses,
//! divided by their size.

use serde::{Deserialize, Serialize};

/// The bytes of a block.
pub const BLOCK_BYTES: u64 = 2 << 20;
/// The page frames in it.
pub const BLOCK_PAGES: u64 = 512;
/// Block numbers are smaller: physical addresses have 52 bits at most.
pub const BLOCKS_END: u64 = 1 << 31;

/// Adjacent blocks of memory.
#[derive(Deserialize, Serialize)]
pub struct Area {
    /// The first.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// Whether the kernel uses them.
    pub online: bool,
}

impl Area {
    /// Whether it has blocks, all of which there can be.
    pub fn is_sound(&self) -> bool {
        self.start < self.end && self.end <= BLOCKS_END
    }
}

/// A block that has pool pages.
#[derive(Deserialize, Serialize)]
pub struct Block {
    /// Its number.
    pub block: u64,
    /// Pool pages in it.
    pub pages: u64,
}

impl Block {
    /// Whether it has pool pages, and there can be such a block. Of a pool in use the pages
    /// may be more than fit: they are not all of one moment.
    pub fn is_sound(&self) -> bool {
        self.block < BLOCKS_END && (1..=u64::from(u32::MAX)).contains(&self.pages)
    }
}
