// SPDX-License-Identifier: GPL-2.0

//! A disk as swap, through the programs of util-linux, and where disks are in use.

use crate::disk::device::Disk;
use crate::error::Error;
use crate::place;
use crate::program;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::thread;
use std::time::Duration;

/// How often, and at which interval, to look whether somebody else is ending the swap.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// What zramctl(8) prints in place of a mount point.
const SWAP: &str = "[SWAP]";

/// How to swap.
pub struct SwapOptions {
    /// See swapon(8).
    pub priority: Option<i16>,
    /// Whether the kernel tells the disk which pages are free.
    pub discard: bool,
}

/// Writes the signature of a swap area.
///
/// # Errors
///
/// See `program::run`.
pub fn make(disk: Disk) -> Result<(), Error> {
    program::run("mkswap", &[disk.node().as_os_str()])
}

/// Begins to swap to the disk.
///
/// # Errors
///
/// See `program::run`.
pub fn on(disk: Disk, options: &SwapOptions) -> Result<(), Error> {
    let mut args = Vec::new();
    if let Some(priority) = options.priority {
        args.extend([OsString::from("--priority"), priority.to_string().into()]);
    }
    if options.discard {
        args.push("--discard".into());
    }
    args.push(disk.node().into());
    let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    program::run("swapon", &args)
}

/// Ends swapping to the disk.
///
/// # Errors
///
/// See `program::run`.
pub fn off(disk: Disk) -> Result<(), Error> {
    program::run("swapoff", &[disk.node().as_os_str()])
}

/// Ends swapping to the disk, if it is used for that.
///
/// Somebody else may be doing the same: systemd, which at shutdown ends all swap that it sees
/// while it stops the unit that began it. The kernel refuses the second swapoff at once, while
/// the first still has pages to read. As long as they become fewer, this waits.
///
/// # Errors
///
/// See `off` and `InUse::read`.
pub fn end(disk: Disk) -> Result<(), Error> {
    let mut used = InUse::read()?.used_by(disk);
    while let Some(before) = used {
        let Err(error) = off(disk) else {
            return Ok(());
        };
        used = wait_for_less(disk, before)?;
        if used.is_some_and(|now| now >= before) {
            return Err(error);
        }
    }
    Ok(())
}

/// Waits a little until less than `before` of the disk is in use; returns what is.
fn wait_for_less(disk: Disk, before: u64) -> Result<Option<u64>, Error> {
    for _ in 1..LOOKS {
        let used = InUse::read()?.used_by(disk);
        if used.is_none_or(|now| now < before) {
            return Ok(used);
        }
        thread::sleep(PAUSE);
    }
    Ok(InUse::read()?.used_by(disk))
}

/// Where devices are mounted or used for swap, at one moment.
pub struct InUse {
    swaps: String,
    mounts: String,
}

impl InUse {
    /// Reads the kernel's lists.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn read() -> Result<Self, Error> {
        let read = |name| {
            let path = place::proc().join(name);
            let bytes = fs::read(&path).map_err(|error| Error::os("read", &path, &error))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Self {
            swaps: read("swaps")?,
            mounts: read("self/mountinfo")?,
        })
    }

    /// How many KiB of `disk` swap has in use, if it is used for swap.
    fn used_by(&self, disk: Disk) -> Option<u64> {
        let node = disk.to_string();
        self.swaps.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (unescape(words.next()?) == node).then(|| words.nth(2)?.parse().ok())?
        })
    }

    /// The first mount point of `disk`, or [SWAP].
    pub fn place_of(&self, disk: Disk) -> Option<String> {
        if self.used_by(disk).is_some() {
            return Some(SWAP.to_owned());
        }
        let node = disk.to_string();
        self.mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let source = unescape(after.split(' ').nth(1)?);
            (source == node).then(|| before.split(' ').nth(4).map(unescape))?
        })
    }
}

/// The text in which the kernel has written blanks and backslashes as "\ooo".
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn names_are_as_they_were_before_the_kernel_escaped_them() {
        for (text, name) in [
            ("/mnt", "/mnt"),
            ("/a\\040b", "/a b"),
            ("\\134040", "\\040"),
            ("/x\\04", "/x\\04"),
            ("\\999", "\\999"),
            ("\\303\\244", "ä"),
        ] {
            assert_eq!(unescape(text), name);
        }
    }
}
