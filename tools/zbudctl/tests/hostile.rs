// SPDX-License-Identifier: GPL-2.0

//! Malformed trees: each gives an error, none a panic.

mod common;

use common::{Tree, Trouble};
use serde_json::json;
use std::fs;

const READERS: [&[&str]; 3] = [&["status"], &["verify"], &["migrate", "0", "1"]];

#[test]
fn without_the_module_there_is_a_status_of_its_own() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    fs::remove_dir_all(tree.root.join("kernel"))?;
    for args in READERS.into_iter().chain([&["mems"][..], &["map"]]) {
        tree.run(args)?.failed(5, "not loaded")?;
        let ran = tree.run(&[&["--json"], args].concat())?;
        ensure!(ran.code == Some(5) && ran.err.is_empty(), "{ran:?}");
        let json = ran.json()?;
        ensure!(
            json.pointer("/error/kind") == Some(&json!("not_loaded"))
                && json.pointer("/error/errno") == Some(&json!(null)),
            "{json}"
        );
    }
    Ok(())
}

#[test]
fn garbage_is_no_number() -> Result<(), Trouble> {
    for garbage in [
        &b""[..],
        b"\n",
        b"x\n",
        b"-1\n",
        b"+1\n",
        b" 1\n",
        b"1 2\n",
        b"1\n2\n",
        b"0x10\n",
        b"18446744073709551616\n",
        b"1\0\n",
        b"\xff\xfe\n",
        &[b'9'; 10_000],
    ] {
        let tree = Tree::new()?;
        for file in ["pages", "node2/moved_in"] {
            fs::write(tree.path(file), garbage)?;
            for args in [["status"], ["verify"]] {
                let ran = tree.run(&args)?;
                ran.failed(4, "zbud_movable/")?;
                ensure!(ran.err.contains(" says '"), "{garbage:?}: {ran:?}");
                ensure!(ran.err.len() < 400, "{ran:?}");
                ensure!(
                    !ran.err.trim_end().contains(char::is_control),
                    "{garbage:?}: {ran:?}"
                );
            }
            tree.set(file, "100\n")?;
        }
        fs::write(tree.path("stats/user_moved"), garbage)?;
        tree.run(&["migrate", "0", "1"])?.failed(4, "user_moved")?;
        ensure!(tree.get("migrate")?.is_empty(), "written all the same");
    }
    Ok(())
}

#[test]
fn text_is_one_printable_line() -> Result<(), Trouble> {
    for text in ["a\x1b[31mb\n", "a\nb\n", "a\rb\n"] {
        let tree = Tree::new()?;
        tree.set("mover", text)?;
        let ran = tree.run(&["status"])?;
        ran.failed(4, "mover says '")?;
        ensure!(!ran.err.contains('\x1b'), "{ran:?}");
    }
    Ok(())
}

#[test]
fn missing_files_are_named() -> Result<(), Trouble> {
    for (file, args) in [
        ("pages", &["status"][..]),
        ("node0/pages", &["status"]),
        ("mover", &["status"]),
        ("mems", &["mems"]),
        ("memory_migrate", &["mems"]),
        ("verify", &["verify"]),
        ("stored_bytes", &["verify"]),
        ("stats/user_moved", &["migrate", "0", "1"]),
        ("stats/not_moved", &["migrate", "0", "1"]),
    ] {
        let tree = Tree::new()?;
        fs::remove_file(tree.path(file))?;
        let ran = tree.run(args)?;
        ran.failed(4, "ENOENT (the module has no such file")?;
        ensure!(
            ran.err.contains(&format!("zbud_movable/{file}:")),
            "{file}: {ran:?}"
        );
    }
    let tree = Tree::new()?;
    fs::remove_dir_all(tree.path("stats"))?;
    tree.run(&["status"])?.failed(4, "ENOENT")
}

#[test]
fn files_that_cannot_be_read_are_named() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    // Nothing is mapped at 0: EIO. A write-only file of sysfs: EACCES, for root, too.
    for (to, errno) in [
        ("/proc/self/mem", "EIO"),
        ("/sys/bus/cpu/uevent", "EACCES"),
        (".", "EISDIR"),
        ("pages", "ELOOP"),
    ] {
        tree.link("pages", to)?;
        let ran = tree.run(&["--json", "status"])?;
        ensure!(ran.code == Some(4) && ran.err.is_empty(), "{ran:?}");
        let json = ran.json()?;
        let said = json.pointer("/error/errno");
        ensure!(said == Some(&json!(errno)), "{to}: {json}");
        tree.run(&["verify"])?.failed(4, errno)?;
    }
    Ok(())
}

#[test]
fn other_names_are_no_nodes() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for name in [
        "node",
        "node01",
        "nodeX",
        "node-1",
        "node4294967296",
        "node1.x",
    ] {
        fs::create_dir(tree.path(name))?;
    }
    let ran = tree.run(&["status"])?;
    ensure!(
        ran.code == Some(0) && ran.out.contains("Node 10") && !ran.out.contains("Node 1 "),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_thousand_possible_nodes_are_no_thousand_columns() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for node in 11..1024 {
        for name in [
            "pages",
            "zpages",
            "unbuddied_pages",
            "empty_pages",
            "moved_in",
            "moved_out",
        ] {
            tree.set(&format!("node{node}/{name}"), "0\n")?;
        }
    }
    let ran = tree.run(&["status"])?;
    let columns = ran
        .out
        .lines()
        .next()
        .map(|head| head.matches("Node").count());
    ensure!(ran.code == Some(0) && columns == Some(3), "{ran:?}");
    Ok(())
}

#[test]
fn a_list_of_nodes_may_be_long_but_must_be_one() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let list = tree.root.join("devices/system/node/has_memory");
    fs::write(&list, "0-4294967295\n")?;
    let ran = tree.run(&["status"])?;
    ensure!(ran.code == Some(0) && ran.out.contains("Node 3"), "{ran:?}");
    for bad in ["x\n", "1-0\n", "0,\n", "4294967296\n"] {
        fs::write(&list, bad)?;
        tree.run(&["status"])?.failed(4, "has_memory says '")?;
    }
    Ok(())
}
