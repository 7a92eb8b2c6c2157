// SPDX-License-Identifier: GPL-2.0

//! What the owner of a disk may change at any time.

use crate::zbud::{CHUNK_SIZE, PAGE_SIZE};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module's documentation.
pub(super) struct Knobs {
    /// Pages that the pool may have; 0: as many as it needs.
    pub(super) mem_limit: AtomicU64,
    /// Bytes: what compresses to more is stored as it is.
    pub(super) raw_threshold: AtomicUsize,
    /// How many blocks may be stored as they are; `u64::MAX`: all.
    pub(super) raw_limit: AtomicU64,
}

/// More leaves no room for another zpage in the page.
const RAW_THRESHOLD: usize = PAGE_SIZE - CHUNK_SIZE;

impl Knobs {
    pub(super) fn new() -> Self {
        Self {
            mem_limit: AtomicU64::new(0),
            raw_threshold: AtomicUsize::new(RAW_THRESHOLD),
            raw_limit: AtomicU64::new(u64::MAX),
        }
    }

    /// Pages that the pool may have; `u64::MAX` if there is no limit.
    pub(super) fn limit(&self) -> u64 {
        match self.mem_limit.load(Ordering::Relaxed) {
            0 => u64::MAX,
            limit => limit,
        }
    }

    /// As they were at first.
    pub(super) fn reset(&self) {
        self.mem_limit.store(0, Ordering::Relaxed);
        self.raw_threshold.store(RAW_THRESHOLD, Ordering::Relaxed);
        self.raw_limit.store(u64::MAX, Ordering::Relaxed);
    }
}
