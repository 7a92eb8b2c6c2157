// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/zbud_movable/`: counters and knobs, one value per file.
//! Documentation/ABI/testing/sysfs-kernel-zbud_movable describes each.

use crate::bindings;
use crate::compat::{with_show, with_store};
use crate::input;
use crate::migrate::Request;
use crate::node_list;
use crate::state::{self, State};
use crate::stats::EVENTS;
use crate::zbud::{Nid, NodeLists, NodeSet, Remap, PAGE_SIZE};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::str::CString;

/// What a file says. Files in a node's directory are about that node.
#[derive(Clone, Copy)]
enum Read {
    Number(fn(&State, Option<Nid>) -> u64),
    Text(fn(&State) -> &'static str),
    Nodes(fn(&State) -> NodeSet),
    Nothing,
}

/// What a file does with what is written to it: the words, of which there is one
/// at least.
type Write = fn(&State, [Option<&str>; 2]) -> Result;

/// One file: `attr` is what sysfs sees, `read` makes the value, `write` takes it.
#[repr(C)]
struct Value {
    attr: bindings::kobj_attribute,
    read: Read,
    write: Option<Write>,
}

// SAFETY: Never changed; the pointers in it are to static strings.
unsafe impl Sync for Value {}

impl Value {
    const fn new(name: &'static core::ffi::CStr, read: fn(&State, Option<Nid>) -> u64) -> Self {
        Self::of(name, 0o444, Read::Number(read), None)
    }

