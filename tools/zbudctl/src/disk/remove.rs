// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk remove` and `zbudctl disk reset`.

use crate::disk::args::RemoveArgs;
use crate::disk::device::Disk;
use crate::disk::swap;
use crate::errno::Errno;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::sysfs::Sysfs;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::fs;
use std::path::Path;

/// The output of both.
struct Report {
    /// What was done to the disks.
    verb: &'static str,
    disks: Vec<Disk>,
    /// Why the rest was left.
    error: Option<Error>,
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.verb, &self.disks)?;
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        map.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for disk in &self.disks {
            writeln!(f, "{} {disk}", self.verb)?;
        }
        Ok(())
    }
}

/// Removes disks, one after the other, until one cannot be removed.
///
/// # Errors
///
/// Any, if none was removed.
pub fn remove(sysfs: &Sysfs, output: Output, args: &RemoveArgs) -> Result<Exit, Error> {
    let mut report = each(&args.devices, "removed", |disk| {
        remove_one(sysfs, *disk, args.swapoff)
    });
    if let (Some(file), None) = (&args.device_file, &report.error) {
        match named_in(file).and_then(|disk| {
            remove_one(sysfs, disk, args.swapoff)?;
            Ok(disk)
        }) {
            Ok(disk) => {
                report.disks.push(disk);
                let gone = fs::remove_file(file);
                report.error = gone.err().map(|error| Error::os("remove", file, &error));
            }
            Err(error) => report.error = Some(error),
        }
    }
    report.print(output)
}

/// Resets disks, one after the other, until one cannot be reset.
///
/// # Errors
///
/// Any, if none was reset.
pub fn reset(sysfs: &Sysfs, output: Output, disks: &[Disk]) -> Result<Exit, Error> {
    each(disks, "reset", |disk| disk.reset(sysfs)).print(output)
}

fn each(
    disks: &[Disk],
    verb: &'static str,
    mut act: impl FnMut(&Disk) -> Result<(), Error>,
) -> Report {
    let mut done = Vec::new();
    let mut error = None;
    for disk in disks {
        match act(disk) {
            Ok(()) => done.push(*disk),
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    Report {
        verb,
        disks: done,
        error,
    }
}

impl Report {
    fn print(self, output: Output) -> Result<Exit, Error> {
        match self {
            Self {
                disks,
                error: Some(error),
                ..
            } if disks.is_empty() => Err(error),
            report => {
                output.say(&report)?;
                Ok(match &report.error {
                    Some(error) => {
                        output.complain(error);
                        error.exit()
                    }
                    None => Exit::Success,
                })
            }
        }
    }
}

fn remove_one(sysfs: &Sysfs, disk: Disk, swapoff: bool) -> Result<(), Error> {
    if swapoff {
        swap::end(disk)?;
    }
    disk.remove(sysfs)
}

/// The disk that `disk add` has written to a file.
fn named_in(file: &Path) -> Result<Disk, Error> {
    let text = fs::read(file).map_err(|error| {
        let errno = Errno::of(&error);
        Error::Os {
            doing: format!("read {}", file.display()),
            errno,
            hint: errno.hint().filter(|_| errno != Errno::ENOENT),
        }
    })?;
    let name = std::str::from_utf8(&text).ok().map(str::trim_end);
    let disk = name.and_then(Disk::parse);
    disk.ok_or_else(|| Error::format(file, "the device of a disk", &text))
}
