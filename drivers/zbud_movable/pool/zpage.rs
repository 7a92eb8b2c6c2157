// SPDX-License-Identifier: GPL-2.0

//! An owned zpage: freed when it is dropped, readable while it is mapped.

use super::handle::Handle;
use super::pool::Pool;
use crate::zbud::{Len, MappedZpage};
use core::ops::Deref;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// A zpage of a pool. It keeps the pool.
///
/// # Invariants
///
/// `handle` came from `pool` and is freed by nobody else.
pub(crate) struct Zpage {
    pool: Arc<Pool>,
    handle: Handle,
}

impl Zpage {
    /// Stores a copy of `bytes`. May sleep if `gfp` says so; `gfp` is for a new page,
    /// if one is needed.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no bytes, `ENOSPC` for more than a page, `ENOMEM`.
    pub(crate) fn new(pool: ArcBorrow<'_, Pool>, bytes: &[u8], gfp: u32) -> Result<Self> {
        let handle = Pool::alloc(pool, Len::new(bytes.len())?, gfp)?;
        // INVARIANT: Allocated just now.
        let zpage = Self {
            pool: Arc::from(pool),
            handle,
        };
        let mapped = zpage.map()?;
        // SAFETY: The zpage is as long as `bytes`, and mapped; nobody else knows it, and
        // nobody reads through `mapped`.
        unsafe {
            let to = mapped.view.address as *mut u8;
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        drop(mapped);
        Ok(zpage)
    }

    /// Its bytes. While they are mapped the page does not move. Takes no lock; waits
    /// for at most one page copy.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is mapped too often (2^29 times).
    pub(crate) fn map(&self) -> Result<Mapped<'_>> {
        // SAFETY: Not freed before `self` is dropped, by the type invariant; the guard
        // unmaps it before.
        let view = unsafe { self.pool.map(self.handle) }?;
        // INVARIANT: Mapped just now.
        Ok(Mapped { zpage: self, view })
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

impl Drop for Zpage {
    fn drop(&mut self) {
        // SAFETY: Freed by nobody else by the type invariant.
        if let Err(error) = unsafe { Pool::free(self.pool.as_arc_borrow(), self.handle) } {
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
    zpage: &'z Zpage,
    view: MappedZpage,
}

impl Deref for Mapped<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: Pinned by the type invariant: the bytes are there, and nobody writes
        // to them after `Zpage::new`.
        unsafe {
            core::slice::from_raw_parts(self.view.address as *const u8, self.view.len.bytes())
        }
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        // SAFETY: The pin is this guard's by the type invariant.
        if let Err(error) = unsafe { self.zpage.pool.unmap(self.zpage.handle) } {
            pr_err!("a mapped zpage was not mapped ({error:?})\n");
        }
    }
}
