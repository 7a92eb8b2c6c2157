// SPDX-License-Identifier: GPL-2.0

//! The one place where the core's errors become errnos.

use crate::zbud;
use kernel::prelude::*;

impl From<zbud::Error> for Error {
    fn from(error: zbud::Error) -> Self {
        match error {
            zbud::Error::BadHandle | zbud::Error::NotPinned => EINVAL,
            zbud::Error::Pinned => EBUSY,
            zbud::Error::Frozen | zbud::Error::Stale => EAGAIN,
            zbud::Error::NoDescriptor => ENOMEM,
            zbud::Error::BadNode => ENODEV,
            zbud::Error::Lost | zbud::Error::Corrupt => EIO,
        }
    }
}

impl From<zbud::LenError> for Error {
    fn from(error: zbud::LenError) -> Self {
        match error {
            zbud::LenError::Zero => EINVAL,
            // zpool's users know it as "does not compress well enough".
            zbud::LenError::TooLong => ENOSPC,
        }
    }
}
