// SPDX-License-Identifier: GPL-2.0

//! The one place where the core's errors become errnos.

use crate::zbud;
use kernel::prelude::*;

/// The errno for an error of the core.
pub(crate) fn errno(error: zbud::Error) -> Error {
    match error {
        zbud::Error::BadHandle | zbud::Error::NotPinned => EINVAL,
        zbud::Error::Pinned => EBUSY,
        zbud::Error::Stale => EAGAIN,
        zbud::Error::NoDescriptor => ENOMEM,
        zbud::Error::BadNode => ENODEV,
        zbud::Error::Corrupt => EIO,
    }
}

/// The errno for a length that is none. zpool's users know ENOSPC as "does not
/// compress well enough".
pub(crate) fn len_errno(error: zbud::LenError) -> Error {
    match error {
        zbud::LenError::Zero => EINVAL,
        zbud::LenError::TooLong => ENOSPC,
    }
}
