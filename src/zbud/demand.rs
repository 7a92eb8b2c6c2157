// SPDX-License-Identifier: GPL-2.0

//! How many empty pages a node keeps beyond what every node does, as the pool has had to get
//! pages again that it had just released: reclaim frees memory in bursts whose size follows
//! from the kernel's watermarks and from what else the machine does, so it is learned.

/// What part of its pages a pool keeps without zpages: one of so many, as reclaim frees memory
/// in bursts that grow with it. Because of what was missed, at most as many again are kept.
pub const SHARE: u64 = 64;

/// What was released on a node as too much, and missed.
pub(super) struct Demand {
    /// Pages released as too many, and not missed so far.
    released: u64,
    /// Pages that were missed: so many are kept more.
    missed: u64,
}

impl Demand {
    pub(super) const NONE: Self = Self {
        released: 0,
        missed: 0,
    };

    /// How many more pages to keep on a node that has `pages`.
    #[inline]
    pub(super) fn more(&self, pages: u64) -> u64 {
        self.missed.min(pages / SHARE)
    }

    /// So many pages were released as too many.
    #[inline]
    pub(super) fn released(&mut self, pages: u64) {
        self.released = self.released.saturating_add(pages);
    }

    /// The node, which has `pages` now, got a page from the kernel.
    #[inline]
    pub(super) fn got_page(&mut self, pages: u64) {
        if self.released != 0 {
            self.released = self.released.saturating_sub(1);
            if self.missed < pages / SHARE {
                self.missed = self.missed.saturating_add(1);
            }
        }
    }

    /// Whether a page that the node gets may be one that is missed.
    pub(super) fn may_miss(&self) -> bool {
        self.released != 0
    }

    /// Some time has passed, in which `idle` of the kept pages were not needed; the node has
    /// `pages` now. What was released before that is not missed any more.
    pub(super) fn settle(&mut self, idle: u64, pages: u64) {
        self.released = 0;
        self.missed = self.more(pages).saturating_sub(idle);
    }
}
