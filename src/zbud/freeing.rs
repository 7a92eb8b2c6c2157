// SPDX-License-Identifier: GPL-2.0

//! How zpages leave the pool: freeing a zpage, and what becomes of its page.

use super::books::{kept, node_mut, Books};
use super::chunk::NCHUNKS;
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::{Nid, PageAddr, SlotIndex};
use super::node_books::NodeBooks;
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
    /// It is being moved; the mover sees what is left when the copy is done.
    Moving,
    /// The zpage was the last, and the page was claimed: release it.
    Released(Released),
    /// The zpage was the last; the page is kept for the next one. `surplus`: it is one too
    /// many, but could not be claimed; let the worker run.
    Empty {
        /// As above.
        surplus: bool,
    },
    /// It was the last of a lost page that was forgotten before. There may be a leaf to
    /// remove, as `Released::leaf`.
    Forgotten(Option<u32>),
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
        let (id, buddy) = (word.place().desc(), word.place().buddy());
        let desc = if word.home() {
            owner
        } else {
            table.descriptor(id)?
        };
        if !word.home() {
            // The slot is elsewhere.
            let slot = desc.rmap(buddy).ok_or(Error::Corrupt)?;
            self.touch(table, slot.desc().leaf());
        }
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
            Some(State::Moving) => {
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
                self.totals.sub(1, 0);
                desc.set_page(None, Nid(0));
                let leaf = self.leaves.release(id, desc, State::Unbuddied, release);
                Ok(Freed::Released(Released { page, leaf }))
            }
            _ => Err(Error::Corrupt),
        }
    }
}
