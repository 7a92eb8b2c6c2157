// SPDX-License-Identifier: GPL-2.0

//! `zbudctl migrate`: moves pages between nodes.

use crate::cli::Knob;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::request;
use crate::sysfs::Sysfs;

/// Moves pages and prints how many have moved.
///
/// # Errors
///
/// See `request::run`; `Output`.
pub fn run(sysfs: &Sysfs, output: Output, from: &str, to: &str) -> Result<Exit, Error> {
    let outcome = request::run(
        sysfs,
        Knob::Migrate,
        &format!("{from} {to}"),
        &Interrupts::new()?,
    )?;
    output.say(&outcome)?;
    if let Some(error) = &outcome.error {
        output.complain(error);
    }
    Ok(outcome.exit())
}
