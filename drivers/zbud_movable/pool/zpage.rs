// SPDX-License-Identifier: GPL-2.0

//! An owned zpage: freed when it is dropped, readable while it is mapped.

use super::handle::Handle;
use super::pool::Pool;
use crate::linux::fault;
use crate::linux::page;
use crate::zbud::{Len, MappedZpage, Nid, PageAddr, PAGE_SIZE};
use core::ops::Deref;
use kernel::prelude::*;
use kernel::sync::ArcBorrow;

/// How often a store looks for another page when it finds that the memory of one has just
/// broken.
const ATTEMPTS: u32 = 3;

/// A zpage of a pool. Its owner may keep it as a [raw](Zpage::into_raw) number, without
/// the pool.
///
/// # Invariants
///
/// `handle` came from `pool` and is freed by nobody else.
pub(crate) struct Zpage<'p> {
    pool: ArcBorrow<'p, Pool>,
    handle: Handle,
}

impl<'p> Zpage<'p> {
    /// Stores a copy of `len` bytes, which belong to node `nid`. May sleep if `gfp` says
    /// so; `gfp` is for a new page, if one is needed.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no bytes, `ENOSPC` for more than a page, `ENOMEM`; `EIO` when the memory
    /// for it breaks just then, again and again.
    ///
    /// # Safety
    ///
    /// `bytes` may be read. Others may write there meanwhile; what is stored then is a
    /// mixture.
    pub(crate) unsafe fn new(
        pool: ArcBorrow<'p, Pool>,
        bytes: *const u8,
        len: usize,
        gfp: u32,
        nid: Nid,
    ) -> Result<Self> {
        let mut attempts = ATTEMPTS;
        loop {
            let handle = Pool::alloc(pool, Len::new(len)?, gfp, nid)?;
            // INVARIANT: Allocated just now.
            let zpage = Self { pool, handle };
            let mapped = match zpage.map() {
                Ok(mapped) => mapped,
                // The page has left the lists: another one is found.
                Err(error) if error == EIO && attempts != 0 => {
                    attempts = attempts.saturating_sub(1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // SAFETY: The zpage is that long, and mapped; nobody else knows it, and nobody
            // reads through `mapped`. The rest by the safety requirements.
            unsafe {
                let to = mapped.view.address as *mut u8;
                core::ptr::copy_nonoverlapping(bytes, to, len);
            }
            drop(mapped);
            return Ok(zpage);
        }
    }

    /// Stores the zpage anew, under another name, if that helps a leaf to go: its owner is to take
    /// the new one and to drop this. `None` when it may stay. Neither reclaims nor touches
    /// reserves; sleeps while a page of either is being copied.
    ///
    /// # Errors
    ///
    /// Those of [`Zpage::map`]; `ENOMEM`; `ENOSPC` when the pool has not many pages less than it may
    /// have.
    pub(crate) fn stored_anew(&self) -> Result<Option<Self>> {
        let from = self.map()?;
        let len = from.view.len;
        // SAFETY: Not freed before `self` is dropped, by the type invariant.
        let found = unsafe { Pool::alloc_anew(self.pool, self.handle, len) }?;
        let Some((handle, id)) = found else {
            return Ok(None);
        };
        // INVARIANT: Allocated just now.
        let anew = Self {
            pool: self.pool,
            handle,
        };
        let to = anew.map()?;
        let page = PageAddr::new(from.view.address & !(PAGE_SIZE - 1)).ok_or(EINVAL)?;
        // SAFETY: Both are mapped and that long; nobody else knows the new one, and nobody
        // reads through `to`.
        let copy = || unsafe { page::copy_bytes(from.view.address, to.view.address, len.bytes()) };
        fault::copy(page).and_then(|()| copy()).inspect_err(|_| {
            // Before others read what could not be copied, and before a process that has the
            // pool mapped sees what was in the new page.
            self.pool.lose(id, page);
            // SAFETY: As above.
            unsafe { core::ptr::write_bytes(to.view.address as *mut u8, 0, len.bytes()) };
        })?;
        drop(to);
        self.pool.counters().gathered.inc();
        Ok(Some(anew))
    }

    /// Leaves the zpage to the caller, as a number that is not 0.
    #[inline]
    pub(crate) fn into_raw(self) -> u64 {
        let raw = self.handle.raw() as u64;
        core::mem::forget(self);
        raw
    }

    /// The inverse of [`Zpage::into_raw`].
    ///
    /// # Safety
    ///
    /// `raw` came from there, for a zpage of this pool, and only one `Zpage` made of it is
    /// ever dropped, after the last use of the others.
    #[inline]
    pub(crate) unsafe fn from_raw(pool: ArcBorrow<'p, Pool>, raw: u64) -> Option<Self> {
        // CAST: 64-bit kernels.
        let handle = Handle::from_raw(raw as usize)?;
        // INVARIANT: By the safety requirements.
        Some(Self { pool, handle })
    }

    /// Its bytes. While they are mapped the page does not move. Takes no lock; waits while
    /// the page is being copied, and sleeps if that takes long.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is mapped too often (2^28 times), `EIO` when its memory is broken.
    #[inline]
    pub(crate) fn map(&self) -> Result<Mapped<'_>> {
        // SAFETY: Not freed before `self` is dropped, by the type invariant; the guard
        // unmaps it before.
        let view = match unsafe { self.pool.map(self.handle) } {
            // SAFETY: As above.
            Err(error) if error == EAGAIN => unsafe { self.pool.map_again(self.handle, true) },
            done => done,
        }?;
        // INVARIANT: Mapped just now.
        let mapped = Mapped { zpage: self, view };
        let address = mapped.view.address;
        // SAFETY: The pool has a reference on the page of a mapped zpage.
        if unsafe { page::is_poisoned(address) } {
            drop(mapped);
            self.lose_page_at(address);
            return Err(EIO);
        }
        Ok(mapped)
    }

    /// Takes the page at an address out of use: mm has just found out that its memory is broken.
    #[cold]
    fn lose_page_at(&self, address: usize) {
        if let Some(pfn) = PageAddr::new(address).map(page::pfn) {
            self.pool.lose_broken(&(pfn..pfn.saturating_add(1)));
        }
    }

    /// Maps it until [`Zpage::unpin`].
    ///
    /// # Errors
    ///
    /// As [`Zpage::map`].
    pub(crate) fn pin(&self) -> Result {
        core::mem::forget(self.map()?);
        Ok(())
    }

    /// Undoes [`Zpage::pin`].
    ///
    /// # Safety
    ///
    /// Called once at most for each `pin`.
    pub(crate) unsafe fn unpin(&self) -> Result {
        // SAFETY: Mapped by `pin`, and not freed by the type invariant.
        unsafe { self.pool.unmap(self.handle) }
    }
}

impl Drop for Zpage<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Freed by nobody else by the type invariant.
        if let Err(error) = unsafe { Pool::free(self.pool, self.handle) } {
            // Pinned by `pin` and not unpinned: it stays.
            pr_err!(
                "{}: a zpage could not be freed ({error:?})\n",
                self.pool.name()
            );
        }
    }
}

/// The bytes of a mapped zpage; unmapped when dropped.
///
/// # Invariants
///
/// `view` is that of a pin of `zpage` which is this guard's.
pub(crate) struct Mapped<'z> {
    zpage: &'z Zpage<'z>,
    view: MappedZpage,
}

impl Deref for Mapped<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: Pinned by the type invariant: the bytes are there, and nobody writes
        // to them after `Zpage::new`.
        unsafe {
            core::slice::from_raw_parts(self.view.address as *const u8, self.view.len.bytes())
        }
    }
}

impl Drop for Mapped<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The pin is this guard's by the type invariant.
        if let Err(error) = unsafe { self.zpage.pool.unmap(self.zpage.handle) } {
            pr_err!("a mapped zpage was not mapped ({error:?})\n");
        }
    }
}
