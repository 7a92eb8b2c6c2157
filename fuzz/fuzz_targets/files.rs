// SPDX-License-Identifier: GPL-2.0

//! Files that zbudctl reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zbud_movable_fuzz::files::run(data));
