// SPDX-License-Identifier: GPL-2.0

//! Formatted output into a seq_file.

use super::bindings;
use super::debugfs::Fops;
use core::fmt;
use core::marker::PhantomData;
use kernel::ffi::c_int;

type Open = unsafe extern "C" fn(*mut bindings::inode, *mut bindings::file) -> c_int;

/// A file that is opened by `seq_open`.
pub(crate) const fn iterated<T>(open: Open) -> Fops<T> {
    fops(open, bindings::seq_release)
}

/// A file that is opened by `single_open`.
pub(crate) const fn single<T>(open: Open) -> Fops<T> {
    fops(open, bindings::single_release)
}

const fn fops<T>(open: Open, release: Open) -> Fops<T> {
    Fops::new(bindings::file_operations {
        open: Some(open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(release),
        ..bindings::file_operations::empty()
    })
}

/// A seq_file that is being shown during `'a`.
pub(crate) struct Seq<'a>(*mut bindings::seq_file, PhantomData<&'a mut ()>);

/// The `T` that is shown, and where to.
///
/// # Safety
///
/// The private data of `file` is a `T` that is there for `'a`, in which one of the
/// operations of `file` is running.
pub(crate) unsafe fn shown<'a, T>(file: *mut bindings::seq_file) -> (&'a T, Seq<'a>) {
    // SAFETY: By the safety requirements.
    unsafe { (&*(*file).private.cast::<T>(), Seq(file, PhantomData)) }
}

impl fmt::Write for Seq<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A full buffer is not an error: seq_file makes a larger one and shows again.
        // SAFETY: Valid by `shown`; the text is readable for its length.
        unsafe { bindings::seq_write(self.0, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}
