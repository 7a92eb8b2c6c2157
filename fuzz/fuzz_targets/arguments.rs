// SPDX-License-Identifier: GPL-2.0

//! Command lines of zbudctl.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zbud_movable_fuzz::arguments::run(data));