    const fn of(
        name: &'static core::ffi::CStr,
        mode: u16,
        read: Read,
        write: Option<Write>,
    ) -> Self {
        let mut attr = bindings::kobj_attribute::empty();
        attr.attr.name = name.as_ptr().cast();
        attr.attr.mode = mode;
        Self {
            attr: with_store(with_show(attr, show), store),
            read,
            write,
        }
    }
}

fn node_sum(state: &State, nid: Option<Nid>, of: fn(&NodeLists) -> u64) -> u64 {
    state.sum(|pool| {
        pool.with_locked(|locked, _| {
            locked
                .lists
                .nodes()
                .iter()
                .enumerate()
                .filter(|(index, _)| nid.map_or(true, |nid| usize::from(nid.0) == *index))
                .fold(0_u64, |sum, (_, node)| sum.wrapping_add(of(node)))
        })
    })
}

static PAGES: Value = Value::new(c"pages", |state, nid| {
    node_sum(state, nid, NodeLists::pages)
});
static ZPAGES: Value = Value::new(c"zpages", |state, nid| {
    node_sum(state, nid, NodeLists::zpages)
});
static UNBUDDIED_PAGES: Value = Value::new(c"unbuddied_pages", |state, nid| {
    node_sum(state, nid, NodeLists::unbuddied_pages)
});
static MOVER: Value = Value::of(
    c"mover",
    0o444,
    Read::Text(|state| state.mover().name()),
    None,
);
static MIGRATE: Value = Value::of(c"migrate", 0o200, Read::Nothing, Some(migrate));
static MEMS: Value = Value::of(
    c"mems",
    0o644,
    Read::Nodes(|state| state.mems().asked()),
    Some(set_mems),
);
static MEMS_EFFECTIVE: Value = Value::of(
    c"mems_effective",
    0o444,
    Read::Nodes(|state| state.mems().effective()),
    None,
);
static MEMORY_MIGRATE: Value = Value::of(
    c"memory_migrate",
    0o644,
    Read::Number(|state, _| u64::from(state.memory_migrate().load(Ordering::Relaxed))),
    Some(set_memory_migrate),
);
static VERIFY: Value = Value::of(c"verify", 0o400, Read::Text(verify), None);
static STORED_BYTES: Value = Value::new(c"stored_bytes", |state, _| {
    state.sum(|pool| pool.with_locked(|locked, _| locked.lists.stored_bytes()))
});
static MOVED_IN: Value = Value::new(c"moved_in", |state, nid| {
    nid.and_then(|nid| state.moves().node(nid))
        .map_or(0, |node| node.moved_in.get())
});
static MOVED_OUT: Value = Value::new(c"moved_out", |state, nid| {
    nid.and_then(|nid| state.moves().node(nid))
        .map_or(0, |node| node.moved_out.get())
});
static ISOLATED: Value = Value::new(c"isolated", |_, _| EVENTS.isolated.get());
static ISOLATE_REFUSED: Value = Value::new(c"isolate_refused", |_, _| EVENTS.isolate_refused.get());
static MIGRATED: Value = Value::new(c"migrated", |_, _| EVENTS.migrated.get());
static MIGRATE_BUSY: Value = Value::new(c"migrate_busy", |_, _| EVENTS.migrate_busy.get());
static USER_MOVED: Value = Value::new(c"user_moved", |_, _| EVENTS.user_moved.get());
static NOT_MOVED: Value = Value::new(c"not_moved", |state, _| state.requests().not_moved());
static PUTBACK: Value = Value::new(c"putback", |_, _| EVENTS.putback.get());
static DEFERRED_FREES: Value = Value::new(c"deferred_frees", |_, _| EVENTS.deferred_frees.get());
static ALLOC_FAILED: Value = Value::new(c"alloc_failed", |_, _| EVENTS.alloc_failed.get());

const ROOT: [&Value; 10] = [
    &PAGES,
    &ZPAGES,
    &STORED_BYTES,
    &UNBUDDIED_PAGES,
    &MOVER,
    &MIGRATE,
    &MEMS,
    &MEMS_EFFECTIVE,
    &MEMORY_MIGRATE,
    &VERIFY,
];
const NODE: [&Value; 5] = [&PAGES, &ZPAGES, &UNBUDDIED_PAGES, &MOVED_IN, &MOVED_OUT];
const STATS: [&Value; 9] = [
    &ISOLATED,
    &ISOLATE_REFUSED,
    &MIGRATED,
    &MIGRATE_BUSY,
    &USER_MOVED,
    &NOT_MOVED,
    &PUTBACK,
    &DEFERRED_FREES,
    &ALLOC_FAILED,
];

/// `<from> <to>`: migrate_pages(2), for the pools.
fn migrate(state: &State, words: [Option<&str>; 2]) -> Result {
    let [Some(from), Some(to)] = words else {
        return Err(EINVAL);
    };
    let remap = Remap::new(node_list::parse(from)?, node_list::parse(to)?);
    Request::new(state)?.run(&remap)
}

/// `<nodes>`; `all` is what there is, and what will be.
fn set_mems(state: &State, words: [Option<&str>; 2]) -> Result {
    let [Some(word), None] = words else {
        return Err(EINVAL);
    };
    let nodes = node_list::parse(word)?;
    let request = if state.memory_migrate().load(Ordering::Relaxed) {
        Some(Request::new(state)?)
    } else {
        None
    };
    let change = state.ask_mems((word != "all").then_some(nodes));
    let Some(request) = request else {
        return Ok(());
    };
    let all = node_list::with_memory();
    request.run(&Remap::allowed(change.from, change.to, &all))
}

/// `0` or `1`.
fn set_memory_migrate(state: &State, words: [Option<&str>; 2]) -> Result {
    let on = match words {
        [Some("0"), None] => false,
        [Some("1"), None] => true,
        _ => return Err(EINVAL),
    };
    state.memory_migrate().store(on, Ordering::Relaxed);
    Ok(())
}

/// Runs the validator over all pools; the log says what is wrong.
fn verify(state: &State) -> &'static str {
    let wrong = state.sum(|pool| {
        let verified = pool.verify();
        u64::from(
            verified
                .inspect_err(|violation| pr_err!("{}: violated: {violation:?}\n", pool.name()))
                .is_err(),
        )
    });
    if wrong == 0 {
        "ok"
    } else {
        "violated"
    }
}

/// The node that a directory named `nodeN` is about.
///
/// # Safety
///
/// `kobj` is a directory of ours.
unsafe fn node_of(kobj: *mut bindings::kobject) -> Option<Nid> {
    // SAFETY: By the safety requirements; the name stays as long as the directory.
    let name = unsafe { CStr::from_char_ptr((*kobj).name) };
    let number = name.to_str().ok()?.strip_prefix("node")?;
    number.parse().ok().map(Nid)
}

