// SPDX-License-Identifier: GPL-2.0

//! The module's directory in sysfs, and the kernel's list of nodes with memory.
//! Contents of files are not trusted: each file is read up to a limit and parsed in
//! full.

use crate::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The variable that names another directory than /sys, for tests.
pub const ENV: &str = "ZBUDCTL_SYSFS";
/// No file of sysfs is longer.
const PAGE_SIZE: u64 = 4096;
/// How many characters of an unexpected text an error shows.
const EXCERPT: usize = 40;

/// Both directories.
pub struct Sysfs {
    module: PathBuf,
    has_memory: PathBuf,
}

/// Nodes as ranges: a list may name too many to keep them one by one.
#[derive(Debug, PartialEq, Eq)]
pub struct Nodes(Vec<RangeInclusive<u32>>);

impl Sysfs {
    /// In the directory that the environment names, or in /sys.
    pub fn from_env() -> Self {
        let sys = std::env::var_os(ENV).map_or_else(|| PathBuf::from("/sys"), PathBuf::from);
        Self {
            module: sys.join("kernel/zbud_movable"),
            has_memory: sys.join("devices/system/node/has_memory"),
        }
    }

    /// The path of a file or directory of the module.
    pub fn path(&self, name: &str) -> PathBuf {
        self.module.join(name)
    }

    /// Checks that the module is loaded.
    ///
    /// # Errors
    ///
    /// `NotLoaded`.
    pub fn loaded(&self) -> Result<(), Error> {
        if self.module.is_dir() {
            Ok(())
        } else {
            Err(Error::NotLoaded {
                path: self.module.clone(),
            })
        }
    }

    /// Reads one line of text.
    ///
    /// # Errors
    ///
    /// `Os`; `Format` if it is not one printable line.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        line(&self.path(name))
    }

    /// Reads a decimal number.
    ///
    /// # Errors
    ///
    /// As `text`; `Format` also for anything but digits, and for more than 2^64 - 1.
    pub fn number(&self, name: &str) -> Result<u64, Error> {
        let path = self.path(name);
        let text = line(&path)?;
        digits(&text).ok_or_else(|| format(&path, "a number", text.as_bytes()))
    }

    /// Reads a switch, 0 or 1.
    ///
    /// # Errors
    ///
    /// As `text`; `Format` also for anything else.
    pub fn switch(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name);
        match line(&path)?.as_str() {
            "0" => Ok(false),
            "1" => Ok(true),
            other => Err(format(&path, "0 or 1", other.as_bytes())),
        }
    }

    /// Writes a switch.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn set_switch(&self, name: &str, on: bool) -> Result<(), Error> {
        self.write(name, if on { "1" } else { "0" })
            .map_err(|error| Error::os("write", &self.path(name), &error))
    }

    /// Writes `value` in one write: each write to a trigger is a request of its own.
    ///
    /// # Errors
    ///
    /// The kernel's own error.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path(name))?;
        let written = file.write(value.as_bytes())?;
        if written == value.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The nodes that have a directory, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn nodes(&self) -> Result<Vec<u32>, Error> {
        let mut nodes: Vec<_> = names(&self.module)?
            .iter()
            .filter_map(|name| node_number(name))
            .collect();
        nodes.sort_unstable();
        Ok(nodes)
    }

    /// The files in the directory `name`, in the order of their names.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn files(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut files = names(&self.path(name))?;
        files.sort_unstable();
        Ok(files)
    }

    /// The nodes that have memory; `None` for a kernel without NUMA.
    ///
    /// # Errors
    ///
    /// `Os`; `Format` if the file is not a list of nodes.
    pub fn has_memory(&self) -> Result<Option<Nodes>, Error> {
        if !self.has_memory.exists() {
            return Ok(None);
        }
        let text = line(&self.has_memory)?;
        match Nodes::parse(&text) {
            Some(nodes) => Ok(Some(nodes)),
            None => Err(format(&self.has_memory, "a list of nodes", text.as_bytes())),
        }
    }
}

impl Nodes {
    /// Parses a list like "0-1,3"; `None` if it is not one.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        text.split(',')
            .map(|part| {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let first = u32::try_from(digits(first)?).ok()?;
                let last = u32::try_from(digits(last)?).ok()?;
                (first <= last).then_some(first..=last)
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Whether `node` is one of them.
    pub fn contains(&self, node: u32) -> bool {
        self.0.iter().any(|range| range.contains(&node))
    }
}

/// Parses a number of digits only: `parse` alone would accept a sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// The number in `nodeN`, if the kernel would spell it so.
fn node_number(name: &str) -> Option<u32> {
    let number = u32::try_from(digits(name.strip_prefix("node")?)?).ok()?;
    (name == format!("node{number}")).then_some(number)
}

/// The names in a directory. The module has none that are not UTF-8.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |error: io::Error| Error::os("list", dir, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(OsStr::to_str(&name).map(str::to_owned));
    }
    Ok(names)
}

fn line(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PAGE_SIZE).read_to_end(&mut bytes))
        .map_err(|error| Error::os("read", path, &error))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(format(path, "a line of text", text)),
    }
}

fn format(path: &Path, wanted: &'static str, got: &[u8]) -> Error {
    let got = String::from_utf8_lossy(got);
    let mut excerpt: String = got.chars().take(EXCERPT).collect();
    if excerpt.len() < got.len() {
        excerpt.push_str("...");
    }
    Error::Format {
        path: path.to_owned(),
        wanted,
        got: excerpt.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{digits, node_number, Nodes};

    #[test]
    fn numbers_are_digits() {
        assert_eq!(digits("0"), Some(0));
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(digits(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn directories_of_nodes_are_spelled_as_the_kernel_does() {
        assert_eq!(node_number("node0"), Some(0));
        assert_eq!(node_number("node1023"), Some(1023));
        for bad in ["node", "node01", "node+1", "node4294967296", "nodes", "0"] {
            assert_eq!(node_number(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_of_nodes_are_ranges() {
        let some = Nodes::parse("0-1,3,4294967295");
        let has = |node| some.as_ref().is_some_and(|nodes| nodes.contains(node));
        assert!(has(0) && has(1) && has(3) && has(u32::MAX));
        assert!(!has(2) && !has(4));
        assert!(Nodes::parse("0-4294967295").is_some_and(|all| all.contains(7)));
        assert!(Nodes::parse("").is_some_and(|none| !none.contains(0)));
        for bad in [",", "0,", "1-0", "0-", "-1", "0--1", "x", "4294967296"] {
            assert_eq!(Nodes::parse(bad), None, "{bad}");
        }
    }
}
