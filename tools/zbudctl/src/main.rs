// SPDX-License-Identifier: GPL-2.0

//! `zbudctl`: shows the pools of zbud_movable, moves their pages between NUMA nodes, draws
//! where they are, verifies them, and sets up disks, through sysfs. Documentation/zbudctl.rst is its
//! manual.

mod cli;
mod completions;
mod dir;
mod disk;
mod errno;
mod error;
mod exit;
mod figures;
mod hold;
mod interrupt;
mod map;
mod mapping;
mod mems;
mod migrate;
mod output;
mod place;
mod program;
mod request;
mod size;
mod status;
mod sysfs;
mod table;
mod terminal;
mod verify;

use cli::{Cli, Command};
use error::Error;
use exit::Exit;
use output::Output;
use std::process::ExitCode;
use sysfs::Sysfs;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    // The child of a request: it answers to its parent, by its exit status alone.
    if let Command::Request { knob, value } = &cli.command {
        return request::perform(&Sysfs::from_env(), *knob, value);
    }
    let output = Output::new(cli.json);
    let exit = run(&cli, output).unwrap_or_else(|error| output.fail(&error));
    exit.into()
}

fn run(cli: &Cli, output: Output) -> Result<Exit, Error> {
    if let Command::Completions { shell } = &cli.command {
        return completions::run(output, *shell);
    }
    let sysfs = Sysfs::from_env();
    sysfs.loaded()?;
    let done = match &cli.command {
        Command::Status { watch } => status::run(&sysfs, output, *watch),
        Command::Migrate { from, to } => migrate::run(&sysfs, output, from, to),
        Command::Mems(args) => mems::run(&sysfs, output, args),
        Command::Hold { touch } => hold::run(output, *touch),
        Command::Disk { command } => disk::run(&sysfs, output, command),
        Command::Map(args) => map::run(&sysfs, output, args),
        Command::Verify => verify::run(&sysfs, output),
        // They need no module, and were run above.
        Command::Completions { .. } | Command::Request { .. } => Ok(Exit::Success),
    };
    // If the module was unloaded meanwhile, that is the error to report.
    match done {
        Err(error @ (Error::Os { .. } | Error::Format { .. })) => {
            sysfs.loaded()?;
            Err(error)
        }
        done => done,
    }
}
