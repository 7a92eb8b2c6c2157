// SPDX-License-Identifier: GPL-2.0

//! The kernel's LZ4 (lib/lz4).

use crate::linux::bindings;
use crate::zbud::PAGE_SIZE;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// The acceleration if none is named (`LZ4_ACCELERATION_DEFAULT`).
pub(super) const DEFAULT_LEVEL: i32 = 1;
/// The greatest acceleration: `LZ4_ACCELERATION_MAX` of lz4's own lib/lz4.c since 1.9.3. The
/// kernel's copy has no bound, and multiplies it by 64 in 32 bits: with 2^26 it compresses to
/// bytes that are not the page's.
pub(super) const MAX_LEVEL: i32 = 65_537;

/// LZ4's working memory.
pub(super) struct Lz4 {
    work: KVVec<u64>,
    acceleration: c_int,
}

impl Lz4 {
    /// `acceleration` trades size for speed; LZ4 takes what is below 1 for 1. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(acceleration: i32) -> Result<Self> {
        let words = (bindings::ZBM_LZ4_MEM_COMPRESS as usize).div_ceil(8);
        Ok(Self {
            work: KVVec::from_elem(0, words, GFP_KERNEL | __GFP_NOWARN)?,
            acceleration,
        })
    }

    /// Compresses a page; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// `EIO` when they do not fit in `to`.
    ///
    /// # Safety
    ///
    /// `page` may be read.
    pub(super) unsafe fn compress(&mut self, page: *const u8, to: &mut [u8]) -> Result<usize> {
        // SAFETY: Page and buffer are as long as said; the working memory is as long as LZ4
        // wants it, and aligned to 8 bytes.
        let len = unsafe {
            bindings::LZ4_compress_fast(
                page.cast(),
                to.as_mut_ptr().cast(),
                PAGE_SIZE as c_int,
                c_len(to)?,
                self.acceleration,
                self.work.as_mut_ptr().cast(),
            )
        };
        usize::try_from(len).ok().filter(|&len| len != 0).ok_or(EIO)
    }
}

/// Decompresses to a page.
///
/// # Errors
///
/// `EIO` when `bytes` is not what became of a page.
///
/// # Safety
///
/// `page` may be written.
pub(super) unsafe fn decompress(bytes: &[u8], page: *mut u8) -> Result {
    // SAFETY: Bytes and page are as long as said.
    let len = unsafe {
        bindings::LZ4_decompress_safe(
            bytes.as_ptr().cast(),
            page.cast(),
            c_len(bytes)?,
            PAGE_SIZE as c_int,
        )
    };
    if len == PAGE_SIZE as c_int {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// A length as LZ4 wants it.
fn c_len(bytes: &[u8]) -> Result<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| EINVAL)
}
