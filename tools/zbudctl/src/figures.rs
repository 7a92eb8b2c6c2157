// SPDX-License-Identifier: GPL-2.0

//! The module's figures, as they were when they were read. Files are read one by
//! one: of a pool in use, figures may be of different moments.

use crate::error::Error;
use crate::sysfs::Sysfs;
use serde::Serialize;

/// All pools together: the files at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Host pages.
    pub pages: u64,
    /// Compressed pages.
    pub zpages: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Host pages with one compressed page.
    pub unbuddied_pages: u64,
}

impl Pool {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// See `Sysfs::number`.
    pub fn read(sysfs: &Sysfs) -> Result<Self, Error> {
        Ok(Self {
            pages: sysfs.number("pages")?,
            zpages: sysfs.number("zpages")?,
            stored_bytes: sysfs.number("stored_bytes")?,
            unbuddied_pages: sysfs.number("unbuddied_pages")?,
        })
    }

    /// Compressed pages in a host page; `None` without host pages.
    pub fn density(&self) -> Option<f64> {
        // CAST: for people, and exact up to 2^53 pages.
        (self.pages != 0).then(|| self.zpages as f64 / self.pages as f64)
    }
}

/// One node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its number.
    pub node: u32,
    /// Host pages on it.
    pub pages: u64,
    /// Compressed pages in these.
    pub zpages: u64,
    /// Host pages with one compressed page.
    pub unbuddied_pages: u64,
    /// Host pages that came from other nodes.
    pub moved_in: u64,
    /// Host pages that went to other nodes.
    pub moved_out: u64,
}

impl Node {
    /// Reads one.
    fn read(sysfs: &Sysfs, node: u32) -> Result<Self, Error> {
        let number = |name| sysfs.number(&format!("node{node}/{name}"));
        Ok(Self {
            node,
            pages: number("pages")?,
            zpages: number("zpages")?,
            unbuddied_pages: number("unbuddied_pages")?,
            moved_in: number("moved_in")?,
            moved_out: number("moved_out")?,
        })
    }

    /// Reads all, in order.
    ///
    /// # Errors
    ///
    /// See `Sysfs::number`.
    pub fn read_all(sysfs: &Sysfs) -> Result<Vec<Self>, Error> {
        let nodes = sysfs.nodes()?.into_iter();
        nodes.map(|node| Self::read(sysfs, node)).collect()
    }

    /// Whether there is nothing on it, and never was.
    pub fn is_untouched(&self) -> bool {
        let figures = [self.pages, self.zpages, self.moved_in, self.moved_out];
        figures.iter().all(|figure| *figure == 0) && self.unbuddied_pages == 0
    }
}

/// Sums over nodes: wider than what is summed, so that no figure overflows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Host pages.
    pub pages: u128,
    /// Compressed pages.
    pub zpages: u128,
    /// Host pages with one compressed page.
    pub unbuddied_pages: u128,
    /// Host pages that came from other nodes.
    pub moved_in: u128,
    /// Host pages that went to other nodes.
    pub moved_out: u128,
}

impl Total {
    /// Adds up.
    pub fn of(nodes: &[Node]) -> Self {
        let sum =
            |figure: fn(&Node) -> u64| nodes.iter().map(|node| u128::from(figure(node))).sum();
        Self {
            pages: sum(|node| node.pages),
            zpages: sum(|node| node.zpages),
            unbuddied_pages: sum(|node| node.unbuddied_pages),
            moved_in: sum(|node| node.moved_in),
            moved_out: sum(|node| node.moved_out),
        }
    }
}
