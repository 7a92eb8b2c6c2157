// SPDX-License-Identifier: GPL-2.0

//! Zpages that are mapped.

use super::handle::Handle;
use super::pool::Pool;
use crate::linux::task;
use crate::zbud::MappedZpage;
use kernel::prelude::*;

impl Pool {
    /// Maps a zpage. Takes no lock, and does not wait.
    ///
    /// # Errors
    ///
    /// `EAGAIN` while its page is being copied: see [`Pool::map_again`]. `EIO` when its memory is
    /// broken, `EBUSY` when it is mapped too often (2^28 times), `EINVAL` when it is no handle of
    /// a zpage.
    ///
    /// # Safety
    ///
    /// `handle` came from `alloc` of this pool and is not freed before `unmap`.
    #[inline]
    pub(crate) unsafe fn map(&self, handle: Handle) -> Result<MappedZpage> {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        Ok(owner.map(&self.table, index)?)
    }

    /// [`Pool::map`], for one that could not map at once. While the page is being copied it
    /// waits, and sleeps if that takes long and the caller `may_sleep`.
    ///
    /// # Errors
    ///
    /// As there, but for `EAGAIN`.
    ///
    /// # Safety
    ///
    /// As there. Not in an interrupt: it may be the one that copies which was interrupted.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn map_again(&self, handle: Handle, may_sleep: bool) -> Result<MappedZpage> {
        let mut turn = 0_u32;
        loop {
            // SAFETY: By the safety requirements.
            match unsafe { self.map(handle) } {
                Err(error) if error == EAGAIN => task::wait(turn, may_sleep),
                done => return done,
            }
            turn = turn.saturating_add(1);
        }
    }

    /// Unmaps a zpage.
    ///
    /// # Safety
    ///
    /// As for [`Pool::map`], which the caller has called.
    #[inline]
    pub(crate) unsafe fn unmap(&self, handle: Handle) -> Result {
        // SAFETY: The zpage is not freed, so its slot's leaf is there.
        let (owner, index) = unsafe { handle.slot() };
        Ok(owner.slot(index).unpin()?)
    }
}
