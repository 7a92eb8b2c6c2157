// SPDX-License-Identifier: GPL-2.0

//! `zbudctl status`: prints figures, knobs and counters.

use crate::error::Error;
use crate::exit::Exit;
use crate::figures::{Node, Pool, Total};
use crate::interrupt::Interrupts;
use crate::output::{on_off, Output, Reader};
use crate::sysfs::Sysfs;
use crate::table::{Table, LABEL};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

const MIB: f64 = 1_048_576.0;

/// The output of `status`.
#[derive(Serialize)]
struct Status {
    mover: String,
    mems: String,
    mems_effective: String,
    memory_migrate: bool,
    pool: Pool,
    density: Option<f64>,
    nodes: Vec<Node>,
    total: Total,
    stats: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Interval>,
}

/// The moves since the previous output.
#[derive(Serialize)]
struct Interval {
    seconds: f64,
    nodes: Vec<Moved>,
}

#[derive(Serialize)]
struct Moved {
    node: u32,
    moved_in: u64,
    moved_out: u64,
}

impl Status {
    fn read(sysfs: &Sysfs) -> Result<Self, Error> {
        let pool = Pool::read(sysfs)?;
        let with_memory = sysfs.has_memory()?;
        let mut nodes = Node::read_all(sysfs)?;
        // Kernels of distributions have directories for a thousand possible nodes.
        nodes.retain(|node| {
            let there = with_memory.as_ref().map(|nodes| nodes.contains(node.node));
            there.unwrap_or(true) || !node.is_untouched()
        });
        let mut stats = BTreeMap::new();
        for name in sysfs.module.files("stats")? {
            let number = sysfs.module.number(&format!("stats/{name}"))?;
            stats.insert(name, number);
        }
        Ok(Self {
            mover: sysfs.module.text("mover")?,
            mems: sysfs.module.text("mems")?,
            mems_effective: sysfs.module.text("mems_effective")?,
            memory_migrate: sysfs.module.switch("memory_migrate")?,
            pool,
            density: pool.density(),
            total: Total::of(&nodes),
            nodes,
            stats,
            interval: None,
        })
    }

    /// Adds the moves since `before`, which was read `ago`. A counter that went down is
    /// that of a module that was loaded anew.
    fn since(&mut self, before: &Self, ago: Duration) {
        let nodes = self.nodes.iter().map(|now| {
            let then = before.nodes.iter().find(|then| then.node == now.node);
            let (moved_in, moved_out) = then.map_or((0, 0), |then| (then.moved_in, then.moved_out));
            Moved {
                node: now.node,
                moved_in: now.moved_in.saturating_sub(moved_in),
                moved_out: now.moved_out.saturating_sub(moved_out),
            }
        });
        self.interval = Some(Interval {
            seconds: ago.as_secs_f64(),
            nodes: nodes.collect(),
        });
    }

    fn table(&self) -> Table {
        let mut table = Table::default();
        let mut row = |label, of: fn(&Node) -> u64, total: u128| {
            let cells = self.nodes.iter().map(|node| of(node).to_string());
            table.row(label, cells.chain([total.to_string()]));
        };
        let total = &self.total;
        row("pages", |node| node.pages, total.pages);
        row("zpages", |node| node.zpages, total.zpages);
        row(
            "unbuddied_pages",
            |node| node.unbuddied_pages,
            total.unbuddied_pages,
        );
        row("empty_pages", |node| node.empty_pages, total.empty_pages);
        row("moved_in", |node| node.moved_in, total.moved_in);
        row("moved_out", |node| node.moved_out, total.moved_out);
        if let Some(interval) = &self.interval {
            let mut row = |label, of: fn(&Moved) -> u64| {
                let total: u128 = interval.nodes.iter().map(|node| u128::from(of(node))).sum();
                let cells = interval.nodes.iter().map(|node| format!("+{}", of(node)));
                table.row(label, cells.chain([format!("+{total}")]));
            };
            row("  since last: moved_in", |node| node.moved_in);
            row("  since last: moved_out", |node| node.moved_out);
        }
        table
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.table();
        let names = self.nodes.iter().map(|node| format!("Node {}", node.node));
        table.head(names.chain(["Total".to_owned()]));
        if self.interval.is_some() {
            // The table before this one ends here.
            writeln!(f)?;
        }
        writeln!(f, "{table}")?;
        let mut line =
            |label: &str, value: &dyn fmt::Display| writeln!(f, "{label:<LABEL$}{value}");
        line("mover", &self.mover)?;
        line("mems", &self.mems)?;
        line("mems_effective", &self.mems_effective)?;
        line("memory_migrate", &on_off(self.memory_migrate))?;
        // CAST: for display, and exact up to 2^53 bytes.
        let stored = self.pool.stored_bytes as f64 / MIB;
        line("stored", &format_args!("{stored:.2} MiB"))?;
        match self.density {
            Some(density) => line("density", &format_args!("{density:.3}"))?,
            None => line("density", &"-")?,
        }
        line("lost_zpages", &self.pool.lost_zpages)?;
        for (name, number) in &self.stats {
            line(&format!("stats/{name}"), number)?;
        }
        Ok(())
    }
}

/// Prints once, or every `watch` until interrupted or until no one reads.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output, watch: Option<Duration>) -> Result<Exit, Error> {
    let mut status = Status::read(sysfs)?;
    let Some(interval) = watch else {
        output.say(&status)?;
        return Ok(Exit::Success);
    };
    let interrupts = Interrupts::new()?;
    let mut read_at = Instant::now();
    while output.say(&status)? == Reader::There && !interrupts.wait(interval) {
        let mut now = Status::read(sysfs)?;
        now.since(&status, read_at.elapsed());
        read_at = Instant::now();
        status = now;
    }
    Ok(Exit::Success)
}
