// SPDX-License-Identifier: GPL-2.0

//! Leaves of which little is used go, when the zpages that keep them are stored anew.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

mod common;

use common::pool::Pool;
use common::{some, Trouble};
use zbud_movable_core::zbud::{
    Error, Len, Nid, SlotId, Table, CHUNK_SIZE, DESCRIPTORS_PER_LEAF, PAGE_SIZE,
};

const LEAVES: usize = 20;

/// Stores so many zpages of node 0.
fn store(pool: &mut Pool, count: usize, len: Len) -> Result<Vec<SlotId>, Trouble> {
    let stored = (0..count).map(|_| Ok(pool.store(Nid(0), len)?.slot));
    stored.collect()
}

/// A pool with `LEAVES` leaves full of pages, each with a zpage.
fn full(len: Len) -> Result<(Pool, Vec<SlotId>), Trouble> {
    let mut pool = Pool::new(1);
    let stored = store(&mut pool, LEAVES * DESCRIPTORS_PER_LEAF, len)?;
    assert_eq!(pool.table.present().count(), LEAVES);
    Ok((pool, stored))
}

/// Frees all but each `n`th; returns those that are left.
fn thin(pool: &mut Pool, all: &[SlotId], n: usize) -> Result<Vec<SlotId>, Trouble> {
    for (_, slot) in all.iter().enumerate().filter(|(at, _)| at % n != 0) {
        let _ = pool.free(*slot)??;
    }
    pool.release_all()?;
    Ok(all.iter().step_by(n).copied().collect())
}

/// Stores each anew that should be, as its owner does; returns how many.
fn gather(pool: &mut Pool, zpages: &mut [SlotId], len: Len) -> Result<usize, Trouble> {
    let mut gathered = 0;
    // From the last on: descriptors are taken from its leaf first.
    for zpage in zpages.iter_mut().rev() {
        if let Some(put) = pool.gather(*zpage, len)? {
            let _ = pool.free(*zpage)??;
            *zpage = put.slot;
            gathered += 1;
        }
        pool.books.verify(&pool.table)?;
    }
    pool.release_all()?;
    Ok(gathered)
}

#[test]
fn as_few_leaves_are_left_as_it_takes() -> Result<(), Trouble> {
    let len = Len::new(PAGE_SIZE)?;
    for (n, needed) in [(3, 7), (10, 2), (100, 1)] {
        let (mut pool, all) = full(len)?;
        let mut left = thin(&mut pool, &all, n)?;
        assert!(pool.table.present().count() >= LEAVES.min(left.len()));
        assert!(pool.books.has_sparse_leaf(&pool.table));
        // Those in the leaves that are filled stay.
        assert!(gather(&mut pool, &mut left, len)? < left.len());
        assert!(!pool.books.has_sparse_leaf(&pool.table));
        let after = pool.table.present().count();
        // One is kept.
        assert!(after <= needed + 1, "each {n}th: {after} leaves");
        assert_eq!(gather(&mut pool, &mut left, len)?, 0);
    }
    Ok(())
}

#[test]
fn what_is_used_for_the_most_part_stays() -> Result<(), Trouble> {
    let len = Len::new(PAGE_SIZE)?;
    let (mut pool, all) = full(len)?;
    let (mut left, mut freed) = (Vec::new(), Vec::new());
    for (at, slot) in all.into_iter().enumerate() {
        if at % 3 == 0 { &mut freed } else { &mut left }.push(slot);
    }
    freed
        .into_iter()
        .try_for_each(|slot| pool.free(slot)?.map(drop).map_err(Trouble::from))?;
    pool.release_all()?;
    assert!(!pool.books.has_sparse_leaf(&pool.table));
    assert_eq!(gather(&mut pool, &mut left, len)?, 0);
    Ok(())
}

/// A leaf that is not in use any more, and stays for the next page.
#[test]
fn an_unused_leaf_is_no_leaf_to_win() -> Result<(), Trouble> {
    let len = Len::new(PAGE_SIZE)?;
    let mut pool = Pool::new(1);
    let mut stored = store(&mut pool, 2 * DESCRIPTORS_PER_LEAF + 1, len)?;
    let last = some(stored.pop(), "zpage")?;
    for slot in stored.into_iter().rev().take(10).rev().chain([last]).rev() {
        let _ = pool.free(slot)??;
        pool.release_all()?;
    }
    assert_eq!(pool.table.present().count(), 3);
    assert!(!pool.books.has_sparse_leaf(&pool.table));
    Ok(())
}

/// Two zpages that fit together, the second in a leaf that is sparse.
fn two() -> Result<(Pool, [SlotId; 2]), Trouble> {
    let mut pool = Pool::new(2);
    let (whole, half) = (Len::new(PAGE_SIZE)?, Len::new(PAGE_SIZE / 2)?);
    let first = pool.store(Nid(0), half)?.slot;
    store(&mut pool, DESCRIPTORS_PER_LEAF - 1, whole)?;
    let second = pool.store(Nid(1), half)?.slot;
    let others = store(&mut pool, DESCRIPTORS_PER_LEAF - 1, whole)?;
    // From here descriptors are taken.
    store(&mut pool, DESCRIPTORS_PER_LEAF / 2, whole)?;
    for slot in others {
        let _ = pool.free(slot)??;
    }
    pool.release_all()?;
    assert_eq!([first, second].map(|slot| slot.desc().leaf()), [0, 1]);
    assert!(pool.books.has_sparse_leaf(&pool.table));
    Ok((pool, [first, second]))
}

/// One of them goes beside the other.
fn joins(pool: &mut Pool, slot: SlotId) -> Result<(), Trouble> {
    let repair = some(pool.begin_repair(slot.desc(), true)??, "partner")?;
    let _ = pool.finish_repair(&repair, true)?;
    pool.release_all()?;
    Ok(())
}

#[test]
fn a_zpage_keeps_the_leaf_of_its_page() -> Result<(), Trouble> {
    let (mut pool, [first, second]) = two()?;
    let half = Len::new(PAGE_SIZE / 2)?;
    assert!(pool.gather(first, half)?.is_none());
    joins(&mut pool, first)?;
    assert!(pool.gather(first, half)?.is_some());
    assert!(pool.gather(second, half)?.is_some());
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn a_zpage_keeps_the_leaf_of_its_slot() -> Result<(), Trouble> {
    let (mut pool, [first, second]) = two()?;
    let half = Len::new(PAGE_SIZE / 2)?;
    joins(&mut pool, second)?;
    assert!(pool.gather(first, half)?.is_none());
    assert!(pool.gather(second, half)?.is_some());
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn what_is_gathered_goes_where_it_may_be() -> Result<(), Trouble> {
    let (mut pool, [_, second]) = two()?;
    let half = Len::new(PAGE_SIZE / 2)?;
    pool.books.allow(|_| Nid(0));
    let put = some(pool.gather(second, half)?, "place")?;
    assert_eq!(pool.pages.nid(put.addr), Some(Nid(0)));
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn without_a_leaf_to_win_all_stays() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let len = Len::new(CHUNK_SIZE)?;
    let slot = pool.store(Nid(0), len)?.slot;
    assert!(!pool.books.has_sparse_leaf(&pool.table));
    assert!(pool.gather(slot, len)?.is_none());
    let _ = pool.free(slot)??;
    let owner = pool.table.descriptor(slot.desc())?;
    let index = slot.index();
    let refused = pool.books.gather(&pool.table, owner, index);
    assert_eq!(refused.err(), Some(Error::BadHandle));
    Ok(())
}
