// SPDX-License-Identifier: GPL-2.0

//! The numbers of leaves: one series for all pools, with one bound.

use crate::linux::bindings;
use crate::linux::node;
use crate::zbud::{DescId, DESCRIPTORS_PER_LEAF};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// Leaves that there may be at least: for 85 GiB of pages.
const LEAST: usize = 1 << 18;

/// The numbers that leaves can have.
pub(crate) struct Numbers {
    end: u32,
    /// Whether the log says that they were all taken.
    told: AtomicBool,
}

impl Numbers {
    /// As many as the module parameter `max_pages` asks for, else enough for four times the
    /// memory that the machine has now, so that some can come. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there are not so many; `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        // SAFETY: Reads a variable. CAST: 64 bits.
        let asked: usize = unsafe { bindings::zbm_param_max_pages() } as _;
        // CAST: 32 bits fit.
        let most = DescId::MAX_LEAVES as usize;
        let leaves = match asked.div_ceil(DESCRIPTORS_PER_LEAF) {
            0 => {
                let memory = node::total_pages() / DESCRIPTORS_PER_LEAF;
                memory.saturating_mul(4).clamp(LEAST, most)
            }
            leaves if leaves <= most => leaves,
            _ => {
                let most = most.saturating_mul(DESCRIPTORS_PER_LEAF);
                pr_err!("max_pages: at most {most}\n");
                return Err(EINVAL);
            }
        };
        let numbers = Self {
            end: u32::try_from(leaves)?,
            told: AtomicBool::new(false),
        };
        Ok(Arc::new(numbers, GFP_KERNEL)?)
    }

    /// No leaf has this number or a higher one.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// The lowest that is free. May sleep if `gfp` says so.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when there is none, which the log says once, or no memory.
    pub(crate) fn take(&self, gfp: u32) -> Result<Number> {
        // SAFETY: Any flags are fine.
        let number =
            unsafe { bindings::zbm_leaf_number_get(self.end, gfp & !bindings::ZBM_GFP_ZONE_BITS) };
        if number == ENOSPC.to_errno() && !self.told.swap(true, Ordering::Relaxed) {
            // CAST: 32 bits fit.
            let pages = (self.end as usize).saturating_mul(DESCRIPTORS_PER_LEAF);
            pr_warn!("all pools together have room for {pages} pages (max_pages), and no more\n");
        }
        u32::try_from(number).map(Number).map_err(|_| ENOMEM)
    }
}

/// A leaf's number, which no other leaf of any pool has. Dropping it makes it free
/// again: not under the pool lock.
pub(crate) struct Number(u32);

impl Number {
    pub(crate) fn get(&self) -> u32 {
        self.0
    }

    pub(crate) fn into_raw(self) -> u32 {
        let number = self.0;
        core::mem::forget(self);
        number
    }

    /// # Safety
    ///
    /// `number` came from `into_raw`, once.
    pub(crate) unsafe fn from_raw(number: u32) -> Self {
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: Ours, freed once.
        unsafe { bindings::zbm_leaf_number_put(self.0) };
    }
}
