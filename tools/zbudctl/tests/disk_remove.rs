// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk remove` and `zbudctl disk reset`.

mod common;

use common::{finish, Ran, Tree, Trouble};
use serde_json::json;
use std::fs;

fn run(tree: &Tree, args: &[&str]) -> Result<Ran, Trouble> {
    let mut command = tree.alone(&[&["disk"], args].concat());
    finish(command.env_remove("ZBUDCTL_DEV").spawn()?)
}

fn tree() -> Result<Tree, Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    tree.disk(0)?;
    tree.disk(1)?;
    tree.program("swapoff", "")?;
    fs::write(
        tree.root.join("proc/swaps"),
        "Filename Type Size Used Priority\n/dev/zbud1 partition 1 0 -2\n",
    )?;
    Ok(tree)
}

#[test]
fn a_disk_is_removed_by_its_number() -> Result<(), Trouble> {
    let tree = tree()?;
    let ran = run(&tree, &["remove", "/dev/zbud1"])?;
    ensure!(
        ran.code == Some(0) && ran.out == "removed /dev/zbud1\n",
        "{ran:?}"
    );
    let written = fs::read_to_string(tree.root.join("class/zbud-control/hot_remove"))?;
    ensure!(written == "1", "{written}");
    ensure!(!tree.root.join("log").exists(), "swapoff ran");
    let ran = run(&tree, &["--json", "remove", "zbud0", "zbud1"])?;
    ensure!(
        ran.json()? == json!({"removed": ["/dev/zbud0", "/dev/zbud1"]}),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn swapping_to_it_ends_first() -> Result<(), Trouble> {
    let tree = tree()?;
    let ran = run(&tree, &["remove", "--swapoff", "zbud0", "zbud1"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let log = fs::read_to_string(tree.root.join("log"))?;
    ensure!(log == "swapoff /dev/zbud1\n", "{log}");
    Ok(())
}

#[test]
fn a_disk_that_is_swapped_to_stays() -> Result<(), Trouble> {
    let tree = tree()?;
    tree.program("swapoff", "echo swapoff: no memory >&2; exit 1")?;
    let ran = run(&tree, &["--json", "remove", "--swapoff", "zbud0", "zbud1"])?;
    let json = ran.json()?;
    ensure!(ran.code == Some(4), "{ran:?}");
    ensure!(
        json.get("removed") == Some(&json!(["/dev/zbud0"])),
        "{json}"
    );
    ensure!(
        json.pointer("/error/kind") == Some(&json!("program"))
            && json.pointer("/error/errno") == Some(&json!(null)),
        "{json}"
    );
    let ran = run(&tree, &["remove", "--swapoff", "zbud1"])?;
    ran.failed(
        4,
        "swapoff /dev/zbud1 failed: exit status: 1: swapoff: no memory",
    )
}

#[test]
fn somebody_else_may_be_ending_the_swap() -> Result<(), Trouble> {
    let tree = tree()?;
    let swaps = tree.root.join("proc/swaps");
    fs::write(&swaps, "/dev/zbud1 partition 900 800 -2\n")?;
    // Refused as long as there is swap, of which less is left each time.
    let said = "echo swapoff: /dev/zbud1: swapoff failed: Invalid argument >&2; exit 1";
    let script = format!(
        "s={}; case $(cat $s) in *800*) echo /dev/zbud1 partition 900 20 -2 >$s ;; *) : >$s ;; esac; {said}",
        swaps.display()
    );
    tree.program("swapoff", &script)?;
    let ran = run(&tree, &["remove", "--swapoff", "zbud1"])?;
    ensure!(
        ran.code == Some(0) && ran.out == "removed /dev/zbud1\n",
        "{ran:?}"
    );
    let log = fs::read_to_string(tree.root.join("log"))?;
    ensure!(log == "swapoff /dev/zbud1\n".repeat(2), "{log}");
    Ok(())
}

#[test]
fn a_file_may_name_the_disk() -> Result<(), Trouble> {
    let tree = tree()?;
    let file = tree.root.join("device");
    let name = file.display().to_string();
    fs::write(&file, "/dev/zbud1\n")?;
    let ran = run(&tree, &["remove", "--swapoff", "--device-file", &name])?;
    ensure!(
        ran.code == Some(0) && ran.out == "removed /dev/zbud1\n",
        "{ran:?}"
    );
    ensure!(!file.exists(), "it stays");
    run(&tree, &["remove", "--device-file", &name])?.failed(4, "ENOENT")?;
    fs::write(&file, "/dev/sda\n")?;
    run(&tree, &["remove", "--device-file", &name])?.failed(4, "not the device of a disk")
}

#[test]
fn a_refusal_has_a_hint() -> Result<(), Trouble> {
    let tree = tree()?;
    let control = tree.root.join("class/zbud-control/hot_remove");
    fs::remove_file(&control)?;
    std::os::unix::fs::symlink("/proc/self/oom_score_adj", &control)?;
    // Out of range: EINVAL.
    run(&tree, &["remove", "zbud9999"])?.failed(4, "hot_remove: EINVAL")?;
    run(&tree, &["remove"])?.failed(2, "Usage: ")?;
    run(&tree, &["reset", "zbud7"])?.failed(4, "ENOENT (there is no such disk")
}

#[test]
fn a_reset_disk_stays() -> Result<(), Trouble> {
    let tree = tree()?;
    let ran = run(&tree, &["--json", "reset", "zbud0", "/dev/zbud1"])?;
    ensure!(
        ran.json()? == json!({"reset": ["/dev/zbud0", "/dev/zbud1"]}),
        "{ran:?}"
    );
    for disk in ["zbud0", "zbud1"] {
        let written = fs::read_to_string(tree.root.join("block").join(disk).join("reset"))?;
        ensure!(written == "1", "{disk}: {written}");
    }
    Ok(())
}
