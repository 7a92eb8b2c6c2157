// SPDX-License-Identifier: GPL-2.0

//! Re-pairing: a zpage that is alone in its page is moved beside another one, and its page
//! is won.
//!
//! Whoever re-pairs holds the pool lock at both ends but not during the copy, and no page
//! lock: nobody else moves, releases or loses either page meanwhile, as their states say. From
//! [`Books::begin_repair`] to [`Books::finish_repair`] it must not be preempted: others may
//! spin meanwhile.
//!
//! The zpages of a node may be taken in any order: each goes beside the largest there that leaves
//! room for it, and in the end no other way would have won more pages on that node. Let x be a zpage that fits beside
//! some other, and p the largest of those. Some greatest set of pairs has x beside p: take any
//! such set. If it has neither of them, it could be greater. If it has one of them, with
//! another, exchange that other for x or p. If it has x with q and p with y, then y fits
//! beside q, as q is no larger than p: exchange them.

use super::books::{node_mut, Books};
use super::chunk::{Buddy, Extent, Len, NCHUNKS};
use super::cursor::Cursor;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{DescId, Nid, PageAddr, Place, SlotId};
use super::list::Push;
use super::node_books::NodeBooks;
use super::slot::Slot;
use super::state::State;
use super::table::{DescriptorEntries, Table};

/// A zpage that is being moved beside another: copy its bytes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The descriptor of the page it is in.
    pub src: DescId,
    /// The descriptor of the page it goes to.
    pub dst: DescId,
    /// The page it is in, and where it is there.
    pub from: (PageAddr, Extent),
    /// The page it goes to, and where it will be there.
    pub to: (PageAddr, Extent),
    /// Its slot, which it keeps.
    pub slot: SlotId,
    len: Len,
    buddy: Buddy,
}

