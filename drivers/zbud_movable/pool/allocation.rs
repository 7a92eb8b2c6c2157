// SPDX-License-Identifier: GPL-2.0

//! Room for zpages: made, and freed.
//!
//! Lock order, and what is not done under the pool lock: see [`super::pool`].

use super::handle::Handle;
use super::pool::{Asked, Locked, Pool};
use super::seam::{Admitted, Claimed};
use super::table::Growth;
use crate::linux::page::{BorrowedPage, NewPage};
use crate::linux::trace::{self, Place};
use crate::zbud::{DescId, Freed, Len, Nid};
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

impl Locked {
    /// Whether a leaf should be made, and nobody does it.
    fn should_grow(&self) -> bool {
        !self.growing && self.books.wants_leaf()
    }
}

/// A descriptor that is reserved for a page to come.
///
/// # Invariants
///
/// The descriptor is in the state Reserved, on behalf of this guard only.
pub(super) struct Reserved<'p> {
    pub(super) pool: &'p Pool,
    pub(super) id: DescId,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut locked = self.pool.locked.lock();
        let unreserved = locked.books.unreserve(&self.pool.table, self.id);
        let leaf = self
            .pool
            .remove_leaf(&mut locked, unreserved.ok().flatten());
        drop(locked);
        drop(leaf);
    }
}

