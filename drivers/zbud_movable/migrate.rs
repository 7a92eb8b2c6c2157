// SPDX-License-Identifier: GPL-2.0

//! Moving pages between nodes because somebody asks for it: migrate_pages(2) for the
//! pools. The host's own migrate_pages() is not for modules, so this walks the pools
//! and has each page moved by the mover, which moves it as it would for the host.

use crate::page::{self, PageRef};
use crate::pool::Pool;
use crate::state::State;
use crate::stats::EVENTS;
use crate::zbud::{DescId, Nid, Remap, Step};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// How often a page that is busy is tried (mm/migrate.c, NR_MAX_MIGRATE_PAGES_RETRY).
const PASSES: u32 = 10;
/// In so many of them its lock is not waited for: others do not stay long.
const PASSES_WITHOUT_WAITING: u32 = 3;

/// Requests: one at a time, and what became of the last.
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
}

/// A request that is running.
pub(crate) struct Request<'a>(&'a State);

impl<'a> Request<'a> {
    /// Begins a request.
    ///
    /// # Errors
    ///
    /// `EBUSY` when another is running.
    pub(crate) fn new(state: &'a State) -> Result<Self> {
        if state.requests().running.swap(true, Ordering::Acquire) {
            return Err(EBUSY);
        }
        Ok(Self(state))
    }

    /// Moves what `remap` says in the pools that there are, and counts what stays.
    /// What has been moved stays moved, whatever the result. Sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when a node to move to has no memory left; `EINTR` after a fatal
    /// signal. Pages that are busy for long are no error, but counted.
    pub(crate) fn run(self, remap: &Remap) -> Result {
        let pools = self.0.pools()?;
        let mut result = Ok(());
        let mut left = 0_u64;
        for step in remap.steps() {
            let stayed = match result {
                Ok(()) => move_all(&pools, step),
                Err(error) => Err(error),
            };
            result = stayed.map(|_| ());
            // Nobody came to a node before its own pages had left it.
            let stayed = stayed.unwrap_or_else(|_| pages_on(&pools, step.from));
            left = left.saturating_add(stayed);
        }
        let not_moved = &self.0.requests().not_moved;
        not_moved.store(left, Ordering::Relaxed);
        result
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let requests = self.0.requests();
        requests.running.store(false, Ordering::Release);
    }
}

fn pages_on(pools: &[Arc<Pool>], nid: Nid) -> u64 {
    let pages = pools.iter().map(|pool| pool.pages_on(nid));
    pages.fold(0, u64::saturating_add)
}

/// What a pass has left behind.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Pages that are in use.
    busy: u64,
    /// Pages that were freed or moved just then: they may be there, elsewhere.
    stale: u64,
}

/// Moves the pages of one node; returns how many have stayed.
fn move_all(pools: &[Arc<Pool>], step: Step) -> Result<u64> {
    let mut left = Left::default();
    for pass in 0..PASSES {
        if pass != 0 {
            page::short_sleep();
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

/// Tries each page of one node once.
fn move_pages(pool: &Arc<Pool>, step: Step, wait: bool, left: &mut Left) -> Result {
    // What is stored meanwhile, beyond, is not on the way.
    for leaf in 0..pool.leaves() {
        let mut offset = 0;
        while let Some((id, src)) = pool.page_on(leaf, offset, step.from) {
            offset = id.offset().saturating_add(1);
            match src.map_or(Err(EBUSY), |src| move_page(pool, id, src, step.to, wait)) {
                Ok(()) => EVENTS.user_moved.inc(),
                Err(error) if error == ENOMEM => return Err(ENOMEM),
                Err(error) if error == EAGAIN => left.stale = left.stale.saturating_add(1),
                Err(_) => left.busy = left.busy.saturating_add(1),
            }
            go_on()?;
        }
        go_on()?;
    }
    Ok(())
}

/// Lets others run.
///
/// # Errors
///
/// `EINTR` when the caller is being killed.
fn go_on() -> Result {
    page::cond_resched();
    if page::fatal_signal_pending() {
        return Err(EINTR);
    }
    Ok(())
}

/// # Errors
///
/// `ENOMEM` when node `to` has none, `EAGAIN` when `src` is not the page any more, and
/// others while it is in use.
fn move_page(pool: &Arc<Pool>, id: DescId, src: PageRef, to: Nid, wait: bool) -> Result {
    // Before the lock: this may reclaim, and reclaim ends up here.
    let dst = PageRef::alloc_on(to, 0).ok_or(ENOMEM)?;
    let src = if wait {
        Some(src.lock())
    } else {
        src.try_lock()
    };
    Pool::relocate(pool.as_arc_borrow(), id, src.ok_or(EBUSY)?, dst)
}
