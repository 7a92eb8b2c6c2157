// SPDX-License-Identifier: GPL-2.0

//! The terminal on standard output, or what takes its place.

use std::env;
use std::io::{self, IsTerminal};

/// The width where nobody knows one.
const WIDTH: usize = 80;

/// How many columns a line may have.
pub fn width() -> usize {
    let set = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let found = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    set.or_else(found)
        .filter(|width| *width != 0)
        .unwrap_or(WIDTH)
}

/// Whether to print in colour: on a terminal that has some, unless the user does not want
/// any (https://no-color.org).
pub fn has_colour() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stdout().is_terminal() && !unwanted && !is_dumb
}
