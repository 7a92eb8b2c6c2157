// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/zbud_movable/`: read-only counters, one value per file.
//! Documentation/ABI/testing/sysfs-kernel-zbud_movable describes each.

use crate::bindings;
use crate::state::{self, State};
use crate::stats::EVENTS;
use crate::zbud::{Nid, NodeLists};
use core::ptr::NonNull;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::str::CString;

/// One file: `attr` is what sysfs sees, `read` makes the value. Files in a
/// node's directory are about that node.
#[repr(C)]
struct Value {
    attr: bindings::kobj_attribute,
    read: fn(&State, Option<Nid>) -> u64,
}

// SAFETY: Never changed; the pointers in it are to static strings.
unsafe impl Sync for Value {}

impl Value {
    const fn new(name: &'static core::ffi::CStr, read: fn(&State, Option<Nid>) -> u64) -> Self {
        let mut attr = bindings::kobj_attribute::empty();
        attr.attr.name = name.as_ptr().cast();
        attr.attr.mode = 0o444;
        attr.show = Some(show);
        Self { attr, read }
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
static PUTBACK: Value = Value::new(c"putback", |_, _| EVENTS.putback.get());
static DEFERRED_FREES: Value = Value::new(c"deferred_frees", |_, _| EVENTS.deferred_frees.get());
static ALLOC_FAILED: Value = Value::new(c"alloc_failed", |_, _| EVENTS.alloc_failed.get());

const ROOT: [&Value; 4] = [&PAGES, &ZPAGES, &STORED_BYTES, &UNBUDDIED_PAGES];
const NODE: [&Value; 5] = [&PAGES, &ZPAGES, &UNBUDDIED_PAGES, &MOVED_IN, &MOVED_OUT];
const STATS: [&Value; 7] = [
    &ISOLATED,
    &ISOLATE_REFUSED,
    &MIGRATED,
    &MIGRATE_BUSY,
    &PUTBACK,
    &DEFERRED_FREES,
    &ALLOC_FAILED,
];

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
    let number = (value.read)(state, nid);
    // SAFETY: `buf` is a page for this file, as sysfs_emit wants it.
    (unsafe { bindings::sysfs_emit(buf, c"%llu\n".as_ptr().cast(), number) }) as isize
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
            let name = CString::try_from_fmt(kernel::fmt!("node{nid}"))?;
            nodes.push(Dir::new(&name, root.0.as_ptr(), &NODE)?, GFP_KERNEL)?;
        }
        Ok(Self {
            _nodes: nodes,
            _stats: stats,
            _root: root,
        })
    }
}
