// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk add`.

mod common;

use common::{finish, signal, Ran, Tree, Trouble};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::thread;

fn add(tree: &Tree, args: &[&str]) -> Result<Ran, Trouble> {
    finish(tree.alone(&[&["disk", "add"], args].concat()).spawn()?)
}

fn read(path: &Path) -> Result<String, Trouble> {
    Ok(fs::read_to_string(path)?)
}

/// A tree with disk 0, which has no size.
fn with_a_disk() -> Result<Tree, Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    tree.disk(0)?;
    Ok(tree)
}

/// Acts as the kernel: a reader of hot_add gets disk `number`, which `change` changes
/// before anyone sees it.
fn hot_add(
    tree: &Tree,
    number: u32,
    change: impl FnOnce(&Path) -> Result<(), Trouble> + Send + 'static,
) -> Result<(), Trouble> {
    let fifo = tree.root.join("class/zbud-control/hot_add");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status()?;
    ensure!(made.success(), "mkfifo failed");
    // Out of sight until someone reads.
    let dir = tree.disk(number)?;
    let hidden = tree.root.join("hidden");
    fs::rename(&dir, &hidden)?;
    change(&hidden)?;
    thread::spawn(move || -> Result<(), Trouble> {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().write(true).open(fifo)?;
        fs::rename(hidden, dir)?;
        Ok(file.write_all(format!("{number}\n").as_bytes())?)
    });
    Ok(())
}

#[test]
fn a_disk_without_a_size_is_taken() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    let ran = add(&tree, &["2G"])?;
    let node = tree.root.join("dev/zbud0");
    ensure!(
        ran.code == Some(0) && ran.out == format!("{}\n", node.display()),
        "{ran:?}"
    );
    let dir = tree.root.join("block/zbud0");
    ensure!(read(&dir.join("disksize"))? == "2147483648", "{ran:?}");
    // What was not asked for is as it was.
    ensure!(
        read(&dir.join("comp_algorithm"))?.contains("[lzo-rle]"),
        "{ran:?}"
    );
    ensure!(read(&dir.join("mems"))? == "0,2,10\n", "{ran:?}");
    Ok(())
}

#[test]
fn all_is_written_where_it_belongs() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    let args = [
        "50%",
        "--algorithm",
        "zstd",
        "--mems",
        "2",
        "--mem-limit",
        "10M",
    ];
    let ran = add(&tree, &[&args[..], &["--json"]].concat())?;
    let dir = tree.root.join("block/zbud0");
    // A write leaves what is behind it in a file that is not sysfs'.
    for (name, text) in [
        ("disksize", "512000"),
        ("comp_algorithm", "zstd[lzo-rle] zstd\n"),
        ("algorithm_params", ""),
        ("mems", "2,2,10\n"),
        ("mem_limit", "10485760"),
    ] {
        let is = read(&dir.join(name))?;
        ensure!(is == text, "{name}: {is}: {ran:?}");
    }
    let node = tree.root.join("dev/zbud0");
    let wanted = json!({"device": node.display().to_string(), "disksize": 512_000, "swap": false});
    ensure!(ran.code == Some(0) && ran.json()? == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn a_level_goes_with_the_algorithm() -> Result<(), Trouble> {
    for (args, params) in [
        (
            &["--algorithm", "zstd", "--level", "-3"][..],
            "algo=zstd level=-3",
        ),
        (&["--level=7"], "level=7"),
        (&["--level=7", "--algorithm="], "level=7"),
    ] {
        let tree = with_a_disk()?;
        let ran = add(&tree, &[&["1M"], args].concat())?;
        let is = read(&tree.root.join("block/zbud0/algorithm_params"))?;
        ensure!(ran.code == Some(0) && is == params, "{is}: {ran:?}");
    }
    Ok(())
}

#[test]
fn empty_values_are_none() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    let args = [
        "--algorithm=",
        "--level=",
        "--mems=",
        "--mem-limit=",
        "--swap",
        "--priority=",
    ];
    for name in ["mkswap", "swapon"] {
        tree.program(name, "")?;
    }
    let ran = add(&tree, &[&["1M"], &args[..]].concat())?;
    let log = read(&tree.root.join("log"))?;
    ensure!(
        ran.code == Some(0) && !log.contains("priority"),
        "{log}: {ran:?}"
    );
    ensure!(
        read(&tree.root.join("block/zbud0/mem_limit"))?.is_empty(),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn swap_is_made_and_used() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    tree.program("mkswap", "echo it talks")?;
    tree.program("swapon", "")?;
    let file = tree.root.join("device");
    let name = file.display().to_string();
    let ran = add(
        &tree,
        &[
            "1M",
            "--swap",
            "--priority",
            "100",
            "--discard",
            "--device-file",
            &name,
        ],
    )?;
    let node = tree.root.join("dev/zbud0").display().to_string();
    ensure!(
        ran.code == Some(0) && ran.out == format!("{node}\n"),
        "{ran:?}"
    );
    let log = read(&tree.root.join("log"))?;
    let wanted = format!("mkswap {node}\nswapon --priority 100 --discard {node}\n");
    ensure!(log == wanted, "{log}");
    ensure!(read(&file)? == format!("{node}\n"), "{ran:?}");
    Ok(())
}

#[test]
fn without_a_free_disk_one_is_added() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    fs::write(tree.root.join("block/zbud0/initstate"), "1\n")?;
    hot_add(&tree, 3, |_| Ok(()))?;
    let ran = add(&tree, &["1M"])?;
    ensure!(
        ran.code == Some(0) && ran.out.ends_with("/zbud3\n"),
        "{ran:?}"
    );
    ensure!(
        read(&tree.root.join("block/zbud3/disksize"))? == "1048576",
        "{ran:?}"
    );
    ensure!(
        read(&tree.root.join("block/zbud0/disksize"))? == "0\n",
        "{ran:?}"
    );
    Ok(())
}

