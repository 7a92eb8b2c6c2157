// SPDX-License-Identifier: GPL-2.0

//! Gathering: blocks get zpages with other names where that helps a leaf of the pool to go.

use super::store::Store;
use crate::zbud::Content;
use core::mem::ManuallyDrop;
use kernel::prelude::*;

/// Blocks that are looked at with the disk locked, when zpages are gathered.
const LOOKS: u64 = 1024;
/// Of which so many at most are copied.
const COPIES: u32 = 64;

impl Store {
    /// Stores anew what keeps leaves of which little is used, in some blocks from `first` on;
    /// returns the block at which to go on, `None` at the end, or when there is nothing to win, or
    /// no memory to win it with.
    pub(super) fn gather(&self, first: u64) -> Option<u64> {
        if !self.pool().can_gather() {
            return None;
        }
        let end = first.saturating_add(LOOKS).min(self.blocks());
        let (mut next, mut copies, mut failures) = (first, 0_u32, 0_u32);
        let mut ended = false;
        while next < end && copies.max(failures) < COPIES && !ended {
            match self.gather_one(next) {
                Ok(true) => copies = copies.saturating_add(1),
                Err(error) if error == ENOMEM => failures = failures.saturating_add(1),
                Err(error) if error == ENOSPC => ended = true,
                // Nothing to do, or it cannot be read, now or ever.
                Ok(false) | Err(_) => {}
            }
            next = next.saturating_add(1);
        }
        self.stats.pages_max.raise(self.pool().pages());
        // On other nodes there may be memory.
        let no_memory = failures == COPIES && copies == 0 && !self.pool().mems().several();
        (next < self.blocks() && !ended && !no_memory).then_some(next)
    }

    /// The same for one block, unless somebody has it locked; returns whether it was. What the
    /// block holds is read and stored with the block locked, so this must not reclaim: that might
    /// want the block.
    fn gather_one(&self, index: u64) -> Result<bool> {
        let Some(locked) = self.block(index)?.try_lock() else {
            return Ok(false);
        };
        let mut guard = self.guard(locked);
        let (raw, content): (_, fn(u64) -> Content) = match guard.content() {
            Content::Empty | Content::Filled(_) => return Ok(false),
            Content::Zpage(raw) => (raw, Content::Zpage),
            Content::Large(raw) => (raw, Content::Large),
            Content::Raw(raw) => (raw, Content::Raw),
        };
        if guard.is_pinned() {
            return Ok(false);
        }
        // SAFETY: The block holds it, and is locked.
        let zpage = unsafe { self.zpage(raw) }?;
        let Some(anew) = zpage.stored_anew()? else {
            return Ok(false);
        };
        // The counts of what the blocks hold stay.
        guard.locked.set(content(anew.into_raw()));
        drop(ManuallyDrop::into_inner(zpage));
        Ok(true)
    }
}
