// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that do something with the words that are written to them.

use super::bindings;
use super::debugfs::{behind, Fops};
use super::input::Input;
use kernel::error::from_result;
use kernel::ffi::c_char;
use kernel::prelude::*;

/// Such a file, over a `T`.
pub(crate) trait Trigger<T> {
    fn pull(data: &T, first: &str, second: Option<&str>) -> Result;
}

/// Its operations.
pub(crate) const fn trigger<T, F: Trigger<T>>() -> Fops<T> {
    Fops::new(bindings::file_operations {
        write: Some(pull::<T, F>),
        ..bindings::file_operations::empty()
    })
}

/// # Safety
///
/// Called by the VFS only, for a file of ours over a `T` that is open.
unsafe extern "C" fn pull<T, F: Trigger<T>>(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    _: *mut i64,
) -> isize {
    // SAFETY: An open file has an inode; the `Fops<T>` are for files over a `T` only.
    let data: &T = unsafe { behind(bindings::zbm_file_inode(file)) };
    from_result(|| {
        let input = Input::read(from as usize, len)?;
        let [Some(first), second] = input.words::<2>()? else {
            return Err(EINVAL);
        };
        F::pull(data, first, second)?;
        // CAST: at most 64.
        Ok(len as isize)
    })
}
