// SPDX-License-Identifier: GPL-2.0

//! Gathering: what keeps leaves of which little is used is stored anew, by an owner who can give
//! a zpage another name.

use super::allocation::Reserved;
use super::handle::Handle;
use super::pool::Pool;
use crate::linux::bindings;
use crate::linux::page::NewPage;
use crate::zbud::{DescId, Len};
use kernel::prelude::*;
use kernel::sync::ArcBorrow;

/// Pages that are left to those who store when the pool has a limit.
const SPARED: u64 = 64;

impl Pool {
    /// Whether a leaf could be won by it.
    pub(crate) fn can_gather(&self) -> bool {
        self.with_books(|books| books.has_sparse_leaf(&self.table))
    }

    /// Makes room anew for a zpage of `len` bytes, in a new page on its node, or where such may
    /// be, if that helps a leaf to go, and says in which page it is; `None` when it may stay there.
    /// Neither reclaims nor touches reserves.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENOSPC` when the pool has not many pages less than it may have.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and is not freed meanwhile.
    pub(super) unsafe fn alloc_anew(
        this: ArcBorrow<'_, Self>,
        handle: Handle,
        len: Len,
    ) -> Result<Option<(Handle, DescId)>> {
        // SAFETY: By the safety requirements its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        let pool = &*this;
        let mut locked = pool.locked.lock();
        if locked.books.below_limit() <= SPARED {
            return Err(ENOSPC);
        }
        let Some(gather) = locked.books.gather(&pool.table, owner, index)? else {
            return Ok(None);
        };
        drop(locked);
        // INVARIANT: Reserved just now.
        let mut reserved = Some(Reserved {
            pool,
            id: gather.to,
        });
        let there = |gfp| NewPage::alloc_spare(gfp, gather.home);
        let gfp = bindings::ZBM_GFP_ANEW;
        let anew = Self::alloc_in_new_page(&this, &mut reserved, len, gfp, there)?;
        Ok(Some((anew, gather.from)))
    }
}
