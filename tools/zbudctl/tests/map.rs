// SPDX-License-Identifier: GPL-2.0

//! `zbudctl map`.

mod common;

use common::{finish, Ran, Tree, Trouble};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

const MIB: u64 = 1 << 20;
const HEADING: &str = "pfn nid first last pins state\n";
/// As a file of an older map may be: one block of node 0 is half full.
const OLD: &str = r#"{"block_bytes":2097152,"pages":256,"nodes":[{"node":0,"pages":256,
    "memory":[{"start":0,"end":64,"online":true}],"blocks":[{"block":63,"pages":256}]}]}"#;

/// Gives a node memory blocks with these numbers, of this size.
fn memory(tree: &Tree, node: u32, size: u64, numbers: &[u64]) -> Result<(), Trouble> {
    let memory = tree.root.join("devices/system/memory");
    let dir = tree.root.join(format!("devices/system/node/node{node}"));
    fs::create_dir_all(&dir)?;
    fs::create_dir_all(&memory)?;
    fs::write(memory.join("block_size_bytes"), format!("{size:x}\n"))?;
    for number in numbers {
        let block = memory.join(format!("memory{number}"));
        fs::create_dir_all(&block)?;
        fs::write(block.join("state"), "online\n")?;
        symlink(&block, dir.join(format!("memory{number}")))?;
    }
    Ok(())
}

/// Writes the `pages` of a pool: so many pages of a node from a page frame on.
fn pool(tree: &Tree, name: &str, runs: &[(u64, u32, u64)]) -> Result<(), Trouble> {
    let dir = tree.root.join("kernel/debug/zbud_movable/pools").join(name);
    fs::create_dir_all(&dir)?;
    let mut text = HEADING.to_owned();
    for (first, node, count) in runs {
        for page in 0..*count {
            writeln!(text, "{} {node} 1000 0 0 Lone", first.saturating_add(page))?;
        }
    }
    Ok(fs::write(dir.join("pages"), text)?)
}

/// Node 0 has 256 MiB, of which the second half is offline; node 2 has 128 MiB, far away. Two
/// pools have pages.
fn tree() -> Result<Tree, Trouble> {
    let tree = Tree::new()?;
    memory(&tree, 0, 128 * MIB, &[0, 1])?;
    memory(&tree, 2, 128 * MIB, &[32])?;
    fs::write(
        tree.root.join("devices/system/memory/memory1/state"),
        "offline\n",
    )?;
    pool(
        &tree,
        "zswap0",
        &[
            (0, 0, 1),
            (512, 0, 127),
            (1024, 0, 128),
            (2048, 0, 300),
            (3072, 0, 400),
        ],
    )?;
    // A page in a block that the other pool has, too, and the last page of node 2.
    pool(&tree, "zbud0", &[(1023, 0, 1), (0x10_7fff, 2, 1)])?;
    Ok(tree)
}

fn run(tree: &Tree, columns: &str, args: &[&str]) -> Result<Ran, Trouble> {
    let args = [&["map"], args].concat();
    let mut command = tree.command(&args);
    finish(command.env("COLUMNS", columns).spawn()?)
}

/// Lets the tree be as `old`, and gives the path of a file with that.
fn file(tree: &Tree, old: &str) -> Result<String, Trouble> {
    let path = tree.root.join("old.json");
    fs::write(&path, old)?;
    Ok(path
        .into_os_string()
        .into_string()
        .map_err(|_| "no UTF-8")?)
}

#[test]
fn a_character_is_a_block() -> Result<(), Trouble> {
    let ran = run(&tree()?, "80", &[])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let wanted = [
        "Node 0: 957 pool pages, in 5 of 64 blocks".to_owned(),
        format!("0x0000000000 -++.*.#{}", ".".repeat(57)),
        format!("0x0008000000 {}", "x".repeat(64)),
        "Node 2: 1 pool pages, in 1 of 64 blocks".to_owned(),
        format!("0x0100000000 {}-", ".".repeat(63)),
        "A character is a block of 2 MiB".to_owned(),
        ". no pool pages  - below 1/4  + below 1/2  * below 3/4  # more  x offline".to_owned(),
    ];
    let lines: Vec<_> = ran.out.lines().collect();
    ensure!(lines == wanted, "{}", ran.out);
    Ok(())
}

