// SPDX-License-Identifier: GPL-2.0

//! Formatted output into a seq_file.

use crate::bindings;
use core::fmt;

/// A seq_file that is being shown.
pub(crate) struct Seq(*mut bindings::seq_file);

impl Seq {
    /// # Safety
    ///
    /// `file` is the argument of a `show` operation that is running.
    pub(crate) unsafe fn new(file: *mut bindings::seq_file) -> Self {
        Self(file)
    }
}

impl fmt::Write for Seq {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A full buffer is not an error: seq_file makes a larger one and shows again.
        // SAFETY: Valid by `new`; the text is readable for its length.
        unsafe { bindings::seq_write(self.0, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}
