// SPDX-License-Identifier: GPL-2.0

//! What a picture shows, be it text or SVG: one map or two, and the words beside them.

use crate::map::block::BLOCK_BYTES;
use crate::map::grid::Grid;
use crate::map::snapshot::{NodeMap, Snapshot};
use std::num::NonZeroU64;

/// What the levels of `Cell::Filled` mean.
pub const LEVELS: [&str; 5] = [
    "no pool pages",
    "below 1/4",
    "below 1/2",
    "below 3/4",
    "more",
];
/// What `Cell::Offline` means.
pub const OFFLINE: &str = "offline";

const MIB: u64 = 1 << 20;

/// The maps.
pub struct Picture {
    /// As it was, if that is to be shown, too.
    pub before: Option<Snapshot>,
    /// As it is.
    pub now: Snapshot,
}

impl Picture {
    /// Each map, and its name if there are two.
    pub fn maps(&self) -> Vec<(Option<&'static str>, &Snapshot)> {
        match &self.before {
            Some(before) => vec![(Some("before"), before), (Some("after"), &self.now)],
            None => vec![(None, &self.now)],
        }
    }

    /// One grid for all maps.
    pub fn grid(&self, columns: NonZeroU64, most_rows: usize) -> Grid {
        let maps: Vec<_> = self.maps().into_iter().map(|(_, map)| map).collect();
        Grid::new(&maps, columns, most_rows)
    }

    /// Whether the kernel does not use some of the memory.
    pub fn has_offline(&self) -> bool {
        self.maps().iter().any(|(_, map)| map.has_offline())
    }
}

/// What there is to say of a node.
pub fn figures(map: &NodeMap) -> String {
    let (pages, with, all) = (map.pages, map.blocks.len(), map.online());
    format!("{pages} pool pages, in {with} of {all} blocks")
}

/// How much memory a cell is.
pub fn scale(grid: &Grid) -> String {
    let block = BLOCK_BYTES / MIB;
    match grid.scale.get() {
        1 => format!("a block of {block} MiB"),
        blocks => {
            let mib = block.saturating_mul(blocks);
            format!("{blocks} blocks of {block} MiB, {mib} MiB")
        }
    }
}

/// The address of a block, as in /proc/iomem.
pub fn address(block: u64) -> String {
    format!("{:#012x}", block.saturating_mul(BLOCK_BYTES))
}
