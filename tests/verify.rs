// SPDX-License-Identifier: GPL-2.0

//! The validator finds what is broken. The core cannot be made to break its own
//! invariants, so what surrounds it is made to lie: a table that loses or swaps
//! leaves, and a second pool that works on the first one's descriptors.

#![cfg(not(loom))]

mod common;

use common::pool::Pool;
use common::{some, Trouble};
use zbud_movable_core::zbud::{
    Books, Error, Invariant, Leaf, Len, Nid, NodeBooks, SlotId, Table, Violation,
    DESCRIPTORS_PER_LEAF, PAGE_SIZE,
};

/// A table that shows another in a wrong way.
struct Lying<'t, F: Fn(u32) -> Option<u32>> {
    table: &'t common::table::Leaves,
    number: F,
}

impl<F: Fn(u32) -> Option<u32>> Table for Lying<'_, F> {
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        self.table.leaf((self.number)(number)?)
    }

    fn leaves(&self) -> u32 {
        self.table.leaves()
    }
}

/// A pool with full pages in two leaves, one page with a lone zpage among them.
fn pool() -> Result<(Pool, Vec<SlotId>), Trouble> {
    let mut pool = Pool::new(2);
    let whole = Len::new(PAGE_SIZE)?;
    let mut slots = (0..=DESCRIPTORS_PER_LEAF)
        .map(|_| Ok(pool.store(Nid(0), whole)?.slot))
        .collect::<Result<Vec<_>, Trouble>>()?;
    slots.push(pool.store(Nid(1), Len::new(100)?)?.slot);
    ensure!(pool.table.present().count() == 2, "not two leaves");
    pool.books.verify(&pool.table)?;
    Ok((pool, slots))
}

fn other() -> Books<[NodeBooks; 2]> {
    Books::new([NodeBooks::new(), NodeBooks::new()])
}

fn invariant(found: Result<(), Violation>) -> Option<Invariant> {
    found.err().map(|violation| violation.invariant)
}

#[test]
fn a_leaf_is_missing() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    ensure!(pool.table.remove(0), "no leaf");
    // A neighbour on a list is missing, before the sums are compared.
    let found = invariant(pool.books.verify(&pool.table));
    ensure!(found == Some(Invariant::List), "{found:?}");
    Ok(())
}

#[test]
fn leaves_are_swapped() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    let swapped = Lying {
        table: &pool.table,
        number: |number| {
            number
                .checked_sub(1)
                .map_or(Some(1), |rest| (rest == 0).then_some(0))
        },
    };
    let found = invariant(pool.books.verify(&swapped));
    ensure!(found.is_some(), "nothing found");
    Ok(())
}

#[test]
fn a_leaf_is_seen_twice() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    let twice = Lying {
        table: &pool.table,
        number: |number| Some(number & 1),
    };
    let found = invariant(pool.books.verify(&twice));
    ensure!(found == Some(Invariant::Leaf), "{found:?}");
    Ok(())
}

#[test]
fn a_leaf_in_use_is_set_up_again() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    pool.books.add_leaf(&pool.table, 0)?;
    let found = invariant(pool.books.verify(&pool.table));
    ensure!(found == Some(Invariant::OrphanSlot), "{found:?}");
    Ok(())
}

#[test]
fn another_pool_freed_the_zpage() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.first(), "slot")?;
    let owner = pool.table.descriptor(slot.desc())?;
    let mut other = other();
    let freed = other.free(&pool.table, owner, slot.index(), |_| false)?;
    // Left as `Empty`, among the other pool's.
    let found = invariant(pool.books.verify(&pool.table));
    ensure!(found == Some(Invariant::List), "{freed:?}: {found:?}");
    let refused = pool.free(slot)?.err();
    ensure!(refused == Some(Error::BadHandle), "freed twice");
    Ok(())
}

#[test]
fn another_pool_moves_the_page() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.last(), "slot")?;
    let addr = pool.owner(slot)?.page();
    let addr = some(addr, "page")?;
    // The lone page is `Moving` now, yet on the list of its node.
    let _ = other().begin_move(&pool.table, slot.desc(), addr, Nid(0))?;
    let found = invariant(pool.books.verify(&pool.table));
    ensure!(found == Some(Invariant::List), "{found:?}");
    Ok(())
}

#[test]
fn another_pool_has_moved_the_page_to_a_node_that_is_not_there() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.first(), "slot")?;
    let addr = some(pool.owner(slot)?.page(), "page")?;
    let dst = pool.pages.alloc(Nid(0))?;
    let mut other = Books::new([(); 3].map(|()| NodeBooks::new()));
    let _ = other.begin_move(&pool.table, slot.desc(), addr, Nid(2))?;
    let _ = other.finish_move(&pool.table, slot.desc(), dst, Nid(2))?;
    let found = pool.books.verify(&pool.table).err();
    let expected = Violation {
        invariant: Invariant::Node,
        id: Some(slot.desc()),
    };
    ensure!(found == Some(expected), "{found:?}");
    Ok(())
}

#[test]
fn another_pool_has_a_page_in_the_same_table() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    // The other pool's own lone page, in the same table.
    let mut other = other();
    let addr = pool.pages.alloc(Nid(1))?;
    let number = some(pool.table.grow(), "leaf")?;
    other.add_leaf(&pool.table, number)?;
    let id = other.reserve(&pool.table)?;
    let _ = other.insert(&pool.table, id, addr, Nid(1), Len::new(100)?)?;
    let found = (
        invariant(pool.books.verify(&pool.table)),
        invariant(other.verify(&pool.table)),
    );
    ensure!(found.0.is_some() && found.1.is_some(), "{found:?}");
    Ok(())
}

#[test]
fn an_audit_ends_as_soon_as_something_is_wrong() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.first(), "slot")?;
    let owner = pool.table.descriptor(slot.desc())?;
    ensure!(slot.desc().leaf() == 0, "not in the first leaf");
    let _ = other().free(&pool.table, owner, slot.index(), |_| false)?;
    pool.books.begin_audit();
    let first = pool.books.audit(&pool.table);
    ensure!(first.is_some_and(|found| found.is_err()), "{first:?}");
    Ok(())
}
