// SPDX-License-Identifier: GPL-2.0

//! What a pool says of itself in trace events.

use super::handle::Handle;
use super::pool::Pool;
use crate::linux::page::{self, Frame};
use crate::linux::trace::{self, Place};
use crate::zbud::{Descriptor, Len, SlotIndex, Stored};

/// The page that a descriptor has. Under the pool lock.
fn page_of(desc: &Descriptor) -> Option<Frame> {
    Some(Frame {
        pfn: page::pfn(desc.page()?),
        nid: desc.nid(),
    })
}

impl Pool {
    /// The handle of a zpage that was just stored. Under the pool lock.
    #[inline]
    pub(super) fn stored(&self, stored: &Stored<'_>, len: Len, place: Place) -> Handle {
        if trace::stores() {
            if let Some(page) = page_of(stored.owner) {
                trace::store(self.name(), page, len.bytes(), place);
            }
        }
        Handle::new(stored)
    }

    /// What [`trace::free`] is told of a zpage that is about to be freed, if somebody traces
    /// that. Under the pool lock.
    #[inline]
    pub(super) fn before_free(&self, owner: &Descriptor, index: SlotIndex) -> Option<(Frame, Len)> {
        if !trace::frees() {
            return None;
        }
        let (desc, len) = owner.find(&self.table, index)?;
        Some((page_of(desc)?, len))
    }
}
