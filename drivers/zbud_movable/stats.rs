// SPDX-License-Identifier: GPL-2.0

//! What happened since the module was loaded, over all pools. All counters are
//! monotonic; they outlive the pools.

use crate::zbud::Nid;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;

/// One counter.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Events that have no node.
pub(crate) struct Events {
    /// Pages that the core isolated; this and the next two with movable_ops only.
    pub(crate) isolated: Counter,
    /// Pages that were not isolated because a zpage of theirs was mapped, or none was left.
    pub(crate) isolate_refused: Counter,
    /// Pages that moved.
    pub(crate) migrated: Counter,
    /// Attempts to move a page that failed: [`Pool::move_page`](crate::pool::Pool).
    pub(crate) migrate_busy: Counter,
    /// Pages that moved because an administrator asked for it.
    pub(crate) user_moved: Counter,
    /// Pages that the core isolated and gave back unmoved.
    pub(crate) putback: Counter,
    /// Pages whose last zpage went when they could not be given up at once.
    pub(crate) deferred_frees: Counter,
    /// Allocations that failed for want of memory.
    pub(crate) alloc_failed: Counter,
}

/// The module's events.
pub(crate) static EVENTS: Events = Events {
    isolated: Counter::new(),
    isolate_refused: Counter::new(),
    migrated: Counter::new(),
    migrate_busy: Counter::new(),
    user_moved: Counter::new(),
    putback: Counter::new(),
    deferred_frees: Counter::new(),
    alloc_failed: Counter::new(),
};

/// Pages that moved to and from one node, from and to another.
pub(crate) struct NodeMoves {
    pub(crate) moved_in: Counter,
    pub(crate) moved_out: Counter,
}

/// [`NodeMoves`] of every node.
pub(crate) struct Moves(KVec<NodeMoves>);

impl Moves {
    pub(crate) fn new(nodes: usize) -> Result<Self> {
        let mut moves = KVec::with_capacity(nodes, GFP_KERNEL)?;
        for _ in 0..nodes {
            let node = NodeMoves {
                moved_in: Counter::new(),
                moved_out: Counter::new(),
            };
            moves.push(node, GFP_KERNEL)?;
        }
        Ok(Self(moves))
    }

    pub(crate) fn node(&self, nid: Nid) -> Option<&NodeMoves> {
        self.0.get(usize::from(nid.0))
    }

    /// Counts a page that moved; within a node it is no move between nodes.
    pub(crate) fn count(&self, from: Nid, to: Nid) {
        if from == to {
            return;
        }
        if let (Some(from), Some(to)) = (self.node(from), self.node(to)) {
            from.moved_out.inc();
            to.moved_in.inc();
        }
    }
}
