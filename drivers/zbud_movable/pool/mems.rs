// SPDX-License-Identifier: GPL-2.0

//! The nodes on which zpages may be placed, as cpuset.mems is for a process. An
//! administrator names them; of these, those that have memory count, and all nodes
//! if none of them has.

use crate::linux::node_list;
use crate::linux::page::NewPage;
use crate::zbud::NodeSet;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};

/// See the module's documentation.
#[pin_data]
pub(crate) struct Mems {
    /// The nodes asked for; `None` is all. Locked before the list of pools.
    #[pin]
    asked: Mutex<Option<NodeSet>>,
    /// Whether pages may come from `effective` only. Changes under `asked`.
    restricted: AtomicBool,
    /// Read and written a word at a time: an allocation during a change may see some
    /// of both sets. Never empty as a whole. Changes under `asked`.
    effective: [AtomicU64; NodeSet::EMPTY.words().len()],
}

/// A change of the nodes that count.
pub(crate) struct Change {
    pub(crate) from: NodeSet,
    pub(crate) to: NodeSet,
}

impl Mems {
    /// All nodes.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let effective = node_list::with_memory();
        Arc::pin_init(
            pin_init!(Self {
                asked <- new_mutex!(None, "zbud_movable::Mems::asked"),
                restricted: AtomicBool::new(false),
                effective: (*effective.words()).map(AtomicU64::new),
            }),
            GFP_KERNEL,
        )
    }

    /// A new page. May sleep if `gfp` says so.
    pub(crate) fn alloc(&self, gfp: u32) -> Option<NewPage> {
        if !self.restricted.load(Ordering::Relaxed) {
            return NewPage::alloc(gfp);
        }
        let nodes = self.effective();
        // The page allocator forgets about the nodes when the task reclaims, and when
        // its cpuset has none of them (`__alloc_pages_slowpath`).
        NewPage::alloc_among(gfp, &nodes).filter(|page| nodes.contains(page.page().nid()))
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
    pub(crate) fn ask(&self, nodes: Option<NodeSet>, apply: impl FnOnce(&NodeSet)) -> Change {
        let mut asked = self.asked.lock();
        *asked = nodes;
        self.update(&asked, apply)
    }

    /// Nodes have got memory, or lost it.
    pub(crate) fn refresh(&self, apply: impl FnOnce(&NodeSet)) {
        let asked = self.asked.lock();
        self.update(&asked, apply);
    }

    fn update(&self, asked: &Option<NodeSet>, apply: impl FnOnce(&NodeSet)) -> Change {
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
        // All nodes are no restriction: then the tasks' own policies count.
        let restricted = change.to != all;
        self.restricted.store(restricted, Ordering::Relaxed);
        apply(&change.to);
        change
    }
}
