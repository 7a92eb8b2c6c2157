// SPDX-License-Identifier: GPL-2.0

//! The module's directories in sysfs, and the kernel's for nodes and memory.

use crate::dir::{digits, line, Dir};
use crate::error::Error;
use crate::place;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The directories.
pub struct Sysfs {
    /// All pools together.
    pub module: Dir,
    /// Makes and removes disks.
    pub control: Dir,
    /// All disks of the machine.
    pub block: Dir,
    /// The module's directory in debugfs.
    pub debug: Dir,
    /// The memory blocks of the machine.
    pub memory: Dir,
    /// The nodes of the machine.
    pub nodes: Dir,
    has_memory: PathBuf,
}

/// Nodes as ranges: a list may name too many to keep them one by one.
#[derive(Debug, PartialEq, Eq)]
pub struct Nodes(Vec<RangeInclusive<u32>>);

impl Sysfs {
    /// In the directory that the environment names, or in /sys.
    pub fn from_env() -> Self {
        let sys = place::sys();
        Self {
            module: Dir(sys.join("kernel/zbud_movable")),
            control: Dir(sys.join("class/zbud-control")),
            block: Dir(sys.join("block")),
            debug: Dir(sys.join("kernel/debug/zbud_movable")),
            memory: Dir(sys.join("devices/system/memory")),
            nodes: Dir(sys.join("devices/system/node")),
            has_memory: sys.join("devices/system/node/has_memory"),
        }
    }

    /// Checks that the module is loaded.
    ///
    /// # Errors
    ///
    /// `NotLoaded`.
    pub fn loaded(&self) -> Result<(), Error> {
        if self.module.0.is_dir() {
            Ok(())
        } else {
            Err(Error::NotLoaded {
                path: self.module.0.clone(),
            })
        }
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
            None => Err(Error::format(
                &self.has_memory,
                "a list of nodes",
                text.as_bytes(),
            )),
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

#[cfg(test)]
mod tests {
    use super::Nodes;

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
