// SPDX-License-Identifier: GPL-2.0

//! `zbudctl status`.

mod common;

use common::{finish, signal, Tree, Trouble, LONG};
use serde_json::{json, Value};
use std::fs;
use std::io::{BufRead, BufReader};
use std::time::Instant;

fn row(out: &str, label: &str) -> Option<Vec<String>> {
    out.lines().find_map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().as_deref() == Some(label)).then(|| words.collect())
    })
}

#[test]
fn the_table_has_a_column_for_each_node_that_counts() -> Result<(), Trouble> {
    let ran = Tree::new()?.run(&["status"])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let head = ran.out.lines().next().unwrap_or_default();
    let head: Vec<_> = head.split_whitespace().collect();
    // Node 10 comes after node 2, and node 3 is left out.
    ensure!(
        head.join(" ") == "Node 0 Node 2 Node 10 Total",
        "{head:?}: {ran:?}"
    );
    for (label, cells) in [
        ("pages", "70 30 0 100"),
        ("zpages", "110 50 0 160"),
        ("unbuddied_pages", "26 8 0 34"),
        ("empty_pages", "2 1 0 3"),
        ("moved_in", "5 7 0 12"),
        ("moved_out", "7 5 0 12"),
        ("mover", "page_cache"),
        ("mems", "0,2,10"),
        ("mems_effective", "0,2"),
        ("memory_migrate", "off"),
        ("stored", "0.25 MiB"),
        ("density", "1.600"),
        ("lost_zpages", "6"),
        ("stats/isolated", "3"),
        ("stats/user_moved", "10"),
        ("stats/not_moved", "0"),
    ] {
        let got = row(&ran.out, label).map(|cells| cells.join(" "));
        ensure!(got.as_deref() == Some(cells), "{label}: {got:?}: {ran:?}");
    }
    Ok(())
}

#[test]
fn columns_are_aligned_whatever_their_width() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("node2/zpages", "18446744073709551615\n")?;
    let ran = tree.run(&["status"])?;
    let ends: Vec<_> = ran.out.lines().take(7).map(str::len).collect();
    ensure!(
        ends.iter().all(|end| Some(end) == ends.first()),
        "{ends:?}: {ran:?}"
    );
    // The sum does not fit into 64 bits, but is right.
    ensure!(ran.out.contains(" 18446744073709551725\n"), "{ran:?}");
    Ok(())
}

#[test]
fn json_has_the_documented_fields() -> Result<(), Trouble> {
    let ran = Tree::new()?.run(&["--json", "status"])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let node = |node, figures: [u32; 6]| {
        let [pages, zpages, unbuddied_pages, empty_pages, moved_in, moved_out] = figures;
        json!({"node": node, "pages": pages, "zpages": zpages,
            "unbuddied_pages": unbuddied_pages, "empty_pages": empty_pages,
            "moved_in": moved_in, "moved_out": moved_out})
    };
    let wanted = json!({
        "mover": "page_cache", "mems": "0,2,10", "mems_effective": "0,2",
        "memory_migrate": false,
        "pool": {"pages": 100, "zpages": 160, "stored_bytes": 262_144, "unbuddied_pages": 34,
            "empty_pages": 3, "lost_zpages": 6},
        "density": 1.6,
        "nodes": [
            node(0, [70, 110, 26, 2, 5, 7]),
            node(2, [30, 50, 8, 1, 7, 5]),
            node(10, [0, 0, 0, 0, 0, 0]),
        ],
        "total": {"pages": 100, "zpages": 160, "unbuddied_pages": 34,
            "empty_pages": 3, "moved_in": 12, "moved_out": 12},
        "stats": {"isolated": 3, "not_moved": 0, "user_moved": 10},
    });
    ensure!(ran.json()? == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn a_node_without_memory_is_shown_once_something_moved() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("node3/moved_out", "1\n")?;
    let ran = tree.run(&["status"])?;
    ensure!(ran.out.contains("Node 3"), "{ran:?}");
    Ok(())
}

#[test]
fn without_a_list_of_nodes_all_are_shown() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    fs::remove_dir_all(tree.root.join("devices"))?;
    let ran = tree.run(&["status"])?;
    ensure!(ran.code == Some(0) && ran.out.contains("Node 3"), "{ran:?}");
    Ok(())
}

#[test]
fn an_empty_pool_has_no_density() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("pages", "0\n")?;
    let ran = tree.run(&["status"])?;
    let density = row(&ran.out, "density").map(|cells| cells.join(" "));
    ensure!(density.as_deref() == Some("-"), "{ran:?}");
    let json = tree.run(&["--json", "status"])?.json()?;
    ensure!(json.get("density") == Some(&json!(null)), "{json}");
    Ok(())
}

#[test]
fn watching_reports_moves_and_ends_cleanly() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let mut child = tree
        .command(&["--json", "status", "--watch", "0.2"])
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let first = lines.next().ok_or("no first line")??;
    ensure!(!first.contains("interval"), "{first}");
    tree.set("node0/moved_out", "9\n")?;
    tree.set("node2/moved_in", "9\n")?;
    let start = Instant::now();
    // The files were changed one after the other, perhaps in two intervals.
    let mut moved = [0; 6];
    while moved != [0, 2, 2, 0, 0, 0] {
        let line = lines.next().ok_or("it ended")??;
        let json: Value = serde_json::from_str(&line)?;
        let nodes = json.pointer("/interval/nodes").and_then(Value::as_array);
        let figures = nodes.ok_or("no interval")?.iter().flat_map(|node| {
            ["moved_in", "moved_out"].map(|name| node.get(name).and_then(Value::as_u64))
        });
        for (sum, figure) in moved.iter_mut().zip(figures) {
            *sum += figure.ok_or("no figure")?;
        }
        ensure!(start.elapsed() < LONG, "{moved:?}: {line}");
    }
    signal(&child, "INT", 2)?;
    let ran = finish(child)?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    Ok(())
}

#[test]
fn watching_shows_the_difference_to_people_too() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let mut child = tree.command(&["status", "--watch", "0.1"]).spawn()?;
    let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut tables = 0;
    for line in lines {
        let line = line?;
        tables += u32::from(line.contains("Total"));
        if line.contains("since last: moved_out") {
            break;
        }
    }
    // The closed pipe ends the tool, and is no error.
    ensure!(tables == 2, "{tables} tables before the first difference");
    let ran = finish(child)?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    Ok(())
}

#[test]
fn a_closed_pipe_is_no_error() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let script = format!("{} status; echo $? >&2", env!("CARGO_BIN_EXE_zbudctl"));
    // The reader has gone before anything is written.
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{{ sleep 0.2; {script}; }} | exec true")])
        .env("ZBUDCTL_SYSFS", &tree.root)
        .output()?;
    let err = String::from_utf8(output.stderr)?;
    ensure!(err == "0\n", "{err}");
    Ok(())
}

#[test]
fn an_output_that_takes_nothing_is_an_error() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for args in [&["status"][..], &["--json", "status"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
        let ran = finish(tree.command(args).stdout(full).spawn()?)?;
        ran.failed(4, "cannot write the output")?;
    }
    Ok(())
}
