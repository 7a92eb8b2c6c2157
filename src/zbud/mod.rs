// SPDX-License-Identifier: GPL-2.0

//! A zbud-style pool whose pages can move: "a page table for compressed pages".
//!
//! As in zbud, a *zbud page* is one page that holds at most two compressed pages
//! (*zpages*): buddy [`Buddy::First`] is left-justified, buddy [`Buddy::Last`]
//! right-justified, so that all free space of a page with one zpage is one piece.
//! Unlike in zbud, a handle names no address but a [`Slot`], which says where the
//! zpage is. Documentation/internals.rst has the analogy with virtual memory, and a
//! table of the files here; `layers.list` has their order. The states of a descriptor
//! are listed at [`State`], those of a slot at [`Slot`].
//!
//! The core knows no kernel: pages are opaque [`PageAddr`]s, memory for descriptors
//! comes from a [`Table`], and the owner of the [`Books`] serialises access to them
//! with its *pool lock* (Documentation/internals.rst). cargo builds the same files
//! for the tests as kbuild for the module.
//!
//! # Locking
//!
//! The pool lock (one per pool) protects the [`Books`] and all of a [`Descriptor`]
//! except the pins of its slots. Two operations need no lock, but a caller that
//! ensures that the zpage is not freed meanwhile: [`Descriptor::map`] and
//! [`Slot::unpin`].

#![forbid(unsafe_code)]

mod audit;
mod block;
mod books;
mod chunk;
mod cursor;
mod demand;
mod descriptor;
mod error;
mod freeing;
mod gaps;
mod gathering;
mod id;
mod leaf;
mod list;
#[cfg(loom)]
mod loom_atomics;
mod losing;
mod mapped;
mod moving;
mod node_books;
mod node_set;
#[cfg(all(test, not(loom)))]
mod one_leaf;
mod open_leaves;
mod pairing;
mod primitive;
mod releasing;
mod remap;
mod repairing;
mod slot;
mod state;
mod table;
mod verify;
mod violation;

pub use block::{Block, BlockState, BlockValue, Content, Locked, Unlocked};
pub use books::Books;
pub use chunk::{Buddy, Extent, Len, CHUNK_SHIFT, CHUNK_SIZE, NCHUNKS, PAGE_SHIFT, PAGE_SIZE};
pub use cursor::Cursor;
pub use demand::SHARE;
pub use descriptor::Descriptor;
pub use error::{Error, LenError};
pub use freeing::{Forgotten, Freed, Released};
pub use gathering::Gather;
pub use id::{DescId, Nid, PageAddr, Place, SlotId, SlotIndex};
pub use leaf::{Leaf, DESCRIPTORS_PER_LEAF};
pub use mapped::MappedZpage;
pub use moving::{Extents, Finish};
pub use node_books::NodeBooks;
pub use node_set::{NodeSet, MAX_NODES};
pub use pairing::Stored;
pub use releasing::{Run, Stayed};
pub use remap::{Remap, Step};
pub use repairing::{Repair, Repaired};
pub use slot::Slot;
pub use state::State;
pub use table::Table;
pub use violation::{Invariant, Violation};
