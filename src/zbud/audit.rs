// SPDX-License-Identifier: GPL-2.0

//! How far the validator of a pool has come, and what it has counted: see verify.rs.

use super::leaf::Leaf;
use super::violation::Violation;

/// What an audit counts over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) pages: u64,
    pub(super) zpages: u64,
    pub(super) stored_bytes: u64,
    pub(super) leaving: u64,
    /// Lost pages on their list, and those being dropped.
    pub(super) lost: u64,
    pub(super) dropping: u64,
    pub(super) lost_zpages: u64,
    pub(super) live_slots: u64,
    pub(super) free_descriptors: u64,
}

impl Sums {
    const NONE: Self = Self {
        pages: 0,
        zpages: 0,
        stored_bytes: 0,
        leaving: 0,
        lost: 0,
        dropping: 0,
        lost_zpages: 0,
        live_slots: 0,
        free_descriptors: 0,
    };
}

/// An audit, or the last one.
pub(super) struct Audit {
    running: bool,
    /// Leaves that bear it are counted.
    mark: u16,
    /// The number of the leaf, and the node, that come next.
    leaf: u32,
    node: usize,
    /// As it was when the audit began.
    then: Sums,
    pub(super) counted: Sums,
    violation: Option<Violation>,
}

impl Audit {
    pub(super) const NONE: Self = Self {
        running: false,
        mark: 0,
        leaf: 0,
        node: 0,
        then: Sums::NONE,
        counted: Sums::NONE,
        violation: None,
    };

    pub(super) fn begin(&mut self, now: Sums) {
        *self = Self {
            running: true,
            // Each audit that ends well has marked all leaves, so an older mark that comes
            // again is on none of them.
            mark: self.mark.wrapping_add(1),
            then: now,
            ..Self::NONE
        };
    }

    pub(super) fn end(&mut self) {
        self.running = false;
    }

    #[inline]
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// For leaves that are new: they are not counted.
    pub(super) fn mark(&self) -> u16 {
        self.mark
    }

    /// Marks a leaf; false if it was.
    pub(super) fn marks(&self, leaf: &Leaf) -> bool {
        let new = leaf.mark() != self.mark;
        leaf.set_mark(self.mark);
        new
    }

    /// The number of the next leaf, below `end`.
    pub(super) fn next_leaf(&mut self, end: u32) -> Option<u32> {
        let number = self.leaf;
        if number >= end {
            return None;
        }
        self.leaf = number.saturating_add(1);
        Some(number)
    }

    /// The number of the next node.
    pub(super) fn next_node(&mut self) -> usize {
        let nid = self.node;
        self.node = nid.saturating_add(1);
        nid
    }

    /// Something is wrong: the first time it is noted.
    pub(super) fn fail(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Whether it has counted what there was.
    pub(super) fn adds_up(&self) -> bool {
        self.counted == self.then
    }
}
