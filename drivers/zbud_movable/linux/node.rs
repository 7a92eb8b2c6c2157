// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes as this kernel has them.

use super::bindings;
use crate::zbud::Nid;
use kernel::ffi::c_int;

/// Node ids are below this.
pub(crate) fn count() -> usize {
    // SAFETY: Reads a variable.
    // CAST: 32 bits fit.
    unsafe { bindings::zbm_nr_node_ids() as usize }
}

/// The node whose memory is nearest to this CPU.
#[cfg_attr(not(CONFIG_ZPOOL), allow(dead_code))]
pub(crate) fn local() -> Nid {
    // SAFETY: Reads a per-CPU variable; no preconditions.
    let nid = unsafe { bindings::zbm_numa_mem_id() };
    Nid(u16::try_from(nid).unwrap_or(0))
}

/// The nodes that this machine can have, ascending.
pub(crate) fn possible() -> impl Iterator<Item = Nid> {
    (0..count()).filter_map(|index| {
        let nid = u16::try_from(index).ok()?;
        // SAFETY: Reads a node mask; the id is below `count`.
        unsafe { bindings::zbm_node_possible(c_int::from(nid)) }.then_some(Nid(nid))
    })
}

/// How far a node's memory is from the processors of another; 10 is the node itself.
pub(crate) fn distance(from: Nid, to: Nid) -> u32 {
    // SAFETY: Reads a table; for nodes that are not in it the kernel has a value as well.
    let distance = unsafe { bindings::zbm_node_distance(c_int::from(from.0), c_int::from(to.0)) };
    u32::try_from(distance).unwrap_or(u32::MAX)
}

/// Pages of memory that the machine has now.
pub(crate) fn total_pages() -> usize {
    // SAFETY: Reads a variable.
    unsafe { bindings::zbm_totalram_pages() }
}
