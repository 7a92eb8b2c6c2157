// SPDX-License-Identifier: GPL-2.0

//! The cursor: the one way to walk the descriptors of a table.

use super::descriptor::Descriptor;
use super::id::DescId;
use super::table::Table;

/// A position in the descriptors of a table, leaf by leaf.
///
/// It holds no reference, so the pool lock may be dropped between two calls; the
/// walk then meets the descriptors as they are at each call. Leaves added behind
/// the cursor are not visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    leaf: u32,
    offset: usize,
}

impl Cursor {
    /// At the first descriptor of the first leaf.
    #[inline]
    pub fn start() -> Self {
        Self::at_leaf(0)
    }

    /// At the first descriptor of leaf `leaf`, which need not be there.
    #[inline]
    pub fn at_leaf(leaf: u32) -> Self {
        Self { leaf, offset: 0 }
    }

    /// The number of the leaf that it is in.
    #[inline]
    pub fn leaf(&self) -> u32 {
        self.leaf
    }

    /// The descriptor at the cursor, which moves past it. `None` at the end of
    /// the leaf, or when there is no such leaf.
    #[inline]
    pub fn next_in_leaf<'t, T: Table>(&mut self, table: &'t T) -> Option<(DescId, &'t Descriptor)> {
        let leaf = table.leaf(self.leaf)?;
        let desc = leaf.descriptor(self.offset)?;
        let id = DescId::new(leaf.number(), self.offset)?;
        self.offset = self.offset.saturating_add(1);
        Some((id, desc))
    }

    /// Moves to the first descriptor of the next leaf number, whether or not the
    /// table has a leaf there. False, and no move, when `table` has no further
    /// number.
    #[inline]
    pub fn next_leaf<T: Table>(&mut self, table: &T) -> bool {
        let next = self.leaf.saturating_add(1);
        if next >= table.leaves() {
            return false;
        }
        *self = Self::at_leaf(next);
        true
    }
}
