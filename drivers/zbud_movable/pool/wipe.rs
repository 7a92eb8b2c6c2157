// SPDX-License-Identifier: GPL-2.0

//! Pages come from the kernel with what was in them. Before one is shown to a process, all of
//! it that is not of the pool is overwritten; most pages never are shown, and need not be.

use super::pool::Pool;
use crate::linux::page::PageLock;
use crate::zbud::DescId;
use kernel::prelude::*;

impl Pool {
    /// Overwrites with zeroes what no zpage has in `page`, with the descriptor `id`. Says
    /// whether it did: not while a zpage is being stored or copied there, so for a moment.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when `id` does not describe the page (any more), or it is lost.
    pub(crate) fn wipe(&self, id: DescId, page: PageLock<'_>) -> Result<bool> {
        let address = page.page().address().ok_or(EINVAL)?;
        let locked = self.locked.lock();
        let Some(gaps) = locked.books.gaps(&self.table, id, address)? else {
            return Ok(false);
        };
        for gap in gaps {
            // SAFETY: The pool's page, and zpages come only under the pool lock, which is held:
            // so nobody writes to what none has.
            unsafe { page.wipe(gap) };
        }
        drop(locked);
        Ok(true)
    }
}
