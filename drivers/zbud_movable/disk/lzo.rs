// SPDX-License-Identifier: GPL-2.0

//! The kernel's LZO (lib/lzo), with and without run-length encoding.

use crate::linux::bindings;
use crate::zbud::PAGE_SIZE;
use kernel::prelude::*;

/// LZO's working memory.
pub(super) struct Lzo {
    work: KVVec<u64>,
    rle: bool,
}

impl Lzo {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(rle: bool) -> Result<Self> {
        let words = (bindings::ZBM_LZO_MEM_COMPRESS as usize).div_ceil(8);
        Ok(Self {
            work: KVVec::from_elem(0, words, GFP_KERNEL | __GFP_NOWARN)?,
            rle,
        })
    }

    /// Compresses a page; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` when `to` is not as long as the worst case needs, `EIO`.
    ///
    /// # Safety
    ///
    /// `page` may be read.
    pub(super) unsafe fn compress(&mut self, page: *const u8, to: &mut [u8]) -> Result<usize> {
        // It is not told how long the buffer is: lzo1x_worst_compress() of a page.
        if to.len() < PAGE_SIZE + PAGE_SIZE / 16 + 64 + 3 + 2 {
            return Err(EINVAL);
        }
        let compress = if self.rle {
            bindings::lzorle1x_1_compress
        } else {
            bindings::lzo1x_1_compress
        };
        let mut len = to.len();
        let work = self.work.as_mut_ptr().cast();
        // SAFETY: The page is as long as said, the buffer as long as the worst case; the
        // working memory is as long as LZO wants it, and aligned to 8 bytes.
        match unsafe { compress(page, PAGE_SIZE, to.as_mut_ptr(), &mut len, work) } {
            0 => Ok(len),
            _ => Err(EIO),
        }
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
    let mut len = PAGE_SIZE;
    // SAFETY: Bytes and page are as long as said.
    let error =
        unsafe { bindings::lzo1x_decompress_safe(bytes.as_ptr(), bytes.len(), page, &mut len) };
    if error == 0 && len == PAGE_SIZE {
        Ok(())
    } else {
        Err(EIO)
    }
}
