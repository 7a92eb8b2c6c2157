// SPDX-License-Identifier: GPL-2.0

//! `/sys/block/<name>/`: the files of a disk.
//! Documentation/ABI/testing/sysfs-block-zbud describes each.

use super::compress::{Algorithm, Choice};
use super::device::{Disk, State};
use super::stats::{Count, Stats};
use super::store::Store;
use crate::linux::disk::Attribute;
use crate::linux::input;
use crate::linux::kobject::{self, whole_pages, Directory, Shown, Value};
use crate::linux::node_list;
use crate::pool::pool::Pool;
use crate::zbud::{Nid, NodeBooks, NodeSet, PAGE_SHIFT, PAGE_SIZE};
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::Arc;

/// How a file is read.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    Number(fn(&Disk, &State) -> u64),
    Text(fn(&Disk, &State) -> Result<CString>),
    Nodes(fn(&Disk) -> NodeSet),
    Nothing,
}

/// How a file is written.
type Write = fn(&Disk, &[u8]) -> Result;

/// How a file is read and written.
pub(crate) struct File {
    read: Read,
    write: Option<Write>,
}

type Attr = Attribute<Disk>;

const fn file(name: &'static core::ffi::CStr, read: Read, write: Option<Write>) -> Attr {
    let mode = match (read, write) {
        (Read::Nothing, _) => 0o200,
        (_, Some(_)) => 0o644,
        (_, None) => 0o444,
    };
    Attribute::new(name, mode, File { read, write })
}

const fn number(name: &'static core::ffi::CStr, read: fn(&Disk, &State) -> u64) -> Attr {
    file(name, Read::Number(read), None)
}

static DISKSIZE: Attr = file(
    c"disksize",
    Read::Number(|_, state| {
        let blocks = state.store().map_or(0, Store::blocks);
        blocks.saturating_mul(PAGE_SIZE as u64)
    }),
    Some(|disk, bytes| disk.initialise(input::size(word(bytes)?)?)),
);
static INITSTATE: Attr = number(c"initstate", |_, state| u64::from(state.store().is_some()));
static RESET: Attr = file(
    c"reset",
    Read::Nothing,
    Some(|disk, bytes| match input::number(word(bytes)?)? {
        0 => Err(EINVAL),
        _ => disk.reset(),
    }),
);
static COMP_ALGORITHM: Attr = file(
    c"comp_algorithm",
    Read::Text(|_, state| {
        let all = Algorithm::ALL;
        CString::try_from_fmt(format_args!("{}", Choices(all, state.choice.algorithm)))
    }),
    Some(|disk, bytes| {
        let choice = Choice::of(Algorithm::named(word(bytes)?)?);
        choose(disk, |_| Ok(choice))
    }),
);
static ALGORITHM_PARAMS: Attr = file(c"algorithm_params", Read::Nothing, Some(set_params));
static MEM_LIMIT: Attr = file(
    c"mem_limit",
    Read::Nothing,
    Some(|disk, bytes| {
        let pages = input::size(word(bytes)?)?.div_ceil(PAGE_SIZE as u64);
        let state = disk.state.lock();
        disk.knobs.mem_limit.store(pages, Ordering::Relaxed);
        if let Some(store) = state.store() {
            store.limit_has_changed();
        }
        Ok(())
    }),
);
static MEM_USED_MAX: Attr = file(
    c"mem_used_max",
    Read::Nothing,
    Some(|disk, bytes| {
        if input::number(word(bytes)?)? != 0 {
            return Err(EINVAL);
        }
        if let Some(store) = disk.state.lock().store() {
            store.stats.pages_max.set(store.pool().pages());
        }
        Ok(())
    }),
);
static RAW_THRESHOLD: Attr = file(
    c"raw_threshold",
    Read::Number(|disk, _| disk.knobs.raw_threshold.load(Ordering::Relaxed) as u64),
    Some(|disk, bytes| {
        let bytes = input::number(word(bytes)?)?;
        let threshold = usize::try_from(bytes).map_err(|_| EINVAL)?;
        if threshold > PAGE_SIZE {
            return Err(EINVAL);
        }
        disk.knobs.raw_threshold.store(threshold, Ordering::Relaxed);
        Ok(())
    }),
);
static RAW_LIMIT: Attr = file(
    c"raw_limit",
    Read::Text(
        |disk, _| match disk.knobs.raw_limit.load(Ordering::Relaxed) {
            u64::MAX => CString::try_from_fmt(format_args!("max")),
            pages => CString::try_from_fmt(format_args!("{}", bytes_of(pages))),
        },
    ),
    Some(|disk, bytes| {
        let pages = match word(bytes)? {
            "max" => u64::MAX,
            size => input::size(size)?.div_ceil(PAGE_SIZE as u64),
        };
        disk.knobs.raw_limit.store(pages, Ordering::Relaxed);
        Ok(())
    }),
);
static COMPACT: Attr = file(
    c"compact",
    Read::Nothing,
    Some(|disk, bytes| {
        if word(bytes)? != "1" {
            return Err(EINVAL);
        }
        disk.compact()
    }),
);
static MM_STAT: Attr = file(c"mm_stat", Read::Text(mm_stat), None);
static IO_STAT: Attr = file(c"io_stat", Read::Text(io_stat), None);
static DEBUG_STAT: Attr = file(
    c"debug_stat",
    Read::Text(|_, _| CString::try_from_fmt(format_args!("version: 1\n{:8} {:8}", 0, 0))),
    None,
);
static LARGE_ZPAGES: Attr = number(c"large_zpages", |_, state| {
    stat(state, |stats| &stats.large).saturating_add(stat(state, |stats| &stats.raw))
});
static MEMS: Attr = file(
    c"mems",
    Read::Nodes(|disk| disk.mems().asked()),
    Some(|disk, bytes| {
        let word = word(bytes)?;
        let nodes = node_list::parse(word)?;
        disk.ask_mems((word != "all").then_some(nodes))
    }),
);
static MEMS_EFFECTIVE: Attr = file(
    c"mems_effective",
    Read::Nodes(|disk| disk.mems().effective()),
    None,
);
static PAGES: Attr = number(c"pages", |_, state| figure(state, None, NodeBooks::pages));
static ZPAGES: Attr = number(c"zpages", |_, state| figure(state, None, NodeBooks::zpages));
static UNBUDDIED_PAGES: Attr = number(c"unbuddied_pages", |_, state| {
    figure(state, None, NodeBooks::unbuddied_pages)
});
static EMPTY_PAGES: Attr = number(c"empty_pages", |_, state| {
    figure(state, None, NodeBooks::empty_pages)
});
static LOST_ZPAGES: Attr = number(c"lost_zpages", |_, state| {
    let lost = |pool: &Pool| pool.with_books(|books| books.lost_zpages());
    state.store().map_or(0, |store| lost(&store.pool()))
});
static STORED_BYTES: Attr = number(c"stored_bytes", |_, state| stored_bytes(state));

