// SPDX-License-Identifier: GPL-2.0

//! Error numbers: their names, and their meaning in the module's sysfs.

use serde::{Serialize, Serializer};
use std::fmt;
use std::io;

/// An error number of the kernel, as on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Not permitted.
    pub const EPERM: Self = Self(1);
    /// No such file.
    pub const ENOENT: Self = Self(2);
    /// A fatal signal.
    pub const EINTR: Self = Self(4);
    /// No such device or address.
    pub const ENXIO: Self = Self(6);
    /// An I/O error; also for a short write, which has no number.
    pub const EIO: Self = Self(5);
    /// No memory.
    pub const ENOMEM: Self = Self(12);
    /// The file's mode forbids it.
    pub const EACCES: Self = Self(13);
    /// No page at an address.
    pub const EFAULT: Self = Self(14);
    /// Another request is running.
    pub const EBUSY: Self = Self(16);
    /// A node has no memory.
    pub const ENODEV: Self = Self(19);
    /// Not a list of nodes.
    pub const EINVAL: Self = Self(22);
    /// An impossible node number.
    pub const ERANGE: Self = Self(34);
    /// A page whose memory is broken.
    pub const EHWPOISON: Self = Self(133);

    /// The error number of `error`.
    pub fn of(error: &io::Error) -> Self {
        error.raw_os_error().map_or(Self::EIO, Self)
    }

    /// Its name in errno.h, if a file in sysfs may return it.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "EPERM",
            2 => "ENOENT",
            4 => "EINTR",
            5 => "EIO",
            6 => "ENXIO",
            8 => "ENOEXEC",
            11 => "EAGAIN",
            12 => "ENOMEM",
            13 => "EACCES",
            14 => "EFAULT",
            16 => "EBUSY",
            17 => "EEXIST",
            19 => "ENODEV",
            20 => "ENOTDIR",
            21 => "EISDIR",
            22 => "EINVAL",
            23 => "ENFILE",
            24 => "EMFILE",
            28 => "ENOSPC",
            30 => "EROFS",
            32 => "EPIPE",
            34 => "ERANGE",
            40 => "ELOOP",
            133 => "EHWPOISON",
            _ => return None,
        })
    }

    /// Whether a request that ends with it has run, so that the counts are its own.
    pub fn request_ran(self) -> bool {
        matches!(self, Self::ENOMEM | Self::EINTR)
    }

    /// An explanation that holds for any file.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::EPERM | Self::EACCES => "only root may do this",
            Self::ENOENT => "the module has no such file: it is of another version than zbudctl",
            _ => return None,
        })
    }

    /// An explanation for a request to place or to move pages.
    pub fn request_hint(self) -> Option<&'static str> {
        Some(match self {
            Self::EINVAL => "nodes are numbers and ranges, as in 0-1,3, or 'all'",
            Self::ERANGE => "this kernel cannot have a node with so high a number",
            Self::ENODEV => {
                "a node has no memory: /sys/devices/system/node/has_memory has those that do"
            }
            Self::EBUSY => "another request is running: try again when it is done",
            Self::ENOMEM => "no memory is left where pages were to go; what was moved stays moved",
            Self::EINTR => "it was interrupted; what was moved stays moved",
            _ => return self.hint(),
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl Serialize for Errno {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn the_names_are_libcs() {
        for (errno, name, text) in [
            (Errno::EPERM, "EPERM", "Operation not permitted"),
            (Errno::ENOENT, "ENOENT", "No such file or directory"),
            (Errno::EINTR, "EINTR", "Interrupted system call"),
            (Errno::ENOMEM, "ENOMEM", "Cannot allocate memory"),
            (Errno::EACCES, "EACCES", "Permission denied"),
            (Errno::EBUSY, "EBUSY", "Device or resource busy"),
            (Errno::ENODEV, "ENODEV", "No such device"),
            (Errno::EINVAL, "EINVAL", "Invalid argument"),
            (Errno::ERANGE, "ERANGE", "Numerical result out of range"),
        ] {
            assert_eq!(errno.name(), Some(name));
            let said = std::io::Error::from_raw_os_error(errno.0).to_string();
            assert!(said.starts_with(text), "{name} is '{said}'");
            assert!(errno.request_hint().is_some(), "{name} has no hint");
        }
        assert_eq!(Errno(99).to_string(), "errno 99");
    }

    #[test]
    fn counts_are_a_requests_own_only_if_it_ran() {
        assert!(Errno::ENOMEM.request_ran() && Errno::EINTR.request_ran());
        for errno in [Errno::EBUSY, Errno::EINVAL, Errno::ERANGE, Errno::ENODEV] {
            assert!(!errno.request_ran(), "{errno}");
        }
    }
}
