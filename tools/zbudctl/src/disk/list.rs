// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk list`: prints disks and their figures.

use crate::disk::args::ListArgs;
use crate::disk::column::Column;
use crate::disk::device::{gone_hint, Disk};
use crate::disk::figures::{Figures, Value};
use crate::disk::swap::InUse;
use crate::errno::Errno;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::sysfs::Sysfs;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// The output of `disk list`.
struct List<'a> {
    rows: Vec<Row>,
    columns: Vec<Column>,
    args: &'a ListArgs,
}

/// One disk: a column and its value, in turn.
struct Row(Vec<(Column, Value)>);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, value) in &self.0 {
            map.serialize_entry(&column.key(), value)?;
        }
        map.end()
    }
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("zbuddevices", &self.rows)?;
        map.end()
    }
}

impl List<'_> {
    /// The lines of the table, cell by cell.
    fn cells(&self) -> Vec<Vec<String>> {
        let names = self.columns.iter().map(|column| column.name().to_owned());
        let head = (!self.args.noheadings && !self.rows.is_empty()).then(|| names.collect());
        let rows = self.rows.iter().map(|Row(cells)| {
            let texts = cells.iter().map(|(_, value)| value.text(self.args.bytes));
            texts.collect()
        });
        head.into_iter().chain(rows).collect()
    }
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.cells();
        for line in &lines {
            let mut text = String::new();
            for (index, (column, cell)) in self.columns.iter().zip(line).enumerate() {
                if index != 0 {
                    text.push(' ');
                }
                if self.args.raw {
                    text.push_str(&cell.replace('\\', "\\x5c").replace(' ', "\\x20"));
                    continue;
                }
                let width = lines.iter().filter_map(|line| line.get(index));
                let width = width.map(|cell| cell.chars().count()).max().unwrap_or(0);
                if column.is_left() {
                    text.push_str(&format!("{cell:<width$}"));
                } else {
                    text.push_str(&format!("{cell:>width$}"));
                }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

impl Row {
    fn read(figures: &Figures, columns: &[Column]) -> Result<Self, Error> {
        let cells = columns.iter();
        let cells = cells.map(|column| Ok((*column, figures.value(*column)?)));
        cells.collect::<Result<_, _>>().map(Self)
    }
}

/// Prints the disks that `args` name, or all that have a size.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output, args: &ListArgs) -> Result<Exit, Error> {
    // A program need not ask for what it does not want.
    let columns = args.columns().unwrap_or_else(|| match output.is_json() {
        true => Column::ALL.to_vec(),
        false => Column::DEFAULT.to_vec(),
    });
    let in_use = InUse::read()?;
    let mut rows = Vec::new();
    for disk in &args.devices {
        if !disk.dir(sysfs).0.exists() {
            return Err(Error::Os {
                doing: format!("find {disk}"),
                errno: Errno::ENODEV,
                hint: gone_hint(Errno::ENODEV),
            });
        }
        let figures = Figures::read(sysfs, *disk, &in_use)?;
        rows.push(Row::read(&figures, &columns)?);
    }
    if args.devices.is_empty() {
        for disk in Disk::all(sysfs)? {
            let row = Figures::read(sysfs, disk, &in_use).and_then(|figures| {
                let has_size = figures.disksize != 0;
                has_size.then(|| Row::read(&figures, &columns)).transpose()
            });
            match row {
                Ok(row) => rows.extend(row),
                // It was removed meanwhile.
                Err(_) if !disk.dir(sysfs).0.exists() => {}
                Err(error) => return Err(error),
            }
        }
    }
    output.say(&List {
        rows,
        columns,
        args,
    })?;
    Ok(Exit::Success)
}
