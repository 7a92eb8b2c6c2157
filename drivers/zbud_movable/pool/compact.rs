// SPDX-License-Identifier: GPL-2.0

//! Re-pairing the zpages of a pool: what is alone in its page goes beside another, and the
//! page back to the kernel.

use super::pool::{Asked, Pool};
use crate::linux::fault;
use crate::linux::node;
use crate::linux::page;
use crate::linux::shrinker::Shrink;
use crate::linux::task::{self, NoPreempt};
use crate::zbud::{Books, Cursor, NodeBooks, Repaired, Table};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// Numbers without a leaf that are passed over under the pool lock at a time.
const GAP: u32 = 256;

/// Why a re-pairing has not moved the zpage, if so.
///
/// # Errors
///
/// `ENOENT` when it was freed meanwhile; [`page::broken`] when the memory of either page is broken.
fn outcome(repaired: &Repaired) -> Result {
    match repaired {
        Repaired { moved: true, .. } => Ok(()),
        Repaired { won: true, .. } => Err(ENOENT),
        _ => Err(page::broken()),
    }
}

impl Pool {
    /// Moves zpages that are alone in their pages beside others, on their nodes first, and
    /// releases the pages that are won. Those that are mapped stay. Nothing is held from one
    /// zpage to the next. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINTR` after a fatal signal; what was won until then is.
    pub(crate) fn compact(&self) -> Result {
        for elsewhere in [false, true] {
            let done = self.compact_leaves(elsewhere);
            self.release_vacated();
            done?;
        }
        Ok(())
    }

    /// Pages that re-pairing has won.
    pub(crate) fn pages_won(&self) -> u64 {
        self.compaction.won.load(Ordering::Relaxed)
    }

    /// Tries each zpage once. Leaves added meanwhile may not be visited.
    fn compact_leaves(&self, elsewhere: bool) -> Result {
        let end = self.leaves();
        let mut cursor = Cursor::start();
        while cursor.leaf() < end {
            while self.repair_next(&mut cursor, elsewhere)?.is_some() {
                task::cond_resched_killable()?;
            }
            // In runs, as pages of a leaf that follow each other leave together.
            self.release_vacated();
            if !self.next_leaf_there(&mut cursor) {
                break;
            }
            task::cond_resched_killable()?;
        }
        Ok(())
    }

    /// Moves the next zpage that can be beside another, in the leaf of the cursor. Returns
    /// whether that has won a page; `None` at the end of the leaf. Does not sleep.
    ///
    /// # Errors
    ///
    /// Only when the books are damaged.
    fn repair_next(&self, cursor: &mut Cursor, elsewhere: bool) -> Result<Option<bool>> {
        // From freeze to thaw others may spin.
        let no_preempt = NoPreempt::new();
        let mut locked = self.locked.lock();
        let next = locked.books.next_repair(&self.table, cursor, elsewhere)?;
        let Some(repair) = next else {
            return Ok(None);
        };
        let traced = self.trace_repair(&repair);
        drop(locked);
        let (from, to) = (repair.from.0, repair.to.0);
        // SAFETY: Both are pages of the pool, and stay that until the end of the re-pairing.
        let broken = || unsafe { [from, to].map(|page| page::is_poisoned(page.address())) };
        let sound = broken() == [false; 2];
        let copy = || {
            // SAFETY: As above. The zpage is frozen: nobody writes to it; and nobody else knows
            // the place to which it goes.
            fault::copy(from).and_then(|()| unsafe { page::copy(repair.from, repair.to) })
        };
        let copied = sound && copy().is_ok();
        locked = self.locked.lock();
        let [from_broken, to_broken] = broken();
        let finished = copied && !to_broken;
        let repaired = locked.books.finish_repair(&self.table, &repair, finished)?;
        // Before others read what could not be copied.
        let mut lost = false;
        if from_broken || sound && !copied {
            lost |= self.lose_locked(&mut locked, repair.src, from);
        }
        if to_broken {
            lost |= self.lose_locked(&mut locked, repair.dst, to);
        }
        drop(locked);
        drop(no_preempt);
        traced.end(self, outcome(&repaired));
        if lost {
            self.ask(self.locked.lock(), Asked::Surplus);
        } else if repaired.emptied {
            self.ask(self.locked.lock(), Asked::Idle);
        }
        if repaired.moved {
            self.counters().repaired.inc();
            self.compaction.won.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Some(repaired.moved))
    }

    /// Takes `cursor` to the next leaf that is there, if there is one: leaves are numbered together
    /// with those of other pools. May sleep.
    fn next_leaf_there(&self, cursor: &mut Cursor) -> bool {
        loop {
            let locked = self.locked.lock();
            for _ in 0..GAP {
                if !cursor.next_leaf(&self.table) {
                    return false;
                }
                if self.table.leaf(cursor.leaf()).is_some() {
                    return true;
                }
            }
            drop(locked);
            task::cond_resched();
        }
    }

    /// Wins up to `pages` pages in as many leaves, and goes on behind them the next time.
    fn shrink_leaves(&self, pages: u64) -> u64 {
        let (mut won, mut left) = (0_u64, pages);
        let mut cursor = Cursor::at_leaf(self.compaction.leaf.load(Ordering::Relaxed));
        while won < pages && left != 0 {
            match self.repair_next(&mut cursor, false) {
                Ok(Some(it)) => won = won.saturating_add(u64::from(it)),
                Ok(None) => {
                    left = left.saturating_sub(1);
                    if self.count() == 0 {
                        break;
                    }
                    if !self.next_leaf_there(&mut cursor) {
                        cursor = Cursor::start();
                    }
                }
                Err(_) => break,
            }
            task::cond_resched();
        }
        self.compaction.leaf.store(cursor.leaf(), Ordering::Relaxed);
        won
    }

    /// Releases the pages that zpages have left, but for those that mm has hold of. Sleeps.
    fn release_vacated(&self) {
        let vacated = |nid| self.figure(nid, NodeBooks::vacated_pages);
        if vacated(None) == 0 {
            return;
        }
        for nid in node::possible() {
            self.release_empty(nid, vacated(Some(nid)));
        }
        if vacated(None) != 0 {
            self.ask(self.locked.lock(), Asked::Idle);
        }
    }
}

/// When memory is short.
impl Shrink for Pool {
    fn count(&self) -> u64 {
        self.with_books(Books::winnable)
    }

    fn scan(&self, pages: u64) -> Option<u64> {
        // One at a time: a second task would find little, and has others to ask.
        if self.compaction.shrinking.swap(true, Ordering::Acquire) {
            return None;
        }
        let won = self.shrink_leaves(pages);
        self.compaction.shrinking.store(false, Ordering::Release);
        if won != 0 {
            // Page locks are for the worker to wait for, not for a task that reclaims: it may
            // hold them.
            self.ask(self.locked.lock(), Asked::Surplus);
        }
        Some(won)
    }
}
