// SPDX-License-Identifier: GPL-2.0

//! Lengths of zpages, as real data have them.

use zbud_movable_core::zbud::{Error, Len, CHUNK_SIZE, PAGE_SIZE};

/// Pages of 680 MiB of programs, libraries and text that lz4 compresses to each number of
/// chunks, from one on (bench/lz4_sizes.py).
const SIZES: [u32; PAGE_SIZE / CHUNK_SIZE] = [
    582, 297, 341, 317, 281, 409, 435, 521, 580, 693, 970, 1060, 1032, 1797, 1459, 1414, 1590,
    1667, 1881, 2163, 3015, 4196, 4985, 2810, 2428, 2335, 2358, 2483, 2720, 2795, 2916, 3151, 3459,
    3624, 3548, 3666, 3790, 4064, 4249, 4265, 4375, 4248, 4438, 4403, 4607, 4587, 4907, 5260, 5785,
    5896, 5714, 5165, 4004, 2880, 1904, 1365, 797, 449, 271, 227, 213, 216, 255, 9000,
];

/// Numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    /// From the beginning.
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        // CAST: below `end`.
        ((high * end as u64) >> 32) as usize
    }

    /// The length of a zpage.
    pub fn len(&mut self) -> Result<Len, Error> {
        let all: u32 = SIZES.iter().sum();
        let mut k = self.below(all as usize) as u32;
        let mut chunks = 1;
        for count in SIZES {
            if k < count {
                break;
            }
            k -= count;
            chunks += 1;
        }
        Len::new(chunks * CHUNK_SIZE).map_err(|_| Error::Corrupt)
    }
}
