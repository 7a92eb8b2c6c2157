// SPDX-License-Identifier: GPL-2.0

//! A pool: the core under its lock, with real pages, a real table, handles and the
//! worker. Knows neither its users nor the movers; [`seam`] has all that it asks of one.

mod allocation;
pub(crate) mod broken;
pub(crate) mod compact;
pub(crate) mod compaction;
pub(crate) mod counters;
mod empty_pages;
pub(crate) mod error;
pub(crate) mod gathering;
pub(crate) mod handle;
mod helpers;
mod maps;
pub(crate) mod mems;
mod moves;
pub(crate) mod numbers;
#[allow(clippy::module_inception)]
pub(crate) mod pool;
pub(crate) mod pools;
pub(crate) mod seam;
pub(crate) mod table;
mod trace;
mod wipe;
pub(crate) mod zpage;
