// SPDX-License-Identifier: GPL-2.0

//! Errors, as text and as JSON.

use crate::errno::Errno;
use crate::exit::Exit;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// How many characters of an unexpected text an error shows.
const EXCERPT: usize = 40;

/// Any error of zbudctl.
#[derive(Debug)]
pub enum Error {
    /// The module has no directory in sysfs.
    NotLoaded {
        /// Where the directory would be.
        path: PathBuf,
    },
    /// The kernel refused.
    Os {
        /// The failed operation: "read ...".
        doing: String,
        /// The error number.
        errno: Errno,
        /// An explanation for people.
        hint: Option<&'static str>,
    },
    /// A file has unexpected contents.
    Format {
        /// The file.
        path: PathBuf,
        /// A description of the expected contents.
        wanted: &'static str,
        /// The beginning of the contents, escaped.
        got: String,
    },
    /// Another program failed.
    Program {
        /// Its command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of its standard error, escaped.
        said: String,
    },
    /// The command line is wrong.
    Usage(String),
    /// The output cannot be written.
    Output(io::Error),
}

impl Error {
    /// The kernel refused an access to a file.
    pub fn os(doing: &str, path: &Path, error: &io::Error) -> Self {
        let errno = Errno::of(error);
        Self::Os {
            doing: format!("{doing} {}", path.display()),
            errno,
            hint: errno.hint(),
        }
    }

    /// `path` does not say what was `wanted`.
    pub fn format(path: &Path, wanted: &'static str, got: &[u8]) -> Self {
        let got = String::from_utf8_lossy(got);
        let mut excerpt: String = got.chars().take(EXCERPT).collect();
        if excerpt.len() < got.len() {
            excerpt.push_str("...");
        }
        Self::Format {
            path: path.to_owned(),
            wanted,
            got: excerpt.escape_debug().to_string(),
        }
    }

    /// The kernel did not let signals be handled.
    pub fn signals(error: &io::Error) -> Self {
        Self::Os {
            doing: "handle signals".to_owned(),
            errno: Errno::of(error),
            hint: None,
        }
    }

    /// This error, with another explanation if it has this errno.
    pub fn explained(self, why: Errno, hint: &'static str) -> Self {
        match self {
            Self::Os { doing, errno, .. } if errno == why => Self::Os {
                doing,
                errno,
                hint: Some(hint),
            },
            other => other,
        }
    }

    /// This error, which followed on `first`.
    pub fn after(self, first: &Self) -> Self {
        match self {
            Self::Os { doing, errno, hint } => Self::Os {
                doing: format!("{doing} (after: {first})"),
                errno,
                hint,
            },
            Self::Program { line, status, said } => Self::Program {
                line: format!("{line} (after: {first})"),
                status,
                said,
            },
            other => other,
        }
    }

    /// The exit status for it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotLoaded { .. } => Exit::NotLoaded,
            Self::Os { .. } | Self::Format { .. } | Self::Program { .. } | Self::Output(_) => {
                Exit::Refused
            }
            Self::Usage(_) => Exit::Usage,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NotLoaded { .. } => "not_loaded",
            Self::Os { .. } => "refused",
            Self::Format { .. } => "format",
            Self::Program { .. } => "program",
            Self::Usage(_) => "usage",
            Self::Output(_) => "output",
        }
    }

    /// The error number, if a system call failed.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Os { errno, .. } => Some(*errno),
            Self::Output(error) => Some(Errno::of(error)),
            Self::NotLoaded { .. }
            | Self::Format { .. }
            | Self::Program { .. }
            | Self::Usage(_) => None,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotLoaded { .. } => Some("load it: modprobe zbud_movable"),
            Self::Os { hint, .. } => *hint,
            Self::Format { .. } | Self::Program { .. } | Self::Usage(_) | Self::Output(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded { path } => {
                write!(f, "the module is not loaded: no {}", path.display())
            }
            Self::Os { doing, errno, .. } => write!(f, "cannot {doing}: {errno}"),
            Self::Format { path, wanted, got } => {
                write!(f, "{} says '{got}', not {wanted}", path.display())
            }
            Self::Program { line, status, said } => match said.as_str() {
                "" => write!(f, "{line} failed: {status}"),
                said => write!(f, "{line} failed: {status}: {said}"),
            },
            Self::Usage(message) => f.write_str(message),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }?;
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Error", 4)?;
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("errno", &self.errno())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.serialize_field("hint", &self.hint())?;
        fields.end()
    }
}
