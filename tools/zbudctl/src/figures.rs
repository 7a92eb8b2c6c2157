// SPDX-License-Identifier: GPL-2.0

//! The module's figures. They are read file by file, so those of a pool in use may
//! be of different moments.

use crate::error::Error;
use crate::sysfs::Sysfs;
use serde::Serialize;

/// All pools together: the files at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Pool pages.
    pub pages: u64,
    /// Compressed pages.
    pub zpages: u64,
    /// Bytes in these.
    pub stored_bytes: u64,
    /// Pool pages with one compressed page.
    pub unbuddied_pages: u64,
    /// Pool pages without.
    pub empty_pages: u64,
    /// Compressed pages that cannot be read: their memory is broken.
    pub lost_zpages: u64,
}

impl Pool {
    /// Reads the figures.
    ///
    /// # Errors
    ///
    /// See `Dir::number`.
    pub fn read(sysfs: &Sysfs) -> Result<Self, Error> {
        Ok(Self {
            pages: sysfs.module.number("pages")?,
            zpages: sysfs.module.number("zpages")?,
            stored_bytes: sysfs.module.number("stored_bytes")?,
            unbuddied_pages: sysfs.module.number("unbuddied_pages")?,
            empty_pages: sysfs.module.number("empty_pages")?,
            lost_zpages: sysfs.module.number("lost_zpages")?,
        })
    }

    /// Compressed pages for each pool page; `None` if there are no pool pages.
    pub fn density(&self) -> Option<f64> {
        // CAST: for display, and exact up to 2^53 pages.
        (self.pages != 0).then(|| self.zpages as f64 / self.pages as f64)
    }
}

/// One node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its number.
    pub node: u32,
    /// Pool pages on it.
    pub pages: u64,
    /// Compressed pages in these.
    pub zpages: u64,
    /// Pool pages with one compressed page.
    pub unbuddied_pages: u64,
    /// Pool pages without.
    pub empty_pages: u64,
    /// Pool pages that came from other nodes.
    pub moved_in: u64,
    /// Pool pages that went to other nodes.
    pub moved_out: u64,
}

impl Node {
    /// Reads the figures of one node.
    fn read(sysfs: &Sysfs, node: u32) -> Result<Self, Error> {
        let number = |name| sysfs.module.number(&format!("node{node}/{name}"));
        Ok(Self {
            node,
            pages: number("pages")?,
            zpages: number("zpages")?,
            unbuddied_pages: number("unbuddied_pages")?,
            empty_pages: number("empty_pages")?,
            moved_in: number("moved_in")?,
            moved_out: number("moved_out")?,
        })
    }

    /// Reads those of all nodes, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// See `Dir::number`.
    pub fn read_all(sysfs: &Sysfs) -> Result<Vec<Self>, Error> {
        let nodes = sysfs.module.nodes()?.into_iter();
        nodes.map(|node| Self::read(sysfs, node)).collect()
    }

    /// Whether it has no pool pages and never had any that moved.
    pub fn is_untouched(&self) -> bool {
        let figures = [self.pages, self.zpages, self.moved_in, self.moved_out];
        figures.iter().all(|figure| *figure == 0) && self.unbuddied_pages == 0
    }
}

/// Sums over nodes, in a wider type, so that no figure can overflow them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Pool pages.
    pub pages: u128,
    /// Compressed pages.
    pub zpages: u128,
    /// Pool pages with one compressed page.
    pub unbuddied_pages: u128,
    /// Pool pages without.
    pub empty_pages: u128,
    /// Pool pages that came from other nodes.
    pub moved_in: u128,
    /// Pool pages that went to other nodes.
    pub moved_out: u128,
}

impl Total {
    /// Adds the figures up.
    pub fn of(nodes: &[Node]) -> Self {
        let sum =
            |figure: fn(&Node) -> u64| nodes.iter().map(|node| u128::from(figure(node))).sum();
        Self {
            pages: sum(|node| node.pages),
            zpages: sum(|node| node.zpages),
            unbuddied_pages: sum(|node| node.unbuddied_pages),
            empty_pages: sum(|node| node.empty_pages),
            moved_in: sum(|node| node.moved_in),
            moved_out: sum(|node| node.moved_out),
        }
    }
}
