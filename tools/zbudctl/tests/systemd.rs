// SPDX-License-Identifier: GPL-2.0

//! The unit of systemd in tools/systemd: its commands are such that zbudctl takes, with
//! its own settings and with those of the example.

mod common;

use common::{finish, Ran, Tree, Trouble};
use std::collections::HashMap;
use std::path::PathBuf;
use std::{env, fs};

type Settings = HashMap<String, String>;

fn read(name: &str) -> Result<String, Trouble> {
    // Not env!(): checkouts share what cargo has built.
    let dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../systemd");
    Ok(fs::read_to_string(dir.join(name))?)
}

/// The assignments in a text.
fn settings<'a>(words: impl Iterator<Item = &'a str>) -> Settings {
    let pairs = words.filter_map(|word| word.split_once('='));
    pairs
        .filter(|(name, _)| {
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Runs the unit's command of that name, as systemd would.
fn run(tree: &Tree, name: &str, with: &Settings) -> Result<Ran, Trouble> {
    let unit = read("zbud-swap@.service")?;
    let mut lines = unit.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix("=zbudctl "));
    let mut line = line.ok_or("no such command")?.to_owned();
    for (name, value) in with {
        line = line.replace(&format!("${{{name}}}"), value);
    }
    ensure!(!line.contains('$'), "unknown variable: {line}");
    let args: Vec<_> = line.split(' ').collect();
    let mut command = tree.alone(&args);
    finish(command.env_remove("ZBUDCTL_DEV").spawn()?)
}

fn tree() -> Result<(Tree, PathBuf), Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    let disk = tree.disk(0)?;
    for name in ["mkswap", "swapon", "swapoff"] {
        tree.program(name, "")?;
    }
    Ok((tree, disk))
}

#[test]
fn its_commands_are_zbudctls() -> Result<(), Trouble> {
    let unit = read("zbud-swap@.service")?;
    let of_unit = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let of_unit = settings(of_unit.flat_map(str::split_whitespace));
    let of_example = read("example.conf")?;
    let of_example = settings(of_example.lines());
    ensure!(of_example.len() > 4, "{of_example:?}");
    for (overrides, algorithm) in [(Settings::new(), ""), (of_example, "zstd")] {
        let (tree, disk) = tree()?;
        let mut with = of_unit.clone();
        for (name, value) in overrides {
            ensure!(with.insert(name.clone(), value).is_some(), "{name} is new");
        }
        with.insert(
            "SIZE".to_owned(),
            with.get("SIZE").ok_or("no size")?.replace("%%", "%"),
        );
        with.insert(
            "RUNTIME_DIRECTORY".to_owned(),
            tree.root.display().to_string(),
        );
        let ran = run(&tree, "ExecStart", &with)?;
        ensure!(ran.code == Some(0) && ran.out == "/dev/zbud0\n", "{ran:?}");
        ensure!(
            fs::read_to_string(disk.join("disksize"))? == "512000",
            "{ran:?}"
        );
        let chosen = fs::read_to_string(disk.join("comp_algorithm"))?;
        ensure!(
            algorithm.is_empty() || chosen.starts_with(algorithm),
            "{chosen}"
        );
        fs::write(
            tree.root.join("proc/swaps"),
            "/dev/zbud0 partition 1 0 -2\n",
        )?;
        let ran = run(&tree, "ExecStop", &with)?;
        ensure!(
            ran.code == Some(0) && ran.out == "removed /dev/zbud0\n",
            "{ran:?}"
        );
        let log = fs::read_to_string(tree.root.join("log"))?;
        let wanted = "mkswap /dev/zbud0\nswapon --priority 100 --discard /dev/zbud0\n\
                      swapoff /dev/zbud0\n";
        ensure!(log == wanted, "{log}");
    }
    Ok(())
}
