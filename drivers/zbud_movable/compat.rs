// SPDX-License-Identifier: GPL-2.0

//! All that differs in the Rust of the kernels the module builds for; compat.h
//! has the C side. Kbuild sets `kernel_7` and `kernel_7_3`, for these and later.

use crate::bindings;
use kernel::ffi::c_char;
use kernel::uaccess::UserSlice;

/// `len` bytes of the caller's address space from `address` on.
pub(crate) fn user_slice(address: usize, len: usize) -> UserSlice {
    #[cfg(kernel_7)]
    let address = kernel::uaccess::UserPtr::from_addr(address);
    UserSlice::new(address, len)
}

/// How sysfs reads an attribute.
type Show = unsafe extern "C" fn(
    *mut bindings::kobject,
    *mut bindings::kobj_attribute,
    *mut c_char,
) -> isize;

/// How sysfs writes one.
type Store = unsafe extern "C" fn(
    *mut bindings::kobject,
    *mut bindings::kobj_attribute,
    *const c_char,
    usize,
) -> isize;

/// `attr`, read by `show`. 7.3 has it in a union with one that takes the
/// attribute as const.
pub(crate) const fn with_show(
    mut attr: bindings::kobj_attribute,
    show: Show,
) -> bindings::kobj_attribute {
    #[cfg(not(kernel_7_3))]
    {
        attr.show = Some(show);
    }
    #[cfg(kernel_7_3)]
    {
        attr.__bindgen_anon_1.show = Some(show);
    }
    attr
}

/// `attr`, written by `store`; a union as well.
pub(crate) const fn with_store(
    mut attr: bindings::kobj_attribute,
    store: Store,
) -> bindings::kobj_attribute {
    #[cfg(not(kernel_7_3))]
    {
        attr.store = Some(store);
    }
    #[cfg(kernel_7_3)]
    {
        attr.__bindgen_anon_2.store = Some(store);
    }
    attr
}
