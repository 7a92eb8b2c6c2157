// SPDX-License-Identifier: GPL-2.0

//! Moving pages between nodes by request: migrate_pages(2) for the pools. mm's own
//! migrate_pages() is not for modules, so this walks the pools and has each page moved
//! by the mover, which moves it as it would for mm.

use crate::linux::new_pages::NewPages;
use crate::linux::node_list;
use crate::linux::page::PageRef;
use crate::linux::task;
use crate::linux::trace;
use crate::linux::vmstat;
use crate::pool::mems::Mems;
use crate::pool::pool::Pool;
use crate::pool::pools::Pools;
use crate::zbud::{Cursor, DescId, NodeBooks, NodeSet, Remap, Step};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// How often a page that is busy is tried (mm/migrate.c, NR_MAX_MIGRATE_PAGES_RETRY).
const PASSES: u32 = 10;
/// In so many of them its lock is not waited for: others do not hold it long.
const PASSES_WITHOUT_WAITING: u32 = 3;
/// So many pages are looked up, and so many new ones allocated, at a time.
const BATCH: usize = 17;

/// Requests, one at a time, and the number of pages that the last one did not move.
pub(crate) struct Requests {
    pools: Arc<Pools>,
    running: AtomicBool,
    not_moved: AtomicU64,
    /// Whether a change of the nodes that count moves the pages that are there.
    memory_migrate: AtomicBool,
}

impl Requests {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pools: Arc<Pools>) -> Result<Arc<Self>> {
        let requests = Self {
            pools,
            running: AtomicBool::new(false),
            not_moved: AtomicU64::new(0),
            memory_migrate: AtomicBool::new(false),
        };
        Ok(Arc::new(requests, GFP_KERNEL)?)
    }

    /// Pages that the last request did not move though it should have.
    pub(crate) fn not_moved(&self) -> u64 {
        self.not_moved.load(Ordering::Relaxed)
    }

    /// Whether a change of the nodes that count moves the pages that are there.
    pub(crate) fn memory_migrate(&self) -> bool {
        self.memory_migrate.load(Ordering::Relaxed)
    }

    /// For the changes to come.
    pub(crate) fn set_memory_migrate(&self, on: bool) {
        self.memory_migrate.store(on, Ordering::Relaxed);
    }

    /// Moves the pages of all pools: migrate_pages(2). Those that have moved stay moved,
    /// whatever the result. Sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY` when another request is running, `ENOMEM` when a node to move to has no
    /// memory left, `EINTR` after a fatal signal. Pages that are busy for long are no
    /// error, but counted.
    pub(crate) fn migrate(&self, from: NodeSet, to: NodeSet) -> Result {
        let pools = self.pools.all()?;
        let mut request = self.begin()?;
        let remap = Remap::new(from, to);
        for pool in &pools {
            request.run(pool, &remap);
        }
        request.result
    }

    /// Asks for the zpages of the pools that have `mems`, the root or a child, to be
    /// placed on `nodes` from now on, `None` for all, and moves their pages there if
    /// [`Requests::memory_migrate`] says so. Sleeps.
    ///
    /// # Errors
    ///
    /// As [`Requests::migrate`] when pages are moved; after `EBUSY` nothing has changed.
    pub(crate) fn ask_mems(&self, mems: &Mems, nodes: Option<NodeSet>) -> Result {
        if !self.memory_migrate() {
            self.pools.ask_mems(mems, nodes);
            return Ok(());
        }
        let mut request = self.begin()?;
        let changes = self.pools.change_mems(mems, nodes)?;
        let all = node_list::with_memory();
        for change in &changes {
            let remap = Remap::allowed(change.from, change.to, &all);
            request.run(&change.pool, &remap);
        }
        request.result
    }

    fn begin(&self) -> Result<Request<'_>> {
        if self.running.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(Request {
            requests: self,
            left: 0,
            result: Ok(()),
        })
    }
}

/// A request that is running.
struct Request<'a> {
    requests: &'a Requests,
    /// Pages that it has not moved so far.
    left: u64,
    /// What ended it, if anything has.
    result: Result,
}

