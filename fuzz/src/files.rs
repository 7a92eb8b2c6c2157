// SPDX-License-Identifier: GPL-2.0

//! The kernel's files, as zbudctl reads them: the input says which command runs, and what some
//! of the files have instead of what they should. After the first byte, which chooses the
//! command, each piece that ends with a byte 0xff is a file and its contents.

use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::size::Size;
use crate::sysfs::Sysfs;
use crate::{disk, map, mems, status};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What there is without an input: a pool on nodes 0 and 2, one disk, some memory.
const FILES: [(&str, &str); 58] = [
    (
        "before.json",
        r#"{"block_bytes":2097152,"pages":3,"nodes":[{"node":0,"pages":3,"memory":[{"start":0,"end":64,"online":true}],"blocks":[{"block":5,"pages":3}]}]}"#,
    ),
    ("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\n"),
    (
        "proc/swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/dev/zbud0 partition 4092 0 100\n",
    ),
    (
        "proc/self/mountinfo",
        "36 35 253:0 / /mnt/a\\040b rw shared:1 - ext4 /dev/zbud0 rw\n",
    ),
    ("sys/kernel/zbud_movable/pages", "100\n"),
    ("sys/kernel/zbud_movable/zpages", "160\n"),
    ("sys/kernel/zbud_movable/stored_bytes", "262144\n"),
    ("sys/kernel/zbud_movable/unbuddied_pages", "34\n"),
    ("sys/kernel/zbud_movable/empty_pages", "3\n"),
    ("sys/kernel/zbud_movable/lost_zpages", "6\n"),
    ("sys/kernel/zbud_movable/mover", "page_cache\n"),
    ("sys/kernel/zbud_movable/mems", "0,2,10\n"),
    ("sys/kernel/zbud_movable/mems_effective", "0,2\n"),
    ("sys/kernel/zbud_movable/memory_migrate", "0\n"),
    ("sys/kernel/zbud_movable/stats/isolated", "3\n"),
    ("sys/kernel/zbud_movable/stats/user_moved", "10\n"),
    ("sys/kernel/zbud_movable/node0/pages", "70\n"),
    ("sys/kernel/zbud_movable/node0/zpages", "110\n"),
    ("sys/kernel/zbud_movable/node0/unbuddied_pages", "26\n"),
    ("sys/kernel/zbud_movable/node0/empty_pages", "2\n"),
    ("sys/kernel/zbud_movable/node0/moved_in", "5\n"),
    ("sys/kernel/zbud_movable/node0/moved_out", "7\n"),
    ("sys/kernel/zbud_movable/node2/pages", "30\n"),
    ("sys/kernel/zbud_movable/node2/zpages", "50\n"),
    ("sys/kernel/zbud_movable/node2/unbuddied_pages", "8\n"),
    ("sys/kernel/zbud_movable/node2/empty_pages", "1\n"),
    ("sys/kernel/zbud_movable/node2/moved_in", "7\n"),
    ("sys/kernel/zbud_movable/node2/moved_out", "5\n"),
    (
        "sys/kernel/debug/zbud_movable/pools/zbud0/pages",
        "pfn nid first last pins\n512 0 1 2 0\n1025 2 64 0 1\n",
    ),
    ("sys/devices/system/node/has_memory", "0,2,10\n"),
    ("sys/devices/system/node/node0/memory0/x", ""),
    ("sys/devices/system/node/node0/memory1/x", ""),
    ("sys/devices/system/node/node2/memory2/x", ""),
    ("sys/devices/system/node/node2/memory7/x", ""),
    ("sys/devices/system/memory/block_size_bytes", "8000000\n"),
    ("sys/devices/system/memory/memory0/state", "online\n"),
    ("sys/devices/system/memory/memory1/state", "offline\n"),
    ("sys/devices/system/memory/memory2/state", "online\n"),
    ("sys/devices/system/memory/memory7/state", "going-offline\n"),
    ("sys/block/zbud0/disksize", "67108864\n"),
    ("sys/block/zbud0/initstate", "1\n"),
    ("sys/block/zbud0/comp_algorithm", "lz4 [lzo-rle] zstd\n"),
    ("sys/block/zbud0/algorithm_params", "level=3\n"),
    ("sys/block/zbud0/mem_limit", "0\n"),
    ("sys/block/zbud0/mm_stat", "1 2 3 4 5 6 7 8 9\n"),
    ("sys/block/zbud0/mems", "0,2,10\n"),
    ("sys/block/zbud0/pages", "100\n"),
    ("sys/block/zbud0/zpages", "160\n"),
    ("sys/block/zbud0/large_zpages", "1\n"),
    ("sys/block/zbud0/empty_pages", "3\n"),
    ("sys/block/zbud0/lost_zpages", "6\n"),
    ("sys/block/zbud0/node0/pages", "70\n"),
    ("sys/block/zbud0/node2/pages", "30\n"),
    ("sys/block/zbud1/disksize", "0\n"),
    ("sys/block/zbud1/initstate", "0\n"),
    ("sys/block/zbud1/comp_algorithm", "[lz4] lzo-rle zstd\n"),
    ("sys/block/zbud1/mm_stat", "0 0 0 0 0 0 0 0 0\n"),
    ("sys/block/zbud1/mems", "0\n"),
];

