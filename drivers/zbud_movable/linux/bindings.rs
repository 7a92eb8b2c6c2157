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
    attribute,
    attribute_group,
    block_device_operations,
    bvec_iter,
    class,
    class_attribute,
    file_operations,
    file_system_type,
    kobj_type,
    kobject,
    miscdevice,
    notifier_block,
    vm_operations_struct,
    zbm_device_attribute,
    zbm_segment
);
#[cfg(CONFIG_ZPOOL)]
empty!(zpool_driver);

extern "C" {
    /// The target of `THIS_MODULE`.
    static mut __this_module: module;
}

/// This module, as the owner of files and drivers, which keep it loaded.
pub(crate) const fn this_module() -> *mut module {
    // Of use to compilers before 1.82 only, for which naming it is unsafe.
    #[allow(unused_unsafe)]
    // SAFETY: Names a variable, and does not touch it.
    unsafe {
        core::ptr::addr_of_mut!(__this_module)
    }
}
