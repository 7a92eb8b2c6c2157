// SPDX-License-Identifier: GPL-2.0

//! The figures of a disk. They are read file by file, those that are asked for, so those
//! of a disk in use may be of different moments.

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
    dir: Dir,
    /// 0 before it is set.
    pub disksize: u64,
    mm_stat: MmStat,
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

/// Pool pages on the nodes that have some: kernels of distributions have directories for
/// a thousand possible nodes.
fn nodes(dir: &Dir) -> Result<Vec<NodePages>, Error> {
    let mut nodes = Vec::new();
    for node in dir.nodes()? {
        let pages = dir.number(&format!("node{node}/pages"))?;
        if pages != 0 {
            nodes.push(NodePages { node, pages });
        }
    }
    Ok(nodes)
}

/// Compressed pages for each pool page; `None` without these.
fn density(dir: &Dir) -> Result<Option<f64>, Error> {
    let (pages, zpages) = (dir.number("pages")?, dir.number("zpages")?);
    // CAST: for display, and exact up to 2^53 pages.
    Ok((pages != 0).then(|| zpages as f64 / pages as f64))
}

impl Figures {
    /// Reads what most columns need.
    ///
    /// # Errors
    ///
    /// See `Dir::text` and `Dir::number`.
    pub fn read(sysfs: &Sysfs, disk: Disk, in_use: &InUse) -> Result<Self, Error> {
        let dir = disk.dir(sysfs);
        Ok(Self {
            disk,
            disksize: dir.number("disksize")?,
            mm_stat: MmStat::read(&dir)?,
            mount_point: in_use.place_of(disk),
            dir,
        })
    }

    /// The cell in a column.
    ///
    /// # Errors
    ///
    /// See `Dir::text` and `Dir::number`.
    pub fn value(&self, column: Column) -> Result<Value, Error> {
        let (stat, dir) = (&self.mm_stat, &self.dir);
        Ok(match column {
            Column::Name => Value::Text(Some(self.disk.to_string())),
            Column::DiskSize => Value::Size(self.disksize),
            Column::Data => Value::Size(stat.data),
            Column::Compr => Value::Size(stat.compr),
            Column::Algorithm => Value::Text(Some(algorithm(dir)?)),
            Column::ZeroPages | Column::Same => Value::Count(stat.same),
            Column::Total => Value::Size(stat.total),
            Column::MemLimit => Value::Size(stat.limit),
            Column::MemUsed => Value::Size(stat.used_max),
            Column::Migrated => Value::Count(stat.migrated),
            Column::MountPoint => Value::Text(self.mount_point.clone()),
            Column::Mems => Value::Text(Some(dir.text("mems")?)),
            Column::Pages => Value::Count(dir.number("pages")?),
            Column::Zpages => Value::Count(dir.number("zpages")?),
            Column::Density => Value::Ratio(density(dir)?),
            Column::Nodes => Value::Nodes(nodes(dir)?),
            Column::Huge => Value::Count(stat.huge),
            Column::Large => Value::Count(dir.number("large_zpages")?),
            Column::Empty => Value::Count(dir.number("empty_pages")?),
            Column::Lost => Value::Count(dir.number("lost_zpages")?),
        })
    }
}
