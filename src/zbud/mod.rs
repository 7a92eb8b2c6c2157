// SPDX-License-Identifier: GPL-2.0

//! A zbud-style pool whose pages can move: "a page table for compressed pages".
//!
//! As in zbud, a *zbud page* is one host page that holds at most two compressed
//! pages (*zpages*): buddy [`Buddy::First`] is left-justified, buddy
//! [`Buddy::Last`] right-justified, so that all free space of a page with one
//! zpage is one piece. Other than in zbud, a handle does not name an address:
//!
//! | virtual memory                | here                                          |
//! | ----------------------------- | --------------------------------------------- |
//! | virtual address               | handle: names a [`Slot`]                       |
//! | PTE                           | [`Slot`]: where the zpage is, its pins, FROZEN |
//! | struct page, its reverse map  | [`Descriptor`]                                |
//! | page-table page               | [`Leaf`]: one host page of descriptors        |
//! | mapcount, GUP pins            | pins in the slot                              |
//! | migration entry               | FROZEN: who maps waits until the move is over |
//!
//! Nothing in here knows a kernel: host pages are opaque [`Frame`]s, memory for
//! descriptors comes from a [`Table`], and whoever owns a [`Lists`] serialises
//! access to it with a lock of its own, "L" below and in
//! Documentation/internals.rst. The same files are built by cargo for the tests
//! and by kbuild into the module.
//!
//! # Locking
//!
//! L (one per pool) protects [`Lists`] and all of a [`Descriptor`] except the
//! pins and FROZEN bits of its slots. Without L, and only by someone for whom
//! the zpage cannot be freed meanwhile: [`Descriptor::map`], [`Slot::unpin`].

#![forbid(unsafe_code)]

mod books;
mod chunk;
mod cursor;
mod descriptor;
mod error;
mod freeing;
mod id;
mod leaf;
mod list;
#[cfg(loom)]
mod loom_atomics;
mod mapped;
mod moving;
mod node_books;
mod node_set;
#[cfg(all(test, not(loom)))]
mod one_leaf;
mod open_leaves;
mod pairing;
mod primitive;
mod remap;
mod slot;
mod state;
mod table;
mod verify;

pub use books::Books;
pub use chunk::{Buddy, Extent, Len, CHUNK_SHIFT, CHUNK_SIZE, NCHUNKS, PAGE_SHIFT, PAGE_SIZE};
pub use cursor::Cursor;
pub use descriptor::Descriptor;
pub use error::{Error, LenError};
pub use freeing::{Freed, Released};
pub use id::{DescId, Nid, PageAddr, Place, SlotId, SlotIndex};
pub use leaf::{Leaf, DESCRIPTORS_PER_LEAF};
pub use mapped::MappedZpage;
pub use moving::{Extents, Finish};
pub use node_books::NodeBooks;
pub use node_set::{NodeSet, MAX_NODES};
pub use pairing::Stored;
pub use remap::{Remap, Step};
pub use slot::Slot;
pub use state::State;
pub use table::Table;
pub use verify::{Invariant, Violation};
