// SPDX-License-Identifier: GPL-2.0

//! `zbudctl mems`.

mod common;

use common::{finish, signal, Tree, Trouble, LONG};
use serde_json::json;

#[test]
fn without_nodes_it_shows() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let ran = tree.run(&["mems"])?;
    ensure!(
        ran.code == Some(0)
            && ran.out == "mems            0,2,10\nmems_effective  0,2\nmemory_migrate  off\n",
        "{ran:?}"
    );
    let json = tree.run(&["mems", "--json"])?.json()?;
    let wanted = json!({"mems": "0,2,10", "mems_effective": "0,2", "memory_migrate": false});
    ensure!(json == wanted, "{json}");
    Ok(())
}

#[test]
fn nodes_are_written_and_nothing_moves() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("mems", "")?;
    // From an earlier request.
    tree.set("stats/not_moved", "9\n")?;
    let ran = tree.run(&["mems", "0-1"])?;
    ensure!(tree.get("mems")? == "0-1", "not written: {ran:?}");
    ensure!(ran.code == Some(0) && !ran.out.contains("moved"), "{ran:?}");
    Ok(())
}

#[test]
fn with_the_knob_on_it_reports_the_move() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("memory_migrate", "1\n")?;
    tree.set("stats/not_moved", "2\n")?;
    let written = tree.kernel("mems", "15\n")?;
    let ran = tree.run(&["--json", "mems", "2"])?;
    ensure!(written.recv_timeout(LONG)? == "2", "{ran:?}");
    ensure!(ran.code == Some(3), "{ran:?}");
    let wanted = json!({"mems": "0-1", "mems_effective": "0,2", "memory_migrate": true,
        "moved": 5, "not_moved": 2});
    ensure!(ran.json()? == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn migrate_switches_the_knob_on_for_the_request_only() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let moved = tree.fifo("stats/user_moved")?;
    let mems = tree.fifo("mems")?;
    let knob = tree.path("memory_migrate");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> Result<(), Trouble> {
        std::fs::write(&moved, "1\n")?;
        // Read before the request goes on, which waits for the next read.
        let during = std::fs::read_to_string(&knob)?;
        let written = std::fs::read_to_string(&mems)?;
        std::fs::remove_file(&mems)?;
        std::fs::write(&mems, "2\n")?;
        std::fs::write(&moved, "4\n")?;
        Ok(tell.send((during, written))?)
    });
    let ran = tree.run(&["mems", "2", "--migrate"])?;
    let (during, written) = told.recv_timeout(LONG)?;
    ensure!(during == "1\n" && written == "2", "{during:?} {written:?}");
    ensure!(tree.get("memory_migrate")? == "0\n", "not restored");
    ensure!(
        ran.code == Some(0) && ran.out.ends_with("off\n3 moved, 0 not moved\n"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_knob_that_was_on_stays_on() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("memory_migrate", "1\n")?;
    tree.set("mems", "")?;
    let ran = tree.run(&["mems", "2", "--migrate"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ensure!(tree.get("memory_migrate")? == "1\n", "turned off");
    Ok(())
}

#[test]
fn the_knob_is_restored_after_an_error() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.link("mems", "/proc/self/oom_score_adj")?;
    let ran = tree.run(&["mems", "x", "--migrate"])?;
    ran.failed(4, "EINVAL")?;
    ensure!(tree.get("memory_migrate")? == "0\n", "not restored");
    Ok(())
}

#[test]
fn the_knob_is_restored_after_a_signal() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let mems = tree.fifo("mems")?;
    let child = tree.command(&["mems", "2", "--migrate"]).spawn()?;
    signal(&child, "INT", 2)?;
    // After the request it is read, to be shown.
    std::thread::spawn(move || std::fs::write(mems, "0,2,10\n"));
    let ran = finish(child)?;
    ensure!(tree.get("memory_migrate")? == "0\n", "not restored");
    ensure!(
        ran.code == Some(4) && ran.err.contains("EINTR") && ran.out.contains("0 moved"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_signal_is_reported_when_nothing_was_to_move() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    // No one reads it, so the write waits.
    let _mems = tree.fifo("mems")?;
    let child = tree.command(&["mems", "2"]).spawn()?;
    signal(&child, "QUIT", 2)?;
    finish(child)?.failed(4, "EINTR")?;
    Ok(())
}

#[test]
fn a_knob_that_cannot_be_read_leaves_the_nodes_alone() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("mems", "")?;
    tree.set("memory_migrate", "2\n")?;
    tree.run(&["mems", "2", "--migrate"])?
        .failed(4, "says '2', not 0 or 1")?;
    ensure!(tree.get("mems")?.is_empty(), "written");
    Ok(())
}

#[test]
fn the_knob_has_an_option_of_its_own() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let ran = tree.run(&["mems", "--memory-migrate", "on"])?;
    ensure!(
        ran.code == Some(0) && ran.out.ends_with("memory_migrate  on\n"),
        "{ran:?}"
    );
    ensure!(tree.get("memory_migrate")? == "1\n", "not on");
    let ran = tree.run(&["mems", "--memory-migrate", "off"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ensure!(tree.get("memory_migrate")? == "0\n", "not off");
    Ok(())
}

#[test]
fn options_that_make_no_sense_are_refused() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for args in [
        &["mems", "--migrate"][..],
        &["mems", "0", "--migrate", "--memory-migrate", "on"],
        &["mems", "--memory-migrate", "1"],
        &["mems", ""],
        &["mems", "0", "1"],
    ] {
        tree.run(args)?.failed(2, "")?;
    }
    ensure!(tree.get("mems")? == "0,2,10\n", "written");
    ensure!(tree.get("memory_migrate")? == "0\n", "turned");
    Ok(())
}
