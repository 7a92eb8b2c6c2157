// SPDX-License-Identifier: GPL-2.0

//! `zbudctl hold`, on an ordinary file with holes in place of the device.

mod common;

use common::{finish, signal, Tree, Trouble, LONG};
use serde_json::{json, Value};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

const PAGE: u64 = 4096;

/// A tree whose device has `pages` pages, of which only those in `there` were written.
fn tree(pages: u64, there: &[u64]) -> Result<Tree, Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    let file = fs::File::create(tree.root.join("dev/zbud_movable"))?;
    file.set_len(pages.saturating_mul(PAGE))?;
    for page in there {
        file.write_all_at(b"x", page.saturating_mul(PAGE))?;
    }
    Ok(tree)
}

/// The first line of output.
fn line(child: &mut Child) -> Result<String, Trouble> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok(line)
}

/// The bytes of the device that the process has touched.
fn touched(child: &Child) -> Result<u64, Trouble> {
    let text = fs::read_to_string(format!("/proc/{}/smaps", child.id()))?;
    let mut is_device = false;
    let mut bytes = 0;
    for line in text.lines() {
        if line.contains('-') && line.contains(" r--s ") {
            is_device = line.ends_with("dev/zbud_movable");
        }
        if let Some(rss) = line.strip_prefix("Rss:").filter(|_| is_device) {
            let kib: u64 = rss.trim().trim_end_matches(" kB").parse()?;
            bytes = kib.saturating_mul(1024).saturating_add(bytes);
        }
    }
    Ok(bytes)
}

#[test]
fn pages_that_are_there_are_touched() -> Result<(), Trouble> {
    let tree = tree(10_000, &[0, 5000, 9999])?;
    let mut child = tree.alone(&["hold", "--json"]).spawn()?;
    let json: Value = serde_json::from_str(&line(&mut child)?)?;
    ensure!(json.get("pid") == Some(&json!(child.id())), "{json}");
    let pages = json.get("pages").and_then(Value::as_u64);
    // A file system may have pages around those that were written.
    ensure!(
        pages.is_some_and(|pages| (3..1000).contains(&pages)),
        "{json}"
    );
    let bytes = touched(&child)?;
    ensure!((3 * PAGE..1000 * PAGE).contains(&bytes), "{bytes}");
    signal(&child, "TERM", 15)?;
    let ran = finish(child)?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    Ok(())
}

#[test]
fn pages_that_come_later_are_touched_if_asked_for() -> Result<(), Trouble> {
    let tree = tree(0, &[])?;
    let mut child = tree.alone(&["hold", "--touch", "0.1"]).spawn()?;
    let said = line(&mut child)?;
    ensure!(
        said == format!("pid {} holds 0 pages\n", child.id()),
        "{said}"
    );
    let file = fs::OpenOptions::new()
        .write(true)
        .open(tree.root.join("dev/zbud_movable"))?;
    // Into new areas, and then into a hole.
    for (number, page) in [(1, 3000), (2, 7000), (3, 10)] {
        file.write_all_at(b"x", page * PAGE)?;
        let start = Instant::now();
        while touched(&child)? < number * PAGE {
            ensure!(start.elapsed() < LONG, "page {page} is not touched");
            thread::sleep(Duration::from_millis(20));
        }
    }
    signal(&child, "INT", 2)?;
    ensure!(finish(child)?.code == Some(0), "not a clean end");
    Ok(())
}

#[test]
fn a_device_that_is_not_there_has_a_hint() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    let ran = finish(tree.alone(&["hold"]).spawn()?)?;
    ran.failed(4, "ENOENT (there is one with the mover page_cache only)")
}
