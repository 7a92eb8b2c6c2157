// SPDX-License-Identifier: GPL-2.0

//! The command line itself.

mod common;

use common::{Tree, Trouble};
use serde_json::json;

#[test]
fn help_and_version_need_no_module() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    std::fs::remove_dir_all(&tree.root)?;
    let ran = tree.run(&["--help"])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    for word in [
        "status",
        "migrate",
        "mems",
        "map",
        "verify",
        "hold",
        "disk",
        "completions",
        "--json",
        "Exit status",
    ] {
        ensure!(ran.out.contains(word), "no {word}: {ran:?}");
    }
    // It is internal.
    ensure!(!ran.out.contains("\n  request"), "{ran:?}");
    let ran = tree.run(&["--version"])?;
    let wanted = concat!("zbudctl ", env!("CARGO_PKG_VERSION"), "\n");
    ensure!(ran.code == Some(0) && ran.out == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn wrong_usage_has_a_status_of_its_own() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    for args in [
        &[][..],
        &["frobnicate"],
        &["status", "--frobnicate"],
        &["status", "--watch", "0"],
        &["status", "--watch", "x"],
        &["verify", "now"],
    ] {
        tree.run(args)?
            .failed(2, "Usage: ")
            .or_else(|_| tree.run(args)?.failed(2, "seconds are"))?;
        let ran = tree.run(&[args, &["--json"]].concat())?;
        ensure!(ran.code == Some(2) && ran.err.is_empty(), "{ran:?}");
        let json = ran.json()?;
        ensure!(
            json.pointer("/error/kind") == Some(&json!("usage")),
            "{json}"
        );
    }
    Ok(())
}
