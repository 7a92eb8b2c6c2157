// SPDX-License-Identifier: GPL-2.0

//! Where zpages come from and go to: pairing, inserting, freeing, giving back.

use super::chunk::{Buddy, Len};
use super::descriptor::{Descriptor, State};
use super::error::Error;
use super::id::{DescId, Frame, Half, Nid, SlotId};
use super::leaf::Table;
use super::lists::{Lists, NodeLists};

/// A zpage that was just given a place.
#[must_use]
pub struct Stored<'t> {
    /// The descriptor its slot lives in.
    pub home: &'t Descriptor,
    /// Which of the slots there.
    pub half: Half,
    /// The slot's name.
    pub slot: SlotId,
}

/// A page that the pool gives up.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The host page: clear its movable state under its lock, drop the pool's reference.
    pub frame: Frame,
    /// A leaf to take out of the table while L is still held, and to free after.
    pub leaf: Option<u32>,
}

/// What became of the page of a freed zpage.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It has another zpage.
    Kept,
    /// It is being moved; the mover looks what is left when the copy is done.
    Moving,
    /// It was the last zpage, and the page lock was free: give the page back, unlock it.
    Released(Released),
    /// It was the last zpage, but the page could not be given up at once: it is on
    /// the deferred list, let the worker run.
    Deferred,
}

