// SPDX-License-Identifier: GPL-2.0

//! What a pool says of itself in trace events.

use super::handle::Handle;
use super::pool::Pool;
use crate::linux::page::{self, Frame};
use crate::linux::trace::{self, Place, Zpage};
use crate::zbud::{Descriptor, Len, Repair, SlotIndex, Stored, Table};
use kernel::prelude::*;

/// The page that a descriptor has. Under the pool lock.
fn page_of(desc: &Descriptor) -> Option<Frame> {
    Some(Frame {
        pfn: page::pfn(desc.page()?),
        nid: desc.nid(),
    })
}

fn zpage(handle: Handle, bytes: usize) -> Zpage {
    Zpage {
        handle: handle.raw(),
        bytes,
    }
}

/// A re-pairing that is traced, if somebody does that.
pub(super) struct RepairTrace(Option<(Zpage, Frame, Frame)>);

impl Pool {
    /// The handle of a zpage that was just stored. Under the pool lock.
    #[inline]
    pub(super) fn stored(&self, stored: &Stored<'_>, len: Len, place: Place) -> Handle {
        let handle = Handle::new(stored.owner, stored.index);
        if trace::stores() {
            if let Some(page) = page_of(stored.owner) {
                trace::store(self.name(), page, zpage(handle, len.bytes()), place);
            }
        }
        handle
    }

    /// What [`trace::free`] is told of a zpage that is about to be freed, if somebody traces
    /// that. Under the pool lock.
    #[inline]
    pub(super) fn before_free(
        &self,
        owner: &Descriptor,
        index: SlotIndex,
    ) -> Option<(Frame, Zpage)> {
        if !trace::frees() {
            return None;
        }
        let (desc, len) = owner.find(&self.table, index)?;
        let zpage = zpage(Handle::new(owner, index), len.bytes());
        Some((page_of(desc)?, zpage))
    }

    /// Of a re-pairing that has begun. Under the pool lock.
    #[inline]
    pub(super) fn trace_repair(&self, repair: &Repair) -> RepairTrace {
        RepairTrace(if trace::repairs() {
            self.describe(repair)
        } else {
            None
        })
    }

    /// The zpage, and the pages it is in and goes to. Under the pool lock.
    fn describe(&self, repair: &Repair) -> Option<(Zpage, Frame, Frame)> {
        let owner = self.table.descriptor(repair.slot.desc()).ok()?;
        let handle = Handle::new(owner, repair.slot.index());
        let frame = |id| page_of(self.table.descriptor(id).ok()?);
        Some((
            zpage(handle, repair.from.1.bytes()),
            frame(repair.src)?,
            frame(repair.dst)?,
        ))
    }
}

impl RepairTrace {
    /// It has ended.
    #[inline]
    pub(super) fn end(self, pool: &Pool, result: Result) {
        if let Some((zpage, from, to)) = self.0 {
            trace::repair(pool.name(), zpage, from, to, result);
        }
    }
}
