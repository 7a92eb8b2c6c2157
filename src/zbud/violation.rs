// SPDX-License-Identifier: GPL-2.0

//! What the validator of a pool can find.

use super::id::DescId;

/// Which invariant does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// There is no such state.
    State,
    /// A descriptor in use has no page, or a free one has.
    Page,
    /// The pool was not made for such a node.
    Node,
    /// The number of zpages does not fit the state.
    Zpages,
    /// The zpages overlap.
    Overlap,
    /// Reverse map and slot do not point at each other.
    Rmap,
    /// No reverse map names a live slot.
    OrphanSlot,
    /// A zpage is elsewhere than in the page where its slot lives, to which zpages may come.
    Stray,
    /// A zpage that was not written yet has been re-paired.
    Unwritten,
    /// A slot is frozen though its page is not being moved, or the reverse.
    Frozen,
    /// A list has a wrong entry, or is not linked both ways.
    List,
    /// The bitmap of non-empty lists is wrong.
    Bitmap,
    /// A leaf's number, count of used descriptors or list is wrong.
    Leaf,
    /// A counter does not add up.
    Counter,
}

/// A broken invariant, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// The descriptor, where it is about one.
    pub id: Option<DescId>,
}
