// SPDX-License-Identifier: GPL-2.0

//! `zbudctl mems`: shows and sets the nodes on which pages may be placed.

use crate::cli::{Knob, MemsArgs, Switch};
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::output::{on_off, Output};
use crate::request::{self, Outcome};
use crate::sysfs::Sysfs;
use serde::Serialize;
use std::fmt;

const MEMORY_MIGRATE: &str = "memory_migrate";

/// The output of `mems`: the present values of the knobs.
#[derive(Serialize)]
struct Mems {
    mems: String,
    mems_effective: String,
    memory_migrate: bool,
    /// How many pages moved, if the request was to move any.
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

impl fmt::Display for Mems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mems            {}", self.mems)?;
        writeln!(f, "mems_effective  {}", self.mems_effective)?;
        writeln!(f, "memory_migrate  {}", on_off(self.memory_migrate))?;
        match &self.outcome {
            Some(outcome) => writeln!(f, "{outcome}"),
            None => Ok(()),
        }
    }
}

/// memory_migrate, switched on for one request. It is then switched off again, even
/// if someone else has switched it on in between.
struct SwitchedOn<'a> {
    sysfs: &'a Sysfs,
}

impl<'a> SwitchedOn<'a> {
    /// Switches it on; `None` if it is on.
    fn new(sysfs: &'a Sysfs) -> Result<Option<Self>, Error> {
        if sysfs.module.switch(MEMORY_MIGRATE)? {
            return Ok(None);
        }
        sysfs.module.set_switch(MEMORY_MIGRATE, true)?;
        Ok(Some(Self { sysfs }))
    }

    fn switch_off(self) -> Result<(), Error> {
        self.sysfs.module.set_switch(MEMORY_MIGRATE, false)
    }
}

/// Sets the knobs that `args` name and prints all of them.
///
/// # Errors
///
/// Any. After a request that has run: if a file cannot be read, or memory_migrate
/// cannot be switched off again.
pub fn run(sysfs: &Sysfs, output: Output, args: &MemsArgs) -> Result<Exit, Error> {
    if let Some(switch) = args.memory_migrate {
        sysfs
            .module
            .set_switch(MEMORY_MIGRATE, switch == Switch::On)?;
    }
    let outcome = match &args.nodes {
        Some(nodes) => set(sysfs, nodes, args.migrate)?,
        None => None,
    };
    let mems = Mems {
        mems: sysfs.module.text("mems")?,
        mems_effective: sysfs.module.text("mems_effective")?,
        memory_migrate: sysfs.module.switch(MEMORY_MIGRATE)?,
        outcome,
    };
    output.say(&mems)?;
    let Some(outcome) = &mems.outcome else {
        return Ok(Exit::Success);
    };
    if let Some(error) = &outcome.error {
        output.complain(error);
    }
    Ok(outcome.exit())
}

/// Sets the nodes. `None` if the request was not to move pages.
fn set(sysfs: &Sysfs, nodes: &str, migrate: bool) -> Result<Option<Outcome>, Error> {
    // First: a signal must not leave memory_migrate switched on.
    let interrupts = Interrupts::new()?;
    let switched_on = if migrate {
        SwitchedOn::new(sysfs)?
    } else {
        None
    };
    let moves = switched_on.is_some() || sysfs.module.switch(MEMORY_MIGRATE)?;
    let outcome = request::run(sysfs, Knob::Mems, nodes, &interrupts);
    // Even after a failed request. If this fails, too, it is the error to report.
    let switched_off = switched_on.map_or(Ok(()), SwitchedOn::switch_off);
    let outcome = match (outcome, switched_off) {
        (outcome, Ok(())) => outcome?,
        (Ok(mut outcome), Err(error)) => {
            outcome.error = Some(match &outcome.error {
                Some(first) => error.after(first),
                None => error,
            });
            outcome
        }
        (Err(first), Err(error)) => return Err(error.after(&first)),
    };
    match outcome.error {
        // The request was not to move pages: there is nothing to count.
        Some(error) if !moves => Err(error),
        error => Ok(moves.then_some(Outcome { error, ..outcome })),
    }
}
