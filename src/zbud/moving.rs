// SPDX-License-Identifier: GPL-2.0

//! Moving a page: freeze, copy, point the descriptor at the new page, thaw.
//!
//! The mover holds the page locks of both pages throughout, and the pool lock at
//! both ends but not during the copy. From [`Books::begin_move`] to
//! [`Books::finish_move`] it must not be preempted: others may spin meanwhile.

use super::books::{node_mut, Books};
use super::chunk::{Buddy, Extent};
use super::cursor::Cursor;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{DescId, Nid, PageAddr};
use super::node_books::NodeBooks;
use super::slot::Slot;
use super::state::State;
use super::table::{DescriptorEntries, Table};

/// The parts of a page that are to be copied, to the same places in the new page.
pub type Extents = [Option<Extent>; 2];

/// How a move ends: the old page leaves the pool, and the new one takes its place.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The node the zpages were on.
    pub from: Nid,
    /// No zpage is in the new page: let the worker run. The mover does not release it
    /// itself, because then the pool, and the mover's code with it, could be gone
    /// before the mover is done.
    pub emptied: bool,
}

/// The slot that points at a buddy of `desc`, if the buddy is there.
#[inline]
pub(super) fn slot_of<'t, T: Table>(
    table: &'t T,
    desc: &Descriptor,
    buddy: Buddy,
) -> Result<Option<&'t Slot>, Error> {
    match desc.rmap(buddy) {
        None => Ok(None),
        Some(slot) => Ok(Some(table.descriptor(slot.desc())?.slot(slot.index()))),
    }
}

/// The same for descriptor `id`, in which most of its slots are: these take no look into the
/// table.
#[inline]
fn slot_near<'t, T: Table>(
    table: &'t T,
    id: DescId,
    desc: &'t Descriptor,
    buddy: Buddy,
) -> Result<Option<&'t Slot>, Error> {
    match desc.rmap(buddy) {
        Some(slot) if slot.desc() == id => Ok(Some(desc.slot(slot.index()))),
        _ => slot_of(table, desc, buddy),
    }
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Whether a move of the page would be refused now. A hint: pins come and
    /// go. Under the page lock as well.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when `id` does not describe `page` (any more), or the page is
    /// being released, re-paired, or lost.
    pub fn can_move<T: Table>(&self, table: &T, id: DescId, page: PageAddr) -> Result<bool, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        let moves = matches!(
            desc.state(),
            Some(State::Unbuddied | State::Buddied | State::Empty)
        );
        if desc.page() != Some(page) || !moves {
            return Err(Error::Stale);
        }
        Ok(desc.pins(table) == 0)
    }

    /// The next page on node `nid` that can move or is being moved, in the leaf of
    /// the cursor and from there on; the cursor moves past it. Without its address
    /// if it is being moved: the mover has the page. Take a reference on the page
    /// before the pool lock is dropped.
    pub fn next_page_on<T: Table>(
        &self,
        table: &T,
        cursor: &mut Cursor,
        nid: Nid,
    ) -> Option<(DescId, Option<PageAddr>)> {
        while let Some((id, desc)) = cursor.next_in_leaf(table) {
            if desc.nid() != nid {
                continue;
            }
            match desc.state() {
                Some(State::Unbuddied | State::Buddied | State::Empty) => {
                    return Some((id, desc.page()))
                }
                Some(State::Moving | State::Joining) => return Some((id, None)),
                Some(
                    State::Free
                    | State::Reserved
                    | State::Leaving
                    | State::Vacated
                    | State::Stub
                    | State::Lost,
                )
                | None => {}
            }
        }
        None
    }

    /// Freezes the zpages of page `src` and takes the page off its list, so that
    /// none joins and none is mapped while it is copied. Under the page locks of
    /// both pages as well. `dst_nid` is the node of the page it will move to.
    ///
    /// # Errors
    ///
    /// [`Error::Pinned`] when a zpage is mapped; [`Error::Stale`] when `id` does
    /// not describe `src`, or it is being released, re-paired, or lost; [`Error::BadNode`];
    /// [`Error::Corrupt`]. Nothing has changed then.
    pub fn begin_move<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        src: PageAddr,
        dst_nid: Nid,
    ) -> Result<Extents, Error> {
        self.check_node(dst_nid)?;
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if desc.page() != Some(src) {
            return Err(Error::Stale);
        }
        let state = match desc.state() {
            Some(state @ (State::Unbuddied | State::Buddied | State::Empty)) => state,
            _ => return Err(Error::Stale),
        };
        self.touch(table, id.leaf());
        let first = slot_near(table, id, desc, Buddy::First)?;
        let last = slot_near(table, id, desc, Buddy::Last)?;
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;
        let free_chunks = desc.free_chunks();
        let removal = match state {
            State::Unbuddied => Some(node.prepare_remove(table, desc, free_chunks)?),
            State::Empty => Some(desc.links().prepare_remove(DescriptorEntries(table))?),
            _ => None,
        };
        if first.is_some_and(|slot| !slot.freeze()) {
            return Err(Error::Pinned);
        }
        if last.is_some_and(|slot| !slot.freeze()) {
            first.into_iter().for_each(Slot::thaw);
            return Err(Error::Pinned);
        }

        match removal {
            Some(removal) if state == State::Empty => node.remove_empty(desc, removal),
            Some(removal) => node.remove(desc, free_chunks, removal),
            None => {}
        }
        desc.step(state, State::Moving);
        Ok(desc.extents())
    }

    /// Ends what [`begin_move`](Self::begin_move) began, once the extents are
    /// in page `dst` on node `dst_nid`. Under the page locks of both pages as well.
    /// A mover that cannot complete the move names the page they came from.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when no move of `id` has begun; [`Error::BadNode`];
    /// [`Error::Corrupt`]. Nothing has changed then.
    pub fn finish_move<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        dst: PageAddr,
        dst_nid: Nid,
    ) -> Result<Finish, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !desc.is(State::Moving) {
            return Err(Error::Stale);
        }
        self.check_node(dst_nid)?;
        self.touch(table, id.leaf());
        let first = slot_near(table, id, desc, Buddy::First)?;
        let last = slot_near(table, id, desc, Buddy::Last)?;
        let zpages = u64::from(first.is_some()).wrapping_add(u64::from(last.is_some()));
        let from = desc.nid();
        self.check_node(from).map_err(|_| Error::Corrupt)?;
        let free_chunks = desc.free_chunks();
        let list = match zpages {
            0 => Some(node_mut(&mut self.nodes, dst_nid)?.prepare_push_empty(table)?),
            1 => Some(node_mut(&mut self.nodes, dst_nid)?.prepare_push(table, free_chunks)?),
            _ => None,
        };

        node_mut(&mut self.nodes, from)?.sub(1, zpages);
        desc.set_page(Some(dst), dst_nid);
        let node = node_mut(&mut self.nodes, dst_nid)?;
        node.add(1, zpages);
        match (zpages, list) {
            (0, Some(push)) => {
                desc.step(State::Moving, State::Empty);
                node.push_empty(id, desc, push);
            }
            (1, Some(push)) => {
                desc.step(State::Moving, State::Unbuddied);
                node.push(id, desc, free_chunks, push);
            }
            _ => desc.step(State::Moving, State::Buddied),
        }
        first.into_iter().for_each(Slot::thaw);
        last.into_iter().for_each(Slot::thaw);
        Ok(Finish {
            from,
            emptied: zpages == 0,
        })
    }
}