/// # Safety
///
/// Called by sysfs only, for a file of ours.
unsafe extern "C" fn show(
    kobj: *mut bindings::kobject,
    attr: *mut bindings::kobj_attribute,
    buf: *mut c_char,
) -> isize {
    let Some(state) = State::get() else {
        return ENODEV.to_errno() as isize;
    };
    // SAFETY: All our attributes are the first field of a static `Value`, and
    // the directory is ours.
    let (value, nid) = unsafe { (&*attr.cast::<Value>(), node_of(kobj)) };
    let written = match value.read {
        Read::Number(read) => {
            let number = read(state, nid);
            // SAFETY: `buf` is a page for this file, as sysfs_emit wants it.
            unsafe { bindings::sysfs_emit(buf, c"%llu\n".as_ptr().cast(), number) }
        }
        Read::Text(read) => {
            let text = read(state);
            // SAFETY: As above; the text is short and as long as said.
            unsafe {
                let format = c"%.*s\n".as_ptr().cast();
                bindings::sysfs_emit(buf, format, text.len() as c_int, text.as_ptr())
            }
        }
        Read::Nodes(read) => {
            let nodes = read(state);
            // SAFETY: `buf` is what sysfs gave.
            unsafe { node_list::emit(buf, &nodes) }
        }
        // Not readable.
        Read::Nothing => EIO.to_errno(),
    };
    written as isize
}

/// # Safety
///
/// Called by sysfs only, for a file of ours.
unsafe extern "C" fn store(
    _: *mut bindings::kobject,
    attr: *mut bindings::kobj_attribute,
    buf: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: All our attributes are the first field of a static `Value`.
    let value = unsafe { &*attr.cast::<Value>() };
    // SAFETY: sysfs gives `count` bytes.
    let bytes = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
    let written = (|| {
        let state = State::get().ok_or(ENODEV)?;
        // EIO: not writable. Of what is longer than a page sysfs gives the first
        // page only.
        let write = value.write.ok_or(EIO)?;
        if count >= PAGE_SIZE {
            return Err(EINVAL);
        }
        write(state, input::words(bytes)?)?;
        Ok(count)
    })();
    match written {
        // CAST: less than a page.
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// A directory; removed, with its files, when dropped. Removal waits for readers.
struct Dir(NonNull<bindings::kobject>);

// SAFETY: Kobjects may be used by any thread.
unsafe impl Send for Dir {}
// SAFETY: As above.
unsafe impl Sync for Dir {}

impl Dir {
    fn new(name: &CStr, parent: *mut bindings::kobject, values: &[&'static Value]) -> Result<Self> {
        // SAFETY: The parent is a live kobject, the name a C string.
        let kobj = unsafe { bindings::kobject_create_and_add(name.as_char_ptr().cast(), parent) };
        let dir = Self(NonNull::new(kobj).ok_or(ENOMEM)?);
        for value in values {
            // SAFETY: The directory is live, the attribute static.
            let result: c_int = unsafe {
                bindings::sysfs_create_file_ns(dir.0.as_ptr(), &value.attr.attr, core::ptr::null())
            };
            kernel::error::to_result(result)?;
        }
        Ok(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: Ours, and the only reference we have; the directory and its
        // files go with it.
        unsafe {
            bindings::kobject_del(self.0.as_ptr());
            bindings::kobject_put(self.0.as_ptr());
        }
    }
}

/// The whole tree. Fields are dropped in order: the root last.
pub(crate) struct Tree {
    _nodes: KVec<Dir>,
    _stats: Dir,
    _root: Dir,
}

impl Tree {
    /// Shows the counters.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: kernel_kobj is set at boot and never changes.
        let kernel = unsafe { bindings::kernel_kobj };
        let root = Dir::new(kernel::c_str!("zbud_movable"), kernel, &ROOT)?;
        let stats = Dir::new(kernel::c_str!("stats"), root.0.as_ptr(), &STATS)?;
        let mut nodes = KVec::new();
        for nid in 0..state::nodes() {
            let Ok(number) = c_int::try_from(nid) else {
                break;
            };
            // SAFETY: Reads a node mask.
            if !unsafe { bindings::zbm_node_possible(number) } {
                continue;
            }
            let name = CString::try_from_fmt(format_args!("node{nid}"))?;
            nodes.push(Dir::new(&name, root.0.as_ptr(), &NODE)?, GFP_KERNEL)?;
        }
        Ok(Self {
            _nodes: nodes,
            _stats: stats,
            _root: root,
        })
    }
}