/// Directories whose entries zbudctl lists: a piece may add one that has the files of all kinds
/// of them.
const LISTED: [&str; 7] = [
    "sys/kernel/zbud_movable",
    "sys/kernel/debug/zbud_movable/pools",
    "sys/devices/system/node",
    "sys/devices/system/node/node0",
    "sys/devices/system/memory",
    "sys/block",
    "sys/block/zbud0",
];
/// What such an entry has.
const ENTRY: [(&str, &str); 3] = [
    ("pages", "pfn nid\n7 3\n"),
    ("state", "online\n"),
    ("disksize", "4096\n"),
];
/// One whose entries are files.
const COUNTERS: &str = "sys/kernel/zbud_movable/stats";

/// The command lines; BEFORE is a file of the tree.
const COMMANDS: [&[&str]; 11] = [
    &["status"],
    &["--json", "status"],
    &["mems"],
    &["map"],
    &["--json", "map"],
    &["map", "--svg"],
    &["map", "--before", "BEFORE"],
    &["map", "--svg", "--before", "BEFORE"],
    &["disk", "list", "--output-all"],
    &["--json", "disk", "list", "--output-all"],
    &["disk", "list", "zbud1", "--raw", "--bytes"],
];

/// The tree, below the directory for temporary files; the environment names it.
fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let top = std::env::temp_dir().join(format!("zbudctl-{}", std::process::id()));
        for (name, text) in FILES {
            write(&top.join(name), text.as_bytes());
        }
        for (name, at) in [("SYSFS", "sys"), ("PROC", "proc"), ("DEV", "dev")] {
            std::env::set_var(format!("ZBUDCTL_{name}"), top.join(at));
        }
        top
    })
}

fn write(path: &Path, contents: &[u8]) {
    let done = path.parent().map_or(Ok(()), fs::create_dir_all);
    let done = done.and_then(|()| fs::write(path, contents));
    assert!(done.is_ok(), "{}: {done:?}", path.display());
}

/// What a piece has changed.
enum Changed {
    File(&'static str, &'static str),
    Entry(PathBuf),
}

impl Changed {
    /// Does what a piece says; `None` if it is none.
    fn new(piece: &[u8]) -> Option<Self> {
        let (&kind, rest) = piece.split_first()?;
        let kind = usize::from(kind) % (FILES.len() + LISTED.len() + 1);
        if let Some(&(name, text)) = FILES.get(kind) {
            write(&tree().join(name), rest);
            return Some(Self::File(name, text));
        }
        let name = std::str::from_utf8(rest).ok()?;
        let simple = !name.contains(['/', '\0']) && !["", ".", ".."].contains(&name);
        let at = LISTED.get(kind - FILES.len());
        let path = tree().join(at.unwrap_or(&COUNTERS)).join(name);
        if !simple || name.len() > 100 || path.exists() {
            return None;
        }
        match at {
            Some(_) => ENTRY
                .iter()
                .for_each(|(file, text)| write(&path.join(file), text.as_bytes())),
            None => write(&path, b"1\n"),
        }
        Some(Self::Entry(path))
    }

    /// Makes it what it was.
    fn undo(self) {
        match self {
            Self::File(name, text) => write(&tree().join(name), text.as_bytes()),
            Self::Entry(path) => {
                let done = if path.is_dir() {
                    fs::remove_dir_all(&path)
                } else {
                    fs::remove_file(&path)
                };
                assert!(done.is_ok(), "{}: {done:?}", path.display());
            }
        }
    }
}

/// Runs the command that `data` names, on the files that it has.
pub fn run(data: &[u8]) {
    let Some((&command, rest)) = data.split_first() else {
        return;
    };
    let pieces = rest.split(|&byte| byte == 0xff);
    let changed: Vec<_> = pieces.filter_map(Changed::new).collect();
    // The command, or how much a part of the memory is
    match COMMANDS.get(usize::from(command) % (COMMANDS.len() + 1)) {
        Some(words) => judge(perform(words)),
        None => judge(Size::Percent(u64::from(command)).bytes()),
    }
    changed.into_iter().rev().for_each(Changed::undo);
}

fn perform(words: &[&str]) -> Result<Exit, Error> {
    let before = tree().join("before.json");
    let before = before.to_string_lossy();
    let words = words.iter().map(|word| match *word {
        "BEFORE" => before.as_ref(),
        word => word,
    });
    let cli = Cli::try_parse_from(["zbudctl"].into_iter().chain(words));
    let cli = cli.map_err(|error| Error::Usage(error.to_string()))?;
    let (sysfs, output) = (Sysfs::from_env(), Output::new(cli.json));
    match &cli.command {
        Command::Status { watch } => status::run(&sysfs, output, *watch),
        Command::Mems(args) => mems::run(&sysfs, output, args),
        Command::Map(args) => map::run(&sysfs, output, args),
        Command::Disk { command } => disk::run(&sysfs, output, command),
        _ => Err(Error::Usage("not a command for files".to_owned())),
    }
}

/// An error is about a file, and one short line that a terminal shows as it is.
fn judge<T>(done: Result<T, Error>) {
    let Err(error) = done else { return };
    let text = error.to_string();
    assert!(
        matches!(error, Error::Os { .. } | Error::Format { .. }),
        "{text}"
    );
    assert!(text.len() < 1000, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(serde_json::to_string(&error).is_ok(), "{text}");
}
