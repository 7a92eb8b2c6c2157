// SPDX-License-Identifier: GPL-2.0

//! Exit statuses. Scripts rely on them; Documentation/zbudctl.rst describes them.

use std::process::ExitCode;

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Success = 0,
    /// The validator or a check of the figures failed.
    NotVerified = 1,
    /// The command line is wrong; clap uses the same number.
    Usage = 2,
    /// The request ran, but some pages were not moved.
    NotMoved = 3,
    /// The kernel refused something, or a file has unexpected contents.
    Refused = 4,
    /// The module is not loaded.
    NotLoaded = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // CAST: the discriminants are 0 to 5.
        Self::from(exit as u8)
    }
}
