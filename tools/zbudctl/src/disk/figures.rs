// SPDX-License-Identifier: GPL-2.0

//! The figures of a disk. They are read file by file, so those of a disk in use may
//! be of different moments.

use crate::dir::{digits, Dir};
use crate::disk::column::Column;
use crate::disk::device::Disk;
use crate::disk::swap::InUse;
use crate::error::Error;
use crate::size::human;
use crate::sysfs::Sysfs;
use serde::Serialize;

/// A disk.
pub struct Figures {
    disk: Disk,
    /// 0 before it is set.
    pub disksize: u64,
    algorithm: String,
    mm_stat: MmStat,
    mems: String,
    pages: u64,
    zpages: u64,
    large: u64,
    nodes: Vec<NodePages>,
    mount_point: Option<String>,
}

/// The file mm_stat.
struct MmStat {
    data: u64,
    compr: u64,
    total: u64,
    limit: u64,
    used_max: u64,
    same: u64,
    migrated: u64,
    huge: u64,
}

/// Pool pages on a node.
#[derive(Clone, Copy, Serialize)]
pub struct NodePages {
    node: u32,
    pages: u64,
}

/// What a cell says. Sizes are bytes in JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A word, or nothing.
    Text(Option<String>),
    /// Bytes.
    Size(u64),
    /// Pages.
    Count(u64),
    /// A quotient, if there is one.
    Ratio(Option<f64>),
    /// Nodes.
    Nodes(Vec<NodePages>),
}

impl Value {
    /// It for people.
    pub fn text(&self, bytes: bool) -> String {
        match self {
            Self::Text(text) => text.clone().unwrap_or_default(),
            Self::Size(size) if !bytes => human(*size),
            Self::Size(number) | Self::Count(number) => number.to_string(),
            Self::Ratio(Some(ratio)) => format!("{ratio:.3}"),
            Self::Ratio(None) => "-".to_owned(),
            Self::Nodes(nodes) if nodes.is_empty() => "-".to_owned(),
            Self::Nodes(nodes) => {
                let nodes = nodes.iter();
                let texts = nodes.map(|NodePages { node, pages }| format!("{node}:{pages}"));
                texts.collect::<Vec<_>>().join(",")
            }
        }
    }
}

impl MmStat {
    fn read(dir: &Dir) -> Result<Self, Error> {
        let text = dir.text("mm_stat")?;
        let numbers: Option<Vec<_>> = text.split_whitespace().map(digits).collect();
        match numbers.as_deref() {
            // zram's file has got longer twice.
            Some(&[data, compr, total, limit, used_max, same, migrated, huge, ..]) => Ok(Self {
                data,
                compr,
                total,
                limit,
                used_max,
                same,
                migrated,
                huge,
            }),
            _ => {
                let wanted = "eight numbers or more";
                Err(Error::format(&dir.path("mm_stat"), wanted, text.as_bytes()))
            }
        }
    }
}

/// The algorithm in use: the one in brackets.
///
/// # Errors
///
/// `Os`; `Format` if none is.
pub fn algorithm(dir: &Dir) -> Result<String, Error> {
    let text = dir.text("comp_algorithm")?;
    let mut words = text.split_whitespace();
    let chosen = words.find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let chosen = chosen.map(str::to_owned);
    chosen.ok_or_else(|| {
        let wanted = "a list with one algorithm in brackets";
        Error::format(&dir.path("comp_algorithm"), wanted, text.as_bytes())
    })
}

impl Figures {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// See `Dir::text` and `Dir::number`.
    pub fn read(sysfs: &Sysfs, disk: Disk, in_use: &InUse) -> Result<Self, Error> {
        let dir = disk.dir(sysfs);
        let mut nodes = Vec::new();
        for node in dir.nodes()? {
            let pages = dir.number(&format!("node{node}/pages"))?;
            // Kernels of distributions have directories for a thousand possible nodes.
            if pages != 0 {
                nodes.push(NodePages { node, pages });
            }
        }
        Ok(Self {
            disk,
            disksize: dir.number("disksize")?,
            algorithm: algorithm(&dir)?,
            mm_stat: MmStat::read(&dir)?,
            mems: dir.text("mems")?,
            pages: dir.number("pages")?,
            zpages: dir.number("zpages")?,
            large: dir.number("large_zpages")?,
            nodes,
            mount_point: in_use.place_of(disk),
        })
    }

    /// The cell in a column.
    pub fn value(&self, column: Column) -> Value {
        let stat = &self.mm_stat;
        match column {
            Column::Name => Value::Text(Some(self.disk.to_string())),
            Column::DiskSize => Value::Size(self.disksize),
            Column::Data => Value::Size(stat.data),
            Column::Compr => Value::Size(stat.compr),
            Column::Algorithm => Value::Text(Some(self.algorithm.clone())),
            Column::ZeroPages | Column::Same => Value::Count(stat.same),
            Column::Total => Value::Size(stat.total),
            Column::MemLimit => Value::Size(stat.limit),
            Column::MemUsed => Value::Size(stat.used_max),
            Column::Migrated => Value::Count(stat.migrated),
            Column::MountPoint => Value::Text(self.mount_point.clone()),
            Column::Mems => Value::Text(Some(self.mems.clone())),
            Column::Pages => Value::Count(self.pages),
            Column::Zpages => Value::Count(self.zpages),
            // CAST: for display, and exact up to 2^53 pages.
            Column::Density => {
                Value::Ratio((self.pages != 0).then(|| self.zpages as f64 / self.pages as f64))
            }
            Column::Nodes => Value::Nodes(self.nodes.clone()),
            Column::Huge => Value::Count(stat.huge),
            Column::Large => Value::Count(self.large),
        }
    }
}
