// SPDX-License-Identifier: GPL-2.0

//! The pool as the kernel glue makes it: lists, table and host together.

use super::host::{Holder, Host};
use super::table::Leaves;
use super::{some, Trouble};
use crate::ensure;
use std::collections::HashSet;
use zbud_movable_core::zbud::{
    Buddy, DescId, Descriptor, Error, Extents, Finish, Frame, Freed, Half, Len, Lists, Mapping,
    Nid, NodeLists, Released, SlotId, State, Table,
};

/// A zpage that was just stored.
pub struct Put {
    /// Its slot.
    pub slot: SlotId,
    /// The page it is in.
    pub frame: Frame,
    /// Whether it was put beside another.
    pub joined: bool,
}

/// What all descriptors say, for "nothing has changed".
pub type Picture = (
    Vec<(
        DescId,
        Option<Frame>,
        Nid,
        Option<State>,
        [Option<Len>; 2],
        [Option<SlotId>; 2],
        u64,
    )>,
    Vec<(u64, u64, u64)>,
    (u64, u64),
);

/// The pool.
pub struct Pool {
    /// Its leaves.
    pub table: Leaves,
    /// What L protects.
    pub lists: Lists<Vec<NodeLists>>,
    /// The host's pages.
    pub host: Host,
}

impl Pool {
    /// An empty pool over nodes 0 to `nodes` - 1.
    pub fn new(nodes: u16) -> Self {
        Self {
            table: Leaves::new(64, 1024),
            lists: Lists::new((0..nodes).map(|_| NodeLists::new()).collect()),
            host: Host::default(),
        }
    }

    /// Adds a leaf.
    pub fn grow(&mut self) -> Result<u32, Trouble> {
        let number = some(self.table.grow(), "room for a leaf")?;
        self.lists.add_leaf(&self.table, number)?;
        Ok(number)
    }

    /// The descriptor a slot lives in.
    pub fn home(&self, slot: SlotId) -> Result<&Descriptor, Error> {
        self.table.descriptor(slot.desc())
    }

    /// Stores a zpage, the bytes are not written yet.
    pub fn store(&mut self, nid: Nid, len: Len) -> Result<Put, Trouble> {
        if let Some(stored) = self.lists.pair(&self.table, nid, len)? {
            return Ok(Put {
                slot: stored.slot,
                frame: some(stored.home.frame(), "page")?,
                joined: true,
            });
        }
        let frame = self.host.alloc(nid)?;
        ensure!(self.host.try_lock(frame, Holder::Pool), "a new page locked");
        if !self.lists.has_descriptor() {
            let refused = self.lists.insert(&self.table, frame, nid, len).err();
            ensure!(
                refused == Some(Error::NoDescriptor),
                "inserted without descriptor"
            );
            self.grow()?;
        }
        let stored = self.lists.insert(&self.table, frame, nid, len)?;
        ensure!(
            stored.home.frame() == Some(frame),
            "inserted at another page"
        );
        self.host.unlock(frame)?;
        Ok(Put {
            slot: stored.slot,
            frame,
            joined: false,
        })
    }

    /// Takes a descriptor for a page to come.
    pub fn reserve(&mut self) -> Result<DescId, Trouble> {
        if !self.lists.has_descriptor() {
            let refused = self.lists.reserve(&self.table).err();
            ensure!(refused == Some(Error::NoDescriptor), "reserved nothing");
            self.grow()?;
        }
        Ok(self.lists.reserve(&self.table)?)
    }

    /// Inserts a page under it.
    pub fn fill(&mut self, id: DescId, nid: Nid, len: Len) -> Result<Put, Trouble> {
        let frame = self.host.alloc(nid)?;
        ensure!(self.host.try_lock(frame, Holder::Pool), "a new page locked");
        let stored = self
            .lists
            .insert_reserved(&self.table, id, frame, nid, len)?;
        ensure!(stored.slot.desc() == id, "inserted under another name");
        self.host.unlock(frame)?;
        Ok(Put {
            slot: stored.slot,
            frame,
            joined: false,
        })
    }

    /// Gives it back.
    pub fn unreserve(&mut self, id: DescId) -> Result<(), Trouble> {
        let leaf = self.lists.unreserve(&self.table, id)?;
        self.leaf_gone(leaf)
    }

    /// Maps a zpage.
    pub fn map(&self, slot: SlotId) -> Result<Mapping, Error> {
        self.home(slot)?.map(&self.table, slot.half())
    }

    /// Unmaps it.
    pub fn unmap(&self, slot: SlotId) -> Result<(), Error> {
        self.home(slot)?.slot(slot.half()).unpin()
    }

    /// Writes to a zpage through a mapping of it.
    pub fn write(&mut self, slot: SlotId, bytes: &[u8]) -> Result<(), Trouble> {
        let mapping = self.map(slot)?;
        ensure!(mapping.len.bytes() == bytes.len(), "mapped another length");
        self.host.write(mapping.address, bytes)?;
        Ok(self.unmap(slot)?)
    }

