// SPDX-License-Identifier: GPL-2.0

//! `zbudctl map`: draws where pool pages are, and where they were.

mod block;
mod grid;
mod memory;
mod pages;
mod picture;
mod snapshot;
mod svg;
mod text;

use crate::cli::MapArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::map::picture::Picture;
use crate::map::snapshot::Snapshot;
use crate::map::svg::Svg;
use crate::map::text::Text;
use crate::output::Output;
use crate::sysfs::Sysfs;
use crate::terminal;
use serde::Serialize;
use std::fmt;

/// The output of `map`.
#[derive(Serialize)]
struct Map<'a> {
    #[serde(flatten)]
    now: &'a Snapshot,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Snapshot>,
    #[serde(skip)]
    text: Text<'a>,
}

impl fmt::Display for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The output of `map --svg`.
#[derive(Serialize)]
struct Drawing {
    svg: String,
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.svg)
    }
}

/// Prints a map.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output, args: &MapArgs) -> Result<Exit, Error> {
    // First: it may be what is wrong.
    let before = args.before.as_deref().map(Snapshot::load).transpose()?;
    let picture = Picture {
        before,
        now: Snapshot::take(sysfs)?,
    };
    if args.svg {
        let svg = Svg(&picture).to_string();
        output.say(&Drawing { svg })?;
    } else {
        output.say(&Map {
            now: &picture.now,
            before: picture.before.as_ref(),
            text: Text {
                picture: &picture,
                width: terminal::width(),
                has_colour: terminal::has_colour(),
            },
        })?;
    }
    Ok(Exit::Success)
}
