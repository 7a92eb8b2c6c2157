// SPDX-License-Identifier: GPL-2.0

//! `zbudctl mems`: on which nodes pages may be placed.

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

/// What `mems` says: the knobs as they are now.
#[derive(Serialize)]
struct Mems {
    mems: String,
    mems_effective: String,
    memory_migrate: bool,
    /// What moved, if anything was to move.
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

/// The knob while it is turned for one request. Others may turn it meanwhile: it is
/// put back to what it was, not to what they want.
struct Turned<'a> {
    sysfs: &'a Sysfs,
}

impl<'a> Turned<'a> {
    /// Turns it on; `None` if it is.
    fn on(sysfs: &'a Sysfs) -> Result<Option<Self>, Error> {
        if sysfs.switch(MEMORY_MIGRATE)? {
            return Ok(None);
        }
        sysfs.set_switch(MEMORY_MIGRATE, true)?;
        Ok(Some(Self { sysfs }))
    }

    fn put_back(self) -> Result<(), Error> {
        self.sysfs.set_switch(MEMORY_MIGRATE, false)
    }
}

/// Sets what is to be set, and says what is.
///
/// # Errors
///
/// Any with which nothing has moved, or when the knob cannot be put back.
pub fn run(sysfs: &Sysfs, output: Output, args: &MemsArgs) -> Result<Exit, Error> {
    if let Some(switch) = args.memory_migrate {
        sysfs.set_switch(MEMORY_MIGRATE, switch == Switch::On)?;
    }
    let outcome = match &args.nodes {
        Some(nodes) => set(sysfs, nodes, args.migrate)?,
        None => None,
    };
    let mems = Mems {
        mems: sysfs.text("mems")?,
        mems_effective: sysfs.text("mems_effective")?,
        memory_migrate: sysfs.switch(MEMORY_MIGRATE)?,
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

/// Sets the nodes; says what has moved if anything was to move.
fn set(sysfs: &Sysfs, nodes: &str, migrate: bool) -> Result<Option<Outcome>, Error> {
    // Before the knob is turned: a signal must not leave it so.
    let interrupts = Interrupts::new()?;
    let turned = if migrate { Turned::on(sysfs)? } else { None };
    let moves = turned.is_some() || sysfs.switch(MEMORY_MIGRATE)?;
    let outcome = request::run(sysfs, Knob::Mems, nodes, &interrupts);
    // Whatever became of the request: a knob left turned is the worse news.
    let put_back = turned.map_or(Ok(()), Turned::put_back);
    let outcome = match (outcome, put_back) {
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
        // Nothing was to move, so what has moved is no matter.
        Some(error) if !moves => Err(error),
        error => Ok(moves.then_some(Outcome { error, ..outcome })),
    }
}
