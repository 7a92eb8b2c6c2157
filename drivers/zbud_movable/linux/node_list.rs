// SPDX-License-Identifier: GPL-2.0

//! The kernel's side of sets of nodes: its masks, and lists as text ("0-1,3").

use super::bindings;
use crate::zbud::{NodeSet, MAX_NODES};
use kernel::error::to_result;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::str::CString;

// A set is a mask with room to spare.
const _: () = assert!(bindings::ZBM_MAX_NUMNODES as usize <= MAX_NODES);
const _: () = assert!(core::mem::size_of::<bindings::nodemask_t>() <= MAX_NODES / 8);
const _: () = assert!(cfg!(target_endian = "little"));

/// `nodes` as the kernel has it; valid as long as `nodes` is.
pub(crate) fn nodemask(nodes: &NodeSet) -> *const bindings::nodemask_t {
    nodes.words().as_ptr().cast()
}

fn nodemask_mut(nodes: &mut NodeSet) -> *mut bindings::nodemask_t {
    nodes.words_mut().as_mut_ptr().cast()
}

/// The nodes that have memory now.
pub(crate) fn with_memory() -> NodeSet {
    let mut nodes = NodeSet::EMPTY;
    // SAFETY: Room for a mask, see above.
    unsafe { bindings::zbm_nodes_with_memory(nodemask_mut(&mut nodes)) };
    nodes
}

/// The nodes of the list `word`, all of which have memory; `all` are all that do.
///
/// # Errors
///
/// `EINVAL` for a malformed list (include/linux/nodemask.h, `nodelist_parse`) or an
/// empty one; `ERANGE` for a node that this kernel cannot have; `ENODEV` for one
/// without memory.
pub(crate) fn parse(word: &str) -> Result<NodeSet> {
    let all = with_memory();
    if word == "all" {
        return Ok(all);
    }
    let mut nodes = NodeSet::EMPTY;
    // Fails for want of memory, and for a word with a zero byte in it.
    let text = CString::try_from_fmt(format_args!("{word}"))?;
    // SAFETY: A C string, and room for a mask.
    to_result(unsafe {
        bindings::zbm_nodelist_parse(text.as_char_ptr().cast(), nodemask_mut(&mut nodes))
    })?;
    if nodes.is_empty() {
        return Err(EINVAL);
    }
    if !nodes.is_subset(&all) {
        return Err(ENODEV);
    }
    Ok(nodes)
}

/// Writes the list and a newline to `buf`, which sysfs gave; returns the length.
///
/// # Safety
///
/// `buf` is what sysfs gave to a `show`.
pub(crate) unsafe fn emit(buf: *mut c_char, nodes: &NodeSet) -> c_int {
    // SAFETY: By the safety requirements; the mask is valid.
    unsafe { bindings::zbm_nodelist_emit(buf, nodemask(nodes)) }
}
