// SPDX-License-Identifier: GPL-2.0

//! What a disk counts of itself; its pool counts pages and zpages.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up and down, or up only.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Increments it unless it is `limit` or more.
    pub(super) fn inc_below(&self, limit: u64) -> bool {
        let below = |count: u64| (count < limit).then(|| count.wrapping_add(1));
        let changed = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below);
        changed.is_ok()
    }

    /// Raises it to `count` if it is less.
    pub(super) fn raise(&self, count: u64) {
        // Most calls find it so.
        if self.get() < count {
            self.0.fetch_max(count, Ordering::Relaxed);
        }
    }

    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// From initialisation to reset.
#[derive(Default)]
pub(super) struct Stats {
    /// Blocks filled with one word.
    pub(super) same: Count,
    /// Blocks that take more than half a page, without those stored as they are.
    pub(super) large: Count,
    /// Blocks stored as they are.
    pub(super) raw: Count,
    /// The same, ever since.
    pub(super) raw_since: Count,
    /// The most pages that the pool has had.
    pub(super) pages_max: Count,
    pub(super) failed_reads: Count,
    pub(super) failed_writes: Count,
    /// Blocks that swap has freed, and blocks that were discarded.
    pub(super) notify_free: Count,
}
