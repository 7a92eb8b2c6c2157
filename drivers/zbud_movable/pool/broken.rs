// SPDX-License-Identifier: GPL-2.0

//! Pages of a pool whose memory breaks: they are taken out of use, and leave the pool once
//! nobody has a zpage of theirs mapped.
//!
//! A lost page has a reference of its own from then on. mm counts no reference on a page
//! with movable operations as its own when that breaks, but drops one when it is told that
//! the memory is sound after all, unless there are several.

use super::pool::{Asked, Locked, Pool};
use crate::linux::page::{self, BorrowedPage, PageRef};
use crate::linux::task;
use crate::zbud::{Cursor, DescId, PageAddr, State};
use core::ops::Range;
use kernel::prelude::*;

/// All page frames.
pub(crate) const ALL: Range<usize> = 0..usize::MAX;

impl Pool {
    /// Takes the page of descriptor `id` out of use, if it is that still and is neither being
    /// moved nor released. Does not sleep.
    pub(crate) fn lose(&self, id: DescId, page: PageAddr) {
        let mut locked = self.locked.lock();
        if self.lose_locked(&mut locked, id, page) {
            self.ask(locked, Asked::Surplus);
        }
    }

    pub(super) fn lose_locked(&self, locked: &mut Locked, id: DescId, page: PageAddr) -> bool {
        if locked.books.lose(&self.table, id, page).is_err() {
            return false;
        }
        // SAFETY: A page of the pool, as the pool lock is held. As it was neither being moved
        // nor released its count is not zero.
        unsafe { BorrowedPage::at(page) }.get().into_raw();
        self.counters().lost_pages.inc();
        true
    }

    /// [`Pool::lose_locked`], if the memory of the page is broken: for one that comes into the
    /// books, or comes back. mm may have marked it before, so that the search of the pool that
    /// followed has not found it; what is marked from now on, a search finds.
    pub(super) fn lose_if_broken(&self, locked: &mut Locked, id: DescId, page: PageAddr) -> bool {
        // SAFETY: A page of the pool, as the pool lock is held.
        let broken = unsafe { page::is_poisoned(page.address()) };
        broken && self.lose_locked(locked, id, page)
    }

    /// Takes all pages out of use that are in the page frames `pfns` and whose memory is
    /// broken. Returns the frame of one that is the pool's still. May sleep.
    pub(crate) fn lose_broken(&self, pfns: &Range<usize>) -> Option<usize> {
        let (mut left, mut lost) = (None, false);
        let mut cursor = Cursor::start();
        loop {
            let mut locked = self.locked.lock();
            while let Some((id, desc)) = cursor.next_in_leaf(&self.table) {
                let page = desc.page().map(|page| (page, page::pfn(page)));
                let Some((page, pfn)) = page.filter(|(_, pfn)| pfns.contains(pfn)) else {
                    continue;
                };
                // SAFETY: A page of the pool, as the pool lock is held; or of the kernel again, if
                // it is being released, and memory does not go before that has ended.
                let marked = unsafe { page::is_poisoned(page.address()) };
                if marked || desc.state() == Some(State::Lost) {
                    // Not one that is being moved or released: it ends by itself.
                    lost |= self.lose_locked(&mut locked, id, page);
                    left = Some(pfn);
                }
            }
            drop(locked);
            task::cond_resched();
            if !cursor.next_leaf(&self.table) {
                break;
            }
        }
        if lost {
            self.ask(self.locked.lock(), Asked::Surplus);
        }
        left
    }

    /// Drops the lost pages that nobody has mapped, but for those that mm has hold of.
    /// Sleeps.
    pub(super) fn drop_lost(&self) {
        let mut stayed = 0_usize;
        loop {
            let taken = self.locked.lock().books.take_lost(&self.table, stayed);
            let (id, address) = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => return,
                Err(error) => {
                    pr_err!("{}: a lost page stays ({error:?})\n", self.name());
                    return;
                }
            };
            // SAFETY: The reference that `lose_locked` has left, for the one who has taken
            // the page.
            let page = unsafe { PageRef::from_raw(BorrowedPage::at(address)) };
            // SAFETY: A page of the pool, taken to be dropped; the caller has a reference on
            // the pool, or is its worker, for which its end waits.
            let kept = unsafe { self.mover().abandon(page, id) }.err();
            let mut locked = self.locked.lock();
            let forgotten = match &kept {
                None => locked.books.forget(&self.table, id),
                Some(_) => locked.books.keep_lost(&self.table, id).map(|()| None),
            };
            let leaf = self.remove_leaf(&mut locked, forgotten.ok().flatten());
            drop(locked);
            drop(leaf);
            if let Some(page) = kept {
                page.into_raw();
                stayed = stayed.saturating_add(1);
            }
            task::cond_resched();
        }
    }

    /// Sees to it that no page whose memory is broken is in the page frames `pfns`. Waits for
    /// users who have one mapped, and for mm while it has hold of one, `ticks` ticks at most.
    ///
    /// # Errors
    ///
    /// `EBUSY` when one stays.
    pub(crate) fn clear_of_broken(&self, pfns: &Range<usize>, ticks: u32) -> Result {
        let mut left = self.lose_broken(pfns);
        for _ in 0..ticks {
            if left.is_none() {
                return Ok(());
            }
            self.drop_lost();
            left = self.lose_broken(pfns);
            if left.is_some() {
                task::short_sleep();
            }
        }
        let Some(pfn) = left else {
            return Ok(());
        };
        pr_err!(
            "{}: page frame {} is broken, and in use: its memory cannot go offline\n",
            self.name(),
            pfn
        );
        Err(EBUSY)
    }
}
