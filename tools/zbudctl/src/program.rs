// SPDX-License-Identifier: GPL-2.0

//! Running other programs.

use crate::errno::Errno;
use crate::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

/// Where they may be, though not in every root's PATH.
const MORE_PATH: &str = "/usr/sbin:/sbin";
/// How many characters of a program's complaint an error shows.
const EXCERPT: usize = 200;

/// Runs a program of util-linux to its end.
///
/// # Errors
///
/// `Os` if it cannot be run, `Program` if it fails.
pub fn run(name: &'static str, args: &[&OsStr]) -> Result<(), Error> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(MORE_PATH);
    let mut line = OsString::from(name);
    for arg in args {
        line.push(" ");
        line.push(arg);
    }
    let line = line.to_string_lossy().into_owned();
    let output = Command::new(name)
        .args(args)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| {
            let errno = Errno::of(&error);
            Error::Os {
                doing: format!("run {line}"),
                errno,
                hint: (errno == Errno::ENOENT).then_some("it is part of util-linux"),
            }
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let words: Vec<_> = said.split_whitespace().collect();
    let said: String = words.join(" ").chars().take(EXCERPT).collect();
    Err(Error::Program {
        line,
        status: output.status,
        said: said.escape_debug().to_string(),
    })
}
