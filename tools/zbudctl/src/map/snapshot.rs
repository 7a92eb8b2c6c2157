// SPDX-License-Identifier: GPL-2.0

//! Where pool pages are at one time: how many are in each block.

use crate::errno::Errno;
use crate::error::Error;
use crate::map::block::{Area, Block, BLOCK_BYTES};
use crate::map::memory;
use crate::map::pages;
use crate::sysfs::Sysfs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No saved snapshot is longer.
const LONGEST: u64 = 1 << 30;
const NO_FILE: &str = "'zbudctl --json map >FILE' makes one";

/// All nodes.
#[derive(Deserialize, Serialize)]
pub struct Snapshot {
    block_bytes: u64,
    /// Pool pages.
    pub pages: u64,
    /// The nodes that have memory or pool pages, by number.
    pub nodes: Vec<NodeMap>,
}

/// One node.
#[derive(Deserialize, Serialize)]
pub struct NodeMap {
    /// Its number.
    pub node: u32,
    /// Pool pages on it.
    pub pages: u64,
    /// The memory that it has, by address.
    pub memory: Vec<Area>,
    /// The blocks that have pool pages, by number.
    pub blocks: Vec<Block>,
}

impl Snapshot {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// `Os`; `Format` if a file has unexpected contents.
    pub fn take(sysfs: &Sysfs) -> Result<Self, Error> {
        let mut counts: BTreeMap<u32, BTreeMap<u64, u64>> = BTreeMap::new();
        pages::read(&sysfs.debug, |page| {
            let of_node = counts.entry(page.node).or_default();
            let count = of_node.entry(page.block).or_default();
            *count = count.saturating_add(1);
        })?;
        let mut memory = memory::read(sysfs)?;
        for node in counts.keys() {
            memory.entry(*node).or_default();
        }
        let nodes: Vec<_> = memory
            .into_iter()
            .map(|(node, memory)| NodeMap::new(node, memory, counts.remove(&node)))
            .collect();
        Ok(Self {
            block_bytes: BLOCK_BYTES,
            pages: nodes.iter().map(|node| node.pages).sum(),
            nodes,
        })
    }

    /// Reads one that `zbudctl --json map` has printed.
    ///
    /// # Errors
    ///
    /// `Os`; `Format` if the file has none.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .map_err(|error| Error::os("read", path, &error).explained(Errno::ENOENT, NO_FILE))?;
        serde_json::from_slice(&bytes)
            .ok()
            .filter(Self::is_sound)
            .ok_or_else(|| Error::format(path, "a map from 'zbudctl --json map'", &bytes))
    }

    /// The map of a node.
    pub fn node(&self, node: u32) -> Option<&NodeMap> {
        self.nodes.iter().find(|map| map.node == node)
    }

    /// Whether the kernel does not use some of the memory.
    pub fn has_offline(&self) -> bool {
        let mut areas = self.nodes.iter().flat_map(|map| &map.memory);
        areas.any(|area| !area.online)
    }

    fn is_sound(&self) -> bool {
        let in_order = |pair: &[NodeMap]| matches!(pair, [a, b] if a.node < b.node);
        self.block_bytes == BLOCK_BYTES
            && self.nodes.iter().all(NodeMap::is_sound)
            && self.nodes.windows(2).all(in_order)
            && self.pages == self.nodes.iter().map(|map| map.pages).sum::<u64>()
    }
}

impl NodeMap {
    fn new(node: u32, memory: Vec<Area>, counts: Option<BTreeMap<u64, u64>>) -> Self {
        let blocks: Vec<_> = counts
            .unwrap_or_default()
            .into_iter()
            .map(|(block, pages)| Block { block, pages })
            .collect();
        Self {
            node,
            pages: blocks.iter().map(|block| block.pages).sum(),
            memory,
            blocks,
        }
    }

    /// The blocks of memory that the kernel uses.
    pub fn online(&self) -> u64 {
        let online = self.memory.iter().filter(|area| area.online);
        online.map(|area| area.end.saturating_sub(area.start)).sum()
    }

    fn is_sound(&self) -> bool {
        let areas = |pair: &[Area]| matches!(pair, [a, b] if a.end <= b.start);
        let blocks = |pair: &[Block]| matches!(pair, [a, b] if a.block < b.block);
        self.memory.iter().all(Area::is_sound)
            && self.memory.windows(2).all(areas)
            && self.blocks.iter().all(Block::is_sound)
            && self.blocks.windows(2).all(blocks)
            && self.pages == self.blocks.iter().map(|block| block.pages).sum::<u64>()
    }
}