/// All files of a disk.
pub(super) const FILES: [&Attr; 22] = [
    &DISKSIZE,
    &INITSTATE,
    &RESET,
    &COMP_ALGORITHM,
    &ALGORITHM_PARAMS,
    &MEM_LIMIT,
    &MEM_USED_MAX,
    &RAW_THRESHOLD,
    &RAW_LIMIT,
    &COMPACT,
    &MM_STAT,
    &IO_STAT,
    &DEBUG_STAT,
    &LARGE_ZPAGES,
    &MEMS,
    &MEMS_EFFECTIVE,
    &PAGES,
    &ZPAGES,
    &UNBUDDIED_PAGES,
    &EMPTY_PAGES,
    &STORED_BYTES,
    &LOST_ZPAGES,
];

/// The only word that was written.
fn word(bytes: &[u8]) -> Result<&str> {
    let [Some(word)] = input::words::<1>(bytes)? else {
        return Err(EINVAL);
    };
    Ok(word)
}

/// All algorithms, one of them in brackets.
struct Choices(&'static [Algorithm], Algorithm);

impl core::fmt::Display for Choices {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            if *one == self.1 {
                write!(out, "{gap}[{}]", one.name())?;
            } else {
                write!(out, "{gap}{}", one.name())?;
            }
        }
        Ok(())
    }
}

/// Changes the algorithm of a disk that is not initialised.
fn choose(disk: &Disk, change: impl FnOnce(Choice) -> Result<Choice>) -> Result {
    let mut state = disk.state.lock();
    if state.store().is_some() {
        return Err(EBUSY);
    }
    state.choice = change(state.choice)?;
    Ok(())
}

