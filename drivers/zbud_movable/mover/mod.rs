// SPDX-License-Identifier: GPL-2.0

//! The movers, and which one is at work.
//!
//! | mover           | pool pages are                         | moved by                                   |
//! | --------------- | -------------------------------------- | ------------------------------------------ |
//! | [`movable_ops`] | pages with `struct movable_operations` | compaction, offline, CMA, soft offline     |
//! | [`page_cache`]  | folios in the page cache of an inode   | the same, and migrate_pages(2) and its kin |
//!
//! Whichever it is, a move itself is `Pool::move_page`, also when it is asked for by
//! hand.

pub(crate) mod movable_ops;
pub(crate) mod page_cache;
pub(crate) mod select;
