// SPDX-License-Identifier: GPL-2.0

//! Actions on a pool of the core.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zbud_movable_fuzz::actions::run(data));
