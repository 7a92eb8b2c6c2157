// SPDX-License-Identifier: GPL-2.0

//! The nodes on which zpages may be placed: what cpuset.mems is to a process. An
//! administrator names them; of these, those that have memory count, and all if
//! none of them has.

use crate::node_list;
use crate::page::PageRef;
use crate::zbud::NodeSet;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};

/// See the module's documentation.
#[pin_data]
pub(crate) struct Mems {
    /// What was asked for; `None` is all nodes. Taken before the list of pools.
    #[pin]
    asked: Mutex<Option<NodeSet>>,
    /// Whether pages may come from `effective` only. Changes under `asked`.
    restricted: AtomicBool,
    /// A word at a time is read and written: who allocates just when it changes may
    /// see some of both sets. Never empty as a whole. Changes under `asked`.
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
    pub(crate) fn alloc(&self, gfp: u32) -> Option<PageRef> {
        if !self.restricted.load(Ordering::Relaxed) {
            return PageRef::alloc(gfp);
        }
        let nodes = self.effective();
        // The page allocator forgets about the nodes for who reclaims, and for who is
        // in a cpuset that has none of them (`__alloc_pages_slowpath`).
        PageRef::alloc_among(gfp, &nodes).filter(|page| nodes.contains(page.page().nid()))
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> NodeSet {
        (*self.asked.lock()).unwrap_or_else(node_list::with_memory)
    }

    /// The nodes that count.
    pub(crate) fn effective(&self) -> NodeSet {
        loop {
            let mut words = *NodeSet::EMPTY.words();
            for (word, now) in words.iter_mut().zip(&self.effective) {
                // Acquire: who sees that a node has gone sees those that have come.
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
        // All the nodes that there are is no restriction: it is the processes' own
        // policies that count then.
        let restricted = change.to != all;
        self.restricted.store(restricted, Ordering::Relaxed);
        apply(&change.to);
        change
    }
}
