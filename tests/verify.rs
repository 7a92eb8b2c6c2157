// SPDX-License-Identifier: GPL-2.0

//! The validator finds what is broken. The core cannot be made to break its own
//! invariants, so what surrounds it is made to lie: a table that loses or swaps
//! leaves, and a second pool that works on the first one's descriptors.

#![cfg(not(loom))]

mod common;

use common::pool::Pool;
use common::{some, Trouble};
use zbud_movable_core::zbud::{
    Error, Leaf, Len, Lists, Nid, NodeLists, SlotId, Table, Violation, What, DESCRIPTORS_PER_LEAF,
    PAGE_SIZE,
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
    pool.lists.verify(&pool.table)?;
    Ok((pool, slots))
}

fn other() -> Lists<[NodeLists; 2]> {
    Lists::new([NodeLists::new(), NodeLists::new()])
}

fn what(found: Result<(), Violation>) -> Option<What> {
    found.err().map(|violation| violation.what)
}

#[test]
fn a_leaf_is_missing() -> Result<(), Trouble> {
    let (pool, _) = pool()?;
    ensure!(pool.table.take(0), "no leaf");
    let found = what(pool.lists.verify(&pool.table));
    ensure!(found == Some(What::Counter), "{found:?}");
    Ok(())
}

#[test]
fn leaves_are_swapped() -> Result<(), Trouble> {
    let (pool, _) = pool()?;
    let swapped = Lying {
        table: &pool.table,
        number: |number| {
            number
                .checked_sub(1)
                .map_or(Some(1), |rest| (rest == 0).then_some(0))
        },
    };
    let found = what(pool.lists.verify(&swapped));
    ensure!(found.is_some(), "nothing found");
    Ok(())
}

#[test]
fn a_leaf_is_seen_twice() -> Result<(), Trouble> {
    let (pool, _) = pool()?;
    let twice = Lying {
        table: &pool.table,
        number: |number| Some(number & 1),
    };
    let found = what(pool.lists.verify(&twice));
    ensure!(found == Some(What::Counter), "{found:?}");
    Ok(())
}

#[test]
fn a_leaf_in_use_is_set_up_again() -> Result<(), Trouble> {
    let (mut pool, _) = pool()?;
    pool.lists.add_leaf(&pool.table, 0)?;
    let found = what(pool.lists.verify(&pool.table));
    ensure!(found == Some(What::OrphanSlot), "{found:?}");
    Ok(())
}

#[test]
fn another_pool_freed_the_zpage() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.first(), "slot")?;
    let home = pool.table.descriptor(slot.desc())?;
    let mut other = other();
    let freed = other.free(&pool.table, home, slot.half(), |_| false)?;
    // Left as `Empty`, on the other pool's deferred list.
    let found = what(pool.lists.verify(&pool.table));
    ensure!(found == Some(What::Counter), "{freed:?}: {found:?}");
    let refused = pool.free(slot)?.err();
    ensure!(refused == Some(Error::BadHandle), "freed twice");
    Ok(())
}

#[test]
fn another_pool_moves_the_page() -> Result<(), Trouble> {
    let (pool, slots) = pool()?;
    let slot = *some(slots.last(), "slot")?;
    let frame = pool.home(slot)?.frame();
    let frame = some(frame, "page")?;
    // The lone page is `Moving` now, yet on the list of its node.
    let _ = other().begin_move(&pool.table, slot.desc(), frame, Nid(0))?;
    let found = what(pool.lists.verify(&pool.table));
    ensure!(found == Some(What::Counter), "{found:?}");
    Ok(())
}

#[test]
fn another_pool_has_moved_the_page_to_a_node_that_is_not_there() -> Result<(), Trouble> {
    let (mut pool, slots) = pool()?;
    let slot = *some(slots.first(), "slot")?;
    let frame = some(pool.home(slot)?.frame(), "page")?;
    let dst = pool.host.alloc(Nid(0))?;
    let mut other = Lists::new([(); 3].map(|()| NodeLists::new()));
    let _ = other.begin_move(&pool.table, slot.desc(), frame, Nid(2))?;
    let _ = other.finish_move(&pool.table, slot.desc(), dst, Nid(2))?;
    let found = pool.lists.verify(&pool.table).err();
    let expected = Violation {
        what: What::Node,
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
    let frame = pool.host.alloc(Nid(1))?;
    let number = some(pool.table.grow(), "leaf")?;
    other.add_leaf(&pool.table, number)?;
    let _ = other.insert(&pool.table, frame, Nid(1), Len::new(100)?)?;
    let found = (
        what(pool.lists.verify(&pool.table)),
        what(other.verify(&pool.table)),
    );
    ensure!(found.0.is_some() && found.1.is_some(), "{found:?}");
    Ok(())
}