    /// Whether a mapping of a zpage shows these bytes.
    pub fn holds(&self, slot: SlotId, bytes: &[u8]) -> Result<bool, Error> {
        let mapping = self.map(slot)?;
        let holds = mapping.len.bytes() == bytes.len()
            && self
                .host
                .bytes(mapping.address)
                .is_some_and(|page| page.starts_with(bytes));
        self.unmap(slot)?;
        Ok(holds)
    }

    /// Frees a zpage. An error of the core is for the caller to judge.
    pub fn free(&mut self, slot: SlotId) -> Result<Result<Freed, Error>, Trouble> {
        let home = self.table.descriptor(slot.desc())?;
        let host = &mut self.host;
        let freed = self.lists.free(&self.table, home, slot.half(), |frame| {
            host.try_lock(frame, Holder::Pool)
        });
        if let Ok(Freed::Released(released)) = freed {
            self.gone(released)?;
        }
        Ok(freed)
    }

    /// Gives back a page whose lock is held, and drops the lock.
    pub fn gone(&mut self, released: Released) -> Result<(), Trouble> {
        self.leaf_gone(released.leaf)?;
        self.host.give_up(released.frame)?;
        self.host.unlock(released.frame)
    }

    fn leaf_gone(&mut self, leaf: Option<u32>) -> Result<(), Trouble> {
        if let Some(number) = leaf {
            let leaf = some(self.table.leaf(number), "leaf to give back")?;
            let used = leaf
                .descriptors()
                .any(|(_, desc)| desc.state() != Some(State::Free));
            ensure!(!used, "leaf {number} was given back while in use");
            ensure!(self.table.take(number), "no leaf {number}");
        }
        Ok(())
    }

    /// Starts a move; the caller has locked `src` and `dst`.
    pub fn begin(
        &mut self,
        id: DescId,
        src: Frame,
        dst: Frame,
        nid: Nid,
    ) -> Result<Result<Extents, Error>, Trouble> {
        let begun = self.lists.begin_move(&self.table, id, src, nid);
        if let Ok(extents) = begun {
            self.copy(src, dst, extents)?;
        }
        Ok(begun)
    }

    fn copy(&mut self, src: Frame, dst: Frame, extents: Extents) -> Result<(), Trouble> {
        extents
            .into_iter()
            .flatten()
            .try_for_each(|extent| self.host.copy(src, dst, extent))
    }

    /// Ends a move and unlocks both pages. The source goes.
    pub fn finish(
        &mut self,
        id: DescId,
        src: Frame,
        dst: Frame,
        nid: Nid,
    ) -> Result<Finish, Trouble> {
        let finished = self.lists.finish_move(&self.table, id, dst, nid)?;
        self.host.give_up(src)?;
        self.host.unlock(src)?;
        self.host.unlock(dst)?;
        Ok(finished)
    }

    /// Ends a move where it began; the target goes.
    pub fn cancel(
        &mut self,
        id: DescId,
        src: Frame,
        dst: Frame,
        nid: Nid,
    ) -> Result<Finish, Trouble> {
        let finished = self.lists.finish_move(&self.table, id, src, nid)?;
        self.host.unlock(src)?;
        self.drop_target(dst)?;
        Ok(finished)
    }

    /// Frees the target of a move that came to nothing.
    pub fn drop_target(&mut self, dst: Frame) -> Result<(), Trouble> {
        self.host.unlock(dst)?;
        self.host.put(dst)
    }

    /// What all descriptors and counters say now.
    pub fn picture(&self) -> Picture {
        let descriptors = self
            .table
            .present()
            .flat_map(|leaf| leaf.descriptors())
            .map(|(id, desc)| {
                (
                    id,
                    desc.frame(),
                    desc.nid(),
                    desc.state(),
                    Buddy::BOTH.map(|buddy| desc.len(buddy)),
                    Buddy::BOTH.map(|buddy| desc.rmap(buddy)),
                    desc.pins(&self.table),
                )
            })
            .collect();
        let nodes = self.lists.nodes().iter();
        let nodes = nodes.map(|node| (node.pages(), node.zpages(), node.unbuddied_pages()));
        let sums = (self.lists.pages(), self.lists.stored_bytes());
        (descriptors, nodes.collect(), sums)
    }

    /// Slots that nobody uses.
    pub fn free_slots(&self) -> Vec<(DescId, Half)> {
        let all = || self.table.present().flat_map(|leaf| leaf.descriptors());
        let used: HashSet<(u32, u8)> = all()
            .flat_map(|(_, desc)| Buddy::BOTH.map(|buddy| desc.rmap(buddy)))
            .flatten()
            .map(|slot| (slot.desc().raw(), slot.half() as u8))
            .collect();
        all()
            .flat_map(|(id, _)| Half::BOTH.map(|half| (id, half)))
            .filter(|&(id, half)| !used.contains(&(id.raw(), half as u8)))
            .collect()
    }
}