/// `[algo=<name>] [level=<n>]`, and zram's `priority=0`.
fn set_params(disk: &Disk, bytes: &[u8]) -> Result {
    let (mut algorithm, mut level) = (None, None);
    for word in input::words::<3>(bytes)?.into_iter().flatten() {
        match word.split_once('=').ok_or(EINVAL)? {
            ("algo", name) => algorithm = Some(Algorithm::named(name)?),
            ("level", value) => level = Some(value.parse::<i32>().map_err(|_| EINVAL)?),
            ("priority", "0") => {}
            _ => return Err(EINVAL),
        }
    }
    choose(disk, |choice| {
        let choice = algorithm.map_or(choice, Choice::of);
        level.map_or(Ok(choice), |level| choice.with_level(level))
    })
}

fn bytes_of(pages: u64) -> u64 {
    pages.saturating_mul(1 << PAGE_SHIFT)
}

fn stat(state: &State, of: fn(&Stats) -> &Count) -> u64 {
    state.store().map_or(0, |store| of(&store.stats).get())
}

/// A figure of node `nid`, or the sum over all nodes.
fn figure(state: &State, nid: Option<Nid>, of: fn(&NodeBooks) -> u64) -> u64 {
    let store = state.store();
    store.map_or(0, |store| store.pool().figure(nid, of))
}

fn stored_bytes(state: &State) -> u64 {
    let bytes = |pool: &Pool| pool.with_books(|books| books.stored_bytes());
    whole_pages(state.store().map_or(0, |store| bytes(&store.pool())))
}

fn mm_stat(disk: &Disk, state: &State) -> Result<CString> {
    let same = stat(state, |stats| &stats.same);
    let zpages = figure(state, None, NodeBooks::zpages);
    CString::try_from_fmt(format_args!(
        "{:8} {:8} {:8} {:8} {:8} {:8} {:8} {:8} {:8}",
        bytes_of(zpages.saturating_add(same)),
        stored_bytes(state),
        bytes_of(figure(state, None, NodeBooks::pages)),
        bytes_of(disk.knobs.mem_limit.load(Ordering::Relaxed)),
        bytes_of(stat(state, |stats| &stats.pages_max)),
        same,
        state.store().map_or(0, |store| store.pool().pages_won()),
        stat(state, |stats| &stats.raw),
        stat(state, |stats| &stats.raw_since),
    ))
}

fn io_stat(_: &Disk, state: &State) -> Result<CString> {
    CString::try_from_fmt(format_args!(
        "{:8} {:8} {:8} {:8}",
        stat(state, |stats| &stats.failed_reads),
        stat(state, |stats| &stats.failed_writes),
        0,
        stat(state, |stats| &stats.notify_free),
    ))
}

impl Directory for Disk {
    type File = File;

    fn show(&self, file: &File, value: Value<'_>) -> Result<Shown> {
        let state = self.state.lock();
        match file.read {
            Read::Number(read) => Ok(value.number(read(self, &state))),
            Read::Text(read) => Ok(value.text(read(self, &state)?.to_str()?)),
            Read::Nodes(read) => Ok(value.nodes(&read(self))),
            Read::Nothing => Err(EIO),
        }
    }

    fn store(&self, file: &File, bytes: &[u8]) -> Result {
        file.write.ok_or(EIO)?(self, bytes)
    }
}

/// The directory of a node, in that of a disk.
pub(super) struct OnNode {
    pub(super) disk: Arc<Disk>,
    pub(super) nid: Nid,
}

type NodeAttr = kobject::Attribute<fn(&NodeBooks) -> u64>;

static NODE_PAGES: NodeAttr = kobject::Attribute::new(c"pages", 0o444, NodeBooks::pages);
static NODE_ZPAGES: NodeAttr = kobject::Attribute::new(c"zpages", 0o444, NodeBooks::zpages);
static NODE_UNBUDDIED_PAGES: NodeAttr =
    kobject::Attribute::new(c"unbuddied_pages", 0o444, NodeBooks::unbuddied_pages);
static NODE_EMPTY_PAGES: NodeAttr =
    kobject::Attribute::new(c"empty_pages", 0o444, NodeBooks::empty_pages);

/// All files about a node.
pub(super) const NODE_FILES: [&NodeAttr; 4] = [
    &NODE_PAGES,
    &NODE_ZPAGES,
    &NODE_UNBUDDIED_PAGES,
    &NODE_EMPTY_PAGES,
];

impl Directory for OnNode {
    type File = fn(&NodeBooks) -> u64;

    fn show(&self, of: &Self::File, value: Value<'_>) -> Result<Shown> {
        let state = self.disk.state.lock();
        Ok(value.number(figure(&state, Some(self.nid), *of)))
    }

    fn store(&self, _: &Self::File, _: &[u8]) -> Result {
        Err(EIO)
    }
}
