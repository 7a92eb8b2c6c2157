// SPDX-License-Identifier: GPL-2.0

//! The nodes on which the zpages of a pool may be placed, as cpuset.mems is for a
//! process. As with cpusets there is a tree of them: the root, which zswap's pools use,
//! and children for users that have nodes of their own. An administrator names nodes; of
//! these, those count that count for the parent, and all of the parent's if none does.
//! For the root, those that have memory.
//!
//! Everything changes under the lock of the list of pools ([`Editor`]).

use crate::linux::page::NewPage;
use crate::linux::{node, node_list};
use crate::zbud::{Nid, NodeSet};
use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};

/// See the module's documentation.
#[pin_data]
pub(crate) struct Mems {
    parent: Option<Arc<Mems>>,
    /// The nodes asked for; `None` is all. Nothing is locked under it.
    #[pin]
    asked: Mutex<Option<NodeSet>>,
    /// Whether `effective` are not all nodes that have memory.
    restricted: AtomicBool,
    /// Whether `effective` has more than one node.
    several: AtomicBool,
    /// Read and written a word at a time: an allocation during a change may see some
    /// of both sets. Never empty as a whole.
    effective: [AtomicU64; NodeSet::EMPTY.words().len()],
    /// For each node, that of `effective` which is nearest.
    homes: KVVec<AtomicU16>,
}

/// The right to change a tree of [`Mems`]. It lives under the lock of the list of pools.
pub(crate) struct Editor(());

impl Mems {
    /// The root of a tree: all nodes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn root() -> Result<(Arc<Self>, Editor)> {
        let mut editor = Editor(());
        Ok((Self::new(None, &mut editor)?, editor))
    }

    /// All nodes of `parent`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn child(parent: Arc<Mems>, editor: &mut Editor) -> Result<Arc<Self>> {
        Self::new(Some(parent), editor)
    }

    fn new(parent: Option<Arc<Mems>>, editor: &mut Editor) -> Result<Arc<Self>> {
        let mut homes = KVVec::with_capacity(node::count(), GFP_KERNEL)?;
        for _ in 0..node::count() {
            homes.push(AtomicU16::new(0), GFP_KERNEL)?;
        }
        let mems = Arc::pin_init(
            pin_init!(Self {
                parent,
                asked <- new_mutex!(None, "zbud_movable::Mems::asked"),
                restricted: AtomicBool::new(false),
                several: AtomicBool::new(false),
                effective: (*node_list::with_memory().words()).map(AtomicU64::new),
                homes,
            }),
            GFP_KERNEL,
        )?;
        mems.refresh(editor);
        Ok(mems)
    }

    /// A new page, as near to node `nid` as can be. May sleep if `gfp` says so.
    pub(crate) fn alloc(&self, gfp: u32, nid: Nid) -> Option<NewPage> {
        if !self.restricted.load(Ordering::Relaxed) {
            return NewPage::alloc_near(gfp, nid, None);
        }
        let nodes = self.effective();
        // The page allocator forgets about the nodes when the task reclaims, and when
        // its cpuset has none of them (`__alloc_pages_slowpath`).
        NewPage::alloc_near(gfp, nid, Some(&nodes)).filter(|page| nodes.contains(page.page().nid()))
    }

    /// Whether more than one node counts: then [`Mems::alloc`] may give a page of any.
    pub(crate) fn several(&self) -> bool {
        self.several.load(Ordering::Relaxed)
    }

    /// Whether these are nodes of `other`: the same, or a child.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let parent = self.parent.as_ref();
        core::ptr::eq(self, other) || parent.is_some_and(|parent| parent.is_within(other))
    }

    /// Where zpages of node `nid` should be: there if that counts, else on the nearest
    /// node that does.
    pub(crate) fn home(&self, nid: Nid) -> Nid {
        let home = self.homes.get(usize::from(nid.0));
        home.map_or(nid, |home| Nid(home.load(Ordering::Relaxed)))
    }

    /// The nodes asked for; all that have memory if none were.
    pub(crate) fn asked(&self) -> NodeSet {
        (*self.asked.lock()).unwrap_or_else(node_list::with_memory)
    }

    /// The nodes that count.
    pub(crate) fn effective(&self) -> NodeSet {
        loop {
            let mut words = *NodeSet::EMPTY.words();
            for (word, now) in words.iter_mut().zip(&self.effective) {
                // Acquire: a reader that sees a node gone sees those that have come.
                *word = now.load(Ordering::Acquire);
            }
            let nodes = NodeSet::from_words(words);
            // Some words from before a change, and others from after it, can be none.
            if !nodes.is_empty() {
                return nodes;
            }
        }
    }

    /// Asks for other nodes, `None` for all. They count from the next
    /// [refresh](Mems::refresh) on.
    pub(crate) fn ask(&self, nodes: Option<NodeSet>, _: &mut Editor) {
        *self.asked.lock() = nodes;
    }

    /// Finds out which nodes count; for the parent that was done before.
    pub(crate) fn refresh(&self, _: &mut Editor) {
        let with_memory = node_list::with_memory();
        let all = self.parent.as_ref();
        let all = all.map_or(with_memory, |parent| parent.effective());
        let there = (*self.asked.lock()).map(|nodes| nodes.intersection(&all));
        let some = there.filter(|nodes| !nodes.is_empty());
        let nodes = some.unwrap_or(all);
        for (now, word) in self.effective.iter().zip(nodes.words()) {
            now.fetch_or(*word, Ordering::Relaxed);
        }
        for (now, word) in self.effective.iter().zip(nodes.words()) {
            now.store(*word, Ordering::Release);
        }
        for (nid, home) in (0_u16..).map(Nid).zip(&self.homes) {
            let nearest = || nodes.nearest(|to| node::distance(nid, to));
            let counts = nodes.contains(nid).then_some(nid);
            let Nid(nearest) = counts.or_else(nearest).unwrap_or(nid);
            home.store(nearest, Ordering::Relaxed);
        }
        let restricted = nodes != with_memory;
        self.restricted.store(restricted, Ordering::Relaxed);
        self.several.store(nodes.len() > 1, Ordering::Relaxed);
    }
}
