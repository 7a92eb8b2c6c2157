// SPDX-License-Identifier: GPL-2.0

//! Shared by the tests of `zbudctl`: a fake sysfs, and running the tool on it.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(unused_macros, reason = "likewise")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Why a test fails.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;
/// Longer than anything that a test waits for.
pub const LONG: Duration = Duration::from_secs(120);

/// Fails the test unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(format!($($why)+).into());
        }
    };
}

/// A directory that looks like /sys. It is deleted when this value is dropped.
pub struct Tree {
    /// Where it is.
    pub root: PathBuf,
}

impl Tree {
    /// A pool on nodes 0 and 2 whose figures add up. Node 10 has memory but no pages;
    /// node 3 is possible, but has no memory.
    pub fn new() -> Result<Self, Trouble> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "sys-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let tree = Self {
            root: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
        };
        fs::create_dir_all(tree.root.join("devices/system/node"))?;
        fs::write(tree.root.join("devices/system/node/has_memory"), "0,2,10\n")?;
        for (node, figures) in [
            ("node10", [0, 0, 0, 0, 0, 0]),
            ("node2", [30, 50, 8, 1, 7, 5]),
            ("node3", [0, 0, 0, 0, 0, 0]),
            ("node0", [70, 110, 26, 2, 5, 7]),
        ] {
            let names = [
                "pages",
                "zpages",
                "unbuddied_pages",
                "empty_pages",
                "moved_in",
                "moved_out",
            ];
            for (name, figure) in names.iter().zip(figures) {
                tree.set(&format!("{node}/{name}"), &format!("{figure}\n"))?;
            }
        }
        for (name, text) in [
            ("pages", "100\n"),
            ("zpages", "160\n"),
            ("stored_bytes", "262144\n"),
            ("unbuddied_pages", "34\n"),
            ("empty_pages", "3\n"),
            ("lost_zpages", "6\n"),
            ("mover", "page_cache\n"),
            ("mems", "0,2,10\n"),
            ("mems_effective", "0,2\n"),
            ("memory_migrate", "0\n"),
            ("migrate", ""),
            ("verify", "ok\n"),
            ("stats/isolated", "3\n"),
            ("stats/user_moved", "10\n"),
            ("stats/not_moved", "0\n"),
        ] {
            tree.set(name, text)?;
        }
        Ok(tree)
    }

    /// Adds a disk without a size, which stores nothing, to /sys/block.
    pub fn disk(&self, number: u32) -> Result<PathBuf, Trouble> {
        let dir = self.root.join(format!("block/zbud{number}"));
        fs::create_dir_all(dir.join("node0"))?;
        fs::create_dir_all(dir.join("node2"))?;
        for (name, text) in [
            ("disksize", "0\n"),
            ("initstate", "0\n"),
            ("reset", ""),
            ("comp_algorithm", "lz4 [lzo-rle] zstd\n"),
            ("algorithm_params", ""),
            ("mem_limit", ""),
            ("mm_stat", "0 0 0 0 0 0 0 0 0\n"),
            ("mems", "0,2,10\n"),
            ("pages", "0\n"),
            ("zpages", "0\n"),
            ("large_zpages", "0\n"),
            ("empty_pages", "0\n"),
            ("lost_zpages", "0\n"),
            ("node0/pages", "0\n"),
            ("node2/pages", "0\n"),
        ] {
            fs::write(dir.join(name), text)?;
        }
        Ok(dir)
    }

    /// Adds /sys/class/zbud-control, and an empty /proc and /dev of its own, which `alone`
    /// has the tool use. No disk can be added yet.
    pub fn control(&self) -> Result<PathBuf, Trouble> {
        let control = self.root.join("class/zbud-control");
        for dir in ["class/zbud-control", "block", "proc/self", "dev", "bin"] {
            fs::create_dir_all(self.root.join(dir))?;
        }
        fs::write(control.join("hot_remove"), "")?;
        fs::write(
            self.root.join("proc/swaps"),
            "Filename Type Size Used Priority\n",
        )?;
        fs::write(self.root.join("proc/self/mountinfo"), "")?;
        fs::write(
            self.root.join("proc/meminfo"),
            "MemTotal:  1000 kB\nMemFree: 1 kB\n",
        )?;
        Ok(control)
    }

    /// The tool on this tree's own /proc and /dev, and on the programs in its bin.
    pub fn alone(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("ZBUDCTL_PROC", self.root.join("proc"));
        command.env("ZBUDCTL_DEV", self.root.join("dev"));
        command.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.root.join("bin").display()),
        );
        command
    }

    /// Adds a program that appends its name and arguments to the file "log", and then does
    /// what `script` says.
    pub fn program(&self, name: &str, script: &str) -> Result<(), Trouble> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.join("bin").join(name);
        let log = self.root.join("log");
        let text = format!(
            "#!/bin/sh\necho {name} \"$@\" >>{}\n{script}\n",
            log.display()
        );
        fs::write(&path, text)?;
        Ok(fs::set_permissions(
            path,
            fs::Permissions::from_mode(0o755),
        )?)
    }

    /// The path of a file of the module.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join("kernel/zbud_movable").join(name)
    }

    /// Replaces the contents of a file in one step: files of sysfs are never empty in
    /// between.
    pub fn set(&self, name: &str, text: &str) -> Result<(), Trouble> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let fresh = self.root.join("fresh");
        fs::write(&fresh, text)?;
        Ok(fs::rename(fresh, path)?)
    }

    /// The contents of a file.
    pub fn get(&self, name: &str) -> Result<String, Trouble> {
        Ok(fs::read_to_string(self.path(name))?)
    }

    /// Replaces a file by a symbolic link.
    pub fn link(&self, name: &str, to: &str) -> Result<(), Trouble> {
        fs::remove_file(self.path(name))?;
        Ok(std::os::unix::fs::symlink(to, self.path(name))?)
    }

    /// Replaces a file by a FIFO: its reader and its writer wait for each other.
    pub fn fifo(&self, name: &str) -> Result<PathBuf, Trouble> {
        let path = self.path(name);
        fs::remove_file(&path)?;
        let made = Command::new("mkfifo").arg(&path).status()?;
        ensure!(made.success(), "mkfifo failed");
        Ok(path)
    }

    /// Acts as the kernel for one request: accepts a write to `knob`; `user_moved` is 10
    /// before and `after` after it. Sends the text that was written.
    pub fn kernel(&self, knob: &str, after: &'static str) -> Result<Receiver<String>, Trouble> {
        let moved = self.fifo("stats/user_moved")?;
        let knob = self.fifo(knob)?;
        let (tell, told) = channel();
        thread::spawn(move || -> Result<(), Trouble> {
            fs::write(&moved, "10\n")?;
            let written = fs::read_to_string(&knob)?;
            // It is read back.
            fs::remove_file(&knob)?;
            fs::write(&knob, "0-1\n")?;
            fs::write(&moved, after)?;
            Ok(tell.send(written)?)
        });
        Ok(told)
    }

    /// The tool, ready to run on this tree.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zbudctl"));
        command.args(args).env("ZBUDCTL_SYSFS", &self.root);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the tool.
    pub fn run(&self, args: &[&str]) -> Result<Ran, Trouble> {
        finish(self.command(args).spawn()?)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

/// The tool's exit status and output.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; `None` if a signal ended the tool.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Its output as one line of JSON.
    pub fn json(&self) -> Result<Value, Trouble> {
        ensure!(
            self.out.ends_with('\n') && self.out.lines().count() == 1,
            "not one line: {self:?}"
        );
        Ok(serde_json::from_str(&self.out)?)
    }

    /// Fails unless the tool failed with this status and a message with this text.
    pub fn failed(&self, code: i32, with: &str) -> Result<(), Trouble> {
        ensure!(self.code == Some(code), "not status {code}: {self:?}");
        ensure!(self.out.is_empty(), "output: {self:?}");
        ensure!(
            self.err.starts_with("zbudctl: ") && self.err.contains(with),
            "no '{with}': {self:?}"
        );
        Ok(())
    }
}

/// Waits for the end of the tool.
pub fn finish(mut child: Child) -> Result<Ran, Trouble> {
    let start = Instant::now();
    // The output fits into a pipe.
    while child.try_wait()?.is_none() {
        if start.elapsed() > LONG {
            child.kill()?;
            return Err(format!("it hangs: {:?}", child.wait_with_output()?).into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// Sends a signal once the process handles it.
pub fn signal(child: &Child, name: &str, number: u8) -> Result<(), Trouble> {
    let start = Instant::now();
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.ok_or("no SigCgt")?.trim(), 16)?;
        // Bit 0 is signal 1.
        if ((caught << 1) >> number) & 1 == 1 {
            break;
        }
        ensure!(start.elapsed() < LONG, "SIG{name} is not handled: {status}");
        thread::sleep(Duration::from_millis(2));
    }
    let script = format!("kill -{name} {}", child.id());
    let sent = Command::new("sh").args(["-c", &script]).status()?;
    ensure!(sent.success(), "kill failed");
    Ok(())
}
