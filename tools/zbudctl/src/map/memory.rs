// SPDX-License-Identifier: GPL-2.0

//! The memory that nodes have, from the memory blocks in sysfs.

use crate::dir::Dir;
use crate::errno::Errno;
use crate::error::Error;
use crate::map::block::{Area, BLOCK_BYTES};
use crate::sysfs::Sysfs;
use std::collections::BTreeMap;

const SIZE: &str = "block_size_bytes";
const MISSING: &str = "the kernel has no CONFIG_MEMORY_HOTPLUG, or the memory went meanwhile";

/// The areas of each node, in the order of their addresses.
///
/// # Errors
///
/// `Os`; `Format` if a file has unexpected contents.
pub fn read(sysfs: &Sysfs) -> Result<BTreeMap<u32, Vec<Area>>, Error> {
    let blocks = block_size(&sysfs.memory)?;
    let mut nodes = BTreeMap::new();
    if sysfs.nodes.0.is_dir() {
        for node in sysfs.nodes.nodes()? {
            let dir = Dir(sysfs.nodes.path(&format!("node{node}")));
            nodes.insert(node, areas(&sysfs.memory, &dir, blocks)?);
        }
    } else {
        // A kernel without NUMA.
        nodes.insert(0, areas(&sysfs.memory, &sysfs.memory, blocks)?);
    }
    nodes.retain(|_, areas| !areas.is_empty());
    Ok(nodes)
}

/// How many blocks of ours one of the kernel's has.
fn block_size(memory: &Dir) -> Result<u64, Error> {
    let text = memory.text(SIZE).map_err(explained)?;
    let blocks = u64::from_str_radix(&text, 16)
        .ok()
        .filter(|bytes| *bytes != 0 && bytes % BLOCK_BYTES == 0)
        .and_then(|bytes| bytes.checked_div(BLOCK_BYTES));
    blocks.ok_or_else(|| {
        let wanted = "a hexadecimal multiple of 2 MiB";
        Error::format(&memory.path(SIZE), wanted, text.as_bytes())
    })
}

/// The memory blocks whose names are in `dir`; neighbours of the same state are one area.
fn areas(memory: &Dir, dir: &Dir, blocks: u64) -> Result<Vec<Area>, Error> {
    let mut areas: Vec<Area> = Vec::new();
    for number in dir.numbers("memory")? {
        let state = memory
            .text(&format!("memory{number}/state"))
            .map_err(explained)?;
        let start = u64::from(number).saturating_mul(blocks);
        let next = Area {
            start,
            end: start.saturating_add(blocks),
            online: state != "offline",
        };
        match areas.last_mut() {
            // No address of a physical machine.
            _ if !next.is_sound() => {}
            Some(last) if last.end == next.start && last.online == next.online => {
                last.end = next.end;
            }
            _ => areas.push(next),
        }
    }
    Ok(areas)
}

fn explained(error: Error) -> Error {
    error.explained(Errno::ENOENT, MISSING)
}
