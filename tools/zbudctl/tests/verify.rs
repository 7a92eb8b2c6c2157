// SPDX-License-Identifier: GPL-2.0

//! `zbudctl verify`.

mod common;

use common::{Tree, Trouble};
use serde_json::{json, Value};
use std::fs;
use std::io::Write;
use std::thread;

#[test]
fn a_sound_pool_is_ok_at_once() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let ran = tree.run(&["verify"])?;
    ensure!(
        ran.code == Some(0) && ran.out == "ok\n" && ran.err.is_empty(),
        "{ran:?}"
    );
    let json = tree.run(&["verify", "--json"])?.json()?;
    let check = |name, left, right| json!({"name": name, "ok": true, "left": left, "right": right});
    let wanted = json!({
        "ok": true, "validator_ok": true,
        "checks": [
            check("pages", 100, 100),
            check("zpages", 160, 160),
            check("unbuddied_pages", 34, 34),
            check("empty_pages", 3, 3),
            check("moves", 12, 12),
        ],
        "tries": 1, "changing": false,
    });
    ensure!(json == wanted, "{json}");
    Ok(())
}

#[test]
fn the_validators_verdict_counts() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("verify", "violated\n")?;
    let ran = tree.run(&["verify"])?;
    ensure!(ran.code == Some(1) && ran.out == "violated\n", "{ran:?}");
    ensure!(ran.err.starts_with("zbudctl: verify: violated"), "{ran:?}");
    let ran = tree.run(&["verify", "--json"])?;
    ensure!(ran.code == Some(1) && ran.err.is_empty(), "{ran:?}");
    ensure!(
        ran.json()?.get("validator_ok") == Some(&json!(false)),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn each_figure_that_does_not_add_up_is_named() -> Result<(), Trouble> {
    for (file, number, name, says) in [
        ("pages", "101", "pages", "the nodes have 100, the pools 101"),
        (
            "zpages",
            "159",
            "zpages",
            "the nodes have 160, the pools 159",
        ),
        (
            "node2/unbuddied_pages",
            "11",
            "unbuddied_pages",
            "the nodes have 37, the pools 34",
        ),
        (
            "empty_pages",
            "4",
            "empty_pages",
            "the nodes have 3, the pools 4",
        ),
        ("node0/moved_in", "6", "moves", "in: 13, out: 12"),
    ] {
        let tree = Tree::new()?;
        tree.set(file, &format!("{number}\n"))?;
        let ran = tree.run(&["verify"])?;
        ensure!(ran.code == Some(1), "{file}: {ran:?}");
        let wanted = format!("zbudctl: {name}: {says}\n");
        ensure!(ran.err == wanted, "{file}: {ran:?}, not {wanted}");
        let json = tree.run(&["verify", "--json"])?.json()?;
        let wrong: Vec<_> = json
            .get("checks")
            .and_then(Value::as_array)
            .ok_or("no checks")?
            .iter()
            .filter(|check| check.get("ok") == Some(&json!(false)))
            .filter_map(|check| check.get("name"))
            .collect();
        ensure!(wrong == [&json!(name)], "{file}: {json}");
    }
    Ok(())
}

#[test]
fn pages_that_wait_to_be_released_are_right() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("zpages", "99\n")?;
    tree.set("node0/zpages", "49\n")?;
    let ran = tree.run(&["verify"])?;
    ensure!(ran.code == Some(0) && ran.out == "ok\n", "{ran:?}");
    Ok(())
}

#[test]
fn sums_do_not_wrap() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    // The sum is 2^64 too high: in 64 bits it would be right.
    tree.set("node2/pages", "18446744073709551615\n")?;
    tree.set("node3/pages", "31\n")?;
    let ran = tree.run(&["verify"])?;
    ensure!(
        ran.code == Some(1) && ran.err.contains("the nodes have 18446744073709551716"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_pool_in_use_gets_more_than_one_try() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("pages", "101\n")?;
    let stored = tree.fifo("stored_bytes")?;
    let (pages, fresh) = (tree.path("pages"), tree.root.join("fresh"));
    thread::spawn(move || -> Result<(), Trouble> {
        // This opens when the tool opens it, too, after it has read "pages".
        let mut reader = fs::OpenOptions::new().write(true).open(&stored)?;
        fs::write(&fresh, "100\n")?;
        fs::rename(&fresh, pages)?;
        fs::write(&fresh, "262144\n")?;
        fs::rename(&fresh, stored)?;
        Ok(reader.write_all(b"262144\n")?)
    });
    let ran = tree.run(&["verify", "--json"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let json = ran.json()?;
    let tries = json.get("tries").and_then(Value::as_u64);
    ensure!(tries == Some(2), "{json}");
    ensure!(json.get("changing") == Some(&json!(true)), "{json}");
    Ok(())
}

#[test]
fn another_word_is_no_verdict() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.set("verify", "fine\n")?;
    tree.run(&["verify"])?.failed(4, "says 'fine'")?;
    Ok(())
}
