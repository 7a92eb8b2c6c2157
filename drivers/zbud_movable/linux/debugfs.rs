// SPDX-License-Identifier: GPL-2.0

//! Files and directories in debugfs.
//!
//! debugfs keeps a file's operations from running while and after it is removed, so the
//! data behind a file is needed only until the file is gone.

use super::bindings;
use core::marker::PhantomData;
use kernel::ffi::c_void;
use kernel::prelude::*;

/// Operations of files over a `T`, owned by this module, so that an open file keeps it.
/// In a static: debugfs looks at them when a file is closed, which may be long after it
/// was removed.
pub(crate) struct Fops<T>(bindings::file_operations, PhantomData<fn(&T)>);

// SAFETY: Never changed; holds pointers to functions and to the module only.
unsafe impl<T> Sync for Fops<T> {}

impl<T> Fops<T> {
    pub(crate) const fn new(operations: bindings::file_operations) -> Self {
        let operations = bindings::file_operations {
            owner: bindings::this_module(),
            ..operations
        };
        Self(operations, PhantomData)
    }
}

/// A file or a directory; removed, with all that is in it, when dropped. Sleeps
/// then, until no operation of its files is running.
pub(crate) struct Entry(*mut bindings::dentry);

// SAFETY: debugfs may be used by any thread.
unsafe impl Send for Entry {}
// SAFETY: As above.
unsafe impl Sync for Entry {}

impl Entry {
    // Errors need no check: debugfs takes its own error pointers everywhere, and
    // an entry that could not be made is missed only by those that look for it.
    fn new_dir(name: &CStr, parent: *mut bindings::dentry) -> Self {
        // SAFETY: A C string, and null or what debugfs gave.
        Self(unsafe { bindings::debugfs_create_dir(name.as_char_ptr().cast(), parent) })
    }

    /// A directory at debugfs's root.
    pub(crate) fn root(name: &CStr) -> Self {
        Self::new_dir(name, core::ptr::null_mut())
    }

    /// A directory in this one.
    pub(crate) fn dir(&self, name: &CStr) -> Self {
        Self::new_dir(name, self.0)
    }

    /// A file in this directory whose operations are `fops`, with `data` behind it
    /// (`i_private` of its inode).
    ///
    /// # Safety
    ///
    /// `data` is valid until the file is removed.
    pub(crate) unsafe fn file<T>(
        &self,
        name: &CStr,
        mode: u16,
        data: &T,
        fops: &'static Fops<T>,
    ) -> Self {
        let data: *mut c_void = core::ptr::from_ref(data).cast_mut().cast();
        // SAFETY: A C string, what debugfs gave, and the rest by the safety requirements.
        Self(unsafe {
            let name = name.as_char_ptr().cast();
            bindings::zbm_debugfs_create_file(name, mode, self.0, data, &fops.0)
        })
    }

    #[cfg(CONFIG_FAULT_INJECTION_DEBUG_FS)]
    pub(super) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0
    }

    /// Leaves the removal to the directory that it is in.
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: Ours, removed once.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// The data behind a file that is being opened, or is open.
///
/// # Safety
///
/// `inode` is that of a file that [`Entry::file`] made over a `T`, and one of its
/// operations is running for `'a`.
pub(crate) unsafe fn behind<'a, T>(inode: *const bindings::inode) -> &'a T {
    // SAFETY: By the safety requirements; debugfs keeps the file from being removed.
    unsafe { &*(*inode).i_private.cast::<T>() }
}
