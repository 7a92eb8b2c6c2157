// SPDX-License-Identifier: GPL-2.0

//! The page frames of pool pages, from debugfs: `pools/<name>/pages` of each pool.

use crate::dir::{digits, Dir};
use crate::errno::Errno;
use crate::error::Error;
use crate::map::block::{BLOCKS_END, BLOCK_PAGES};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// No line is longer.
const LONGEST: u64 = 4096;
const UNMOUNTED: &str = "if debugfs is not mounted: mount -t debugfs none /sys/kernel/debug";

/// A pool page.
pub struct Page {
    /// The block that it is in.
    pub block: u64,
    /// Its node.
    pub node: u32,
}

/// Which words of a line are those of a `Page`: the file has a heading.
struct Columns {
    pfn: usize,
    node: usize,
}

impl Columns {
    fn parse(heading: &str) -> Option<Self> {
        let at = |name| heading.split(' ').position(|word| word == name);
        Some(Self {
            pfn: at("pfn")?,
            node: at("nid")?,
        })
    }

    fn page(&self, line: &str) -> Option<Page> {
        let number = |at| line.split(' ').nth(at).and_then(digits);
        let block = number(self.pfn)? / BLOCK_PAGES;
        (block < BLOCKS_END).then_some(())?;
        Some(Page {
            block,
            node: u32::try_from(number(self.node)?).ok()?,
        })
    }
}

/// Calls `each` for the pages of all pools, in no order. They are not all of one moment.
///
/// # Errors
///
/// `Os`; `Format` if a line is not what it should be.
pub fn read(debug: &Dir, mut each: impl FnMut(&Page)) -> Result<(), Error> {
    let pools = debug
        .files("pools")
        .map_err(|error| error.explained(Errno::ENOENT, UNMOUNTED))?;
    for pool in pools {
        let path = debug.path("pools").join(pool).join("pages");
        match read_pool(&path, &mut each) {
            // The pool has come to its end meanwhile.
            Err(Error::Os { .. }) if !path.exists() => {}
            done => done?,
        }
    }
    Ok(())
}

fn read_pool(path: &Path, each: &mut impl FnMut(&Page)) -> Result<(), Error> {
    let failed = |error| Error::os("read", path, &error);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut columns = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = file.by_ref().take(LONGEST);
        if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
        let wrong = |wanted| Error::format(path, wanted, &line);
        match &columns {
            None => {
                let heading = Columns::parse(text);
                columns = Some(heading.ok_or_else(|| wrong("a heading with pfn and nid"))?);
            }
            Some(columns) => each(&columns.page(text).ok_or_else(|| wrong("a pool page"))?),
        }
    }
}
