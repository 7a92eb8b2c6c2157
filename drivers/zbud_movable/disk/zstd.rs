// SPDX-License-Identifier: GPL-2.0

//! The kernel's zstd (lib/zstd).

use crate::linux::bindings;
use crate::zbud::PAGE_SIZE;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The level if none is named, which zram uses as well.
pub(super) fn default_level() -> i32 {
    // SAFETY: Returns a constant.
    unsafe { bindings::zstd_default_clevel() }
}

/// Whether zstd has that level.
pub(super) fn has_level(level: i32) -> bool {
    // SAFETY: Both return constants.
    unsafe { (bindings::zstd_min_clevel()..=bindings::zstd_max_clevel()).contains(&level) }
}

/// Contexts to compress and to decompress.
///
/// # Invariants
///
/// The contexts are in the working memories, which never move.
pub(super) struct Zstd {
    _compress_work: KVVec<u64>,
    _decompress_work: KVVec<u64>,
    compress: NonNull<bindings::zstd_cctx>,
    decompress: NonNull<bindings::zstd_dctx>,
    parameters: bindings::zstd_parameters,
}

// SAFETY: The contexts are owned, and point to themselves only.
unsafe impl Send for Zstd {}

impl Zstd {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(level: i32) -> Result<Self> {
        // SAFETY: Any level has parameters; for pages.
        let parameters = unsafe { bindings::zstd_get_params(level, PAGE_SIZE as u64) };
        // SAFETY: Parameters of zstd's own.
        let bytes = unsafe { bindings::zstd_cctx_workspace_bound(&parameters.cParams) };
        let mut compress_work =
            KVVec::from_elem(0_u64, bytes.div_ceil(8), GFP_KERNEL | __GFP_NOWARN)?;
        // SAFETY: As long as zstd asks for, and aligned to 8 bytes.
        let compress =
            unsafe { bindings::zstd_init_cctx(compress_work.as_mut_ptr().cast(), bytes) };
        // SAFETY: Returns a constant.
        let bytes = unsafe { bindings::zstd_dctx_workspace_bound() };
        let mut decompress_work =
            KVVec::from_elem(0_u64, bytes.div_ceil(8), GFP_KERNEL | __GFP_NOWARN)?;
        // SAFETY: As above.
        let decompress =
            unsafe { bindings::zstd_init_dctx(decompress_work.as_mut_ptr().cast(), bytes) };
        Ok(Self {
            _compress_work: compress_work,
            _decompress_work: decompress_work,
            compress: NonNull::new(compress).ok_or(EINVAL)?,
            decompress: NonNull::new(decompress).ok_or(EINVAL)?,
            parameters,
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
        // SAFETY: A valid context by the type invariant; page and buffer are as long as said.
        let len = unsafe {
            bindings::zstd_compress_cctx(
                self.compress.as_ptr(),
                to.as_mut_ptr().cast(),
                to.len(),
                page.cast(),
                PAGE_SIZE,
                &self.parameters,
            )
        };
        checked(len)
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
    pub(super) unsafe fn decompress(&mut self, bytes: &[u8], page: *mut u8) -> Result {
        // SAFETY: A valid context by the type invariant; bytes and page are as long as said.
        let len = unsafe {
            bindings::zstd_decompress_dctx(
                self.decompress.as_ptr(),
                page.cast(),
                PAGE_SIZE,
                bytes.as_ptr().cast(),
                bytes.len(),
            )
        };
        if checked(len)? == PAGE_SIZE {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

/// A length, unless it is one of zstd's errors.
fn checked(len: usize) -> Result<usize> {
    // SAFETY: Compares numbers.
    if unsafe { bindings::zstd_is_error(len) } != 0 {
        return Err(EIO);
    }
    Ok(len)
}
