// SPDX-License-Identifier: GPL-2.0

//! `zbudctl migrate`.

mod common;

use common::{finish, signal, Tree, Trouble, LONG};
use serde_json::json;
use std::fs;

#[test]
fn it_writes_both_lists_at_once_and_counts() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let written = tree.kernel("migrate", "35\n")?;
    let ran = tree.run(&["migrate", "0-1", "2,10"])?;
    let written = written.recv_timeout(LONG)?;
    ensure!(written == "0-1 2,10", "{written:?}");
    ensure!(
        ran.code == Some(0) && ran.out == "25 moved, 0 not moved\n" && ran.err.is_empty(),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn pages_that_stay_have_a_status_of_their_own() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("stats/not_moved", "4\n")?;
    let ran = tree.run(&["migrate", "all", "0"])?;
    ensure!(
        ran.code == Some(3) && ran.out == "0 moved, 4 not moved\n",
        "{ran:?}"
    );
    ensure!(tree.get("migrate")? == "all 0", "not written");
    let ran = tree.run(&["migrate", "all", "0", "--json"])?;
    ensure!(ran.code == Some(3), "{ran:?}");
    ensure!(
        ran.json()? == json!({"moved": 0, "not_moved": 4}),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_refusal_has_a_name_and_a_hint() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    // Another file of the kernel with the same errors: it accepts one small number.
    tree.link("migrate", "/proc/self/oom_score_adj")?;
    for (from, errno, hint) in [
        ("0", "EINVAL", "numbers and ranges"),
        ("99999999999999999999", "ERANGE", "so high a number"),
    ] {
        let ran = tree.run(&["migrate", from, "1"])?;
        ran.failed(4, errno)?;
        ensure!(
            ran.err.contains(hint) && ran.err.contains(&format!("'{from} 1'")),
            "{ran:?}"
        );
        let ran = tree.run(&["--json", "migrate", from, "1"])?;
        ensure!(ran.code == Some(4) && ran.err.is_empty(), "{ran:?}");
        let json = ran.json()?;
        let said = json.pointer("/error/errno");
        ensure!(said == Some(&json!(errno)), "{ran:?}");
        ensure!(
            json.pointer("/error/kind") == Some(&json!("refused")),
            "{ran:?}"
        );
        ensure!(json.get("moved").is_none(), "nothing ran: {ran:?}");
    }
    Ok(())
}

#[test]
fn other_errors_are_reported_too() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.link("migrate", "/dev/full")?;
    tree.run(&["migrate", "0", "1"])?.failed(4, "ENOSPC")?;
    fs::remove_file(tree.path("migrate"))?;
    tree.run(&["migrate", "0", "1"])?.failed(4, "ENOENT")?;
    ensure!(!tree.path("migrate").exists(), "it made a file");
    fs::create_dir(tree.path("migrate"))?;
    tree.run(&["migrate", "0", "1"])?.failed(4, "EISDIR")?;
    Ok(())
}

#[test]
fn a_signal_ends_the_request_and_the_counts_are_reported() -> Result<(), Trouble> {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        for json in [false, true] {
            let tree = Tree::new()?;
            tree.set("stats/not_moved", "6\n")?;
            // No one reads it, so the write does not end.
            tree.fifo("migrate")?;
            let args: &[_] = if json {
                &["migrate", "0", "1", "--json"]
            } else {
                &["migrate", "0", "1"]
            };
            let child = tree.command(args).spawn()?;
            signal(&child, name, number)?;
            let ran = finish(child)?;
            ensure!(ran.code == Some(4), "{name}: {ran:?}");
            if json {
                let said = ran.json()?;
                ensure!(
                    said.get("moved") == Some(&json!(0))
                        && said.get("not_moved") == Some(&json!(6))
                        && said.pointer("/error/errno") == Some(&json!("EINTR")),
                    "{name}: {ran:?}"
                );
            } else {
                ensure!(
                    ran.out == "0 moved, 6 not moved\n"
                        && ran.err.starts_with("zbudctl: ")
                        && ran.err.contains("EINTR"),
                    "{name}: {ran:?}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn words_that_would_shift_others_are_not_written() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for args in [["", "0 1"], ["0 1", "2"], ["0", "1\n"], ["0", ""]] {
        let ran = tree.run(&["migrate", args[0], args[1]])?;
        ran.failed(2, "nodes")?;
    }
    for args in [
        &["migrate"][..],
        &["migrate", "0"],
        &["migrate", "0", "1", "2"],
    ] {
        tree.run(args)?.failed(2, "Usage")?;
    }
    ensure!(tree.get("migrate")?.is_empty(), "something was written");
    Ok(())
}

#[test]
fn counters_that_went_down_are_not_counted() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let written = tree.kernel("migrate", "3\n")?;
    let ran = tree.run(&["migrate", "0", "1"])?;
    ensure!(written.recv_timeout(LONG)? == "0 1", "{ran:?}");
    ensure!(ran.out == "0 moved, 0 not moved\n", "{ran:?}");
    Ok(())
}