impl Request<'_> {
    /// Moves the pages of `pool` as `remap` says, unless something has ended it before, and
    /// counts those that stay.
    fn run(&mut self, pool: &Arc<Pool>, remap: &Remap) {
        for step in remap.steps() {
            // No page has to be found for these.
            pool.release_empty(step.from, u64::MAX);
            let stayed = self.result.and_then(|()| move_all(pool, step));
            self.result = stayed.map(|_| ());
            // No page came to a node before its own had left it.
            let on_node = |_| pool.figure(Some(step.from), NodeBooks::pages);
            self.left = self.left.saturating_add(stayed.unwrap_or_else(on_node));
        }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let requests = self.requests;
        requests.not_moved.store(self.left, Ordering::Relaxed);
        vmstat::not_migrated(self.left);
        requests.running.store(false, Ordering::Release);
    }
}

/// Pages that a pass has left behind.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Pages that are in use.
    busy: u64,
    /// Pages that were freed or moved meanwhile: their zpages may be in another page
    /// of the node.
    stale: u64,
}

/// Moves the pages of one node; returns how many have stayed.
fn move_all(pool: &Arc<Pool>, step: Step) -> Result<u64> {
    let (mut moved, mut left) = (0, Left::default());
    let mut result = Ok(());
    for pass in 0..PASSES {
        if pass != 0 {
            task::short_sleep();
        }
        left = Left::default();
        let wait = pass >= PASSES_WITHOUT_WAITING;
        result = move_pages(pool, step, wait, &mut moved, &mut left);
        if result.is_err() || left.busy == 0 && left.stale == 0 {
            break;
        }
    }
    if trace::node_moves() {
        trace::node_move(pool.name(), step.from, step.to, moved, left.busy, result);
    }
    result.map(|()| left.busy)
}

/// Tries each page of one node once. Leaves added meanwhile may not be visited.
fn move_pages(
    pool: &Arc<Pool>,
    step: Step,
    wait: bool,
    moved: &mut u64,
    left: &mut Left,
) -> Result {
    let end = pool.leaves();
    let mut cursor = Cursor::start();
    let mut targets = NewPages::on(step.to);
    let mut found = [const { None }; BATCH];
    // While a page lock is waited for, no other page is kept.
    let size = if wait { 1 } else { BATCH };
    while cursor.leaf() < end {
        let batch = found.get_mut(..size).ok_or(EINVAL)?;
        let pages = pool.next_pages_on(&mut cursor, step.from, batch);
        for (index, page) in batch.iter_mut().take(pages).enumerate() {
            let wanted = pages.saturating_sub(index);
            let page = page.take().ok_or(EBUSY);
            match page.and_then(|page| move_page(pool, page, &mut targets, wanted, wait)) {
                Ok(()) => {
                    *moved = moved.saturating_add(1);
                    pool.counters().user_moved.inc();
                    // mm counts the pages that it moves itself.
                    vmstat::migrated();
                }
                Err(error) if error == ENOMEM => return Err(ENOMEM),
                Err(error) if error == EAGAIN => left.stale = left.stale.saturating_add(1),
                Err(_) => left.busy = left.busy.saturating_add(1),
            }
        }
        if pages < size && !pool.next_leaf(&mut cursor) {
            break;
        }
        task::cond_resched_killable()?;
    }
    Ok(())
}

/// Moves page `src` with descriptor `id` to one of `targets`, of which so many are `wanted`.
///
/// # Errors
///
/// `ENOMEM` when their node has none, `EAGAIN` when `src` is not the page any more, and
/// others while it is in use.
fn move_page(
    pool: &Arc<Pool>,
    (id, src): (DescId, PageRef),
    targets: &mut NewPages<BATCH>,
    wanted: usize,
    wait: bool,
) -> Result {
    // Before the lock: this may reclaim, and reclaim ends up here.
    let dst = targets.take(wanted).ok_or(ENOMEM)?;
    let src = if wait {
        Some(src.lock())
    } else {
        src.try_lock()
    };
    Pool::relocate(pool.as_arc_borrow(), id, src.ok_or(EBUSY)?, dst)
}
