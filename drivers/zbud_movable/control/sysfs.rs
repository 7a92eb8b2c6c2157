// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/zbud_movable/`: counters and knobs, one value per file.
//! Documentation/ABI/testing/sysfs-kernel-zbud_movable describes each.

use super::requests::Requests;
use crate::linux::input;
use crate::linux::kobject::{whole_pages, Attribute, Dir, Directory, Parent, Shown, Value};
use crate::linux::node;
use crate::linux::node_list;
use crate::pool::counters::Counters;
use crate::pool::pool::Pool;
use crate::pool::pools::Pools;
use crate::zbud::{Nid, NodeBooks, NodeSet};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::Arc;

/// The state behind the files.
struct Control {
    pools: Arc<Pools>,
    requests: Arc<Requests>,
    /// Of some of the pools.
    owners: Arc<dyn Compact>,
}

/// Owners of zpages who can give them other names.
pub(crate) trait Compact: Send + Sync {
    /// Wins what can be won from their pools. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINTR` after a fatal signal.
    fn compact(&self) -> Result;
}

impl Control {
    fn counters(&self) -> &Counters {
        &self.pools.resources().counters
    }
}

/// How a file is read. Files in a node's directory are about that node.
#[derive(Clone, Copy)]
enum Read {
    Number(fn(&Control, Option<Nid>) -> u64),
    Text(fn(&Control) -> &'static str),
    Nodes(fn(&Control) -> NodeSet),
    Nothing,
}

/// How a file is written: with the words, of which there is at least one.
type Write = fn(&Control, [Option<&str>; 2]) -> Result;

/// How a file is read and written.
struct File {
    read: Read,
    write: Option<Write>,
}

type Attr = Attribute<File>;

const fn number(name: &'static core::ffi::CStr, read: fn(&Control, Option<Nid>) -> u64) -> Attr {
    file(name, 0o444, Read::Number(read), None)
}

const fn file(name: &'static core::ffi::CStr, mode: u16, read: Read, write: Option<Write>) -> Attr {
    Attribute::new(name, mode, File { read, write })
}

fn node_sum(control: &Control, nid: Option<Nid>, of: fn(&NodeBooks) -> u64) -> u64 {
    control.pools.sum(|pool| pool.figure(nid, of))
}

static PAGES: Attr = number(c"pages", |control, nid| {
    node_sum(control, nid, NodeBooks::pages)
});
static ZPAGES: Attr = number(c"zpages", |control, nid| {
    node_sum(control, nid, NodeBooks::zpages)
});
static UNBUDDIED_PAGES: Attr = number(c"unbuddied_pages", |control, nid| {
    node_sum(control, nid, NodeBooks::unbuddied_pages)
});
static EMPTY_PAGES: Attr = number(c"empty_pages", |control, nid| {
    node_sum(control, nid, NodeBooks::empty_pages)
});
static STORED_BYTES: Attr = number(c"stored_bytes", |control, _| {
    let bytes = |pool: &Pool| pool.with_books(|books| books.stored_bytes());
    whole_pages(control.pools.sum(bytes))
});
static LOST_ZPAGES: Attr = number(c"lost_zpages", |control, _| {
    control
        .pools
        .sum(|pool| pool.with_books(|books| books.lost_zpages()))
});
static MOVER: Attr = file(c"mover", 0o444, Read::Text(mover), None);
static MIGRATE: Attr = file(c"migrate", 0o200, Read::Nothing, Some(migrate));
static MEMS: Attr = file(c"mems", 0o644, Read::Nodes(mems), Some(set_mems));
static MEMS_EFFECTIVE: Attr = file(
    c"mems_effective",
    0o444,
    Read::Nodes(|control| control.pools.mems().effective()),
    None,
);
static MEMORY_MIGRATE: Attr = file(
    c"memory_migrate",
    0o644,
    Read::Number(|control, _| u64::from(control.requests.memory_migrate())),
    Some(set_memory_migrate),
);
static COMPACT: Attr = file(c"compact", 0o200, Read::Nothing, Some(compact));
static VERIFY: Attr = file(c"verify", 0o400, Read::Text(verify), None);
static MOVED_IN: Attr = number(c"moved_in", |control, nid| {
    nid.and_then(|nid| control.counters().node(nid))
        .map_or(0, |node| node.moved_in.get())
});
static MOVED_OUT: Attr = number(c"moved_out", |control, nid| {
    nid.and_then(|nid| control.counters().node(nid))
        .map_or(0, |node| node.moved_out.get())
});
static ISOLATED: Attr = number(c"isolated", |control, _| control.counters().isolated.get());
static ISOLATE_REFUSED: Attr = number(c"isolate_refused", |control, _| {
    control.counters().isolate_refused.get()
});
static MIGRATED: Attr = number(c"migrated", |control, _| control.counters().migrated.get());
static MIGRATE_BUSY: Attr = number(c"migrate_busy", |control, _| {
    control.counters().migrate_busy.get()
});
static USER_MOVED: Attr = number(c"user_moved", |control, _| {
    control.counters().user_moved.get()
});
static NOT_MOVED: Attr = number(c"not_moved", |control, _| control.requests.not_moved());
static PUTBACK: Attr = number(c"putback", |control, _| control.counters().putback.get());
static DEFERRED_FREES: Attr = number(c"deferred_frees", |control, _| {
    control.counters().deferred_frees.get()
});
static LOST_PAGES: Attr = number(c"lost_pages", |control, _| {
    control.counters().lost_pages.get()
});
static REPAIRED: Attr = number(c"repaired", |control, _| control.counters().repaired.get());
static GATHERED: Attr = number(c"gathered", |control, _| control.counters().gathered.get());
static ALLOC_FAILED: Attr = number(c"alloc_failed", |control, _| {
    control.counters().alloc_failed.get()
});

const ROOT: [&Attr; 13] = [
    &PAGES,
    &ZPAGES,
    &STORED_BYTES,
    &UNBUDDIED_PAGES,
    &EMPTY_PAGES,
    &LOST_ZPAGES,
    &MOVER,
    &MIGRATE,
    &MEMS,
    &MEMS_EFFECTIVE,
    &MEMORY_MIGRATE,
    &COMPACT,
    &VERIFY,
];
const NODE: [&Attr; 6] = [
    &PAGES,
    &ZPAGES,
    &UNBUDDIED_PAGES,
    &EMPTY_PAGES,
    &MOVED_IN,
    &MOVED_OUT,
];
const STATS: [&Attr; 12] = [
    &ISOLATED,
    &ISOLATE_REFUSED,
    &MIGRATED,
    &MIGRATE_BUSY,
    &USER_MOVED,
    &NOT_MOVED,
    &PUTBACK,
    &DEFERRED_FREES,
    &LOST_PAGES,
    &REPAIRED,
    &GATHERED,
    &ALLOC_FAILED,
];

fn mover(control: &Control) -> &'static str {
    control.pools.resources().mover.name()
}

