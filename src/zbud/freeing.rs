// SPDX-License-Identifier: GPL-2.0

//! How zpages leave the pool: freeing a zpage, and what becomes of its page.

use super::books::{kept, node_mut, Books};
use super::chunk::NCHUNKS;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{Nid, PageAddr, SlotIndex};
use super::node_books::NodeBooks;
use super::slot::{Slot, Word};
use super::state::State;
use super::table::Table;

/// A page that leaves the pool.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The page: make it no longer movable, under its lock, and drop the pool's reference.
    pub page: PageAddr,
    /// A leaf to remove from the table before the pool lock is dropped, and to
    /// free afterwards.
    pub leaf: Option<u32>,
}

/// The fate of the page of a freed zpage.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It has another zpage.
    Kept,
    /// Its page is being moved, or a zpage is: who copies sees what is left when that is done.
    Moving,
    /// The zpage was the last, and the page was claimed: release it.
    Released(Released),
    /// The zpage was the last; the page is kept for the next one. `surplus`: it is one too
    /// many, but could not be claimed; let the worker run.
    Empty {
        /// As above.
        surplus: bool,
    },
    /// Descriptors that were there for the zpage only are forgotten.
    Forgotten(Forgotten),
}

/// What a freed zpage was the last in: a lost page that was forgotten before, a descriptor
/// that had its slot and no page, or both.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Leaves to remove, as `Released::leaf`.
    pub leaves: [Option<u32>; 2],
    /// It was the last of another page, too, which is [kept](Freed::Empty).
    pub emptied: bool,
    /// That is one too many.
    pub surplus: bool,
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Frees the zpage whose slot is slot `index` of `owner`. Never sleeps.
    ///
    /// A page that loses its last zpage is [kept](Self::keep), unless there are enough and
    /// `claim_page` claims it, so that no mover can find it (for example by its page
    /// lock). It must not wait: the page lock is taken before the pool lock, not under it.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when there is no such zpage, [`Error::Pinned`] when it
    /// is mapped, [`Error::Corrupt`]. Nothing has changed then.
    #[inline]
    pub fn free<T: Table>(
        &mut self,
        table: &T,
        owner: &Descriptor,
        index: SlotIndex,
        claim_page: impl FnOnce(PageAddr) -> bool,
    ) -> Result<Freed, Error> {
        let slot = owner.slot(index);
        let word = slot.unpinned()?;
        if !word.home() {
            return self.free_elsewhere(table, owner, slot, word);
        }
        self.free_from(table, owner, slot, word, claim_page)
    }

    /// Frees a zpage that is beside another, and with it the descriptor in which its slot
    /// was, if that is there for the slot only. If the zpage was the last of its page, that
    /// is never claimed: one descriptor goes at a time, if its page is not lost.
    #[cold]
    fn free_elsewhere<T: Table>(
        &mut self,
        table: &T,
        owner: &Descriptor,
        slot: &Slot,
        word: Word,
    ) -> Result<Freed, Error> {
        let desc = table.descriptor(word.place().desc())?;
        let name = desc.rmap(word.place().buddy()).ok_or(Error::Corrupt)?;
        let stub = owner.is(State::Stub);
        if stub {
            self.leaves.check_release(table, name.desc())?;
        }
        self.touch(table, name.desc().leaf());
        let freed = self.free_from(table, desc, slot, word, |_| false)?;
        if !stub {
            return Ok(freed);
        }
        let mut forgotten = Forgotten::default();
        match freed {
            Freed::Forgotten(lost) => forgotten = lost,
            Freed::Empty { surplus } => (forgotten.emptied, forgotten.surplus) = (true, surplus),
            _ => {}
        }
        // No error after the check.
        let release = self.leaves.prepare_release(table, name.desc())?;
        let leaves = &mut self.leaves;
        forgotten.leaves[1] = leaves.release(name.desc(), owner, State::Stub, release);
        Ok(Freed::Forgotten(forgotten))
    }

    /// Frees the zpage of `slot`, whose word is `word`; `desc` is the descriptor of its page.
    #[inline(always)]
    fn free_from<T: Table>(
        &mut self,
        table: &T,
        desc: &Descriptor,
        slot: &Slot,
        word: Word,
        claim_page: impl FnOnce(PageAddr) -> bool,
    ) -> Result<Freed, Error> {
        let (id, buddy) = (word.place().desc(), word.place().buddy());
        let Some(len) = desc.len(buddy) else {
            return match desc.state() {
                Some(State::Lost) => self.free_lost(table, slot, word, desc),
                _ => Err(Error::Corrupt),
            };
        };
        self.touch(table, id.leaf());
        let node = node_mut(&mut self.nodes, desc.nid()).map_err(|_| Error::Corrupt)?;
        match desc.state() {
            Some(State::Buddied) => {
                let left = desc.len(buddy.other()).ok_or(Error::Corrupt)?;
                let free_chunks = NCHUNKS.saturating_sub(left.chunks());
                let push = node.prepare_push(table, free_chunks)?;
                slot.retire(word)?;

                desc.clear(buddy);
                desc.step(State::Buddied, State::Unbuddied);
                node.push(id, desc, free_chunks, push);
                node.sub(0, 1);
                self.totals.sub(0, len.bytes());
                Ok(Freed::Kept)
            }
            // Of a page to which another comes, only its own is mapped and freed.
            Some(State::Moving | State::Joining) => {
                slot.retire(word)?;

                desc.clear(buddy);
                node.sub(0, 1);
                self.totals.sub(0, len.bytes());
                Ok(Freed::Moving)
            }
            Some(State::Unbuddied) => {
                let page = desc.page().ok_or(Error::Corrupt)?;
                let free_chunks = NCHUNKS.saturating_sub(len.chunks());
                let removal = node.prepare_remove(table, desc, free_chunks)?;
                let push = node.prepare_push_empty(table)?;
                let surplus =
                    node.empty_pages() >= kept(self.kept, node) || self.totals.pages > self.limit;
                let release = if surplus {
                    Some(self.leaves.prepare_release(table, id)?)
                } else {
                    None
                };
                slot.retire(word)?;

                desc.clear(buddy);
                node.remove(desc, free_chunks, removal);
                self.totals.sub(0, len.bytes());
                let release = release.filter(|_| claim_page(page));
                let Some(release) = release else {
                    node.sub(0, 1);
                    desc.step(State::Unbuddied, State::Empty);
                    node.push_empty(id, desc, push);
                    return Ok(Freed::Empty { surplus });
                };
                node.sub(1, 1);
                if self.totals.pages <= self.limit {
                    node.demand.released(1);
                }
                self.totals.sub(1, 0);
                desc.set_page(None, Nid(0));
                let leaf = self.leaves.release(id, desc, State::Unbuddied, release);
                Ok(Freed::Released(Released { page, leaf }))
            }
            _ => Err(Error::Corrupt),
        }
    }
}
