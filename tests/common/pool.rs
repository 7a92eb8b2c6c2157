// SPDX-License-Identifier: GPL-2.0

//! The pool as the kernel module makes it: books, table and pages together.

use super::pages::{Holder, Pages};
use super::table::Leaves;
use super::{some, Trouble};
use crate::ensure;
use std::collections::{BTreeSet, HashSet};
use zbud_movable_core::zbud::{
    Books, Buddy, Cursor, DescId, Descriptor, Error, Extents, Finish, Freed, Gather, Len,
    MappedZpage, Nid, NodeBooks, PageAddr, Released, Repair, Repaired, Run, SlotId, SlotIndex,
    State, Stored, Table,
};

/// A zpage that was just stored.
pub struct Put {
    /// Its slot.
    pub slot: SlotId,
    /// The page it is in.
    pub addr: PageAddr,
    /// Whether it was put beside another.
    pub joined: bool,
    /// Whether it was put into a page without zpages.
    pub refilled: bool,
}

/// The page and the slot of a zpage that was stored into a page that was there.
type Found = (SlotId, Option<PageAddr>);

/// All that the descriptors and counters say, for "nothing has changed".
pub type Picture = (
    Vec<(
        DescId,
        Option<PageAddr>,
        Nid,
        Option<State>,
        [Option<Len>; 2],
        [Option<SlotId>; 2],
        u64,
    )>,
    Vec<(u64, u64, u64, u64, u64, u64)>,
    (u64, u64, u64),
);

/// A way to store a zpage in a page that is there.
type Step = fn(&mut Books<Vec<NodeBooks>>, &Leaves, Nid, Len) -> Result<Option<Found>, Error>;

fn found(stored: Option<Stored<'_>>) -> Option<Found> {
    stored.map(|it| (it.slot, it.owner.page()))
}

/// The pool.
pub struct Pool {
    /// Its leaves.
    pub table: Leaves,
    /// Its books.
    pub books: Books<Vec<NodeBooks>>,
    /// All pages.
    pub pages: Pages,
    /// A leaf that the table does not show to the next operation.
    pub hidden: Option<u32>,
    /// Operations that were refused because of that.
    pub refused: BTreeSet<&'static str>,
    /// Zpages are stored, but not written.
    pub leaves_fresh: bool,
    /// The changes of state seen, if somebody asks.
    pub steps: Option<BTreeSet<String>>,
}

impl Pool {
    /// An empty pool over nodes 0 to `nodes` - 1.
    pub fn new(nodes: u16) -> Self {
        Self {
            table: Leaves::new(64, 1024),
            books: Books::new((0..nodes).map(|_| NodeBooks::new()).collect()),
            pages: Pages::default(),
            hidden: None,
            refused: BTreeSet::new(),
            leaves_fresh: false,
            steps: None,
        }
    }

    /// Adds a leaf.
    pub fn grow(&mut self) -> Result<u32, Trouble> {
        let number = some(self.table.grow(), "room for a leaf")?;
        self.books.add_leaf(&self.table, number)?;
        Ok(number)
    }

    /// Does an operation. If a leaf is hidden, does it without that leaf first: an
    /// operation that is refused then must have changed nothing, and is done again
    /// with the whole table.
    pub fn attempt<R>(
        &mut self,
        name: &'static str,
        mut operation: impl FnMut(&mut Books<Vec<NodeBooks>>, &Leaves) -> Result<R, Error>,
    ) -> Result<Result<R, Error>, Trouble> {
        let mut refused = false;
        if let Some(hidden) = self.hidden.take() {
            let before = self.picture();
            let books = &mut self.books;
            let result = self.table.without(hidden, |table| operation(books, table));
            let Err(error) = result else {
                return Ok(result);
            };
            ensure!(
                before == self.picture(),
                "{name} said {error:?} without leaf {hidden}, and did something"
            );
            self.books.verify(&self.table)?;
            refused = true;
        }
        let before = self.steps.is_some().then(|| self.picture());
        let result = operation(&mut self.books, &self.table);
        if refused && result.is_ok() {
            self.refused.insert(name);
        }
        if let (Some(before), Some(steps)) = (before, &mut self.steps) {
            for ((id, _, _, from, ..), (_, desc)) in before.0.iter().zip(self.table.descriptors()) {
                if let (Some(from), Some(to)) = (from, desc.state().filter(|to| Some(*to) != *from))
                {
                    ensure!(from.may_become(to), "{id:?}: {name}: {from:?} to {to:?}");
                    steps.insert(format!("{from:?} {to:?}"));
                }
            }
        }
        Ok(result)
    }

