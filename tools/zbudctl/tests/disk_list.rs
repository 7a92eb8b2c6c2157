// SPDX-License-Identifier: GPL-2.0

//! `zbudctl disk list`.

mod common;

use common::{finish, Ran, Tree, Trouble};
use serde_json::json;
use std::fs;

/// Disks 1, swapped to, and 12, mounted; disk 0 has no size.
fn tree() -> Result<Tree, Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    tree.disk(0)?;
    for (number, files) in [
        (
            1,
            [
                ("disksize", "2147483648\n"),
                ("initstate", "1\n"),
                ("comp_algorithm", "lz4 lzo [zstd]\n"),
                ("mm_stat", "40960000 10240000 12288000 0 12300000 5 0 7 9\n"),
                ("pages", "3000\n"),
                ("zpages", "4500\n"),
                ("large_zpages", "77\n"),
                ("empty_pages", "12\n"),
                ("lost_zpages", "3\n"),
                ("node0/pages", "1000\n"),
                ("node2/pages", "2000\n"),
            ],
        ),
        (
            12,
            [
                ("disksize", "4096\n"),
                ("initstate", "1\n"),
                ("comp_algorithm", "[lz4] lzo\n"),
                (
                    "mm_stat",
                    "       0        0        0 1048576        0 0 0 0\n",
                ),
                ("pages", "0\n"),
                ("zpages", "0\n"),
                ("large_zpages", "0\n"),
                ("empty_pages", "0\n"),
                ("lost_zpages", "0\n"),
                ("node0/pages", "0\n"),
                ("node2/pages", "0\n"),
            ],
        ),
    ] {
        let dir = tree.disk(number)?;
        for (name, text) in files {
            fs::write(dir.join(name), text)?;
        }
    }
    fs::write(
        tree.root.join("proc/swaps"),
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
         /dev/zbud1                              partition\t2097148\t\t0\t\t-2\n",
    )?;
    fs::write(
        tree.root.join("proc/self/mountinfo"),
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
         40 22 253:12 / /mnt/a\\040b rw shared:9 master:1 - ext4 /dev/zbud12 rw\n",
    )?;
    Ok(tree)
}

fn list(tree: &Tree, args: &[&str]) -> Result<Ran, Trouble> {
    let mut command = tree.alone(&[&["disk", "list"], args].concat());
    // The names of the disks are then as usual.
    finish(command.env_remove("ZBUDCTL_DEV").spawn()?)
}

#[test]
fn the_table_is_zramctls() -> Result<(), Trouble> {
    let ran = list(&tree()?, &[])?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let wanted = "\
NAME        ALGORITHM DISKSIZE  DATA COMPR TOTAL MOUNTPOINT
/dev/zbud1  zstd            2G 39.1M  9.8M 11.7M [SWAP]
/dev/zbud12 lz4             4K    0B    0B    0B /mnt/a b
";
    ensure!(ran.out == wanted, "{}", ran.out);
    Ok(())
}

#[test]
fn sizes_may_be_bytes_and_the_header_may_go() -> Result<(), Trouble> {
    let ran = list(
        &tree()?,
        &["-b", "-n", "-o", "name,total,nodes,density,mem-used,mems"],
    )?;
    let wanted = "\
/dev/zbud1  12288000 0:1000,2:2000 1.500 12300000 0,2,10
/dev/zbud12        0 -                 -        0 0,2,10
";
    ensure!(ran.code == Some(0) && ran.out == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn raw_cells_have_no_blanks() -> Result<(), Trouble> {
    let ran = list(&tree()?, &["--raw", "-o", "DISKSIZE,MOUNTPOINT", "zbud12"])?;
    let wanted = "DISKSIZE MOUNTPOINT\n4K /mnt/a\\x20b\n";
    ensure!(ran.code == Some(0) && ran.out == wanted, "{ran:?}");
    Ok(())
}

#[test]
fn columns_can_be_added_and_all_can_be_shown() -> Result<(), Trouble> {
    let ran = list(&tree()?, &["-o", "+huge,same,large,empty,lost"])?;
    let head = ran.out.lines().next().unwrap_or_default();
    ensure!(
        head.ends_with("MOUNTPOINT HUGE SAME LARGE EMPTY LOST"),
        "{ran:?}"
    );
    ensure!(
        ran.out.contains("[SWAP]        7    5    77    12    3\n"),
        "{ran:?}"
    );
    let ran = list(&tree()?, &["--output-all"])?;
    let head = ran.out.lines().next().unwrap_or_default();
    ensure!(head.split_whitespace().count() == 21, "{ran:?}");
    Ok(())
}

#[test]
fn json_has_all_columns_or_those_asked_for() -> Result<(), Trouble> {
    let tree = tree()?;
    let json = list(&tree, &["--json", "/dev/zbud1"])?.json()?;
    let wanted = json!({"zbuddevices": [{
        "name": "/dev/zbud1", "disksize": 2_147_483_648_u64, "data": 40_960_000,
        "compr": 10_240_000, "algorithm": "zstd", "zero_pages": 5, "total": 12_288_000,
        "mem_limit": 0, "mem_used": 12_300_000, "migrated": 0, "mountpoint": "[SWAP]",
        "mems": "0,2,10", "pages": 3000, "zpages": 4500, "density": 1.5,
        "nodes": [{"node": 0, "pages": 1000}, {"node": 2, "pages": 2000}],
        "huge": 7, "same": 5, "large": 77, "empty": 12, "lost": 3,
    }]});
    ensure!(json == wanted, "{json}");
    let json = list(&tree, &["--json", "-o", "name,density", "zbud12", "zbud0"])?.json()?;
    let wanted = json!({"zbuddevices": [
        {"name": "/dev/zbud12", "density": null}, {"name": "/dev/zbud0", "density": null},
    ]});
    ensure!(json == wanted, "{json}");
    Ok(())
}

#[test]
fn without_disks_there_is_nothing_to_print() -> Result<(), Trouble> {
    let tree = Tree::new()?;
    tree.control()?;
    tree.disk(0)?;
    let ran = list(&tree, &[])?;
    ensure!(ran.code == Some(0) && ran.out.is_empty(), "{ran:?}");
    let json = list(&tree, &["--json"])?.json()?;
    ensure!(json == json!({"zbuddevices": []}), "{json}");
    Ok(())
}

#[test]
fn a_disk_that_is_not_there_is_an_error() -> Result<(), Trouble> {
    let tree = tree()?;
    list(&tree, &["zbud7"])?.failed(4, "ENODEV (there is no such disk")?;
    for bad in ["zram0", "7", "zbud", "/dev/sda", "zbud01"] {
        list(&tree, &[bad])?.failed(2, "a disk is /dev/zbudN")?;
    }
    list(&tree, &["-o", "streams"])?.failed(2, "no such column")
}

#[test]
fn files_with_garbage_are_named() -> Result<(), Trouble> {
    for (file, text) in [
        ("mm_stat", "1 2 3\n"),
        ("mm_stat", "1 2 3 4 5 6 7 x\n"),
        ("comp_algorithm", "lz4 zstd\n"),
        ("disksize", "-1\n"),
        ("node0/pages", "\n"),
        ("large_zpages", "1 2\n"),
        ("empty_pages", "-\n"),
        ("lost_zpages", "\n"),
    ] {
        let tree = tree()?;
        fs::write(tree.root.join("block/zbud1").join(file), text)?;
        list(&tree, &["--output-all"])?.failed(4, &format!("zbud1/{file} says '"))?;
    }
    Ok(())
}
