// SPDX-License-Identifier: GPL-2.0

//! How a map is drawn: rows of cells, each for some blocks. A row begins at a multiple of its
//! length, so that maps of the same machine can be compared; rows without memory are left out.

use crate::map::block::BLOCK_PAGES;
use crate::map::snapshot::{NodeMap, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::ops::Range;

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There is no memory of this node.
    Nothing,
    /// The kernel does not use it.
    Offline,
    /// How full of pool pages it is: 0 for none, or a quarter, 1 to 4.
    Filled(u8),
}

impl Cell {
    /// The highest of `Filled`.
    pub const FULL: u8 = 4;
}

/// A grid in which each of some maps can be drawn.
#[derive(Debug)]
pub struct Grid {
    /// Cells in a row.
    pub columns: NonZeroU64,
    /// Blocks in a cell.
    pub scale: NonZeroU64,
    /// For each node, the first block of each row.
    pub nodes: BTreeMap<u32, Vec<u64>>,
}

impl Grid {
    /// With the least scale that needs no more than `most` rows, but one row for each node.
    pub fn new(maps: &[&Snapshot], columns: NonZeroU64, most: usize) -> Self {
        let mut nodes: BTreeMap<u32, Vec<Range<u64>>> = BTreeMap::new();
        for map in maps.iter().flat_map(|map| &map.nodes) {
            nodes.entry(map.node).or_default().extend(ranges(map));
        }
        let mut scale = NonZeroU64::MIN;
        // Bounded: in the end each node has one row.
        let rows = loop {
            let row = columns.saturating_mul(scale);
            let rows: BTreeMap<_, _> = nodes
                .iter()
                .map(|(node, ranges)| (*node, starts(ranges, row, most)))
                .collect();
            let count = rows.values().map(BTreeSet::len).sum::<usize>();
            if count <= most.max(nodes.len()) {
                break rows;
            }
            scale = scale.saturating_mul(NonZeroU64::MIN.saturating_add(1));
        };
        let sorted = |rows: BTreeSet<u64>| rows.into_iter().collect();
        Self {
            columns,
            scale,
            nodes: rows
                .into_iter()
                .map(|(node, rows)| (node, sorted(rows)))
                .collect(),
        }
    }

    /// The cells of the row that begins with block `start`.
    pub fn row(&self, map: &NodeMap, start: u64) -> Vec<Cell> {
        let scale = self.scale.get();
        let cells = (0..self.columns.get()).map(|column| {
            let first = start.saturating_add(column.saturating_mul(scale));
            cell(map, &(first..first.saturating_add(scale)))
        });
        cells.collect()
    }
}

/// The blocks that have memory, or pool pages: memory may come and go meanwhile.
fn ranges(map: &NodeMap) -> impl Iterator<Item = Range<u64>> + '_ {
    let memory = map.memory.iter().map(|area| area.start..area.end);
    let blocks = map.blocks.iter();
    memory.chain(blocks.map(|block| block.block..block.block.saturating_add(1)))
}

/// The first block of each row that has some of `ranges`; when there are more than `most`, some
/// of them.
fn starts(ranges: &[Range<u64>], row: NonZeroU64, most: usize) -> BTreeSet<u64> {
    let mut rows = BTreeSet::new();
    for range in ranges {
        let first = range.start / row;
        let last = range.end.saturating_sub(1) / row;
        for number in first..=last {
            if rows.len() > most {
                return rows;
            }
            rows.insert(number.saturating_mul(row.get()));
        }
    }
    rows
}

fn cell(map: &NodeMap, blocks: &Range<u64>) -> Cell {
    // The first one that may be in it.
    let at = map
        .blocks
        .partition_point(|block| block.block < blocks.start);
    let inside = map
        .blocks
        .iter()
        .skip(at)
        .take_while(|block| block.block < blocks.end);
    let (count, pages) = inside.fold((0_u64, 0_u64), |(count, pages), block| {
        (count.saturating_add(1), pages.saturating_add(block.pages))
    });
    let at = map.memory.partition_point(|area| area.end <= blocks.start);
    let areas = map
        .memory
        .iter()
        .skip(at)
        .take_while(|area| area.start < blocks.end);
    let (mut online, mut offline) = (0_u64, false);
    for area in areas {
        let end = area.end.min(blocks.end);
        let here = end.saturating_sub(area.start.max(blocks.start));
        if area.online {
            online = online.saturating_add(here);
        } else {
            offline = true;
        }
    }
    match (online.max(count), offline) {
        (0, false) => Cell::Nothing,
        (0, true) => Cell::Offline,
        (blocks, _) => Cell::Filled(quarter(pages, blocks.saturating_mul(BLOCK_PAGES))),
    }
}

/// 0 for no pages, or the quarter of `room` up to which they go.
fn quarter(pages: u64, room: u64) -> u8 {
    let full = u64::from(Cell::FULL);
    let quarters = pages.saturating_mul(full).checked_div(room).unwrap_or(full);
    match pages {
        0 => 0,
        // CAST: it is not above FULL.
        _ => quarters.saturating_add(1).min(full) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::{quarter, starts};
    use std::num::NonZeroU64;

    #[test]
    fn a_page_is_seen_and_a_full_block_is_full() {
        for (pages, level) in [
            (0, 0),
            (1, 1),
            (127, 1),
            (128, 2),
            (255, 2),
            (256, 3),
            (384, 4),
            (512, 4),
            (600, 4),
            (u64::MAX, 4),
        ] {
            assert_eq!(quarter(pages, 512), level, "{pages}");
        }
    }

    #[test]
    fn rows_are_where_memory_is() {
        let Some(row) = NonZeroU64::new(64) else {
            return;
        };
        let rows = |ranges: &[_], most| starts(ranges, row, most).into_iter().collect::<Vec<_>>();
        assert_eq!(rows(&[63..65, 64..128, 1000..1001], 9), [0, 64, 960]);
        // Soon, though there is no end of rows.
        assert_eq!(rows(&[0..u64::MAX, 1..2], 2), [0, 64, 128]);
    }
}
