// SPDX-License-Identifier: GPL-2.0

//! The nodes on which zpages may be placed, as cpuset.mems is for a process. An
//! administrator names them; of these, those that have memory count, and all nodes
//! if none of them has.

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
    /// The nodes asked for; `None` is all. Locked before the list of pools.
    #[pin]
    asked: Mutex<Option<NodeSet>>,
    /// Whether `effective` are not all nodes that have memory. Changes under `asked`.
    restricted: AtomicBool,
    /// Whether `effective` has more than one node. Changes under `asked`.
    several: AtomicBool,
    /// Read and written a word at a time: an allocation during a change may see some
    /// of both sets. Never empty as a whole. Changes under `asked`.
    effective: [AtomicU64; NodeSet::EMPTY.words().len()],
    /// For each node, that of `effective` which is nearest. Changes under `asked`.
    homes: KVVec<AtomicU16>,
}

/// A change of the nodes that count.
pub(crate) struct Change {
    pub(crate) from: NodeSet,
    pub(crate) to: NodeSet,
}

impl Mems {
    /// All nodes.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let mut homes = KVVec::with_capacity(node::count(), GFP_KERNEL)?;
        for _ in 0..node::count() {
            homes.push(AtomicU16::new(0), GFP_KERNEL)?;
        }
        let mems = Arc::pin_init(
            pin_init!(Self {
                asked <- new_mutex!(None, "zbud_movable::Mems::asked"),
                restricted: AtomicBool::new(false),
                several: AtomicBool::new(false),
                effective: (*node_list::with_memory().words()).map(AtomicU64::new),
                homes,
            }),
            GFP_KERNEL,
        )?;
        mems.refresh(|| {});
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

    /// Where zpages of node `nid` should be: there if that counts, else on the nearest
    /// node that does.
    pub(crate) fn home(&self, nid: Nid) -> Nid {
        let home = self.homes.get(usize::from(nid.0));
        home.map_or(nid, |home| Nid(home.load(Ordering::Relaxed)))
    }

    /// The nodes asked for.
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

    /// Asks for other nodes, `None` for all; `apply` tells the pools what counts now.
    pub(crate) fn ask(&self, nodes: Option<NodeSet>, apply: impl FnOnce()) -> Change {
        let mut asked = self.asked.lock();
        *asked = nodes;
        self.update(&asked, apply)
    }

    /// Nodes have got memory, or lost it.
    pub(crate) fn refresh(&self, apply: impl FnOnce()) {
        let asked = self.asked.lock();
        self.update(&asked, apply);
    }

    fn update(&self, asked: &Option<NodeSet>, apply: impl FnOnce()) -> Change {
        let all = node_list::with_memory();
        let there = asked.map(|nodes| nodes.intersection(&all));
        let some = there.filter(|nodes| !nodes.is_empty());
        let change = Change {
            from: self.effective(),
            to: some.unwrap_or(all),
        };
        for (now, word) in self.effective.iter().zip(change.to.words()) {
            now.fetch_or(*word, Ordering::Relaxed);
        }
        for (now, word) in self.effective.iter().zip(change.to.words()) {
            now.store(*word, Ordering::Release);
        }
        for (nid, home) in (0_u16..).map(Nid).zip(&self.homes) {
            let nearest = || change.to.nearest(|to| node::distance(nid, to));
            let counts = change.to.contains(nid).then_some(nid);
            let Nid(nearest) = counts.or_else(nearest).unwrap_or(nid);
            home.store(nearest, Ordering::Relaxed);
        }
        self.restricted.store(change.to != all, Ordering::Relaxed);
        self.several.store(change.to.len() > 1, Ordering::Relaxed);
        apply();
        change
    }
}
