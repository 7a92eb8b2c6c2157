// SPDX-License-Identifier: GPL-2.0

//! All that differs in the Rust of the kernels the module builds for; compat.c
//! has the C side. Kbuild sets `kernel_7` for 7.0 and later.

use kernel::uaccess::UserSlice;

/// `len` bytes of the caller's address space from `address` on.
pub(crate) fn user_slice(address: usize, len: usize) -> UserSlice {
    #[cfg(kernel_7)]
    let address = kernel::uaccess::UserPtr::from_addr(address);
    UserSlice::new(address, len)
}
