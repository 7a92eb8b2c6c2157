// SPDX-License-Identifier: GPL-2.0

//! `zbudctl completions`: bash's, as bash uses them. Whether they are complete, the
//! tests beside the source check.

mod common;

use common::{finish, Tree, Trouble};
use std::process::Command;

/// What bash offers for the last of `words`.
fn offered(tree: &Tree, words: &[&str]) -> Result<Vec<String>, Trouble> {
    let file = tree.root.join("completions");
    std::fs::write(&file, tree.run(&["completions", "bash"])?.out)?;
    let script = "set -u; . \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _zbudctl; printf '%s\\n' ${COMPREPLY[@]+\"${COMPREPLY[@]}\"}";
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(&file)
        .args(words)
        .env("ZBUDCTL_SYSFS", &tree.root)
        .output()?;
    let err = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.success() && err.is_empty(),
        "{words:?}: {err}"
    );
    let out = String::from_utf8(output.stdout)?;
    Ok(out.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn bash_offers_what_may_come_next() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    for disk in [0, 12] {
        tree.disk(disk)?;
    }
    for node in ["node0", "node2"] {
        std::fs::create_dir_all(tree.root.join("devices/system/node").join(node))?;
    }
    for (words, wanted) in [
        (&["zbudctl", "m"][..], "migrate mems map"),
        (&["zbudctl", "--json", "di"], "disk"),
        (&["zbudctl", "disk", ""], "add list remove reset"),
        (&["zbudctl", "disk", "add", "1G", "--s"], "--swap"),
        (
            &["zbudctl", "disk", "add", "--algorithm", "lz"],
            "lz4 lzo lzo-rle",
        ),
        (
            &["zbudctl", "disk", "add", "--algorithm", "="],
            "lz4 lzo lzo-rle zstd",
        ),
        (&["zbudctl", "disk", "add", "--algorithm", "=", "z"], "zstd"),
        (
            &["zbudctl", "disk", "remove", "--swapoff", ""],
            "/dev/zbud0 /dev/zbud12",
        ),
        (
            &["zbudctl", "disk", "list", "-o", "NAME,MEM-"],
            "NAME,MEM-LIMIT NAME,MEM-USED",
        ),
        (&["zbudctl", "disk", "list", "-o", "+ZP"], "+ZPAGES"),
        (&["zbudctl", "mems", ""], "all 0 2"),
        (&["zbudctl", "mems", "--memory-migrate", ""], "on off"),
        (&["zbudctl", "status", "--w"], "--watch"),
        (&["zbudctl", "map", "--s"], "--svg"),
        (&["zbudctl", "completions", "b"], "bash"),
        (&["zbudctl", "verify", ""], ""),
    ] {
        let offered = offered(&tree, words)?.join(" ");
        ensure!(offered == wanted, "{words:?}: '{offered}'");
    }
    Ok(())
}

#[test]
fn completions_need_no_module() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    std::fs::remove_dir_all(tree.root.join("kernel"))?;
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let ran = tree.run(&["completions", shell])?;
        ensure!(ran.code == Some(0) && ran.out.contains(word), "{ran:?}");
    }
    finish(tree.command(&["completions", "sh"]).spawn()?)?.failed(2, "bash, zsh, fish")
}