#[test]
fn rows_fit_the_width() -> Result<(), Trouble> {
    let tree = tree()?;
    for (columns, cells, rows) in [
        ("300", 128, 1),
        ("200", 128, 1),
        ("76", 32, 4),
        ("40", 16, 8),
        ("1", 8, 16),
    ] {
        let ran = run(&tree, columns, &[])?;
        let of_node: Vec<_> = ran
            .out
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with("0x"))
            .collect();
        let longest = of_node.iter().map(|line| line.len()).max();
        ensure!(longest == Some(13 + cells), "{columns}: {}", ran.out);
        ensure!(of_node.len() == rows, "{columns}: {}", ran.out);
    }
    Ok(())
}

#[test]
fn what_was_is_drawn_in_the_same_grid() -> Result<(), Trouble> {
    let tree = tree()?;
    let before = file(&tree, OLD)?;
    let ran = run(&tree, "80", &["--before", &before])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let lines: Vec<_> = ran.out.lines().take(5).collect();
    let wanted = [
        "Node 0, before: 256 pool pages, in 1 of 64 blocks".to_owned(),
        format!("0x0000000000 {}*", ".".repeat(63)),
        "Node 0, after: 957 pool pages, in 5 of 64 blocks".to_owned(),
        format!("0x0000000000 -++.*.#{}", ".".repeat(57)),
        format!("0x0008000000 {}", "x".repeat(64)),
    ];
    ensure!(lines == wanted, "{}", ran.out);
    // Node 2 was not there.
    ensure!(!ran.out.contains("Node 2, before"), "{}", ran.out);
    Ok(())
}

#[test]
fn json_has_the_documented_fields_and_can_be_read_again() -> Result<(), Trouble> {
    let tree = tree()?;
    let ran = run(&tree, "80", &["--json"])?;
    let area = |start, end, online| json!({"start": start, "end": end, "online": online});
    let block = |block, pages| json!({"block": block, "pages": pages});
    let blocks = [
        block(0, 1),
        block(1, 128),
        block(2, 128),
        block(4, 300),
        block(6, 400),
    ];
    let wanted = json!({
        "block_bytes": 2_097_152, "pages": 958,
        "nodes": [
            {"node": 0, "pages": 957, "memory": [area(0, 64, true), area(64, 128, false)],
                "blocks": blocks},
            {"node": 2, "pages": 1, "memory": [area(2048, 2112, true)],
                "blocks": [block(2111, 1)]},
        ],
    });
    ensure!(ran.json()? == wanted, "{ran:?}");
    let before = file(&tree, &ran.out)?;
    let both = run(&tree, "80", &["--json", "--before", &before])?.json()?;
    ensure!(both.get("before") == Some(&wanted), "{both}");
    ensure!(both.get("nodes") == wanted.get("nodes"), "{both}");
    Ok(())
}

#[test]
fn a_large_machine_has_many_blocks_in_a_character() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    let numbers: Vec<_> = (0..64).collect();
    memory(&tree, 0, 2048 * MIB, &numbers)?;
    let numbers: Vec<_> = (64..128).collect();
    memory(&tree, 2, 2048 * MIB, &numbers)?;
    // The first 64 MiB of node 2, and one page far from it.
    pool(&tree, "zbud0", &[(128 << 18, 2, 16384), (200 << 18, 2, 1)])?;
    let ran = run(&tree, "80", &[])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let rows = ran.out.lines().filter(|line| line.starts_with("0x"));
    ensure!(rows.count() == 32, "{}", ran.out);
    for line in [
        "Node 2: 16385 pool pages, in 33 of 65536 blocks".to_owned(),
        "A character is 64 blocks of 2 MiB, 128 MiB".to_owned(),
        // Half of what is in it.
        format!("0x2000000000 *{}", ".".repeat(63)),
        format!("0x3200000000 -{}", ".".repeat(63)),
    ] {
        ensure!(ran.out.contains(&line), "no '{line}': {}", ran.out);
    }
    Ok(())
}

