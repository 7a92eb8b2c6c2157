// SPDX-License-Identifier: GPL-2.0

//! Compression for the module's own pool, by the kernel's crypto API.

use crate::bindings;
use crate::zbud::PAGE_SIZE;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;

/// One compressor and a buffer for what it makes.
///
/// # Invariants
///
/// `tfm` is a valid compression transform that is ours.
pub(crate) struct Compressor {
    tfm: NonNull<bindings::crypto_comp>,
    buffer: KVec<u8>,
}

// SAFETY: A transform may be used by any thread, by one at a time; `&mut self` sees to that.
unsafe impl Send for Compressor {}

impl Compressor {
    /// `name` is an algorithm of the crypto API, as in /proc/crypto. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel does not have it.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        let buffer = KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?;
        // SAFETY: A C string.
        let tfm = unsafe { bindings::zbm_crypto_alloc_comp(name.as_char_ptr().cast()) };
        let tfm = kernel::error::from_err_ptr(tfm)?;
        // INVARIANT: Made just now.
        Ok(Self {
            tfm: NonNull::new(tfm).ok_or(ENOMEM)?,
            buffer,
        })
    }

    /// Compresses a page; `None` when it does not get smaller.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> Result<Option<&[u8]>> {
        let mut len = u32::try_from(self.buffer.len()).map_err(|_| EINVAL)?;
        let plain_len = u32::try_from(plain.len()).map_err(|_| EINVAL)?;
        // SAFETY: Valid by the invariant; both buffers are as long as said.
        let result = unsafe {
            bindings::crypto_comp_compress(
                self.tfm.as_ptr(),
                plain.as_ptr(),
                plain_len,
                self.buffer.as_mut_ptr(),
                &mut len,
            )
        };
        // What does not fit is not an error: it is stored as it is.
        if result != 0 || len as usize >= plain.len() {
            return Ok(None);
        }
        Ok(self.buffer.get(..len as usize))
    }

    /// Decompresses to exactly a page.
    ///
    /// # Errors
    ///
    /// `EIO` when it is anything else.
    pub(crate) fn decompress(&mut self, compressed: &[u8], plain: &mut [u8]) -> Result {
        let expected = u32::try_from(plain.len()).map_err(|_| EINVAL)?;
        let mut len = expected;
        // SAFETY: Valid by the invariant; both buffers are as long as said.
        to_result(unsafe {
            bindings::crypto_comp_decompress(
                self.tfm.as_ptr(),
                compressed.as_ptr(),
                u32::try_from(compressed.len()).map_err(|_| EINVAL)?,
                plain.as_mut_ptr(),
                &mut len,
            )
        })
        .map_err(|_| EIO)?;
        if len == expected {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: Valid and ours.
        unsafe { bindings::zbm_crypto_free_comp(self.tfm.as_ptr()) };
    }
}
