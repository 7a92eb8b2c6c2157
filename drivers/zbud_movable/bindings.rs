// SPDX-License-Identifier: GPL-2.0

//! The C side, as bindgen reads it from `headers.h`. The only module that
//! declares foreign items.

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

// The C `size_t` family, which is not generated.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!("bindings_generated.rs");

impl Default for file_operations {
    fn default() -> Self {
        // SAFETY: Flags and optional pointers: zeroes are valid, and mean "none".
        unsafe { core::mem::zeroed() }
    }
}

#[cfg(CONFIG_ZPOOL)]
impl Default for zpool_driver {
    fn default() -> Self {
        // SAFETY: Plain data and optional pointers: zeroes are valid, and mean "none".
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! empty {
    ($($name:ident),*) => {$(
        impl $name {
            /// Nothing set.
            pub(crate) const fn empty() -> Self {
                // SAFETY: Plain data and optional pointers: zeroes are valid, and mean "none".
                unsafe { core::mem::zeroed() }
            }
        }
    )*};
}

empty!(
    address_space_operations,
    file_system_type,
    kobj_attribute,
    miscdevice,
    notifier_block,
    vm_operations_struct
);

/// This module, as owner of what keeps it loaded.
pub(crate) fn this_module() -> *mut module {
    // SAFETY: Names a variable.
    unsafe { zbm_this_module() }
}
