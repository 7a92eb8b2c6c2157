// SPDX-License-Identifier: GPL-2.0

//! The command line of `zbudctl disk`.

use crate::disk::column::{self, Column};
use crate::disk::device::Disk;
use crate::size::Size;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The commands for disks.
#[derive(Subcommand)]
pub enum DiskCommand {
    /// Set up a disk and print its device, /dev/zbudN
    Add(AddArgs),
    /// Show disks as zramctl(8) does
    #[command(after_help = column::help())]
    List(ListArgs),
    /// Remove disks, with all that they hold
    Remove(RemoveArgs),
    /// Free all that disks hold and make them as they were when they were added
    Reset {
        /// Disks: /dev/zbudN or zbudN
        #[arg(required = true, value_name = "DEVICE", value_parser = disk)]
        devices: Vec<Disk>,
    },
}

/// The arguments of `disk add`. An empty value is as none: that is how a unit of systemd
/// leaves an option out.
#[derive(Args)]
pub struct AddArgs {
    /// Size of the disk: 2G, 512M, bytes, or a percentage of memory, as in 50%
    #[arg(value_parser = size)]
    pub size: Size,
    /// Compression algorithm: lz4, lzo, lzo-rle or zstd
    #[arg(long, value_name = "NAME", value_parser = maybe(word))]
    pub algorithm: Option<Maybe<String>>,
    /// Level of the algorithm
    #[arg(long, value_name = "N", value_parser = maybe(level), allow_hyphen_values = true)]
    pub level: Option<Maybe<i32>>,
    /// Nodes on which its pages may be placed, as in 0-1,3, or 'all'
    #[arg(long, value_name = "NODES", value_parser = maybe(word))]
    pub mems: Option<Maybe<String>>,
    /// Memory that it may take, in the same units as SIZE; 0: no limit
    #[arg(long, value_name = "SIZE", value_parser = maybe(limit))]
    pub mem_limit: Option<Maybe<Size>>,
    /// Make a swap area on it and swap to it
    #[arg(long)]
    pub swap: bool,
    /// Priority of the swap area, -1 to 32767
    #[arg(long, value_name = "N", value_parser = maybe(priority), allow_hyphen_values = true,
          requires = "swap")]
    pub priority: Option<Maybe<i16>>,
    /// Have the kernel tell the disk which pages of the swap area are free
    #[arg(long, requires = "swap")]
    pub discard: bool,
    /// Write the name of the device to this file as well
    #[arg(long, value_name = "FILE")]
    pub device_file: Option<PathBuf>,
}

/// The arguments of `disk list`.
#[derive(Args)]
pub struct ListArgs {
    /// Print sizes in bytes
    #[arg(short, long)]
    pub bytes: bool,
    /// Print no header
    #[arg(short, long)]
    pub noheadings: bool,
    /// Columns, separated by commas; +COLUMNS adds them to the default ones
    #[arg(short, long, value_name = "COLUMNS", value_parser = column::parse)]
    pub output: Option<column::Choice>,
    /// Print all columns
    #[arg(long, conflicts_with = "output")]
    pub output_all: bool,
    /// Print one space between columns, and no other
    #[arg(long)]
    pub raw: bool,
    /// Disks: /dev/zbudN or zbudN (default: all that have a size)
    #[arg(value_name = "DEVICE", value_parser = disk)]
    pub devices: Vec<Disk>,
}

impl ListArgs {
    /// The columns asked for; `None`: those that are printed by default.
    pub fn columns(&self) -> Option<Vec<Column>> {
        if self.output_all {
            Some(Column::ALL.to_vec())
        } else {
            self.output.as_ref().map(|choice| choice.0.clone())
        }
    }
}

/// The arguments of `disk remove`.
#[derive(Args)]
pub struct RemoveArgs {
    /// Disks: /dev/zbudN or zbudN
    #[arg(value_name = "DEVICE", value_parser = disk, required_unless_present = "device_file")]
    pub devices: Vec<Disk>,
    /// End swapping to them first
    #[arg(long)]
    pub swapoff: bool,
    /// Remove also the disk that 'disk add --device-file FILE' has made, and FILE
    #[arg(long, value_name = "FILE")]
    pub device_file: Option<PathBuf>,
}

/// A value that may be empty. clap has a meaning of its own for nested `Option`s.
#[derive(Clone, Debug)]
pub struct Maybe<T>(Option<T>);

/// The value of an option, unless it was left out or is empty.
pub fn given<T>(option: Option<&Maybe<T>>) -> Option<&T> {
    option.and_then(|maybe| maybe.0.as_ref())
}

type Parsed<T> = Result<T, String>;

fn maybe<T>(
    parse: fn(&str) -> Parsed<T>,
) -> impl Fn(&str) -> Parsed<Maybe<T>> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| match text {
        "" => Ok(Maybe(None)),
        text => parse(text).map(|value| Maybe(Some(value))),
    }
}

/// One word for the kernel: two would be two parameters. The rest is for the kernel to
/// check.
fn word(text: &str) -> Parsed<String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("it has no spaces".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn level(text: &str) -> Parsed<i32> {
    text.parse().map_err(|_| "a level is a number".to_owned())
}

fn priority(text: &str) -> Parsed<i16> {
    match text.parse() {
        Ok(priority) if priority >= -1 => Ok(priority),
        Ok(_) | Err(_) => Err("a priority is -1 to 32767".to_owned()),
    }
}

fn limit(text: &str) -> Parsed<Size> {
    let wanted = "a size is a number of bytes, or of K, M, G or T as in 2G, or a percentage of \
                  memory as in 50%";
    Size::parse(text).ok_or_else(|| wanted.to_owned())
}

fn size(text: &str) -> Parsed<Size> {
    match limit(text)? {
        Size::Bytes(0) | Size::Percent(0) => Err("a disk has at least one page".to_owned()),
        size => Ok(size),
    }
}

fn disk(text: &str) -> Parsed<Disk> {
    Disk::parse(text).ok_or_else(|| "a disk is /dev/zbudN or zbudN".to_owned())
}
