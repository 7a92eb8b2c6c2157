// SPDX-License-Identifier: GPL-2.0

//! What a pool knows of its re-pairing.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// How far the shrinker is, and what was won.
#[derive(Default)]
pub(super) struct Compaction {
    /// The shrinker is at it.
    pub(super) shrinking: AtomicBool,
    /// The leaf where it goes on.
    pub(super) leaf: AtomicU32,
    /// Pages that re-pairing has won, by whomever.
    pub(super) won: AtomicU64,
}
