// SPDX-License-Identifier: GPL-2.0

//! Pages without zpages: kept for the next zpages, and released by the worker once they are too
//! many, or nobody has needed them.
//!
//! Lock order, and what is not done under the pool lock: see [`super::pool`].

use super::pool::{Asked, Guard, Locked, Pool};
use crate::linux::node;
use crate::linux::page::BorrowedPage;
use crate::linux::task;
use crate::zbud::{DescId, Nid, NodeBooks, Run, Table, DESCRIPTORS_PER_LEAF};
use kernel::prelude::*;

/// How long a store at the limit waits for pages that are to be released: longer than a
/// worker that runs needs, and short for one who waits for memory.
const TICKS: u32 = 25;
/// So many pages without zpages are too many for one worker; some 10 ms of work.
const MANY: u64 = 2048;
/// How many one of them releases before it looks whether there are more. The worker and its
/// three helpers together release [`MANY`] at a time.
const SLICE: u64 = 512;
/// Those that are too many go after so many milliseconds, many at a time: a worker that is woken
/// for each takes the lock from the task that frees again and again.
const SOON: u32 = 10;
/// Those that were not needed for so many milliseconds go.
const REST: u32 = 500;

impl Pool {
    /// A page has lost its last zpage, and is kept; `surplus`: it is one too many.
    #[inline]
    pub(super) fn emptied(&self, locked: Guard<'_>, surplus: bool) {
        if surplus {
            self.counters().deferred_frees.inc();
        }
        self.ask(locked, if surplus { Asked::Soon } else { Asked::Idle });
    }

    /// Asks the worker for something, if it is not asked for as much already. Does not
    /// sleep.
    pub(super) fn ask(&self, mut locked: Guard<'_>, asked: Asked) {
        if locked.asked >= asked {
            return;
        }
        locked.asked = asked;
        drop(locked);
        match asked {
            Asked::Nothing => {}
            Asked::Idle => self.worker.run_in(REST),
            Asked::Soon => self.worker.run_within(SOON),
            Asked::Surplus | Asked::All => self.worker.run_now(),
        }
    }

    /// The worker. Sleeps.
    pub(super) fn work(&self) {
        let now = task::now();
        let mut locked = self.locked.lock();
        let asked = core::mem::replace(&mut locked.asked, Asked::Nothing);
        // Not only when it was asked for just that: some may always be asking for more.
        let rested = now.saturating_sub(locked.looked) >= u64::from(REST);
        if rested {
            locked.looked = now;
        }
        drop(locked);
        self.drop_lost();
        if self.with_books(|books| books.empty_pages()) >= MANY {
            self.helpers.call();
        }
        for nid in node::possible() {
            // Before fewer are kept than until now: those are idle.
            self.release_surplus(nid, 1);
            let mut locked = self.locked.lock();
            let idle = if rested {
                locked.books.take_idle(nid)
            } else {
                0
            };
            let beyond = locked.books.beyond_limit();
            let node = locked.books.nodes().get(usize::from(nid.0));
            let empty = node.map_or(0, NodeBooks::empty_pages);
            let vacated = node.map_or(0, NodeBooks::vacated_pages);
            drop(locked);
            let pages = match asked {
                Asked::All => empty,
                _ => idle.max(beyond),
            };
            self.release_empty(nid, pages.saturating_add(vacated));
        }
        let locked = self.locked.lock();
        let waits = locked.books.empty_pages() != 0 || locked.books.has_lost();
        if waits || locked.books.may_miss() {
            self.ask(locked, Asked::Idle);
        }
    }

    /// A helper: releases those that are too many while there are many, and leaves the rest to
    /// the worker: what all release at a time must not be more than there is. Sleeps.
    pub(super) fn help(&self) {
        for nid in node::possible() {
            self.release_surplus(nid, MANY);
        }
    }

    /// Releases those pages without zpages on node `nid` that are too many, as long as these are
    /// `least` or more, and mm has not hold of them. Sleeps.
    fn release_surplus(&self, nid: Nid, least: u64) {
        loop {
            let (surplus, vacated) = self.with_books(|books| {
                let node = books.nodes().get(usize::from(nid.0));
                let vacated = node.map_or(0, NodeBooks::vacated_pages);
                (books.surplus_on(nid), vacated)
            });
            if surplus < least {
                break;
            }
            let released = self.release_empty(nid, surplus.min(SLICE));
            if released == 0 {
                break;
            }
            let books = &mut self.locked.lock().books;
            books.note_surplus(nid, released.saturating_sub(vacated));
        }
    }

