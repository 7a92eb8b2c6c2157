// SPDX-License-Identifier: GPL-2.0

//! Exit statuses: what a script goes by. They are ABI, see Documentation/zbudctl.rst.

use std::process::ExitCode;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Success = 0,
    /// The pool, or its figures, are not as they must be.
    NotVerified = 1,
    /// The command line is wrong. clap's, too.
    Usage = 2,
    /// The request ran, and some pages stayed where they were.
    NotMoved = 3,
    /// The kernel refused something, or a file does not say what it should.
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