impl<N: AsRef<[NodeLists]> + AsMut<[NodeLists]>> Lists<N> {
    /// Puts a zpage beside the one it fits best: into the page with the fewest
    /// free chunks that suffice, on node `nid` if there is one, else on the
    /// first node that has one; on [allowed](Lists::allow) nodes only. Under L.
    /// O(1) in the size of the pool.
    ///
    /// `None` when it fits nowhere: [`insert`](Lists::insert) a page.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] only.
    #[inline]
    pub fn pair<'t, T: Table>(
        &mut self,
        table: &'t T,
        nid: Nid,
        len: Len,
    ) -> Result<Option<Stored<'t>>, Error> {
        let chunks = len.chunks();
        let local = nid.index();
        let nodes = self.nodes.as_ref();
        let found = match nodes.get(local).and_then(|node| node.best_fit(chunks)) {
            Some(free_chunks) => Some((local, free_chunks)),
            None => nodes
                .iter()
                .enumerate()
                .find_map(|(index, node)| Some((index, node.best_fit(chunks)?))),
        };
        let Some((index, free_chunks)) = found else {
            return Ok(None);
        };
        let node = self.nodes.as_mut().get_mut(index).ok_or(Error::BadNode)?;
        let id = DescId::from_raw(node.head(free_chunks)).ok_or(Error::Corrupt)?;
        let home = table.descriptor(id)?;
        let buddy = if home.len(Buddy::First).is_none() {
            Buddy::First
        } else {
            Buddy::Last
        };
        node.unlink(table, home)?;
        let half = home.place(id, buddy, len)?;
        home.set_state(State::Buddied);
        node.add(0, 1);
        self.stored_bytes = self.stored_bytes.wrapping_add(u64::from(len.raw()));
        Ok(Some(Stored {
            home,
            half,
            slot: SlotId::new(id, half),
        }))
    }

    /// Adds a host page to the pool, with a zpage as its first buddy. Under L
    /// and the page lock, so that nobody isolates it before it is set up.
    ///
    /// # Errors
    ///
    /// [`Error::NoDescriptor`]: add a leaf and try again. [`Error::BadNode`].
    #[inline]
    pub fn insert<'t, T: Table>(
        &mut self,
        table: &'t T,
        frame: Frame,
        nid: Nid,
        len: Len,
    ) -> Result<Stored<'t>, Error> {
        self.node(nid)?;
        let (id, home) = self.take_descriptor(table)?;
        self.fill(table, (id, home), frame, nid, len)
    }

    /// Takes a descriptor for a page that is to be inserted later by
    /// [`insert_reserved`](Lists::insert_reserved), for movers that must know
    /// its name before. Under L.
    ///
    /// # Errors
    ///
    /// [`Error::NoDescriptor`]: add a leaf and try again.
    pub fn reserve<T: Table>(&mut self, table: &T) -> Result<DescId, Error> {
        let (id, desc) = self.take_descriptor(table)?;
        desc.set_state(State::Reserved);
        Ok(id)
    }

    /// Gives back what [`reserve`](Lists::reserve) took; returns a leaf to take
    /// out of the table, as [`Released::leaf`]. Under L.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when it is not reserved; nothing has changed then.
    pub fn unreserve<T: Table>(&mut self, table: &T, id: DescId) -> Result<Option<u32>, Error> {
        let desc = Self::reserved(table, id)?;
        self.give_descriptor(table, id, desc)
    }

    /// [`insert`](Lists::insert) with a descriptor that was reserved. Under L
    /// and the page lock.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when it is not reserved; [`Error::BadNode`]. Nothing has
    /// changed then.
    pub fn insert_reserved<'t, T: Table>(
        &mut self,
        table: &'t T,
        id: DescId,
        frame: Frame,
        nid: Nid,
        len: Len,
    ) -> Result<Stored<'t>, Error> {
        self.node(nid)?;
        let home = Self::reserved(table, id)?;
        self.fill(table, (id, home), frame, nid, len)
    }

    fn reserved<T: Table>(table: &T, id: DescId) -> Result<&Descriptor, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        desc.is(State::Reserved).then_some(desc).ok_or(Error::Stale)
    }

    /// Makes a descriptor that is nobody's that of a page with one zpage.
    #[inline]
    fn fill<'t, T: Table>(
        &mut self,
        table: &'t T,
        (id, home): (DescId, &'t Descriptor),
        frame: Frame,
        nid: Nid,
        len: Len,
    ) -> Result<Stored<'t>, Error> {
        home.set_page(Some(frame), nid);
        let half = home.place(id, Buddy::First, len)?;
        home.set_state(State::Unbuddied);
        let node = self.node(nid)?;
        node.link(table, id, home)?;
        node.add(1, 1);
        self.pages = self.pages.wrapping_add(1);
        self.stored_bytes = self.stored_bytes.wrapping_add(u64::from(len.raw()));
        Ok(Stored {
            home,
            half,
            slot: SlotId::new(id, half),
        })
    }

    /// Frees the zpage whose slot is `half` of `home`. Under L; never sleeps.
    ///
    /// `try_lock_page` tries to take the page lock of the page that lost its
    /// last zpage; it must not wait: the lock order is page lock, then L.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`], [`Error::Pinned`]; nothing has changed then.
    #[inline]
    pub fn free<T: Table>(
        &mut self,
        table: &T,
        home: &Descriptor,
        half: Half,
        try_lock_page: impl FnOnce(Frame) -> bool,
    ) -> Result<Freed, Error> {
        let slot = home.slot(half).retire()?;
        let (id, buddy) = (slot.place().desc(), slot.place().buddy());
        let desc = if slot.home() {
            home
        } else {
            table.descriptor(id)?
        };
        let len = desc.len(buddy).ok_or(Error::Corrupt)?;
        self.stored_bytes = self.stored_bytes.wrapping_sub(u64::from(len.raw()));
        let node = self.node(desc.nid())?;
        node.sub(0, 1);
        if desc.is(State::Buddied) {
            desc.clear(buddy);
            desc.set_state(State::Unbuddied);
            node.link(table, id, desc)?;
            return Ok(Freed::Kept);
        }
        if desc.is(State::Moving) {
            desc.clear(buddy);
            return Ok(Freed::Moving);
        }
        node.unlink(table, desc)?;
        desc.clear(buddy);
        let frame = desc.frame().ok_or(Error::Corrupt)?;
        if try_lock_page(frame) {
            return Ok(Freed::Released(self.give_up(table, id, desc, frame)?));
        }
        self.link_deferred(table, id, desc)?;
        Ok(Freed::Deferred)
    }

    /// The next page on the deferred list, if any; it stays there. Under L:
    /// take a reference on the page before L is dropped.
    pub fn deferred<T: Table>(&self, table: &T) -> Option<(DescId, Frame)> {
        let id = DescId::from_raw(self.deferred)?;
        let frame = table.descriptor(id).ok()?.frame()?;
        Some((id, frame))
    }

    /// Gives a page of the deferred list up. Under L, by the only one who does (W),
    /// once no mover can find the page: its lock is held, or the host has forgotten it.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when someone else did meanwhile, or the descriptor
    /// has become another page's.
    pub fn release<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        frame: Frame,
    ) -> Result<Released, Error> {
        // The leaf itself may be gone with the page.
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if !desc.is(State::Empty) || desc.frame() != Some(frame) {
            return Err(Error::Stale);
        }
        self.unlink_deferred(table, desc)?;
        self.give_up(table, id, desc, frame)
    }

    /// Parts a descriptor that is on no list from its page.
    #[inline]
    pub(super) fn give_up<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
        frame: Frame,
    ) -> Result<Released, Error> {
        self.node(desc.nid())?.sub(1, 0);
        self.pages = self.pages.wrapping_sub(1);
        desc.set_page(None, Nid(0));
        let leaf = self.give_descriptor(table, id, desc)?;
        Ok(Released { frame, leaf })
    }
}
