// SPDX-License-Identifier: GPL-2.0

//! A class without devices: a directory in `/sys/class/` with files.

use super::attribute_group::AttributeGroup;
use super::bindings;
use super::kobject::{read, write, Directory};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::c_char;
use kernel::prelude::*;

/// A file of a class over a `D`; in a static, as sysfs keeps a pointer to it.
#[repr(C)]
pub(crate) struct Attribute<D: Directory> {
    attr: bindings::class_attribute,
    file: D::File,
}

// SAFETY: Never changed; the pointers in `attr` are to static strings and functions.
unsafe impl<D: Directory> Sync for Attribute<D> {}

impl<D: Directory> Attribute<D> {
    pub(crate) const fn new(name: &'static core::ffi::CStr, mode: u16, file: D::File) -> Self {
        let mut attr = bindings::class_attribute::empty();
        attr.attr.name = name.as_ptr().cast();
        attr.attr.mode = mode;
        attr.show = Some(show::<D>);
        attr.store = Some(store::<D>);
        Self { attr, file }
    }
}

/// The class, as C has it, and what serves its files.
#[repr(C)]
struct Object<D> {
    /// Changed by C.
    class: UnsafeCell<bindings::class>,
    directory: D,
    files: AttributeGroup,
}

/// A class; gone when dropped, which waits for those that use its files.
///
/// # Invariants
///
/// From `KBox::into_raw`, owned; its class is registered.
pub(crate) struct Class<D: Directory>(NonNull<Object<D>>);

// SAFETY: A class may be used by any thread, and so may a `Directory`.
unsafe impl<D: Directory> Send for Class<D> {}
// SAFETY: As above.
unsafe impl<D: Directory> Sync for Class<D> {}

impl<D: Directory> Class<D> {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EEXIST`.
    pub(crate) fn new(
        name: &'static core::ffi::CStr,
        directory: D,
        files: &[&'static Attribute<D>],
    ) -> Result<Self> {
        let mut class = bindings::class::empty();
        class.name = name.as_ptr().cast();
        let object = Object {
            class: UnsafeCell::new(class),
            directory,
            files: AttributeGroup::new(files.iter().map(|file| &file.attr.attr))?,
        };
        let mut object = KBox::new(object, GFP_KERNEL)?;
        object.class.get_mut().class_groups = object.files.as_groups();
        let object = KBox::into_raw(object);
        // SAFETY: The class, the first field, stays where it is until it is unregistered.
        if let Err(error) = to_result(unsafe { bindings::class_register(object.cast()) }) {
            // SAFETY: From `into_raw` above, and not registered.
            drop(unsafe { KBox::from_raw(object) });
            return Err(error);
        }
        // SAFETY: A box is never null. INVARIANT: Registered just now.
        Ok(Self(unsafe { NonNull::new_unchecked(object) }))
    }
}

impl<D: Directory> Drop for Class<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Unregistering waits for users of the files.
        unsafe {
            bindings::class_unregister(self.0.as_ptr().cast());
            drop(KBox::from_raw(self.0.as_ptr()));
        }
    }
}

/// # Safety
///
/// Called by sysfs only, for an [`Attribute<D>`] of a [`Class<D>`].
unsafe extern "C" fn show<D: Directory>(
    class: *const bindings::class,
    attr: *const bindings::class_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: Class and attribute are the first fields of an `Object` and an `Attribute`;
    // sysfs keeps both while it is here, and gives a page.
    unsafe {
        let directory = &(*class.cast::<Object<D>>()).directory;
        read(directory, &(*attr.cast::<Attribute<D>>()).file, buf)
    }
}

/// # Safety
///
/// Called by sysfs only, for an [`Attribute<D>`] of a [`Class<D>`].
unsafe extern "C" fn store<D: Directory>(
    class: *const bindings::class,
    attr: *const bindings::class_attribute,
    buf: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: As in `show`; sysfs gives `count` bytes.
    unsafe {
        let directory = &(*class.cast::<Object<D>>()).directory;
        write(directory, &(*attr.cast::<Attribute<D>>()).file, buf, count)
    }
}
