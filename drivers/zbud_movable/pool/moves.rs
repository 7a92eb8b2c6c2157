// SPDX-License-Identifier: GPL-2.0

//! Pages that move: by hand, or because mm asks for it.
//!
//! Lock order, and what is not done under the pool lock: see [`super::pool`].

use super::pool::{Asked, Pool};
use crate::linux::fault;
use crate::linux::page::{self, BorrowedPage, LockedPage, NewPage, PageLock, PageRef};
use crate::linux::task::NoPreempt;
use crate::linux::trace::{Mode, Move};
use crate::zbud::{Cursor, DescId, Extents, Nid};
use kernel::prelude::*;
use kernel::sync::ArcBorrow;

impl Pool {
    /// Fills `found` with the next pages on node `nid` that can move, in the leaf of `cursor`,
    /// which goes on behind them, and returns how many there are: fewer when the leaf ends.
    /// `None` stands for one that is just being moved.
    pub(crate) fn next_pages_on(
        &self,
        cursor: &mut Cursor,
        nid: Nid,
        found: &mut [Option<(DescId, PageRef)>],
    ) -> usize {
        let locked = self.locked.lock();
        let mut pages = 0_usize;
        for found in found {
            let Some((id, page)) = locked.books.next_page_on(&self.table, cursor, nid) else {
                break;
            };
            // SAFETY: A page of the pool, as the pool lock is held. As it is neither being
            // moved nor released its count is not zero.
            *found = page.map(|page| (id, unsafe { BorrowedPage::at(page) }.get()));
            pages = pages.saturating_add(1);
        }
        pages
    }

    /// Takes `cursor` to the next leaf, if there is one.
    pub(crate) fn next_leaf(&self, cursor: &mut Cursor) -> bool {
        cursor.next_leaf(&self.table)
    }

    /// Moves page `src` with descriptor `id` to `dst`, by hand. May sleep.
    ///
    /// # Errors
    ///
    /// Those of `Mover::relocate`; `EAGAIN` when the memory of `src` is broken, and it is lost.
    pub(crate) fn relocate(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: LockedPage,
        dst: NewPage,
    ) -> Result {
        if src.page().is_poisoned() {
            this.lose(id, src.page().address().ok_or(EINVAL)?);
            return Err(EAGAIN);
        }
        let traced = Move::begin(src.page(), dst.page());
        let moved = this.mover().relocate(this, id, src, dst);
        traced.end(this.name(), Mode::BY_HAND, moved);
        moved
    }

    /// Whether page `page` with descriptor `id` could move now. It is lost if its memory is
    /// broken.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when `id` does not describe the page any more, or it is being released, or
    /// lost; `EBUSY` when a zpage is mapped.
    pub(crate) fn check_move(&self, id: DescId, page: PageLock<'_>) -> Result {
        let poisoned = page.page().is_poisoned();
        let page = page.page().address().ok_or(EINVAL)?;
        if poisoned {
            self.lose(id, page);
            return Err(EAGAIN);
        }
        let locked = self.locked.lock();
        match locked.books.can_move(&self.table, id, page)? {
            true => Ok(()),
            false => Err(EBUSY),
        }
    }

    /// Moves the zpages of `src` to `dst`. `copy` copies the extents, or says that it
    /// could not; it must not sleep, and preemption is off: others may be spinning.
    ///
    /// # Errors
    ///
    /// `EBUSY` when a zpage is mapped, `EAGAIN` when `src` is not the page of `id`, is being
    /// released, or its memory is broken, and those of `copy`. Neither page has changed then,
    /// but `src` is lost if its memory is broken.
    ///
    /// # Safety
    ///
    /// `dst` is a page that nobody else uses. When `copy` has returned `Ok`, the extents
    /// are in `dst`; when this returns `Ok`, `dst` is the page of `id`, and stays in
    /// existence as `Mover` demands.
    pub(crate) unsafe fn move_page(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: PageLock<'_>,
        dst: PageLock<'_>,
        copy: impl FnOnce(Extents) -> Result,
    ) -> Result {
        let moved = Self::try_move(this, id, src.page(), dst.page(), copy);
        if moved.is_err() {
            this.counters().migrate_busy.inc();
        }
        moved
    }

    fn try_move(
        this: ArcBorrow<'_, Self>,
        id: DescId,
        src: BorrowedPage<'_>,
        dst: BorrowedPage<'_>,
        copy: impl FnOnce(Extents) -> Result,
    ) -> Result {
        let (from, to) = (src.address().ok_or(EINVAL)?, dst.address().ok_or(EINVAL)?);
        if src.is_poisoned() {
            this.lose(id, from);
            return Err(EAGAIN);
        }
        let to_nid = dst.nid();
        // From the first frozen slot to the last thawed one others may spin.
        let no_preempt = NoPreempt::new();
        let mut locked = this.locked.lock();
        let extents = locked.books.begin_move(&this.table, id, from, to_nid)?;
        drop(locked);
        let copied = fault::migrate()
            .and_then(|()| fault::copy(from))
            .and_then(|()| copy(extents));
        let (now, nid) = match copied {
            Ok(()) => (to, to_nid),
            Err(_) => (from, src.nid()),
        };
        locked = this.locked.lock();
        let finish = locked.books.finish_move(&this.table, id, now, nid)?;
        // Before others read what could not be copied.
        let lost = if copied.is_err_and(|error| error == page::broken()) {
            this.lose_locked(&mut locked, id, from)
        } else {
            this.lose_if_broken(&mut locked, id, now)
        };
        drop(locked);
        drop(no_preempt);
        if lost {
            this.ask(this.locked.lock(), Asked::Surplus);
        } else if finish.emptied {
            this.ask(this.locked.lock(), Asked::Idle);
        }
        copied?;
        this.counters().moved(finish.from, to_nid);
        Ok(())
    }
}
