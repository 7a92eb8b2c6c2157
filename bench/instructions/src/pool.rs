// SPDX-License-Identifier: GPL-2.0

//! A pool without bytes, whose zpages are as long as real data make them.

use crate::leaves::Leaves;
use crate::sizes::Random;
use zbud_movable_core::zbud::{
    Books, Buddy, Cursor, DescId, Descriptor, Error, Freed, Len, Nid, NodeBooks, PageAddr, SlotId,
    SlotIndex, State, PAGE_SIZE,
};

/// The node of all pages.
pub const NODE: Nid = Nid(0);

/// A zpage: a handle as the module has it, and its length.
#[derive(Clone, Copy)]
pub struct Zpage {
    /// The descriptor that its slot is in.
    pub owner: &'static Descriptor,
    /// Which of the slots there.
    pub index: SlotIndex,
    /// Its length.
    pub len: Len,
}

/// Books and table.
pub struct Pool {
    /// The table.
    pub table: Leaves,
    /// The books.
    pub books: Books<[NodeBooks; 1]>,
    /// Numbers for all choices.
    pub random: Random,
    addresses: usize,
}

impl Pool {
    /// A pool of that many pages, filled with zpages as they come.
    pub fn of(pages: u64) -> Result<Self, Error> {
        let mut pool = Self {
            table: Leaves::default(),
            books: Books::new([NodeBooks::new()]),
            random: Random::new(),
            addresses: 0,
        };
        while pool.books.pages() < pages {
            let len = pool.random.len()?;
            let _ = pool.store(len)?;
        }
        Ok(pool)
    }

    /// The address of a page that no other has had.
    pub fn address(&mut self) -> Result<PageAddr, Error> {
        self.addresses = self.addresses.wrapping_add(PAGE_SIZE);
        PageAddr::new(self.addresses).ok_or(Error::Corrupt)
    }

    /// Stores a zpage beside another, in an empty page, or in a new one, and writes it.
    pub fn store(&mut self, len: Len) -> Result<SlotId, Error> {
        let (books, table) = (&mut self.books, &self.table);
        let slot = if let Some(stored) = books.pair(table, NODE, len)? {
            stored.slot
        } else if let Some(stored) = books.refill(table, NODE, len)? {
            stored.slot
        } else {
            if !books.has_descriptor() {
                let number = self.table.grow()?;
                self.books.add_leaf(&self.table, number)?;
            }
            self.store_alone(len)?
        };
        self.write(&self.zpage(slot)?)?;
        Ok(slot)
    }

    /// Maps and unmaps a zpage, as the one who stores it does: then it can move.
    pub fn write(&self, zpage: &Zpage) -> Result<(), Error> {
        let _ = zpage.owner.map(&self.table, zpage.index)?;
        zpage.owner.slot(zpage.index).unpin()
    }

    /// Stores a zpage in a new page, and does not write it.
    pub fn store_alone(&mut self, len: Len) -> Result<SlotId, Error> {
        let page = self.address()?;
        let id = self.books.reserve(&self.table)?;
        let stored = self.books.insert(&self.table, id, page, NODE, len)?;
        Ok(stored.slot)
    }

    /// Frees a zpage; nobody has its page.
    pub fn free(&mut self, zpage: &Zpage) -> Result<Freed, Error> {
        let (table, owner, index) = (&self.table, zpage.owner, zpage.index);
        let freed = self.books.free(table, owner, index, |_| true)?;
        if let Freed::Released(released) = freed {
            self.forget(released.leaf);
        }
        Ok(freed)
    }

    /// Removes a leaf that the books do not need any more.
    pub fn forget(&mut self, leaf: Option<u32>) {
        if let Some(number) = leaf {
            self.table.remove(number);
        }
    }

    /// The zpage that has a slot.
    pub fn zpage(&self, slot: SlotId) -> Result<Zpage, Error> {
        let (owner, index) = (self.table.find(slot.desc())?, slot.index());
        let (_, len) = owner.find(&self.table, index).ok_or(Error::BadHandle)?;
        Ok(Zpage { owner, index, len })
    }

    /// A zpage of a page with two.
    pub fn buddy(&self, id: DescId, buddy: Buddy) -> Result<Zpage, Error> {
        let slot = self.table.find(id)?.rmap(buddy);
        self.zpage(slot.ok_or(Error::BadHandle)?)
    }

    /// The names of so many pages in that state, chosen at random.
    pub fn some(&mut self, state: State, count: usize) -> Result<Vec<DescId>, Error> {
        let mut ids = Vec::new();
        let mut cursor = Cursor::start();
        loop {
            while let Some((id, desc)) = cursor.next_in_leaf(&self.table) {
                if desc.state() == Some(state) {
                    ids.push(id);
                }
            }
            if !cursor.next_leaf(&self.table) {
                break;
            }
        }
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            if ids.is_empty() {
                return Err(Error::NoDescriptor);
            }
            let k = self.random.below(ids.len());
            chosen.push(ids.swap_remove(k));
        }
        Ok(chosen)
    }
}