/// How that ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The zpage has left its page, or was freed: [take](Books::take_empty) the page, to
    /// release it. Else it could not be copied, and is where it was.
    pub won: bool,
    /// It has left its page, and was not freed.
    pub moved: bool,
    /// The other page has no zpage any more: let the worker run.
    pub emptied: bool,
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Begins to move the zpage of the next page that has one, which is not mapped and fits
    /// beside another, in the leaf of the cursor and from there on; the cursor moves past it.
    /// `elsewhere`: the other may be on another [allowed](Self::allow) node, if there is none
    /// on its own. `None` at the end of the leaf.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]. Nothing has changed then.
    pub fn next_repair<T: Table>(
        &mut self,
        table: &T,
        cursor: &mut Cursor,
        elsewhere: bool,
    ) -> Result<Option<Repair>, Error> {
        while let Some((id, desc)) = cursor.next_in_leaf(table) {
            if !desc.is(State::Unbuddied) {
                continue;
            }
            match self.begin_repair(table, id, elsewhere) {
                Ok(None) | Err(Error::Pinned) => {}
                begun => return begun,
            }
        }
        Ok(None)
    }

    /// Freezes the zpage of a page that has one, and takes that page and the one into which
    /// the zpage fits best off their lists: nothing comes to either of them, and neither moves.
    /// The zpage of the other can be mapped and freed all the time. `elsewhere`: as for
    /// [`next_repair`](Self::next_repair). `None` when it fits nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::Pinned`] when the zpage is mapped or not written yet; [`Error::Stale`] when `id` does not
    /// describe a page with one zpage; [`Error::Corrupt`]. Nothing has changed then.
    pub fn begin_repair<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        elsewhere: bool,
    ) -> Result<Option<Repair>, Error> {
        let src = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !src.is(State::Unbuddied) {
            return Err(Error::Stale);
        }
        let (its, len) = src.lone().ok_or(Error::Corrupt)?;
        let from = src.page().ok_or(Error::Corrupt)?;
        let frozen = Frozen::of(table, src)?.ok_or(Error::Corrupt)?;
        let Some((other, nid, free_chunks)) = self.partner(table, id, src, len, elsewhere)? else {
            return Ok(None);
        };
        self.touch(table, id.leaf());
        self.touch(table, other.leaf());
        let dst = table.descriptor(other)?;
        let (there, _) = dst.lone().ok_or(Error::Corrupt)?;
        let to = dst.page().ok_or(Error::Corrupt)?;
        let node = node_mut(&mut self.nodes, src.nid()).map_err(|_| Error::Corrupt)?;
        let first = node.prepare_remove(table, src, beside(len))?;
        let second =
            dst.links()
                .prepare_remove_after(DescriptorEntries(table), id.raw(), &first)?;
        // The page that it would come to may be in sight of a process.
        if !frozen.slot.is_written() || !frozen.slot.freeze() {
            return Err(Error::Pinned);
        }

        node.remove(src, beside(len), first);
        src.step(State::Unbuddied, State::Moving);
        node_mut(&mut self.nodes, nid)?.remove(dst, free_chunks, second);
        dst.step(State::Unbuddied, State::Joining);
        let buddy = there.other();
        Ok(Some(Repair {
            src: id,
            dst: other,
            from: (from, len.extent(its)),
            to: (to, len.extent(buddy)),
            slot: frozen.name,
            len,
            buddy,
        }))
    }

    /// The page but for page `id` into which a zpage of `len` bytes fits best, its node and
    /// the number of its free chunks.
    fn partner<T: Table>(
        &self,
        table: &T,
        id: DescId,
        src: &Descriptor,
        len: Len,
        elsewhere: bool,
    ) -> Result<Option<(DescId, Nid, usize)>, Error> {
        let nid = src.nid();
        let node = self.nodes.as_ref().get(nid.index()).ok_or(Error::Corrupt)?;
        let found = node.best_but(table, len.chunks(), id, beside(len))?;
        if let Some((other, free_chunks)) = found {
            return Ok(Some((other, nid, free_chunks)));
        }
        let nodes = (0_u16..).map(Nid).zip(self.nodes.as_ref());
        let allowed = nodes.filter(|&(to, node)| elsewhere && to != nid && node.home() == to);
        let fitting = allowed.filter_map(|(to, node)| {
            let free_chunks = node.best_fit(len.chunks())?;
            Some((node.first(free_chunks)?, to, free_chunks))
        });
        Ok(fitting.min_by_key(|&(_, _, free_chunks)| free_chunks))
    }

    /// Ends what [`begin_repair`](Self::begin_repair) began, once the bytes are copied, or
    /// could not be.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when it has not begun; [`Error::Corrupt`]. Nothing has changed then.
    pub fn finish_repair<T: Table>(
        &mut self,
        table: &T,
        repair: &Repair,
        copied: bool,
    ) -> Result<Repaired, Error> {
        let src = table.descriptor(repair.src).map_err(|_| Error::Stale)?;
        let dst = table.descriptor(repair.dst).map_err(|_| Error::Stale)?;
        if !src.is(State::Moving) || !dst.is(State::Joining) {
            return Err(Error::Stale);
        }
        // Either zpage may have been freed meanwhile.
        let frozen = Frozen::of(table, src)?;
        let joins = frozen.as_ref().filter(|_| copied);
        let won = frozen.is_none() || copied;
        let back = beside(repair.len);
        let (from, to) = (src.nid(), dst.nid());
        let node = node_mut(&mut self.nodes, from).map_err(|_| Error::Corrupt)?;
        let src_push = if won {
            node.prepare_push_vacated(table)?
        } else {
            node.prepare_push(table, back)?
        };
        let node = node_mut(&mut self.nodes, to).map_err(|_| Error::Corrupt)?;
        let dst_push = match (dst.lone(), joins) {
            (Some(_), Some(_)) => DstPush::None,
            (None, None) => DstPush::Empty(node.prepare_push_empty(table)?),
            (one, _) => {
                let free_chunks = one.map_or(back, |(_, len)| beside(len));
                // They may both go back to the same list.
                let push = if !won && from == to && free_chunks == back {
                    Push::after(src.links())
                } else {
                    node.prepare_push(table, free_chunks)?
                };
                DstPush::Unbuddied(free_chunks, push)
            }
        };

        self.touch(table, repair.src.leaf());
        self.touch(table, repair.dst.leaf());
        if let Some(frozen) = joins {
            dst.take_in(repair.buddy, frozen.name, repair.len);
            src.clear(frozen.buddy);
            node_mut(&mut self.nodes, from)?.sub(0, 1);
            node_mut(&mut self.nodes, to)?.add(0, 1);
        }
        let node = node_mut(&mut self.nodes, from)?;
        if won {
            src.step(State::Moving, State::Vacated);
            node.push_vacated(repair.src, src, src_push);
        } else {
            src.step(State::Moving, State::Unbuddied);
            node.push(repair.src, src, back, src_push);
        }
        let node = node_mut(&mut self.nodes, to)?;
        let emptied = matches!(dst_push, DstPush::Empty(_));
        match dst_push {
            DstPush::None => dst.step(State::Joining, State::Buddied),
            DstPush::Unbuddied(free_chunks, push) => {
                dst.step(State::Joining, State::Unbuddied);
                node.push(repair.dst, dst, free_chunks, push);
            }
            DstPush::Empty(push) => {
                dst.step(State::Joining, State::Empty);
                node.push_empty(repair.dst, dst, push);
            }
        }
        match (joins, &frozen) {
            (Some(it), _) => {
                let place = Place::new(repair.dst, repair.buddy);
                it.slot.thaw_at(place, it.name.desc() == repair.dst);
            }
            (None, Some(it)) => it.slot.thaw(),
            (None, None) => {}
        }
        Ok(Repaired {
            won,
            moved: joins.is_some(),
            emptied,
        })
    }
}

/// The zpage that is being moved, if it was not freed.
struct Frozen<'t> {
    buddy: Buddy,
    name: SlotId,
    slot: &'t Slot,
}

impl<'t> Frozen<'t> {
    fn of<T: Table>(table: &'t T, src: &Descriptor) -> Result<Option<Self>, Error> {
        let Some((buddy, _)) = src.lone() else {
            return Ok(None);
        };
        let name = src.rmap(buddy).ok_or(Error::Corrupt)?;
        let slot = table.descriptor(name.desc())?.slot(name.index());
        Ok(Some(Self { buddy, name, slot }))
    }
}

/// The list to which the other page goes.
enum DstPush<'t> {
    /// None: it has two zpages.
    None,
    /// That of its free chunks.
    Unbuddied(usize, Push<'t>),
    /// That of the empty pages.
    Empty(Push<'t>),
}

/// The chunks that a zpage leaves free.
fn beside(len: Len) -> usize {
    NCHUNKS.saturating_sub(len.chunks())
}