#[test]
fn holes_in_memory_are_no_memory() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    // The last one is beyond all addresses.
    memory(&tree, 0, 128 * MIB, &[0, 2, u64::from(u32::MAX)])?;
    pool(&tree, "zbud0", &[(0, 0, 1)])?;
    let ran = run(&tree, "80", &[])?;
    let rows = ran.out.lines().filter(|line| line.starts_with("0x"));
    let rows: Vec<_> = rows.collect();
    let wanted = [
        format!("0x0000000000 -{}", ".".repeat(63)),
        format!("0x0010000000 {}", ".".repeat(64)),
    ];
    ensure!(rows == wanted, "{}", ran.out);
    ensure!(ran.out.contains("in 1 of 128 blocks"), "{}", ran.out);
    Ok(())
}

#[test]
fn without_numa_all_memory_is_node_0s() -> Result<(), Trouble> {
    let tree = tree()?;
    fs::remove_dir_all(tree.root.join("devices/system/node"))?;
    let ran = run(&tree, "80", &[])?;
    ensure!(
        ran.out
            .contains("Node 0: 957 pool pages, in 5 of 128 blocks"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_block_whose_memory_is_not_listed_is_drawn() -> Result<(), Trouble> {
    let tree = tree()?;
    pool(&tree, "zbud1", &[(0x20_0000, 5, 9)])?;
    let ran = run(&tree, "80", &[])?;
    let wanted = "Node 5: 9 pool pages, in 1 of 0 blocks\n0x0200000000 -\n";
    ensure!(ran.out.contains(wanted), "{ran:?}");
    Ok(())
}

#[test]
fn colour_is_for_terminals() -> Result<(), Trouble> {
    let tree = tree()?;
    for (variable, value, is_colourful) in [
        ("TERM", "xterm", true),
        ("NO_COLOR", "1", false),
        ("NO_COLOR", "", true),
        ("TERM", "dumb", false),
    ] {
        let tool = env!("CARGO_BIN_EXE_zbudctl");
        // It gives its command a terminal, whose width nobody has set.
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command"])
            .arg(format!("{tool} map"))
            .arg("/dev/null")
            .env_remove("COLUMNS")
            .env("TERM", "xterm")
            .env("ZBUDCTL_SYSFS", &tree.root)
            .env(variable, value)
            .output()?;
        let out = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{out}");
        let wanted = if is_colourful {
            "\x1b[36m-\x1b[0m\x1b[32m++\x1b[0m\x1b[2m.\x1b[0m\x1b[33m*"
        } else {
            " -++.*"
        };
        ensure!(out.contains(wanted), "{variable}={value}: {out:?}");
    }
    let ran = run(&tree, "80", &[])?;
    ensure!(!ran.out.contains('\x1b'), "{ran:?}");
    Ok(())
}

/// The squares in the paths of a class, and in the legend.
fn squares(svg: &str, class: &str) -> Vec<usize> {
    let begin = format!("<path class=\"{class}\" d=\"");
    let paths = svg.lines().filter_map(|line| line.strip_prefix(&begin));
    paths.map(|path| path.matches('M').count()).collect()
}

#[test]
fn svg_has_a_square_for_each_block() -> Result<(), Trouble> {
    let tree = tree()?;
    let ran = run(&tree, "80", &["--svg"])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    ensure!(
        ran.out.starts_with("<svg xmlns=") && ran.out.ends_with("</svg>\n"),
        "{ran:?}"
    );
    for (class, wanted) in [
        ("f0", &[59, 63, 1][..]),
        ("f1", &[1, 1, 1]),
        ("f2", &[2, 1]),
        ("f3", &[1, 1]),
        ("f4", &[1, 1]),
        ("offline", &[64, 1]),
    ] {
        let squares = squares(&ran.out, class);
        ensure!(squares == wanted, "{class}: {squares:?}");
    }
    for text in [
        "Node 0",
        "957 pool pages, in 5 of 64 blocks",
        "0x0100000000",
    ] {
        ensure!(ran.out.contains(&format!(">{text}</text>")), "no {text}");
    }
    Ok(())
}

#[test]
fn svg_has_both_maps_side_by_side() -> Result<(), Trouble> {
    let tree = tree()?;
    let before = file(&tree, OLD)?;
    let ran = run(&tree, "80", &["--svg", "--before", &before])?;
    let f3 = squares(&ran.out, "f3");
    // The block of each, and the legend.
    ensure!(f3 == [1, 1, 1], "{f3:?}");
    for text in ["before: 256 pool pages", "after: 957 pool pages"] {
        ensure!(ran.out.contains(text), "no {text}: {}", ran.out);
    }
    let json = run(&tree, "80", &["--svg", "--json", "--before", &before])?.json()?;
    let svg = json.get("svg").and_then(|svg| svg.as_str());
    ensure!(svg == Some(ran.out.trim_end()), "{json}");
    Ok(())
}

#[test]
fn a_pool_that_has_gone_is_no_error() -> Result<(), Trouble> {
    let tree = tree()?;
    let pools = tree.root.join("kernel/debug/zbud_movable/pools");
    fs::create_dir(pools.join("zswap9"))?;
    let ran = run(&tree, "80", &[])?;
    ensure!(
        ran.code == Some(0) && ran.out.contains("Node 0: 957"),
        "{ran:?}"
    );
    // But one that cannot be read is.
    fs::create_dir(pools.join("zswap9/pages"))?;
    run(&tree, "80", &[])?.failed(4, "zswap9/pages: EISDIR")
}

#[test]
fn without_debugfs_there_is_a_hint() -> Result<(), Trouble> {
    let tree = tree()?;
    fs::remove_dir_all(tree.root.join("kernel/debug"))?;
    run(&tree, "80", &[])?.failed(
        4,
        "pools: ENOENT (if debugfs is not mounted: mount -t debugfs",
    )?;
    let json = run(&tree, "80", &["--json"])?.json()?;
    ensure!(
        json.pointer("/error/errno") == Some(&json!("ENOENT")),
        "{json}"
    );
    Ok(())
}

#[test]
fn without_memory_blocks_there_is_a_hint() -> Result<(), Trouble> {
    let tree = tree()?;
    let memory = tree.root.join("devices/system/memory");
    fs::remove_file(memory.join("memory1/state"))?;
    run(&tree, "80", &[])?.failed(4, "memory1/state: ENOENT (the kernel has no CONFIG_MEMORY")?;
    for size in ["", "0", "1000", "200000g", "-200000"] {
        fs::write(memory.join("block_size_bytes"), format!("{size}\n"))?;
        run(&tree, "80", &[])?.failed(4, "block_size_bytes says '")?;
    }
    fs::remove_dir_all(&memory)?;
    run(&tree, "80", &[])?.failed(
        4,
        "block_size_bytes: ENOENT (the kernel has no CONFIG_MEMORY",
    )
}

#[test]
fn lines_that_are_no_pages_are_refused() -> Result<(), Trouble> {
    let tree = tree()?;
    let pages = tree
        .root
        .join("kernel/debug/zbud_movable/pools/zbud0/pages");
    for (text, wanted) in [
        ("\n", "a heading with pfn and nid"),
        ("pfn first\n1 0\n", "a heading with pfn and nid"),
        ("pfn nid\n1\n", "a pool page"),
        ("pfn nid\n-1 0\n", "a pool page"),
        ("pfn nid\n1 4294967296\n", "a pool page"),
        ("pfn nid\n1 0 \u{1b}[31m\nx 0\n", "a pool page"),
        // Beyond the physical addresses that there are.
        ("pfn nid\n1099511627776 0\n", "a pool page"),
    ] {
        fs::write(&pages, text)?;
        let ran = run(&tree, "80", &[])?;
        ran.failed(4, "pages says '")?;
        ensure!(ran.err.contains(wanted), "{text:?}: {ran:?}");
    }
    fs::write(&pages, vec![b'1'; 1 << 20])?;
    let ran = run(&tree, "80", &[])?;
    ran.failed(4, "pages says '1111")?;
    ensure!(ran.err.len() < 400, "{ran:?}");
    // No line is so long.
    fs::write(&pages, format!("pfn nid x\n1 0 {}\n", "x".repeat(5000)))?;
    run(&tree, "80", &[])?.failed(4, "pages says 'xxxx")?;
    // Columns are found by name, and there may be none.
    fs::write(&pages, "state nid pfn\nLone 2 1081343\n")?;
    let ran = run(&tree, "80", &[])?;
    ensure!(ran.out.contains("Node 2: 1 pool pages"), "{ran:?}");
    fs::write(&pages, "")?;
    ensure!(run(&tree, "80", &[])?.code == Some(0), "no line at all");
    Ok(())
}

#[test]
fn a_file_that_is_no_map_is_refused() -> Result<(), Trouble> {
    let tree = tree()?;
    let missing = tree.root.join("missing");
    let missing = missing.to_str().ok_or("no UTF-8")?;
    let ran = run(&tree, "80", &["--before", missing])?;
    ran.failed(4, "missing: ENOENT")?;
    ensure!(!ran.err.contains("the module has no"), "{ran:?}");
    ensure!(OLD.contains("256"), "the samples are made of it");
    for (old, new) in [
        (OLD, ""),
        (OLD, "{}"),
        (OLD, "null"),
        ("2097152", "4096"),
        (r#""pages":256,"nodes""#, r#""pages":1,"nodes""#),
        (r#""node":0,"pages":256"#, r#""node":0,"pages":255"#),
        (r#""block":63"#, r#""block":2147483648"#),
        (r#""block":63"#, r#""block":-1"#),
        (r#"{"block":63,"pages":256}"#, r#"{"block":63,"pages":0}"#),
        (r#""start":0"#, r#""start":64"#),
        (r#""end":64"#, r#""end":18446744073709551615"#),
        (r#""online":true"#, r#""online":1"#),
        (
            r#"{"block":63,"pages":256}"#,
            r#"{"block":63,"pages":128},{"block":63,"pages":128}"#,
        ),
        (
            r#"{"start":0,"end":64,"online":true}"#,
            r#"{"start":0,"end":64,"online":true},{"start":63,"end":65,"online":false}"#,
        ),
        (
            r#""pages":256,"nodes":["#,
            r#""pages":256,"nodes":[{"node":0,"pages":0,"memory":[],"blocks":[]},"#,
        ),
    ] {
        let text = OLD.replace(old, new);
        ensure!(text != OLD, "{old} is not there");
        let before = file(&tree, &text)?;
        let ran = run(&tree, "80", &["--before", &before])?;
        ran.failed(4, "not a map from 'zbudctl --json map'")?;
    }
    Ok(())
}

#[test]
fn a_file_with_memory_wherever_it_may_be_is_drawn_soon() -> Result<(), Trouble> {
    let tree = tree()?;
    let old = OLD.replace("\"end\":64", "\"end\":2147483648");
    let before = file(&tree, &old)?;
    let ran = run(&tree, "80", &["--before", &before])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let rows = ran.out.lines().filter(|line| line.starts_with("0x"));
    ensure!(rows.count() < 70, "{}", ran.out);
    ensure!(
        run(&tree, "80", &["--before", &before, "--svg"])?.code == Some(0),
        "SVG"
    );
    Ok(())
}
