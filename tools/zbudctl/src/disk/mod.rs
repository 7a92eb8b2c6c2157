// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk`: sets up, shows and removes the disks /dev/zbudN.

mod add;
pub mod args;
mod column;
mod device;
mod figures;
mod list;
mod remove;
mod setup;
mod swap;

use crate::disk::args::DiskCommand;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::sysfs::Sysfs;

/// Runs one of the commands.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output, command: &DiskCommand) -> Result<Exit, Error> {
    match command {
        DiskCommand::Add(args) => add::run(sysfs, output, args),
        DiskCommand::List(args) => list::run(sysfs, output, args),
        DiskCommand::Remove(args) => remove::remove(sysfs, output, args),
        DiskCommand::Reset { devices } => remove::reset(sysfs, output, devices),
    }
}