    /// The descriptor a slot lives in.
    pub fn owner(&self, slot: SlotId) -> Result<&Descriptor, Error> {
        self.table.descriptor(slot.desc())
    }

    /// Maps a new zpage, as one who writes it does.
    fn write_first(&self, slot: SlotId) -> Result<(), Trouble> {
        if !self.leaves_fresh {
            let owner = some(self.table.even_hidden(slot.desc()), "owner")?;
            let _ = owner.map(&self.table, slot.index())?;
            owner.slot(slot.index()).unpin()?;
        }
        Ok(())
    }

    /// Stores a zpage of node `nid`.
    pub fn store(&mut self, nid: Nid, len: Len) -> Result<Put, Trouble> {
        self.store_while(false, nid, len)
    }

    /// The same; `full`: the node has no page to spare.
    pub fn store_while(&mut self, full: bool, nid: Nid, len: Len) -> Result<Put, Trouble> {
        let hidden = self.hidden;
        let steps: [(&'static str, Step); 4] = [
            ("pair", |books, table, nid, len| {
                Ok(found(books.pair(table, nid, len)?))
            }),
            ("refill", |books, table, nid, len| {
                Ok(found(books.refill(table, nid, len)?))
            }),
            ("pair_elsewhere", |books, table, nid, len| {
                Ok(found(books.pair_elsewhere(table, nid, len)?))
            }),
            ("refill_elsewhere", |books, table, nid, len| {
                Ok(found(books.refill_elsewhere(table, nid, len)?))
            }),
        ];
        for (name, step) in steps.into_iter().take(if full { 4 } else { 2 }) {
            self.hidden = hidden;
            let stored = self.attempt(name, |books, table| step(books, table, nid, len))??;
            if let Some((slot, addr)) = stored {
                self.write_first(slot)?;
                return Ok(Put {
                    slot,
                    addr: some(addr, "page")?,
                    joined: name.starts_with("pair"),
                    refilled: name.starts_with("refill"),
                });
            }
        }
        let id = self.reserve()?;
        self.fill(id, self.books.home(nid), len)
    }

    /// Takes a descriptor for a page to come.
    pub fn reserve(&mut self) -> Result<DescId, Trouble> {
        if !self.books.has_descriptor() {
            let refused = self.books.reserve(&self.table).err();
            ensure!(refused == Some(Error::NoDescriptor), "reserved nothing");
            self.grow()?;
        }
        Ok(self.attempt("reserve", |books, table| books.reserve(table))??)
    }

    /// Inserts a page under it.
    pub fn fill(&mut self, id: DescId, nid: Nid, len: Len) -> Result<Put, Trouble> {
        let addr = self.pages.alloc(nid)?;
        ensure!(self.pages.try_lock(addr, Holder::Pool), "a new page locked");
        let (slot, at) = self.attempt("insert", |books, table| {
            let stored = books.insert(table, id, addr, nid, len)?;
            Ok((stored.slot, stored.owner.page()))
        })??;
        ensure!(slot.desc() == id, "inserted under another name");
        ensure!(at == Some(addr), "inserted at another page");
        self.pages.unlock(addr)?;
        self.write_first(slot)?;
        Ok(Put {
            slot,
            addr,
            joined: false,
            refilled: false,
        })
    }

    /// Releases it.
    pub fn unreserve(&mut self, id: DescId) -> Result<(), Trouble> {
        let leaf = self.attempt("unreserve", |books, table| books.unreserve(table, id))??;
        self.leaf_gone(leaf)
    }

    /// Stores a zpage anew, without its bytes, if it keeps a leaf of which little is used.
    pub fn gather(&mut self, slot: SlotId, len: Len) -> Result<Option<Put>, Trouble> {
        let found = self.attempt("gather", |books, table| {
            let owner = table.even_hidden(slot.desc()).ok_or(Error::Corrupt)?;
            books.gather(table, owner, slot.index())
        })??;
        let fill = |gather: Gather| self.fill(gather.to, gather.home, len);
        found.map(fill).transpose()
    }

    /// Maps a zpage.
    pub fn map(&self, slot: SlotId) -> Result<MappedZpage, Error> {
        self.owner(slot)?.map(&self.table, slot.index())
    }

    /// Unmaps it.
    pub fn unmap(&self, slot: SlotId) -> Result<(), Error> {
        self.owner(slot)?.slot(slot.index()).unpin()
    }

    /// Maps a zpage and writes to it.
    pub fn write(&mut self, slot: SlotId, bytes: &[u8]) -> Result<(), Trouble> {
        let mapped = self.map(slot)?;
        ensure!(mapped.len.bytes() == bytes.len(), "mapped another length");
        self.pages.write(mapped.address, bytes)?;
        Ok(self.unmap(slot)?)
    }

    /// Whether a zpage has these bytes.
    pub fn holds(&self, slot: SlotId, bytes: &[u8]) -> Result<bool, Error> {
        let mapped = self.map(slot)?;
        let holds = mapped.len.bytes() == bytes.len()
            && self
                .pages
                .bytes(mapped.address)
                .is_some_and(|page| page.starts_with(bytes));
        self.unmap(slot)?;
        Ok(holds)
    }

    /// Frees a zpage. An error of the core is for the caller to judge.
    pub fn free(&mut self, slot: SlotId) -> Result<Result<Freed, Error>, Trouble> {
        let state = self.owner(slot)?.state();
        let name = match state {
            Some(State::Buddied) => "free of one of two",
            _ => "free",
        };
        // Away meanwhile, as `attempt` has the rest of the pool.
        let mut pages = std::mem::take(&mut self.pages);
        let freed = self.attempt(name, |books, table| {
            let owner = table.even_hidden(slot.desc()).ok_or(Error::Corrupt)?;
            books.free(table, owner, slot.index(), |addr| {
                pages.try_lock(addr, Holder::Pool)
            })
        });
        self.pages = pages;
        let freed = freed?;
        match freed {
            Ok(Freed::Released(released)) => self.gone(released)?,
            Ok(Freed::Forgotten(forgotten)) => {
                forgotten
                    .leaves
                    .into_iter()
                    .try_for_each(|leaf| self.leaf_gone(leaf))?;
            }
            _ => {}
        }
        Ok(freed)
    }

    /// Takes empty pages, to release them.
    pub fn take_empty(&mut self, nid: Nid, at_most: usize) -> Result<Option<Run>, Trouble> {
        self.take_empty_after(nid, at_most, 0)
    }

    /// The same, but not the first of them.
    pub fn take_empty_after(
        &mut self,
        nid: Nid,
        at_most: usize,
        skip: usize,
    ) -> Result<Option<Run>, Trouble> {
        Ok(self.attempt("take_empty", |books, table| {
            books.take_empty(table, nid, at_most, skip)
        })??)
    }

    /// Releases one of them, whose lock the caller has; drops the lock.
    pub fn release(&mut self, id: DescId, page: PageAddr) -> Result<(), Trouble> {
        let leaf = self.attempt("release", |books, table| books.release(table, id))??;
        self.gone(Released { page, leaf })
    }

    /// Puts one of them back.
    pub fn put_back(&mut self, id: DescId) -> Result<(), Trouble> {
        Ok(self.attempt("put_back", |books, table| books.put_back(table, id))??)
    }

    /// Loses a page. An error of the core is for the caller to judge.
    pub fn lose(&mut self, id: DescId, page: PageAddr) -> Result<Result<(), Error>, Trouble> {
        self.attempt("lose", |books, table| books.lose(table, id, page))
    }

    /// Takes a lost page, to drop it.
    pub fn take_lost(&mut self, skip: usize) -> Result<Option<(DescId, PageAddr)>, Trouble> {
        let take = |books: &mut Books<_>, table: &Leaves| books.take_lost(table, skip);
        Ok(self.attempt("take_lost", take)??)
    }

    /// Drops it, whose lock the caller has; drops the lock.
    pub fn forget(&mut self, id: DescId, page: PageAddr) -> Result<(), Trouble> {
        let leaf = self.attempt("forget", |books, table| books.forget(table, id))??;
        self.gone(Released { page, leaf })
    }

    /// Keeps it.
    pub fn keep_lost(&mut self, id: DescId) -> Result<(), Trouble> {
        Ok(self.attempt("keep_lost", |books, table| books.keep_lost(table, id))??)
    }

    /// Takes all empty pages and releases them; nobody has their locks. Returns how many.
    pub fn release_all(&mut self) -> Result<usize, Trouble> {
        let mut released = 0;
        for nid in (0..).map(Nid).take(self.books.nodes().len()) {
            while let Some(run) = self.take_empty(nid, usize::MAX)? {
                for id in run.ids() {
                    let addr = some(self.table.descriptor(id)?.page(), "page")?;
                    ensure!(self.pages.try_lock(addr, Holder::Pool), "{addr:?} locked");
                    self.release(id, addr)?;
                    released += 1;
                }
            }
        }
        Ok(released)
    }

    /// Lets a released page go, whose lock is held, and drops the lock.
    pub fn gone(&mut self, released: Released) -> Result<(), Trouble> {
        self.leaf_gone(released.leaf)?;
        self.pages.release(released.page)?;
        self.pages.unlock(released.page)
    }

    fn leaf_gone(&mut self, leaf: Option<u32>) -> Result<(), Trouble> {
        if let Some(number) = leaf {
            ensure!(self.table.leaf(number).is_some(), "no leaf {number}");
            let mut cursor = Cursor::at_leaf(number);
            let mut left = std::iter::from_fn(|| cursor.next_in_leaf(&self.table));
            let used = left.any(|(_, desc)| desc.state() != Some(State::Free));
            ensure!(!used, "leaf {number} was released while in use");
            ensure!(self.table.remove(number), "no leaf {number}");
        }
        Ok(())
    }

    /// Starts a move; the caller has locked `src` and `dst`.
    pub fn begin(
        &mut self,
        id: DescId,
        src: PageAddr,
        dst: PageAddr,
        nid: Nid,
    ) -> Result<Result<Extents, Error>, Trouble> {
        let begun = self.attempt("begin_move", |books, table| {
            books.begin_move(table, id, src, nid)
        })?;
        if let Ok(extents) = begun {
            self.copy(src, dst, extents)?;
        }
        Ok(begun)
    }

    fn copy(&mut self, src: PageAddr, dst: PageAddr, extents: Extents) -> Result<(), Trouble> {
        extents
            .into_iter()
            .flatten()
            .try_for_each(|extent| self.pages.copy(src, dst, extent))
    }

    /// Ends a move and unlocks both pages. The source goes.
    pub fn finish(
        &mut self,
        id: DescId,
        src: PageAddr,
        dst: PageAddr,
        nid: Nid,
    ) -> Result<Finish, Trouble> {
        let finished = self.attempt("finish_move", |books, table| {
            books.finish_move(table, id, dst, nid)
        })??;
        self.pages.release(src)?;
        self.pages.unlock(src)?;
        self.pages.unlock(dst)?;
        Ok(finished)
    }

    /// Begins to move the zpage of a page beside another. An error of the core is for the
    /// caller to judge.
    pub fn begin_repair(
        &mut self,
        id: DescId,
        elsewhere: bool,
    ) -> Result<Result<Option<Repair>, Error>, Trouble> {
        self.attempt("begin_repair", |books, table| {
            books.begin_repair(table, id, elsewhere)
        })
    }

    /// Ends it, and copies before that, unless it could not be `copied`.
    pub fn finish_repair(&mut self, repair: &Repair, copied: bool) -> Result<Repaired, Trouble> {
        if copied {
            self.pages.copy_to(repair.from, repair.to)?;
        }
        Ok(self.attempt("finish_repair", |books, table| {
            books.finish_repair(table, repair, copied)
        })??)
    }

    /// Re-pairs all that can be. Returns how many pages were won.
    pub fn compact(&mut self, elsewhere: bool) -> Result<u64, Trouble> {
        let mut won = 0;
        let mut cursor = Cursor::start();
        loop {
            let (books, table) = (&mut self.books, &self.table);
            while let Some(repair) = books.next_repair(table, &mut cursor, elsewhere)? {
                self.pages.copy_to(repair.from, repair.to)?;
                won += u64::from(books.finish_repair(table, &repair, true)?.won);
            }
            if !cursor.next_leaf(table) {
                return Ok(won);
            }
        }
    }

    /// Ends a move where it began; the target goes.
    pub fn cancel(
        &mut self,
        id: DescId,
        src: PageAddr,
        dst: PageAddr,
        nid: Nid,
    ) -> Result<Finish, Trouble> {
        let finished = self.attempt("finish_move", |books, table| {
            books.finish_move(table, id, src, nid)
        })??;
        self.pages.unlock(src)?;
        self.drop_target(dst)?;
        Ok(finished)
    }

    /// Frees the target of a move that came to nothing.
    pub fn drop_target(&mut self, dst: PageAddr) -> Result<(), Trouble> {
        self.pages.unlock(dst)?;
        self.pages.put(dst)
    }

    /// The content of all descriptors and counters now.
    pub fn picture(&self) -> Picture {
        let descriptors = self
            .table
            .descriptors()
            .map(|(id, desc)| {
                (
                    id,
                    desc.page(),
                    desc.nid(),
                    desc.state(),
                    Buddy::BOTH.map(|buddy| desc.len(buddy)),
                    Buddy::BOTH.map(|buddy| desc.rmap(buddy)),
                    desc.pins(&self.table),
                )
            })
            .collect();
        let nodes = self.books.nodes().iter();
        let nodes = nodes.map(|node| {
            (
                node.pages(),
                node.zpages(),
                node.unbuddied_pages(),
                node.empty_pages(),
                node.vacated_pages(),
                node.winnable(),
            )
        });
        let books = &self.books;
        let sums = (books.pages(), books.empty_pages(), books.stored_bytes());
        (descriptors, nodes.collect(), sums)
    }

    /// Slots that nobody uses.
    pub fn free_slots(&self) -> Vec<(DescId, SlotIndex)> {
        let all = || self.table.descriptors();
        let used: HashSet<(u32, u8)> = all()
            .flat_map(|(_, desc)| Buddy::BOTH.map(|buddy| desc.rmap(buddy)))
            .flatten()
            .map(|slot| (slot.desc().raw(), slot.index() as u8))
            .collect();
        all()
            .flat_map(|(id, _)| SlotIndex::BOTH.map(|index| (id, index)))
            .filter(|&(id, index)| !used.contains(&(id.raw(), index as u8)))
            .collect()
    }
}
