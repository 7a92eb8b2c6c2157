// SPDX-License-Identifier: GPL-2.0

//! Printing: text for people, or one line of JSON for each result.

use crate::error::Error;
use crate::exit::Exit;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// How to print.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

/// Whether someone still reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as one can tell.
    There,
    /// The pipe is closed. That is no error, but no reason to go on.
    Gone,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a Error,
}

impl Output {
    /// To standard output.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether it is for programs.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints `report`: its fields as JSON, or its `Display` as text.
    ///
    /// # Errors
    ///
    /// `Output`, except for a closed pipe.
    pub fn say(self, report: &(impl Serialize + Display)) -> Result<Reader, Error> {
        let mut text = if self.json {
            serde_json::to_string(report).map_err(|error| Error::Output(error.into()))?
        } else {
            report.to_string()
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Error::Output(error)),
        }
    }

    /// Prints a message for people. JSON has the same in its fields.
    pub fn complain(self, message: &dyn Display) {
        if !self.json {
            complain(message);
        }
    }

    /// Prints `error` and returns the exit status for it.
    pub fn fail(self, error: &Error) -> Exit {
        let said = match (self.json, error) {
            // Standard output has just failed; it would fail again.
            (false, _) | (true, Error::Output(_)) => None,
            (true, _) => serde_json::to_string(&Failure { error }).ok(),
        };
        match said {
            // If no one reads, the exit status must do.
            Some(said) => drop(writeln!(io::stdout(), "{said}")),
            None => complain(error),
        }
        error.exit()
    }
}

/// A switch as `mems --memory-migrate` takes it.
pub fn on_off(on: bool) -> &'static str {
    if on {
        "on"
    } else {
        "off"
    }
}

fn complain(message: &dyn Display) {
    // If no one reads, the exit status must do.
    drop(writeln!(io::stderr(), "zbudctl: {message}"));
}
