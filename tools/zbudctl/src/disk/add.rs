// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk add`: sets a disk up, also for swap. All that it has done is undone if a
//! step fails.

use crate::disk::args::{given, AddArgs};
use crate::disk::device::Disk;
use crate::disk::setup::{Ours, Plan};
use crate::disk::swap::{self, SwapOptions};
use crate::errno::Errno;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::sysfs::Sysfs;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::Path;

/// The output of `disk add`.
#[derive(Serialize)]
struct Added {
    device: Disk,
    disksize: u64,
    swap: bool,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device)
    }
}

/// What was done besides setting the disk up.
#[derive(Default)]
struct Done<'a> {
    device_file: Option<&'a Path>,
    swap_on: bool,
}

/// Sets a disk up and prints its device.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output, args: &AddArgs) -> Result<Exit, Error> {
    let limit = given(args.mem_limit.as_ref()).map(|size| size.bytes());
    let plan = Plan {
        size: args.size.bytes()?,
        algorithm: given(args.algorithm.as_ref()).map(String::as_str),
        level: given(args.level.as_ref()).copied(),
        mems: given(args.mems.as_ref()).map(String::as_str),
        mem_limit: limit.transpose()?,
    };
    // First: a signal must not leave half of it.
    let interrupts = Interrupts::new()?;
    let mut ours = plan.set_up(sysfs)?;
    let mut done = Done::default();
    let finished = plan
        .finish(sysfs, &ours)
        .and_then(|()| use_it(sysfs, args, &mut ours, &mut done, &interrupts))
        .and_then(|added| output.say(&added));
    match finished {
        Ok(_) => Ok(Exit::Success),
        Err(error) => Err(match undo(sysfs, ours, &done) {
            Ok(()) => error,
            Err(second) => second.after(&error),
        }),
    }
}

/// All that follows once the disk is set up.
fn use_it<'a>(
    sysfs: &Sysfs,
    args: &'a AddArgs,
    ours: &mut Ours,
    done: &mut Done<'a>,
    interrupts: &Interrupts,
) -> Result<Added, Error> {
    let disk = ours.disk;
    if let Some(file) = &args.device_file {
        fs::write(file, format!("{disk}\n")).map_err(|error| {
            let errno = Errno::of(&error);
            Error::Os {
                doing: format!("write {}", file.display()),
                errno,
                hint: errno.hint().filter(|_| errno != Errno::ENOENT),
            }
        })?;
        done.device_file = Some(file);
    }
    ours.unclaim();
    go_on(interrupts, disk)?;
    if args.swap {
        swap::make(disk)?;
        go_on(interrupts, disk)?;
        let options = SwapOptions {
            priority: given(args.priority.as_ref()).copied(),
            discard: args.discard,
        };
        swap::on(disk, &options)?;
        done.swap_on = true;
        go_on(interrupts, disk)?;
    }
    Ok(Added {
        device: disk,
        // Rounded up by the kernel.
        disksize: disk.dir(sysfs).number("disksize")?,
        swap: args.swap,
    })
}

/// Fails if a signal has come.
fn go_on(interrupts: &Interrupts, disk: Disk) -> Result<(), Error> {
    if interrupts.arrived() {
        return Err(Error::Os {
            doing: format!("finish setting up {disk}"),
            errno: Errno::EINTR,
            hint: Some("it was interrupted; what was done is undone"),
        });
    }
    Ok(())
}

/// Goes on to the end even if a part fails; that part is then the error.
fn undo(sysfs: &Sysfs, ours: Ours, done: &Done<'_>) -> Result<(), Error> {
    let swap = match done.swap_on {
        true => swap::off(ours.disk),
        false => Ok(()),
    };
    let file = done.device_file.map_or(Ok(()), |file| {
        fs::remove_file(file).map_err(|error| Error::os("remove", file, &error))
    });
    // While it is swapped to the kernel keeps it.
    swap.and(ours.undo(sysfs)).and(file)
}
