// SPDX-License-Identifier: GPL-2.0

//! `zbudctl hold`: maps the pages of all pools, so that what moves the pages of a
//! process, migratepages(8) and cpusets, moves them.

use crate::errno::Errno;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::mapping::{Mapping, PAGE_SIZE};
use crate::output::Output;
use crate::place;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// How many pages are looked at in one go.
const BATCH: usize = 4096;
/// The bytes that pagemap has for a page.
const ENTRY: usize = 8;
/// In the last of them: the process has the page.
const PRESENT: u8 = 0x80;
/// In a byte of mincore(2): the file has the page.
const IN_FILE: u8 = 1;
/// The end of a wait without an end.
const LONG: Duration = Duration::from_secs(86_400);

/// The output of `hold`.
#[derive(Serialize)]
struct Held {
    pid: u32,
    /// Pages that were there.
    pages: usize,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} holds {} pages", self.pid, self.pages)
    }
}

/// The device, mapped as far as it goes.
struct Pools {
    path: PathBuf,
    file: File,
    pagemap: File,
    areas: Vec<Mapping>,
}

/// Holds all pages until a signal comes.
///
/// # Errors
///
/// Any.
pub fn run(output: Output, interval: Option<Duration>) -> Result<Exit, Error> {
    let interrupts = Interrupts::new()?;
    let mut pools = Pools::open()?;
    let pages = pools.touch_all()?;
    output.say(&Held {
        pid: std::process::id(),
        pages,
    })?;
    while !interrupts.wait(interval.unwrap_or(LONG)) {
        if interval.is_some() {
            pools.touch_all()?;
        }
    }
    Ok(Exit::Success)
}

impl Pools {
    fn open() -> Result<Self, Error> {
        let path = place::dev().join("zbud_movable");
        let file = File::open(&path).map_err(|error| {
            let errno = Errno::of(&error);
            let hint = match errno {
                Errno::ENOENT => Some("there is one with the mover page_cache only"),
                _ => errno.hint(),
            };
            Error::Os {
                doing: format!("open {}", path.display()),
                errno,
                hint,
            }
        })?;
        // Always this process's: a fake /proc has none.
        let of_process = PathBuf::from("/proc/self/pagemap");
        let pagemap =
            File::open(&of_process).map_err(|error| Error::os("open", &of_process, &error))?;
        Ok(Self {
            path,
            file,
            pagemap,
            areas: Vec::new(),
        })
    }

    /// Touches the pages that are there and that this process does not have, also after
    /// the device has grown; the number of those that are there.
    fn touch_all(&mut self) -> Result<usize, Error> {
        self.map_all()
            .and_then(|()| {
                let mut pages = 0_usize;
                for area in &self.areas {
                    for first in (0..area.pages()).step_by(BATCH) {
                        let end = first.saturating_add(BATCH).min(area.pages());
                        pages = pages.saturating_add(self.touch(area, first..end)?);
                    }
                }
                Ok(pages)
            })
            .map_err(|error| Error::os("map", &self.path, &error))
    }

    /// Maps what has been added to the device.
    fn map_all(&mut self) -> io::Result<()> {
        let size = self.file.seek(SeekFrom::End(0))?;
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mapped = self.areas.iter().map(Mapping::pages).sum();
        match size.div_ceil(PAGE_SIZE).checked_sub(mapped) {
            None | Some(0) => {}
            Some(more) => self.areas.push(Mapping::new(&self.file, mapped, more)?),
        }
        Ok(())
    }

    fn touch(&self, area: &Mapping, batch: Range<usize>) -> io::Result<usize> {
        let mut found = vec![0; batch.len()];
        area.find(batch.start, &mut found)?;
        let mut entries = vec![0; batch.len().saturating_mul(ENTRY)];
        let place = (area.address(batch.start) / PAGE_SIZE).saturating_mul(ENTRY);
        // CAST: both have 64 bits.
        self.pagemap.read_exact_at(&mut entries, place as u64)?;
        let wanted = entries
            .chunks_exact(ENTRY)
            .zip(&found)
            .map(|(entry, found)| {
                let is_ours = entry.last().is_some_and(|byte| byte & PRESENT != 0);
                found & IN_FILE != 0 && !is_ours
            });
        let mut run = batch.start..batch.start;
        for (page, is_wanted) in batch.clone().zip(wanted) {
            if !is_wanted {
                touch_run(area, run)?;
                run = page.saturating_add(1)..page.saturating_add(1);
            } else {
                run.end = page.saturating_add(1);
            }
        }
        touch_run(area, run)?;
        Ok(found.iter().filter(|byte| **byte & IN_FILE != 0).count())
    }
}

/// Touches these pages, as far as they are still there.
fn touch_run(area: &Mapping, run: Range<usize>) -> io::Result<()> {
    if run.is_empty() || attempt(area, run.clone())? {
        return Ok(());
    }
    for page in run {
        attempt(area, page..page.saturating_add(1))?;
    }
    Ok(())
}

/// Whether all of these pages were there.
fn attempt(area: &Mapping, pages: Range<usize>) -> io::Result<bool> {
    match area.touch(pages) {
        Ok(()) => Ok(true),
        // Freed meanwhile, or its memory is broken.
        Err(error) if matches!(Errno::of(&error), Errno::EFAULT | Errno::EHWPOISON) => Ok(false),
        Err(error) => Err(error),
    }
}