// No file of a host refuses a write with EBUSY, as those of a disk do that someone else
// has initialised: selftests/zbudctl_disk.sh has that.

#[test]
fn a_disk_that_went_meanwhile_is_left() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    tree.disk(1)?;
    fs::remove_file(tree.root.join("block/zbud0/initstate"))?;
    let ran = add(&tree, &["1M"])?;
    ensure!(
        ran.code == Some(0) && ran.out.ends_with("/zbud1\n"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn a_disk_that_cannot_be_claimed_is_left() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    tree.disk(1)?;
    // A socket cannot be opened, ENXIO, like a disk that was removed. Its own path must
    // be short.
    let path = std::env::temp_dir().join(format!("zbudctl-{}", std::process::id()));
    let socket = std::os::unix::net::UnixListener::bind(&path)?;
    std::os::unix::fs::symlink(&path, tree.root.join("dev/zbud0"))?;
    let ran = add(&tree, &["1M", "--algorithm", "zstd"])?;
    drop(socket);
    fs::remove_file(path)?;
    ensure!(
        ran.code == Some(0) && ran.out.ends_with("/zbud1\n"),
        "{ran:?}"
    );
    let untouched = read(&tree.root.join("block/zbud0/comp_algorithm"))?;
    ensure!(untouched == "lz4 [lzo-rle] zstd\n", "{untouched}: {ran:?}");
    Ok(())
}

#[test]
fn a_step_that_fails_undoes_those_before_it() -> Result<(), Trouble> {
    for (broken, step) in [
        ("mems", "/mems: EINVAL (nodes are numbers"),
        ("mem_limit", "/mem_limit: EINVAL"),
        ("mkswap", "mkswap"),
        ("swapon", "swapon --priority 5"),
    ] {
        for is_added in [false, true] {
            let tree = with_a_disk()?;
            for name in ["mkswap", "swapon"] {
                let script = if name == broken {
                    "echo no  good >&2; exit 3"
                } else {
                    ""
                };
                tree.program(name, script)?;
            }
            let breaks = move |dir: &Path| -> Result<(), Trouble> {
                if !broken.starts_with("mem") {
                    return Ok(());
                }
                fs::remove_file(dir.join(broken))?;
                Ok(std::os::unix::fs::symlink(
                    "/proc/self/oom_score_adj",
                    dir.join(broken),
                )?)
            };
            if is_added {
                fs::write(tree.root.join("block/zbud0/initstate"), "1\n")?;
                hot_add(&tree, 7, breaks)?;
            } else {
                breaks(&tree.root.join("block/zbud0"))?;
            }
            let file = tree.root.join("device");
            let name = file.display().to_string();
            let mut args = vec!["1M", "--swap", "--priority", "5", "--device-file", &name];
            args.extend(["--mems", "x", "--mem-limit", "9%"]);
            if broken == "mem_limit" {
                // oom_score_adj would take a small number.
                args.extend(["--algorithm", "lz4"]);
            }
            let ran = add(&tree, &args)?;
            ran.failed(4, step)?;
            if broken == "mkswap" || broken == "swapon" {
                ensure!(
                    ran.err.contains("failed: exit status: 3: no good"),
                    "{ran:?}"
                );
            }
            ensure!(!file.exists(), "{broken}: the file stays");
            let removed = read(&tree.root.join("class/zbud-control/hot_remove"))?;
            let reset = read(&tree.root.join("block/zbud0/reset"))?;
            let wanted = if is_added { ("7", "") } else { ("", "1") };
            ensure!(
                (removed.as_str(), reset.as_str()) == wanted,
                "{broken}: {ran:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_disk_that_gets_no_size_is_as_before() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    let dir = tree.root.join("block/zbud0");
    fs::remove_file(dir.join("disksize"))?;
    std::os::unix::fs::symlink("/proc/self/oom_score_adj", dir.join("disksize"))?;
    add(&tree, &["1M", "--algorithm", "zstd"])?.failed(4, "/disksize: EINVAL (a disk cannot")?;
    ensure!(
        read(&dir.join("comp_algorithm"))?.starts_with("lzo-rle"),
        "not restored"
    );
    ensure!(
        read(&dir.join("reset"))?.is_empty(),
        "reset, though it is not ours"
    );
    Ok(())
}

#[test]
fn an_output_that_takes_nothing_undoes_all() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    for name in ["mkswap", "swapon", "swapoff"] {
        tree.program(name, "")?;
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
    let mut command = tree.alone(&["disk", "add", "1M", "--swap"]);
    finish(command.stdout(full).spawn()?)?.failed(4, "cannot write the output")?;
    ensure!(
        read(&tree.root.join("log"))?.contains("swapoff"),
        "swap stays"
    );
    ensure!(
        read(&tree.root.join("block/zbud0/reset"))? == "1",
        "not reset"
    );
    Ok(())
}

#[test]
fn a_signal_undoes_all() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    tree.program("mkswap", "sleep 1")?;
    let child = tree.alone(&["disk", "add", "1M", "--swap"]).spawn()?;
    signal(&child, "TERM", 15)?;
    finish(child)?.failed(4, "EINTR (it was interrupted")?;
    ensure!(
        read(&tree.root.join("block/zbud0/reset"))? == "1",
        "not reset"
    );
    // Without a log not even mkswap was begun.
    let log = fs::read_to_string(tree.root.join("log")).unwrap_or_default();
    ensure!(!log.contains("swapon"), "swap was begun");
    Ok(())
}

#[test]
fn programs_that_are_missing_are_named() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    let mut command = tree.alone(&["disk", "add", "1M", "--swap"]);
    // Of the host's programs it finds none that could do harm: there is no such device.
    let ran = finish(command.env("PATH", tree.root.join("bin")).spawn()?)?;
    ran.failed(4, "mkswap")?;
    ensure!(
        read(&tree.root.join("block/zbud0/reset"))? == "1",
        "not reset"
    );
    Ok(())
}

#[test]
fn nonsense_is_refused_before_anything_is_done() -> Result<(), Trouble> {
    let tree = with_a_disk()?;
    for args in [
        &[][..],
        &["0"],
        &["0%"],
        &["x"],
        &["-1"],
        &["1G", "2G"],
        &["1G", "--level", "x"],
        &["1G", "--priority", "5"],
        &["1G", "--swap", "--priority", "-2"],
        &["1G", "--swap", "--priority", "32768"],
        &["1G", "--discard"],
        &["1G", "--algorithm", "zstd level=3"],
        &["1G", "--mem-limit", "1x"],
    ] {
        add(&tree, args)?.failed(2, "")?;
    }
    ensure!(
        read(&tree.root.join("block/zbud0/disksize"))? == "0\n",
        "written"
    );
    fs::write(tree.root.join("proc/meminfo"), "MemFree: 1 kB\n")?;
    add(&tree, &["50%"])?.failed(4, "not a line MemTotal")
}