fn mems(control: &Control) -> NodeSet {
    control.pools.mems().asked()
}

/// `<from> <to>`: migrate_pages(2), for the pools.
fn migrate(control: &Control, words: [Option<&str>; 2]) -> Result {
    let [Some(from), Some(to)] = words else {
        return Err(EINVAL);
    };
    let (from, to) = (node_list::parse(from)?, node_list::parse(to)?);
    control.requests.migrate(from, to)
}

/// `<nodes>`; `all` is every node, also those to come.
fn set_mems(control: &Control, words: [Option<&str>; 2]) -> Result {
    let [Some(word), None] = words else {
        return Err(EINVAL);
    };
    let nodes = node_list::parse(word)?;
    let nodes = (word != "all").then_some(nodes);
    control.requests.ask_mems(control.pools.mems(), nodes)
}

/// `0` or `1`.
fn set_memory_migrate(control: &Control, words: [Option<&str>; 2]) -> Result {
    let on = match words {
        [Some("0"), None] => false,
        [Some("1"), None] => true,
        _ => return Err(EINVAL),
    };
    control.requests.set_memory_migrate(on);
    Ok(())
}

/// `1`: wins memory back from all pools.
fn compact(control: &Control, words: [Option<&str>; 2]) -> Result {
    let [Some("1"), None] = words else {
        return Err(EINVAL);
    };
    control.owners.compact()?;
    control.pools.each(|pool| pool.compact())
}

/// Runs the validator over all pools; the log says what is wrong.
fn verify(control: &Control) -> &'static str {
    let mut shown = "ok";
    // Never fails.
    let _ = control.pools.each(|pool| {
        if let Err(violation) = pool.verify() {
            pr_err!("{}: violated: {violation:?}\n", pool.name());
            shown = "violated";
        }
        Ok(())
    });
    shown
}

/// A directory: the whole tree's, or that of a node.
struct About {
    control: Arc<Control>,
    nid: Option<Nid>,
}

impl Directory for About {
    type File = File;

    fn show(&self, file: &File, value: Value<'_>) -> Result<Shown> {
        let control = &*self.control;
        match file.read {
            Read::Number(read) => Ok(value.number(read(control, self.nid))),
            Read::Text(read) => Ok(value.text(read(control))),
            Read::Nodes(read) => Ok(value.nodes(&read(control))),
            Read::Nothing => Err(EIO),
        }
    }

    fn store(&self, file: &File, bytes: &[u8]) -> Result {
        let write = file.write.ok_or(EIO)?;
        write(&self.control, input::words(bytes)?)
    }
}

/// The whole tree. Fields are dropped in order: the root last.
pub(crate) struct Tree {
    _nodes: KVec<Dir<About>>,
    _stats: Dir<About>,
    _root: Dir<About>,
}

impl Tree {
    /// Shows counters and knobs of `pools`, of which `owners` have some. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EEXIST`.
    pub(crate) fn new(
        pools: Arc<Pools>,
        requests: Arc<Requests>,
        owners: Arc<dyn Compact>,
    ) -> Result<Self> {
        let control = Control {
            pools,
            requests,
            owners,
        };
        let control = Arc::new(control, GFP_KERNEL)?;
        let about = |nid| About {
            control: control.clone(),
            nid,
        };
        let name = kernel::c_str!("zbud_movable");
        let root = Dir::new(name, Parent::kernel()?, about(None), &ROOT)?;
        let name = kernel::c_str!("stats");
        let stats = Dir::new(name, root.parent(), about(None), &STATS)?;
        let mut nodes = KVec::new();
        for nid in node::possible() {
            let name = CString::try_from_fmt(format_args!("node{}", nid.0))?;
            let dir = Dir::new(&name, root.parent(), about(Some(nid)), &NODE)?;
            nodes.push(dir, GFP_KERNEL)?;
        }
        Ok(Self {
            _nodes: nodes,
            _stats: stats,
            _root: root,
        })
    }
}
