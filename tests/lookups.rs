// SPDX-License-Identifier: GPL-2.0

//! How often operations look into the table: a look-up may miss the caches, so those that are
//! done for each page or zpage spare what they can.

#![cfg(not(loom))]

mod common;

use common::pages::Holder;
use common::pool::Pool;
use common::table::Leaves;
use common::{some, Trouble};
use std::cell::Cell;
use zbud_movable_core::zbud::{Freed, Leaf, Len, Nid, SlotId, Table, PAGE_SIZE};

/// Counts.
struct Counting<'t> {
    table: &'t Leaves,
    lookups: Cell<usize>,
}

impl Counting<'_> {
    /// How many there were since it was last asked.
    fn take(&self) -> usize {
        self.lookups.replace(0)
    }
}

impl Table for Counting<'_> {
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        self.lookups.set(self.lookups.get().saturating_add(1));
        self.table.leaf(number)
    }

    fn leaves(&self) -> u32 {
        self.table.leaves()
    }
}

fn counting(table: &Leaves) -> Counting<'_> {
    let lookups = Cell::new(0);
    Counting { table, lookups }
}

/// The slots of most zpages are in the descriptor of their page.
#[test]
fn a_move_finds_the_slots_in_the_descriptor_of_the_page() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let half = Len::new(PAGE_SIZE / 2)?;
    let put = pool.store(Nid(0), half)?;
    ensure!(pool.store(Nid(0), half)?.joined, "two pages");
    let (id, src) = (put.slot.desc(), put.addr);
    ensure!(pool.pages.try_lock(src, Holder::Mover), "locked");
    let table = counting(&pool.table);
    let extents = pool.books.begin_move(&table, id, src, Nid(0))?;
    ensure!(extents.iter().flatten().count() == 2, "{extents:?}");
    ensure!(table.take() == 1, "more than its descriptor to begin");
    let _ = pool.books.finish_move(&table, id, src, Nid(0))?;
    ensure!(table.take() == 1, "more than its descriptor to finish");
    Ok(())
}

/// Stores a zpage and frees it; returns the number of look-ups.
fn pass(pool: &mut Pool, first: SlotId) -> Result<usize, Trouble> {
    let table = counting(&pool.table);
    let len = Len::new(PAGE_SIZE / 2)?;
    let stored = some(pool.books.pair(&table, Nid(0), len)?, "room")?;
    ensure!(stored.slot.desc() == first.desc(), "another page");
    let (owner, index) = (stored.owner, stored.index);
    let freed = pool.books.free(&table, owner, index, |_| false)?;
    ensure!(freed == Freed::Kept, "{freed:?}");
    Ok(table.take())
}

/// Beside an audit each operation sees to it that its leaf was counted.
#[test]
fn an_audit_costs_nothing_once_it_has_ended() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let first = pool.store(Nid(0), Len::new(PAGE_SIZE / 2)?)?.slot;
    let before = pass(&mut pool, first)?;
    pool.books.begin_audit();
    let during = pass(&mut pool, first)?;
    ensure!(during > before, "{during} and {before} look-ups");
    pool.books.verify(&pool.table)?;
    let after = pass(&mut pool, first)?;
    ensure!(after == before, "{after} look-ups after, {before} before");
    Ok(())
}
