// SPDX-License-Identifier: GPL-2.0

//! Compression for the module's own pool: the kernel's LZ4 (lib/lz4), if it has it.

use crate::linux::bindings;
use crate::zbud::PAGE_SIZE;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// A compressor's working memory and a buffer for its output.
pub(crate) struct Compressor {
    work: KVec<u8>,
    buffer: KVec<u8>,
}

impl Compressor {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel was built without LZ4.
    pub(crate) fn new() -> Result<Self> {
        if cfg!(not(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))) {
            return Err(ENOENT);
        }
        Ok(Self {
            work: KVec::from_elem(0, bindings::ZBM_LZ4_MEM_COMPRESS as usize, GFP_KERNEL)?,
            buffer: KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?,
        })
    }

    /// Compresses a page; `None` when it does not get smaller.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> Result<Option<&[u8]>> {
        let len = lz4_compress(plain, &mut self.buffer, &mut self.work)?;
        Ok(self
            .buffer
            .get(..len)
            .filter(|bytes| !bytes.is_empty() && bytes.len() < plain.len()))
    }

    /// Decompresses to exactly a page.
    ///
    /// # Errors
    ///
    /// `EIO` when it is anything else.
    pub(crate) fn decompress(&self, compressed: &[u8], plain: &mut [u8]) -> Result {
        if lz4_decompress(compressed, plain)? == plain.len() {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

/// A length as LZ4 wants it.
#[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
fn c_len(bytes: &[u8]) -> Result<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| EINVAL)
}

/// Returns the number of bytes; 0 when they do not fit.
#[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
fn lz4_compress(plain: &[u8], to: &mut [u8], work: &mut [u8]) -> Result<usize> {
    if work.len() < bindings::ZBM_LZ4_MEM_COMPRESS as usize {
        return Err(EINVAL);
    }
    let (len, room) = (c_len(plain)?, c_len(to)?);
    // SAFETY: Both buffers are as long as said; the working memory is as long
    // as LZ4 wants it, and aligned, as every allocation of its size is.
    let len = unsafe {
        bindings::LZ4_compress_fast(
            plain.as_ptr().cast(),
            to.as_mut_ptr().cast(),
            len,
            room,
            1,
            work.as_mut_ptr().cast(),
        )
    };
    usize::try_from(len).map_err(|_| EIO)
}

/// Returns the number of bytes; an error when the input is not from LZ4.
#[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
fn lz4_decompress(compressed: &[u8], to: &mut [u8]) -> Result<usize> {
    let (len, room) = (c_len(compressed)?, c_len(to)?);
    // SAFETY: Both buffers are as long as said.
    let len = unsafe {
        bindings::LZ4_decompress_safe(
            compressed.as_ptr().cast(),
            to.as_mut_ptr().cast(),
            len,
            room,
        )
    };
    usize::try_from(len).map_err(|_| EIO)
}

#[cfg(not(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS)))]
fn lz4_compress(_: &[u8], _: &mut [u8], _: &mut [u8]) -> Result<usize> {
    Err(ENOENT)
}

#[cfg(not(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS)))]
fn lz4_decompress(_: &[u8], _: &mut [u8]) -> Result<usize> {
    Err(ENOENT)
}
