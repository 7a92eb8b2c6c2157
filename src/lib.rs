// SPDX-License-Identifier: GPL-2.0

//! The core of zbud_movable, as cargo sees it: the unit tests, loom models and
//! property tests build this crate. The kernel module does not use this
//! file; it compiles [`zbud`] from the same sources (`drivers/zbud_movable/`).

#![cfg_attr(not(any(test, loom)), no_std)]

pub mod zbud;