    /// Releases up to `pages` pages without zpages on node `nid`, those first that are vacated;
    /// fewer when there are not so many. Those that mm has hold of stay. Returns how many were
    /// released. Sleeps.
    pub(crate) fn release_empty(&self, nid: Nid, pages: u64) -> u64 {
        let mut left = usize::try_from(pages).unwrap_or(usize::MAX);
        let (mut taken_in_all, mut stayed) = (0_usize, 0_usize);
        while left != 0 && stayed <= DESCRIPTORS_PER_LEAF {
            let mut locked = self.locked.lock();
            let taken = locked.books.take_empty(&self.table, nid, left, stayed);
            drop(locked);
            let run = match taken {
                Ok(Some(run)) => run,
                Ok(None) => break,
                Err(error) => {
                    pr_err!(
                        "{}: empty pages cannot be released ({error:?})\n",
                        self.name()
                    );
                    break;
                }
            };
            left = left.saturating_sub(run.len());
            taken_in_all = taken_in_all.saturating_add(run.len());
            stayed = stayed.saturating_add(self.release(run));
            task::cond_resched();
        }
        // CAST: 64-bit kernels.
        taken_in_all.saturating_sub(stayed) as u64
    }

    /// Releases all pages without zpages, but for those that mm has hold of. Sleeps.
    pub(crate) fn release_unused(&self) {
        for nid in node::possible() {
            self.release_empty(nid, u64::MAX);
        }
    }

    /// Releases pages that were taken for it, but for those that mm has hold of; returns how
    /// many these are. Sleeps.
    fn release(&self, run: Run) -> usize {
        let page = |id| {
            let locked = self.locked.lock();
            let address = self.table.descriptor(id).ok()?.page()?;
            // SAFETY: A page of the pool: nobody else releases it, and only the mover that
            // is given it freezes its count.
            let page = unsafe { BorrowedPage::at(address) }.get();
            drop(locked);
            Some(page)
        };
        // SAFETY: Taken to be released; the caller has a reference on the pool, or is its
        // worker or one of the helpers, for which its end waits.
        let stayed = unsafe { self.mover().evict(run, &page) };
        let mut locked = self.locked.lock();
        let (mut leaf, mut lost) = (None, false);
        for id in run.ids() {
            let done = if stayed.contains(id) {
                let kept = self.put_back(&mut locked, id);
                kept.map(|broken| lost |= broken)
            } else {
                let released = locked.books.release(&self.table, id);
                released.map(|released| leaf = leaf.or(released))
            };
            if let Err(error) = done {
                pr_err!("{}: an empty page has changed ({error:?})\n", self.name());
            }
        }
        let leaf = self.remove_leaf(&mut locked, leaf);
        if lost {
            self.ask(locked, Asked::Surplus);
        } else {
            drop(locked);
        }
        drop(leaf);
        run.ids().filter(|&id| stayed.contains(id)).count()
    }

    /// Keeps a page that was to be released, and says whether it is lost: nobody has looked at its
    /// memory since it was taken.
    fn put_back(&self, locked: &mut Locked, id: DescId) -> Result<bool, crate::zbud::Error> {
        locked.books.put_back(&self.table, id)?;
        let page = self.table.descriptor(id)?.page();
        Ok(page.is_some_and(|page| self.lose_if_broken(locked, id, page)))
    }

    /// Whether the pool has no more than `limit` pages, or will have once those that are
    /// empty are released. Waits for that, but some ticks at most: the caller may hold what
    /// the worker needs. Sleeps.
    pub(crate) fn comes_down_to(&self, limit: u64) -> bool {
        for _ in 0..TICKS {
            if self.pages() <= limit {
                return true;
            }
            let locked = self.locked.lock();
            if locked.books.empty_pages() == 0 {
                break;
            }
            self.ask(locked, Asked::All);
            // One who has asked for less before may put it off only now.
            self.worker.run_now();
            task::short_sleep();
        }
        self.pages() <= limit
    }

    /// Waits until all pages are released. The user has freed all zpages.
    ///
    /// On 6.12, pages that mm has isolated are not waited for: they are torn down under
    /// their lock like any other, and mm sees it. (On 7.x they are: see the movers.)
    /// Otherwise this waits for page locks, which mm holds while it is in a callback. As
    /// only this, the worker and `free` release pages, no callback is running for a page
    /// of the pool once this returns, and none can begin.
    ///
    /// # Errors
    ///
    /// `EBUSY` when zpages are left: the user broke the contract. The pool
    /// must stay then, and so must the module.
    pub(crate) fn drain(&self) -> Result {
        loop {
            self.drop_lost();
            self.release_unused();
            let (pages, zpages) = self.with_books(|books| {
                let zpages = |node: &NodeBooks| node.zpages() != 0;
                let zpages = books.nodes().iter().any(zpages) || books.lost_zpages() != 0;
                (books.pages(), zpages)
            });
            match (pages, zpages) {
                (_, true) => return Err(EBUSY),
                (0, _) => break,
                // The worker has the rest in hand, or a mover is copying.
                _ => task::short_sleep(),
            }
        }
        self.worker.cancel();
        self.helpers.cancel();
        Ok(())
    }
}
