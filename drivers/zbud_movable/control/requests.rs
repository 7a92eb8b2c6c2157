// SPDX-License-Identifier: GPL-2.0

//! Moving pages between nodes by request: migrate_pages(2) for the pools. mm's own
//! migrate_pages() is not for modules, so this walks the pools and has each page moved
//! by the mover, which moves it as it would for mm.

use crate::linux::page::{NewPage, PageRef};
use crate::linux::task;
use crate::pool::pool::Pool;
use crate::pool::pools::Pools;
use crate::zbud::{Cursor, DescId, Nid, NodeBooks, Remap, Step};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// How often a page that is busy is tried (mm/migrate.c, NR_MAX_MIGRATE_PAGES_RETRY).
const PASSES: u32 = 10;
/// In so many of them its lock is not waited for: others do not hold it long.
const PASSES_WITHOUT_WAITING: u32 = 3;

/// Requests, one at a time, and the number of pages that the last one did not move.
pub(crate) struct Requests {
    running: AtomicBool,
    not_moved: AtomicU64,
}

impl Requests {
    pub(crate) const fn new() -> Self {
        Self {
            running: AtomicBool::new(false),
            not_moved: AtomicU64::new(0),
        }
    }

    /// Pages that the last request did not move though it should have.
    pub(crate) fn not_moved(&self) -> u64 {
        self.not_moved.load(Ordering::Relaxed)
    }

    /// Begins a request.
    ///
    /// # Errors
    ///
    /// `EBUSY` when another is running.
    pub(crate) fn begin(&self) -> Result<Request<'_>> {
        if self.running.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(Request(self))
    }
}

/// A request that is running.
pub(crate) struct Request<'a>(&'a Requests);

impl Request<'_> {
    /// Moves the pages of all pools as `remap` says, and counts those that stay.
    /// Pages that have moved stay moved, whatever the result. Sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when a node to move to has no memory left; `EINTR` after a fatal
    /// signal. Pages that are busy for long are no error, but counted.
    pub(crate) fn run(self, pools: &Pools, remap: &Remap) -> Result {
        let pools = pools.all()?;
        let mut result = Ok(());
        let mut left = 0_u64;
        for step in remap.steps() {
            let stayed = match result {
                Ok(()) => move_all(&pools, step),
                Err(error) => Err(error),
            };
            result = stayed.map(|_| ());
            // No page came to a node before its own had left it.
            let stayed = stayed.unwrap_or_else(|_| pages_on(&pools, step.from));
            left = left.saturating_add(stayed);
        }
        self.0.not_moved.store(left, Ordering::Relaxed);
        result
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

fn pages_on(pools: &[Arc<Pool>], nid: Nid) -> u64 {
    let pages = pools
        .iter()
        .map(|pool| pool.figure(Some(nid), NodeBooks::pages));
    pages.fold(0, u64::saturating_add)
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
fn move_all(pools: &[Arc<Pool>], step: Step) -> Result<u64> {
    let mut left = Left::default();
    for pass in 0..PASSES {
        if pass != 0 {
            task::short_sleep();
        }
        left = Left::default();
        for pool in pools {
            move_pages(pool, step, pass >= PASSES_WITHOUT_WAITING, &mut left)?;
        }
        if left.busy == 0 && left.stale == 0 {
            break;
        }
    }
    Ok(left.busy)
}

/// Tries each page of one node once. Leaves added meanwhile may not be visited.
fn move_pages(pool: &Arc<Pool>, step: Step, wait: bool, left: &mut Left) -> Result {
    let end = pool.leaves();
    let mut cursor = Cursor::start();
    while cursor.leaf() < end {
        while let Some((id, src)) = pool.next_page_on(&mut cursor, step.from) {
            match src.map_or(Err(EBUSY), |src| move_page(pool, id, src, step.to, wait)) {
                Ok(()) => pool.counters().user_moved.inc(),
                Err(error) if error == ENOMEM => return Err(ENOMEM),
                Err(error) if error == EAGAIN => left.stale = left.stale.saturating_add(1),
                Err(_) => left.busy = left.busy.saturating_add(1),
            }
            task::cond_resched_killable()?;
        }
        if !pool.next_leaf(&mut cursor) {
            break;
        }
        task::cond_resched_killable()?;
    }
    Ok(())
}

/// # Errors
///
/// `ENOMEM` when node `to` has none, `EAGAIN` when `src` is not the page any more, and
/// others while it is in use.
fn move_page(pool: &Arc<Pool>, id: DescId, src: PageRef, to: Nid, wait: bool) -> Result {
    // Before the lock: this may reclaim, and reclaim ends up here.
    let dst = NewPage::alloc_on(to).ok_or(ENOMEM)?;
    let src = if wait {
        Some(src.lock())
    } else {
        src.try_lock()
    };
    Pool::relocate(pool.as_arc_borrow(), id, src.ok_or(EBUSY)?, dst)
}