impl Pool {
    /// Makes room for a zpage of `len` bytes that belongs to node `nid`. May sleep if
    /// `gfp` says so; `gfp` is for a new page, if one is needed.
    ///
    /// It goes beside a zpage on its node, else into an empty or a new page there, else
    /// beside one elsewhere, else into an empty or a new page elsewhere.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn alloc(this: ArcBorrow<'_, Self>, len: Len, gfp: u32, nid: Nid) -> Result<Handle> {
        let mut locked = this.locked.lock();
        if let Some(stored) = locked.books.pair(&this.table, nid, len)? {
            return Ok(this.stored(&stored, len, Place::Beside));
        }
        if let Some(stored) = locked.books.refill(&this.table, nid, len)? {
            return Ok(this.stored(&stored, len, Place::Empty));
        }
        let home = locked.books.home(nid);
        let reserved = if locked.should_grow() || !locked.books.has_descriptor() {
            None
        } else {
            Some(locked.books.reserve(&this.table)?)
        };
        drop(locked);
        // INVARIANT: Reserved just now.
        let reserved = reserved.map(|id| Reserved { pool: &this, id });
        Self::alloc_apart(&this, reserved, len, gfp, home)
            .inspect_err(|_| this.counters().alloc_failed.inc())
    }

    /// Where no zpage on node `home` leaves room for one more.
    fn alloc_apart<'p>(
        this: &'p ArcBorrow<'_, Self>,
        mut reserved: Option<Reserved<'p>>,
        len: Len,
        gfp: u32,
        home: Nid,
    ) -> Result<Handle> {
        let mems = this.mems();
        if mems.several() {
            let at_home = |gfp| NewPage::alloc_spare(gfp, home);
            match Self::alloc_in_new_page(this, &mut reserved, len, gfp, at_home) {
                Err(error) if error == ENOMEM => {}
                done => return done,
            }
            if let Some(handle) = this.store_elsewhere(home, len)? {
                return Ok(handle);
            }
        }
        let anywhere = |gfp| mems.alloc(gfp, home);
        Self::alloc_in_new_page(this, &mut reserved, len, gfp, anywhere)
    }

    /// mm may want to know the name of a page before it takes it, and may refuse: so
    /// first the name, then mm, then the books. After an error the name may be reserved
    /// still, for another attempt.
    pub(super) fn alloc_in_new_page<'p>(
        this: &'p ArcBorrow<'_, Self>,
        reserved: &mut Option<Reserved<'p>>,
        len: Len,
        gfp: u32,
        alloc: impl FnOnce(u32) -> Option<NewPage>,
    ) -> Result<Handle> {
        let pool = &**this;
        let id = match reserved {
            Some(reserved) => reserved.id,
            None => reserved.insert(pool.reserve(gfp)?).id,
        };
        let mover = pool.mover();
        let page = alloc(gfp).ok_or(ENOMEM)?;
        // SAFETY: Reserved by a guard of the caller's, so dropped after `admitted` is.
        let admitted = unsafe { Admitted::new(mover, page, id, Arc::from(*this), gfp) }?;
        let handle = pool.insert(id, &admitted, len)?;
        // SAFETY: In the books now.
        unsafe { admitted.settle() };
        // It is not reserved any more.
        core::mem::forget(reserved.take());
        Ok(handle)
    }

    /// In a page that there is on another node, if there is one.
    fn store_elsewhere(&self, home: Nid, len: Len) -> Result<Option<Handle>> {
        let mut locked = self.locked.lock();
        if let Some(stored) = locked.books.pair_elsewhere(&self.table, home, len)? {
            return Ok(Some(self.stored(&stored, len, Place::Beside)));
        }
        let stored = locked.books.refill_elsewhere(&self.table, home, len)?;
        Ok(stored.map(|stored| self.stored(&stored, len, Place::Empty)))
    }

    /// Puts a zpage of `len` bytes into an admitted page, whose name is reserved.
    ///
    /// # Errors
    ///
    /// Only when the books are damaged.
    fn insert(&self, id: DescId, admitted: &Admitted<'_, Self>, len: Len) -> Result<Handle> {
        let page = admitted.page().ok_or(EINVAL)?;
        let address = page.address().ok_or(EINVAL)?;
        let mut locked = self.locked.lock();
        let books = &mut locked.books;
        let stored = books.insert(&self.table, id, address, page.nid(), len)?;
        let handle = self.stored(&stored, len, Place::New);
        self.note_pages(&locked);
        // Then the caller finds it lost when it maps it.
        if self.lose_if_broken(&mut locked, id, address) {
            self.ask(locked, Asked::Surplus);
        }
        Ok(handle)
    }

    /// Reserves a descriptor, once there is a new leaf if there are few. May sleep if `gfp`
    /// says so.
    fn reserve(&self, gfp: u32) -> Result<Reserved<'_>> {
        let mut locked = self.locked.lock();
        if locked.should_grow() {
            locked.growing = true;
            drop(locked);
            let grown = self.grow(gfp);
            locked = self.locked.lock();
            locked.growing = false;
            if !locked.books.has_descriptor() {
                grown?;
            }
        }
        loop {
            if locked.books.has_descriptor() {
                // INVARIANT: Reserved now.
                return Ok(Reserved {
                    pool: self,
                    id: locked.books.reserve(&self.table)?,
                });
            }
            // Whoever is making a leaf may take long, or fail.
            drop(locked);
            let grown = self.grow(gfp);
            locked = self.locked.lock();
            if !locked.books.has_descriptor() {
                grown?;
            }
        }
    }

    /// Adds a leaf, unless somebody else has done so meanwhile. May sleep if `gfp` says so.
    fn grow(&self, gfp: u32) -> Result {
        // Freed after the pool lock is dropped.
        let mut growth = Growth::new(&self.table, gfp)?;
        loop {
            let mut locked = self.locked.lock();
            let Locked { books, editor, .. } = &mut *locked;
            if !books.wants_leaf() {
                return Ok(());
            }
            match self.table.install(editor, &mut growth) {
                Ok(number) => return Ok(books.add_leaf(&self.table, number)?),
                Err(error) if error == EAGAIN => drop(locked),
                Err(error) => return Err(error),
            }
            growth.add_mid(gfp)?;
        }
    }

    /// Frees a zpage. Does not sleep; may be called under spinlocks.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and was not freed, or is being.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is mapped; `EINVAL` when it is no handle of a zpage.
    pub(crate) unsafe fn free(this: ArcBorrow<'_, Self>, handle: Handle) -> Result {
        // SAFETY: The zpage is not freed yet, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        let pool = &*this;
        let mut claimed = None;
        let mut locked = pool.locked.lock();
        let was = pool.before_free(owner, index);
        let freed = locked.books.free(&pool.table, owner, index, |page| {
            // SAFETY: A page of the pool, as the pool lock is held.
            claimed = unsafe { Claimed::try_new(pool.mover(), BorrowedPage::at(page)) };
            claimed.is_some()
        })?;
        if let Some((page, zpage)) = was {
            trace::free(pool.name(), page, zpage);
        }
        match freed {
            Freed::Kept | Freed::Moving => {}
            Freed::Released(released) => {
                let leaf = pool.remove_leaf(&mut locked, released.leaf);
                drop(locked);
                if let Some(page) = claimed {
                    // SAFETY: The books have forgotten it, and the caller has a
                    // reference on the pool.
                    unsafe { page.release() };
                }
                drop(leaf);
            }
            Freed::Forgotten(forgotten) => {
                let remove = |leaf| pool.remove_leaf(&mut locked, leaf);
                let leaves = forgotten.leaves.map(remove);
                if forgotten.emptied {
                    pool.emptied(locked, forgotten.surplus);
                } else {
                    drop(locked);
                }
                drop(leaves);
            }
            Freed::Empty { surplus } => pool.emptied(locked, surplus),
        }
        Ok(())
    }
}
