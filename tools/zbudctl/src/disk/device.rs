// SPDX-License-Identifier: GPL-2.0

//! A disk: its name, its device node, and its directory in sysfs.

use crate::dir::{number_after, Dir};
use crate::errno::Errno;
use crate::error::Error;
use crate::place;
use crate::sysfs::Sysfs;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const PREFIX: &str = "zbud";
/// udev opens a disk for a moment whenever it changes, so a disk that is busy may be
/// free at the next try.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// /dev/zbudN, whether there is one or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disk(pub u32);

impl Disk {
    /// Parses "/dev/zbud0" or "zbud0".
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("/dev/").unwrap_or(text);
        number_after(PREFIX, name).map(Self)
    }

    /// All disks, by number.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn all(sysfs: &Sysfs) -> Result<Vec<Self>, Error> {
        let numbers = sysfs.block.numbers(PREFIX)?;
        Ok(numbers.into_iter().map(Self).collect())
    }

    /// Its device node.
    pub fn node(self) -> PathBuf {
        place::dev().join(format!("{PREFIX}{}", self.0))
    }

    /// Its directory in sysfs.
    pub fn dir(self, sysfs: &Sysfs) -> Dir {
        Dir(sysfs.block.path(&format!("{PREFIX}{}", self.0)))
    }

    /// Frees all that it holds.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn reset(self, sysfs: &Sysfs) -> Result<(), Error> {
        patiently(|| self.dir(sysfs).set("reset", "1", gone_hint))
    }

    /// Removes it, with all that it holds.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn remove(self, sysfs: &Sysfs) -> Result<(), Error> {
        patiently(|| {
            let number = self.0.to_string();
            sysfs.control.set("hot_remove", &number, remove_hint)
        })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node().display())
    }
}

impl Serialize for Disk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tries again while the disk is busy, for a second.
fn patiently(mut attempt: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    for _ in 1..TRIES {
        match attempt() {
            Err(error) if error.errno() == Some(Errno::EBUSY) => thread::sleep(PAUSE),
            done => return done,
        }
    }
    attempt()
}

const IN_USE: &str =
    "it is open, mounted or used for swap: unmount it, or end the swap with --swapoff";
const NO_DISK: &str = "there is no such disk: zbudctl disk list shows those there are";

fn remove_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EBUSY => Some(IN_USE),
        Errno::ENODEV => Some(NO_DISK),
        _ => None,
    }
}

/// Explains an errno of a file of a disk that need not exist.
pub fn gone_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EBUSY => Some(IN_USE),
        Errno::ENOENT | Errno::ENODEV => Some(NO_DISK),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Disk;

    #[test]
    fn a_disk_has_one_name() {
        for good in ["/dev/zbud12", "zbud12"] {
            assert_eq!(Disk::parse(good), Some(Disk(12)));
        }
        for bad in [
            "",
            "12",
            "zbud",
            "zbud01",
            "/zbud1",
            "/dev/zram1",
            "zbud1 ",
            "./zbud1",
            "/dev//zbud1",
        ] {
            assert_eq!(Disk::parse(bad), None, "{bad:?}");
        }
    }
}
