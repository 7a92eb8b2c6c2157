// SPDX-License-Identifier: GPL-2.0

//! Moving a page: freeze, copy, point the descriptor at the new page, thaw.
//!
//! The mover holds the page lock of both pages throughout, and L at both ends
//! but not during the copy. From [`Lists::begin_move`] to
//! [`Lists::finish_move`] it must not be preempted: others may spin meanwhile.

use super::chunk::{Buddy, Extent};
use super::descriptor::{Descriptor, State};
use super::error::Error;
use super::id::{DescId, Frame, Nid};
use super::leaf::Table;
use super::lists::{Lists, NodeLists};
use super::slot::Slot;

/// What of a page is to be copied, to the same places in the new page.
pub type Extents = [Option<Extent>; 2];

/// How a move ends: the pool gives the old page up and keeps the new one.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The node the zpages were on.
    pub from: Nid,
    /// All zpages were freed during the copy, and the new page is on the
    /// deferred list: let the worker run. The mover does not give it up itself,
    /// because then the pool, and the mover's code with it, could be gone
    /// before the mover is done.
    pub emptied: bool,
}

/// The slot that points at a buddy of `desc`, if the buddy is there.
#[inline]
fn slot_of<'t, T: Table>(
    table: &'t T,
    desc: &Descriptor,
    buddy: Buddy,
) -> Result<Option<&'t Slot>, Error> {
    match desc.rmap(buddy) {
        None => Ok(None),
        Some(slot) => Ok(Some(table.descriptor(slot.desc())?.slot(slot.half()))),
    }
}

impl<N: AsRef<[NodeLists]> + AsMut<[NodeLists]>> Lists<N> {
    /// Whether a move of the page would be refused now. A hint: pins come and
    /// go. Under L and the page's lock.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when `id` does not describe `frame` (any more), or no zpage is
    /// left in it.
    pub fn can_move<T: Table>(&self, table: &T, id: DescId, frame: Frame) -> Result<bool, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if desc.frame() != Some(frame) || desc.is(State::Empty) {
            return Err(Error::Stale);
        }
        Ok(desc.pins(table) == 0)
    }

    /// The first page on node `nid` that has zpages or is being moved, among the
    /// descriptors of leaf `leaf` from `offset` on. Without its frame if it is being
    /// moved: whoever does that has the page. Under L: take a reference on the page
    /// before L is dropped.
    pub fn page_on<T: Table>(
        &self,
        table: &T,
        leaf: u32,
        offset: usize,
        nid: Nid,
    ) -> Option<(DescId, Option<Frame>)> {
        let descriptors = table.leaf(leaf)?.descriptors().skip(offset);
        descriptors
            .filter(|(_, desc)| desc.nid() == nid)
            .find_map(|(id, desc)| match desc.state()? {
                State::Unbuddied | State::Buddied => Some((id, desc.frame())),
                State::Moving => Some((id, None)),
                State::Free | State::Reserved | State::Empty => None,
            })
    }

    /// Freezes the zpages of page `src` and takes it off its list, so that
    /// none joins and none is mapped while it is copied. Under L and the locks
    /// of both pages. `dst_nid` is the node of the page it will move to.
    ///
    /// # Errors
    ///
    /// [`Error::Pinned`] when a zpage is mapped; [`Error::Stale`] when `id` does
    /// not describe `src`, or no zpage is left in it; [`Error::BadNode`].
    /// Nothing has changed then.
    pub fn begin_move<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        src: Frame,
        dst_nid: Nid,
    ) -> Result<Extents, Error> {
        self.node(dst_nid)?;
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if desc.frame() != Some(src) {
            return Err(Error::Stale);
        }
        if !desc.is(State::Unbuddied) && !desc.is(State::Buddied) {
            return Err(Error::Stale);
        }
        let first = slot_of(table, desc, Buddy::First)?;
        let last = slot_of(table, desc, Buddy::Last)?;
        if first.is_some_and(|slot| !slot.freeze()) {
            return Err(Error::Pinned);
        }
        if last.is_some_and(|slot| !slot.freeze()) {
            first.into_iter().for_each(Slot::thaw);
            return Err(Error::Pinned);
        }
        if desc.is(State::Unbuddied) {
            self.node(desc.nid())?.unlink(table, desc)?;
        }
        desc.set_state(State::Moving);
        Ok(desc.extents())
    }

    /// Ends what [`begin_move`](Lists::begin_move) began, once the extents are
    /// in page `dst` on node `dst_nid`. Under L and the locks of both pages. A
    /// mover that could not go through with it names the page they came from.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when no move of `id` has begun; [`Error::BadNode`].
    /// Nothing has changed then.
    pub fn finish_move<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        dst: Frame,
        dst_nid: Nid,
    ) -> Result<Finish, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !desc.is(State::Moving) {
            return Err(Error::Stale);
        }
        self.node(dst_nid)?;
        let first = slot_of(table, desc, Buddy::First)?;
        let last = slot_of(table, desc, Buddy::Last)?;
        let zpages = u64::from(first.is_some()).wrapping_add(u64::from(last.is_some()));
        let from = desc.nid();
        self.node(from)?.sub(1, zpages);
        desc.set_page(Some(dst), dst_nid);
        let node = self.node(dst_nid)?;
        node.add(1, zpages);
        match zpages {
            0 => self.link_deferred(table, id, desc)?,
            1 => {
                desc.set_state(State::Unbuddied);
                node.link(table, id, desc)?;
            }
            _ => desc.set_state(State::Buddied),
        }
        first.into_iter().for_each(Slot::thaw);
        last.into_iter().for_each(Slot::thaw);
        Ok(Finish {
            from,
            emptied: zpages == 0,
        })
    }
}
