// SPDX-License-Identifier: GPL-2.0

//! The columns of `zbudctl disk list`: zramctl(8)'s, and some more.

use std::fmt::Write;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The device.
    Name,
    /// Its size.
    DiskSize,
    /// Bytes stored.
    Data,
    /// What they compress to.
    Compr,
    /// The algorithm.
    Algorithm,
    /// Pages that take no memory.
    ZeroPages,
    /// Bytes of memory.
    Total,
    /// How many it may take.
    MemLimit,
    /// The most that it has taken.
    MemUsed,
    /// zram's objects that compaction has moved.
    Migrated,
    /// Where it is mounted.
    MountPoint,
    /// Nodes that it may use.
    Mems,
    /// Pool pages.
    Pages,
    /// Compressed pages.
    Zpages,
    /// Compressed pages for each pool page.
    Density,
    /// Pool pages on each node.
    Nodes,
    /// Pages stored as they are.
    Huge,
    /// Pages filled with one value.
    Same,
    /// Zpages that share no page.
    Large,
    /// Pool pages without zpages.
    Empty,
    /// Zpages that cannot be read.
    Lost,
}

impl Column {
    /// All, in the order of zramctl's help.
    pub const ALL: [Self; 21] = [
        Self::Name,
        Self::DiskSize,
        Self::Data,
        Self::Compr,
        Self::Algorithm,
        Self::ZeroPages,
        Self::Total,
        Self::MemLimit,
        Self::MemUsed,
        Self::Migrated,
        Self::MountPoint,
        Self::Mems,
        Self::Pages,
        Self::Zpages,
        Self::Density,
        Self::Nodes,
        Self::Huge,
        Self::Same,
        Self::Large,
        Self::Empty,
        Self::Lost,
    ];

    /// zramctl's, without STREAMS: the module tells no number of streams.
    pub const DEFAULT: [Self; 7] = [
        Self::Name,
        Self::Algorithm,
        Self::DiskSize,
        Self::Data,
        Self::Compr,
        Self::Total,
        Self::MountPoint,
    ];

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::DiskSize => "DISKSIZE",
            Self::Data => "DATA",
            Self::Compr => "COMPR",
            Self::Algorithm => "ALGORITHM",
            Self::ZeroPages => "ZERO-PAGES",
            Self::Total => "TOTAL",
            Self::MemLimit => "MEM-LIMIT",
            Self::MemUsed => "MEM-USED",
            Self::Migrated => "MIGRATED",
            Self::MountPoint => "MOUNTPOINT",
            Self::Mems => "MEMS",
            Self::Pages => "PAGES",
            Self::Zpages => "ZPAGES",
            Self::Density => "DENSITY",
            Self::Nodes => "NODES",
            Self::Huge => "HUGE",
            Self::Same => "SAME",
            Self::Large => "LARGE",
            Self::Empty => "EMPTY",
            Self::Lost => "LOST",
        }
    }

    /// Its name in JSON.
    pub fn key(self) -> String {
        self.name().to_ascii_lowercase().replace('-', "_")
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Name => "device",
            Self::DiskSize => "size of the disk",
            Self::Data => "bytes stored",
            Self::Compr => "bytes they are compressed to",
            Self::Algorithm => "compression algorithm",
            Self::ZeroPages => "pages that take no memory (the same as SAME)",
            Self::Total => "memory that the disk's pool takes",
            Self::MemLimit => "memory that it may take; 0: no limit",
            Self::MemUsed => "the most that it has taken",
            Self::Migrated => "always 0",
            Self::MountPoint => "mount point, or [SWAP]",
            Self::Mems => "nodes on which its pages may be placed",
            Self::Pages => "pages of its pool",
            Self::Zpages => "compressed pages in these",
            Self::Density => "ZPAGES / PAGES",
            Self::Nodes => "PAGES on each node that has some",
            Self::Huge => "pages stored as they are",
            Self::Same => "pages filled with one value",
            Self::Large => "compressed pages of more than half a page",
            Self::Empty => "PAGES without compressed pages, kept for the next ones",
            Self::Lost => "compressed pages that cannot be read (EIO): broken memory",
        }
    }

    /// Whether its cells are aligned to the left.
    pub fn is_left(self) -> bool {
        matches!(
            self,
            Self::Name | Self::Algorithm | Self::MountPoint | Self::Mems | Self::Nodes
        )
    }
}

/// Some columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(pub Vec<Column>);

/// Parses a list of columns; a plus sign before it adds them to the default ones.
///
/// # Errors
///
/// The name that is none.
pub fn parse(text: &str) -> Result<Choice, String> {
    let (mut columns, names) = match text.strip_prefix('+') {
        Some(names) => (Column::DEFAULT.to_vec(), names),
        None => (Vec::new(), text),
    };
    for name in names.split(',') {
        let found = Column::ALL
            .into_iter()
            .find(|column| column.name().eq_ignore_ascii_case(name));
        columns.push(found.ok_or_else(|| format!("no such column: '{name}'"))?);
    }
    Ok(Choice(columns))
}

/// The end of the command's help.
pub fn help() -> String {
    let mut help = "Columns:".to_owned();
    for column in Column::ALL {
        // Writing to a string cannot fail.
        let _ = write!(help, "\n  {:<11} {}", column.name(), column.meaning());
    }
    help
}

#[cfg(test)]
mod tests {
    use super::{parse, Choice, Column};

    #[test]
    fn columns_are_named_in_either_case() {
        assert_eq!(
            parse("name,MEM-USED"),
            Ok(Choice(vec![Column::Name, Column::MemUsed]))
        );
        let more = parse("+nodes");
        assert!(
            more.is_ok_and(|choice| choice.0.len() == 8 && choice.0.ends_with(&[Column::Nodes]))
        );
        for bad in ["", "+", "name,", "streams", "NAME DATA", "+name,+data"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_name_is_a_columns_own() {
        for (index, column) in Column::ALL.iter().enumerate() {
            let same = |other: &&Column| other.name() == column.name();
            assert_eq!(
                Column::ALL.iter().position(|other| same(&other)),
                Some(index)
            );
        }
    }
}
