// SPDX-License-Identifier: GPL-2.0

//! Everything that faces C: bindings, and safe types over the parts of the kernel that
//! the module uses. Knows no pool, and of the core only sizes and the types of nodes,
//! addresses and extents.

pub(crate) mod attribute_group;
pub(crate) mod bindings;
pub(crate) mod bio;
pub(crate) mod class;
pub(crate) mod compat;
pub(crate) mod debugfs;
pub(crate) mod disk;
pub(crate) mod fault;
pub(crate) mod input;
pub(crate) mod kobject;
pub(crate) mod new_pages;
pub(crate) mod node;
pub(crate) mod node_list;
pub(crate) mod page;
pub(crate) mod seq;
pub(crate) mod shrinker;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod trigger;
pub(crate) mod vmstat;
pub(crate) mod work_queue;
pub(crate) mod worker;
pub(crate) mod zeroed;
