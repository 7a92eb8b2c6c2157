// SPDX-License-Identifier: GPL-2.0

//! Events since the module was loaded, over all pools. All counters are monotonic;
//! they outlive the pools.

use crate::linux::node;
use crate::zbud::Nid;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// One counter.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Pages that moved to and from one node, from and to another.
#[derive(Default)]
pub(crate) struct NodeMoves {
    pub(crate) moved_in: Counter,
    pub(crate) moved_out: Counter,
}

/// All counters.
#[derive(Default)]
pub(crate) struct Counters {
    /// Pages that mm isolated; this, `isolate_refused` and `putback` with movable_ops only.
    pub(crate) isolated: Counter,
    /// Pages that were not isolated because a zpage of theirs was mapped, or none was left.
    pub(crate) isolate_refused: Counter,
    /// Pages that moved.
    pub(crate) migrated: Counter,
    /// Attempts to move a page that failed.
    pub(crate) migrate_busy: Counter,
    /// Pages that moved because an administrator asked for it.
    pub(crate) user_moved: Counter,
    /// Pages that mm isolated and put back unmoved.
    pub(crate) putback: Counter,
    /// Pages whose last zpage was freed when enough empty ones were kept, and which could
    /// not be released at once.
    pub(crate) deferred_frees: Counter,
    /// Pages that were lost because their memory is broken.
    pub(crate) lost_pages: Counter,
    /// Pages that were won, as their zpages moved beside others.
    pub(crate) repaired: Counter,
    /// Zpages that were stored anew, so that leaves could go.
    pub(crate) gathered: Counter,
    /// Allocations that failed for want of memory.
    pub(crate) alloc_failed: Counter,
    nodes: KVec<NodeMoves>,
}

impl Counters {
    /// All zero. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let mut nodes = KVec::with_capacity(node::count(), GFP_KERNEL)?;
        for _ in 0..node::count() {
            nodes.push(NodeMoves::default(), GFP_KERNEL)?;
        }
        let counters = Self {
            nodes,
            ..Self::default()
        };
        Ok(Arc::new(counters, GFP_KERNEL)?)
    }

    pub(crate) fn node(&self, nid: Nid) -> Option<&NodeMoves> {
        self.nodes.get(usize::from(nid.0))
    }

    /// Counts a page that moved; within a node it is no move between nodes.
    pub(crate) fn moved(&self, from: Nid, to: Nid) {
        self.migrated.inc();
        if from == to {
            return;
        }
        if let (Some(from), Some(to)) = (self.node(from), self.node(to)) {
            from.moved_out.inc();
            to.moved_in.inc();
        }
    }
}
