// SPDX-License-Identifier: GPL-2.0

//! The atomics the core is built on: those of `core`, or loom's when the models
//! under `tests/loom_*.rs` explore every interleaving (`--cfg loom`).

#[cfg(loom)]
pub(super) use super::loom_atomics::{AtomicU16, AtomicU32, AtomicU64, AtomicU8, AtomicUsize};

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicU8, AtomicUsize};

pub(super) use core::sync::atomic::Ordering;
