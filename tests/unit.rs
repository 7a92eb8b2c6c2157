// SPDX-License-Identifier: GPL-2.0

//! Small things, one at a time, through the core's public face.

#![cfg(not(loom))]

mod common;

use common::pages::Holder;
use common::pool::Pool;
use common::table::Leaves;
use common::{some, Trouble};
use std::collections::BTreeSet;
use zbud_movable_core::zbud::{
    Block, BlockState, BlockValue, Content, Cursor, DescId, Error, Finish, Freed, Leaf, Len,
    LenError, Nid, PageAddr, State, Table, Unlocked, CHUNK_SIZE, DESCRIPTORS_PER_LEAF, NCHUNKS,
    PAGE_SIZE, SHARE,
};

#[test]
fn names_pack_and_unpack() -> Result<(), Trouble> {
    let last = DescId::MAX_LEAVES - 1;
    for (leaf, offset) in [(0, 0), (0, 127), (1, 0), (77, 84), (last, 0), (last, 127)] {
        let id = some(DescId::new(leaf, offset), "name")?;
        ensure!(
            (id.leaf(), id.offset()) == (leaf, offset),
            "{leaf}, {offset} became {id:?}"
        );
        ensure!(DescId::from_raw(id.raw()) == Some(id), "{id:?} is lost");
    }
    for (leaf, offset) in [(0, 128), (last + 1, 0), (u32::MAX, 0), (0, usize::MAX)] {
        let id = DescId::new(leaf, offset);
        ensure!(id.is_none(), "{leaf}, {offset} became {id:?}");
    }
    let none = DescId::from_raw(u32::MAX);
    ensure!(none.is_none(), "the end of a list became {none:?}");
    ensure!(DescId::from_raw(1 << 31).is_none(), "32 bits became a name");
    Ok(())
}

#[test]
fn page_zero_is_no_page() {
    assert_eq!(PageAddr::new(0), None);
    assert_eq!(
        PageAddr::new(PAGE_SIZE).map(PageAddr::address),
        Some(PAGE_SIZE)
    );
}

#[test]
fn lengths() {
    assert_eq!(Len::new(0), Err(LenError::Zero));
    assert_eq!(Len::new(PAGE_SIZE + 1), Err(LenError::TooLong));
    assert_eq!(Len::new(1).map(Len::bytes), Ok(1));
    assert_eq!(Len::new(PAGE_SIZE).map(Len::chunks), Ok(NCHUNKS));
}

#[test]
fn what_is_put_into_a_block_is_pinned_by_nobody() -> Result<(), Trouble> {
    let (state, value) = (BlockState::new(), BlockValue::new());
    let mut locked = some(Block::new(&state, &value).try_lock(), "lock")?;
    locked.set(Content::Zpage(1));
    locked.set_pinned(true);
    locked.set(Content::Zpage(2));
    ensure!(!locked.is_pinned(), "pinned as the one before");
    ensure!(locked.unlock() == Unlocked::Done, "not unlocked");
    let again = some(Block::new(&state, &value).try_lock(), "lock")?;
    ensure!(!again.is_pinned(), "pinned again");
    Ok(())
}

#[test]
fn a_leaf_that_is_not_set_up_has_no_zpage() -> Result<(), Trouble> {
    let table = Leaves::new(1, 1);
    let number = some(table.grow(), "room for a leaf")?;
    let leaf = some(table.leaf(number), "leaf")?;
    ensure!(leaf.number() == 0, "has a number");
    ensure!(
        table.descriptors().count() == DESCRIPTORS_PER_LEAF,
        "has descriptors that cannot be named"
    );
    let beyond = leaf.descriptor(DESCRIPTORS_PER_LEAF).is_none();
    ensure!(beyond, "has more descriptors than there are");
    for (_, desc) in table.descriptors() {
        ensure!(desc.state() == Some(State::Free), "{:?}", desc.state());
        ensure!(desc.page().is_none(), "has a page");
    }
    Ok(())
}

#[test]
fn a_zpage_of_a_whole_page_is_alone() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let whole = Len::new(PAGE_SIZE)?;
    let first = pool.store(Nid(0), whole)?;
    let bytes = vec![7; PAGE_SIZE];
    pool.write(first.slot, &bytes)?;
    for len in [PAGE_SIZE, 1] {
        let put = pool.store(Nid(0), Len::new(len)?)?;
        ensure!(!put.joined, "{len} bytes fit beside a whole page");
        pool.write(put.slot, &vec![9; len])?;
    }
    // 63 chunks and 1 chunk are a page, to the last byte.
    let rest = pool.store(Nid(0), Len::new(PAGE_SIZE - CHUNK_SIZE)?)?;
    ensure!(rest.joined, "63 chunks do not fit beside 1");
    ensure!(pool.holds(first.slot, &bytes)?, "the bytes have changed");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn two_halves_are_a_page() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let half = Len::new(PAGE_SIZE / 2)?;
    let first = pool.store(Nid(0), half)?;
    let second = pool.store(Nid(0), half)?;
    ensure!(second.joined && second.addr == first.addr, "two pages");
    ensure!(pool.free(first.slot)? == Ok(Freed::Kept), "one is left");
    let third = pool.store(Nid(0), half)?;
    ensure!(third.joined, "the first half is not used again");
    let (second, third) = (pool.map(second.slot)?, pool.map(third.slot)?);
    ensure!(
        third.address + PAGE_SIZE / 2 == second.address,
        "{third:?} is not to the left of {second:?}"
    );
    Ok(())
}

#[test]
fn what_a_slot_refuses() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let slot = pool.store(Nid(0), Len::new(5)?)?.slot;
    ensure!(
        pool.unmap(slot) == Err(Error::NotPinned),
        "unmapped unmapped"
    );
    let once = pool.map(slot)?;
    ensure!(pool.map(slot)? == once, "mapped elsewhere the second time");
    ensure!(pool.free(slot)? == Err(Error::Pinned), "freed while mapped");
    pool.unmap(slot)?;
    ensure!(pool.free(slot)? == Err(Error::Pinned), "freed while mapped");
    pool.unmap(slot)?;
    ensure!(
        pool.unmap(slot) == Err(Error::NotPinned),
        "unmapped unmapped"
    );
    ensure!(pool.holds(slot, &[0xa5; 5])?, "the refusals did something");
    let freed = pool.free(slot)?;
    ensure!(matches!(freed, Ok(Freed::Released(_))), "{freed:?}");
    ensure!(pool.free(slot)? == Err(Error::BadHandle), "freed twice");
    ensure!(pool.map(slot) == Err(Error::BadHandle), "mapped freed");
    ensure!(pool.unmap(slot) == Err(Error::NotPinned), "unmapped freed");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn leaves_come_and_go() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let whole = Len::new(PAGE_SIZE)?;
    let slots = (0..DESCRIPTORS_PER_LEAF * 3)
        .map(|_| Ok(pool.store(Nid(0), whole)?.slot))
        .collect::<Result<Vec<_>, Trouble>>()?;
    ensure!(pool.table.present().count() == 3, "not three leaves");
    ensure!(!pool.books.has_descriptor(), "a descriptor is left");
    for slot in slots {
        let freed = pool.free(slot)?;
        ensure!(matches!(freed, Ok(Freed::Released(_))), "{freed:?}");
        pool.books.verify(&pool.table)?;
    }
    // One is kept.
    ensure!(pool.table.present().count() == 1, "not one leaf");
    ensure!(pool.pages.allocated() == 0, "a page leaks");
    Ok(())
}

#[test]
fn the_local_node_comes_first() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let put = |pool: &mut Pool, nid, len| pool.store(Nid(nid), Len::new(len)?);
    let far = put(&mut pool, 0, PAGE_SIZE / 2)?;
    let near = put(&mut pool, 1, PAGE_SIZE / 2 + 1)?;
    // It fits better beside `near` than nowhere: `far` is on the other node.
    ensure!(!far.joined, "the pool was empty");
    ensure!(near.addr != far.addr, "more than a page in a page");
    let third = put(&mut pool, 1, CHUNK_SIZE)?;
    ensure!(third.addr == near.addr, "not on the local node");
    let fourth = put(&mut pool, 1, CHUNK_SIZE)?;
    ensure!(!fourth.joined, "on another node though this one had pages");
    let fifth = pool.store_while(true, Nid(1), Len::new(PAGE_SIZE)?)?;
    ensure!(!fifth.joined, "a whole page beside another");
    let sixth = pool.store_while(true, Nid(1), Len::new(CHUNK_SIZE)?)?;
    ensure!(sixth.addr == fourth.addr, "not on the local node");
    let seventh = pool.store_while(true, Nid(1), Len::new(CHUNK_SIZE)?)?;
    ensure!(seventh.addr == far.addr, "a page though one had room");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn zpages_of_a_node_that_is_not_allowed_have_a_home() -> Result<(), Trouble> {
    let mut pool = Pool::new(3);
    let len = Len::new(CHUNK_SIZE)?;
    let first = pool.store(Nid(0), len)?;
    pool.books
        .allow(|nid| if nid == Nid(0) { Nid(2) } else { nid });
    ensure!(pool.books.home(Nid(0)) == Nid(2), "no home");
    ensure!(pool.books.home(Nid(7)) == Nid(7), "not a node of the pool");
    let second = pool.store_while(true, Nid(0), len)?;
    ensure!(!second.joined, "on a node that is not allowed");
    let third = pool.store(Nid(0), len)?;
    ensure!(third.addr == second.addr, "not at home");
    ensure!(pool.pages.nid(third.addr) == Some(Nid(2)), "not at home");
    // Allowed again.
    pool.books.allow(|nid| nid);
    let fourth = pool.store_while(true, Nid(2), len)?;
    ensure!(fourth.addr == first.addr, "a page though one had room");
    ensure!(
        pool.books.pair(&pool.table, Nid(7), len)?.is_none(),
        "where?"
    );
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn a_move_that_ends_without_zpages_leaves_the_page_to_the_worker() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let put = pool.store(Nid(0), Len::new(CHUNK_SIZE)?)?;
    let (src, id) = (put.addr, put.slot.desc());
    let dst = pool.pages.alloc(Nid(1))?;
    let locked = pool.pages.try_lock(src, Holder::Mover) && pool.pages.try_lock(dst, Holder::Mover);
    ensure!(locked, "somebody has the page locks");
    let _ = pool.begin(id, src, dst, Nid(1))??;
    ensure!(pool.free(put.slot)? == Ok(Freed::Moving), "not moving");
    let finished = pool.finish(id, src, dst, Nid(1))?;
    let right = Finish {
        from: Nid(0),
        emptied: true,
    };
    ensure!(finished == right, "{finished:?}");
    ensure!(
        pool.table.descriptor(id)?.state() == Some(State::Empty),
        "not empty"
    );
    pool.books.verify(&pool.table)?;
    ensure!(pool.release_all()? == 1, "not the page that moved");
    ensure!(pool.pages.allocated() == 0, "a page leaks");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn empty_pages_are_kept_and_filled_again() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    pool.books.keep(2);
    let whole = Len::new(PAGE_SIZE)?;
    let puts = [0, 0, 0, 1].map(|nid| pool.store(Nid(nid), whole));
    let [first, second, third, far] = puts;
    let (first, second, third, far) = (first?, second?, third?, far?);
    let freed = [first, second, third].map(|put| pool.free(put.slot));
    let [first, second, third] = freed;
    ensure!(first? == Ok(Freed::Empty { surplus: false }), "not kept");
    ensure!(second? == Ok(Freed::Empty { surplus: false }), "not kept");
    let third = third?;
    ensure!(matches!(third, Ok(Freed::Released(_))), "{third:?}");
    ensure!(
        pool.free(far.slot)? == Ok(Freed::Empty { surplus: false }),
        "not kept"
    );
    ensure!(pool.books.empty_pages() == 3, "not three");
    pool.books.verify(&pool.table)?;

    let pages = pool.books.pages();
    let again = [0, 0].map(|nid| pool.store(Nid(nid), whole));
    for put in again {
        let put = put?;
        ensure!(put.refilled, "an empty page was not filled again");
        ensure!(pool.pages.nid(put.addr) == Some(Nid(0)), "elsewhere");
    }
    let elsewhere = pool.store_while(true, Nid(0), whole)?;
    ensure!(elsewhere.addr == far.addr, "a page though one was empty");
    ensure!(pool.books.pages() == pages, "pages came");
    ensure!(pool.books.empty_pages() == 0, "some are empty");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn pages_that_are_not_needed_are_idle() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(10);
    let whole = Len::new(PAGE_SIZE)?;
    let puts: Vec<_> = (0..5)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    for put in puts {
        let _ = pool.free(put.slot)??;
    }
    let idle = |pool: &mut Pool| pool.books.take_idle(Nid(0));
    ensure!(idle(&mut pool) == 0, "idle though they came just now");
    ensure!(idle(&mut pool) == 5, "not idle");
    let puts = [(); 2].map(|()| pool.store(Nid(0), whole));
    for put in puts {
        let _ = pool.free(put?.slot)??;
    }
    ensure!(
        idle(&mut pool) == 1,
        "an eighth of the three that were not needed"
    );
    ensure!(idle(&mut pool) == 5, "not idle");
    ensure!(pool.books.take_idle(Nid(7)) == 0, "no such node");
    pool.books.verify(&pool.table)?;
    ensure!(pool.release_all()? == 5, "not all");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn more_are_kept_of_a_large_pool() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let whole = Len::new(PAGE_SIZE)?;
    ensure!(pool.books.kept_on(Nid(0)) == 0, "without being asked to");
    pool.books.keep(1);
    let mut puts: Vec<_> = (0..SHARE * 3)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    ensure!(pool.books.kept_on(Nid(0)) == 3, "not a share");
    ensure!(pool.books.kept_on(Nid(1)) == 1, "not the least");
    ensure!(pool.books.kept_on(Nid(7)) == 0, "no such node");
    for _ in 0..3 {
        let freed = pool.free(some(puts.pop(), "page")?.slot)?;
        ensure!(freed == Ok(Freed::Empty { surplus: false }), "{freed:?}");
    }
    let freed = pool.free(some(puts.pop(), "page")?.slot)?;
    ensure!(matches!(freed, Ok(Freed::Released(_))), "{freed:?}");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn more_are_kept_when_some_were_missed() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(1);
    let whole = Len::new(PAGE_SIZE)?;
    let puts: Vec<_> = (0..256)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    let kept = |pool: &Pool| pool.books.kept_on(Nid(0));
    ensure!(kept(&pool) == 4, "nothing was released so far");
    pool.books.note_surplus(Nid(0), 3);
    ensure!(kept(&pool) == 4, "nothing was missed so far");
    let more = [(); 4].map(|()| pool.store(Nid(0), whole));
    ensure!(kept(&pool) == 7, "not those that were missed");
    pool.books.note_surplus(Nid(0), 9);
    let even_more = [(); 9].map(|()| pool.store(Nid(0), whole));
    ensure!(kept(&pool) == 8, "not another share at most");
    ensure!(pool.books.surplus_on(Nid(0)) == 0, "too many of none");
    pool.books.note_surplus(Nid(0), 1);
    ensure!(
        pool.books.take_idle(Nid(0)) == 0,
        "idle, though none is empty"
    );
    let late = pool.store(Nid(0), whole);
    ensure!(kept(&pool) == 8, "one was missed late");
    // Three come and one of them is needed: of the two others an eighth goes.
    let puts = puts.into_iter().map(Ok).chain(more).chain(even_more);
    let mut puts = puts.chain([late]);
    for _ in 0..3 {
        let _ = pool.free(some(puts.next(), "page")??.slot)??;
    }
    let _ = pool.books.take_idle(Nid(0));
    let needed = pool.store(Nid(0), whole)?;
    let _ = pool.free(needed.slot)??;
    ensure!(pool.books.take_idle(Nid(0)) == 1, "not an eighth");
    ensure!(kept(&pool) == 7, "as many as before");
    ensure!(pool.books.take_idle(Nid(0)) == 3, "not at rest");
    ensure!(kept(&pool) == 4, "as many as before");
    for put in puts {
        let _ = pool.free(put?.slot)??;
    }
    ensure!(kept(&pool) == 1, "too many of a small pool");
    pool.books.note_surplus(Nid(7), 1);
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn the_surplus_leaves_some_way_to_the_next() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let whole = Len::new(PAGE_SIZE)?;
    pool.books.keep(30);
    let puts: Vec<_> = (0..256)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    // Three are missed, so that as many more are kept than was asked for.
    pool.books.note_surplus(Nid(0), 3);
    for _ in 0..3 {
        pool.store(Nid(0), whole)?;
    }
    for put in puts.into_iter().take(20) {
        let _ = pool.free(put.slot)??;
    }
    for (keep, surplus) in [(30, 0), (17, 0), (16, 1 + 16 / 2), (8, 9 + 8 / 2)] {
        pool.books.keep(keep);
        let found = pool.books.surplus_on(Nid(0));
        ensure!(found == surplus, "{found} of 20, {keep} and 3 are kept");
    }
    for nid in [1, 7] {
        ensure!(pool.books.surplus_on(Nid(nid)) == 0, "none on node {nid}");
    }
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn what_was_missed_by_a_large_pool_is_not_kept_by_a_small_one() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(0);
    let whole = Len::new(PAGE_SIZE)?;
    let mut puts: Vec<_> = (0..128)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    pool.books.note_surplus(Nid(0), 4);
    for _ in 0..4 {
        puts.push(pool.store(Nid(0), whole)?);
    }
    let kept = pool.books.kept_on(Nid(0));
    ensure!(kept == 2 + 2, "{kept}, not a share and what was missed");
    for put in puts.drain(20..) {
        let _ = pool.free(put.slot)??;
    }
    pool.release_all()?;
    let kept = pool.books.kept_on(Nid(0));
    ensure!(kept == 0, "{kept} of 20 pages");
    Ok(pool.books.verify(&pool.table)?)
}

/// No more are taken for missed than are kept for it, however large the pool becomes later.
#[test]
fn what_a_small_pool_missed_is_not_more_in_a_large_one() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(0);
    let whole = Len::new(PAGE_SIZE)?;
    for _ in 0..2 * SHARE {
        pool.store(Nid(0), whole)?;
    }
    pool.books.note_surplus(Nid(0), 3);
    for _ in 0..3 {
        pool.store(Nid(0), whole)?;
    }
    for _ in pool.books.pages()..3 * SHARE {
        pool.store(Nid(0), whole)?;
    }
    let kept = pool.books.kept_on(Nid(0));
    ensure!(kept == 3 + 2, "{kept}, not a share and what was missed");
    Ok(())
}

#[test]
fn what_is_stored_much_later_was_not_missed() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(0);
    let whole = Len::new(PAGE_SIZE)?;
    for _ in 0..128 {
        pool.store(Nid(0), whole)?;
    }
    ensure!(!pool.books.may_miss(), "none was released");
    pool.books.note_surplus(Nid(0), 1);
    ensure!(pool.books.may_miss(), "one was released");
    ensure!(pool.books.take_idle(Nid(0)) == 0, "none was empty");
    ensure!(!pool.books.may_miss(), "one was released long ago");
    pool.store(Nid(0), whole)?;
    let kept = pool.books.kept_on(Nid(0));
    ensure!(kept == 2, "{kept}, not a share");
    Ok(())
}

#[test]
fn none_is_kept_beyond_the_limit() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(9);
    let whole = Len::new(PAGE_SIZE)?;
    let puts = [pool.store(Nid(0), whole)?, pool.store(Nid(0), whole)?];
    for (limit, below) in [(4, 2), (3, 1), (2, 0)] {
        pool.books.limit(limit);
        ensure!(pool.books.below_limit() == below, "of {limit}");
        ensure!(pool.books.beyond_limit() == 0, "none too many");
    }
    pool.books.limit(1);
    ensure!(pool.books.below_limit() == 0, "beyond it");
    ensure!(pool.books.beyond_limit() == 1, "one too many");
    let [first, second] = puts.map(|put| pool.free(put.slot));
    let first = first?;
    ensure!(matches!(first, Ok(Freed::Released(_))), "{first:?}");
    ensure!(second? == Ok(Freed::Empty { surplus: false }), "not kept");
    ensure!(pool.books.beyond_limit() == 0, "too many");
    ensure!(pool.release_all()? == 1, "not one");
    Ok(())
}

/// A page that was put back does not keep the others.
#[test]
fn pages_that_were_put_back_are_skipped() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(9);
    let whole = Len::new(PAGE_SIZE)?;
    let puts: Vec<_> = (0..5)
        .map(|_| pool.store(Nid(0), whole))
        .collect::<Result<_, _>>()?;
    for at in [0, 2, 4] {
        let put = some(puts.get(at), "page")?;
        let _ = pool.free(put.slot)??;
    }
    let first = some(pool.take_empty(Nid(0), 9)?, "page")?.first();
    pool.put_back(first)?;
    let second = some(pool.take_empty_after(Nid(0), 9, 1)?, "page")?.first();
    pool.put_back(second)?;
    let third = some(pool.take_empty_after(Nid(0), 9, 2)?, "page")?.first();
    ensure!(
        first != second && second != third && first != third,
        "again"
    );
    ensure!(pool.take_empty_after(Nid(0), 9, 2)?.is_none(), "no others");
    pool.put_back(third)?;
    ensure!(pool.release_all()? == 3, "not three");
    Ok(pool.books.verify(&pool.table)?)
}

/// Pages leave in runs, which go as far as there are empty pages beside the first.
#[test]
fn empty_pages_leave_in_runs() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let whole = Len::new(PAGE_SIZE)?;
    pool.books.keep(u64::MAX);
    let puts: Vec<_> = (0..DESCRIPTORS_PER_LEAF)
        .map(|at| pool.store(Nid(u16::from(at == 60)), whole))
        .collect::<Result<_, _>>()?;
    let slots = |range: std::ops::Range<usize>| {
        let of = |put: &&common::pool::Put| range.contains(&put.slot.desc().offset());
        puts.iter()
            .filter(of)
            .map(|put| put.slot)
            .collect::<Vec<_>>()
    };
    // 10 to 19 and 50 to 69; 60 is on another node. 55 was the last.
    for slot in [slots(10..20), slots(50..55), slots(56..70), slots(55..56)].concat() {
        let freed = pool.free(slot)??;
        ensure!(matches!(freed, Freed::Empty { .. }), "{freed:?}");
    }
    let mut run = |nid, at_most| -> Result<_, Trouble> {
        let run = pool.take_empty(Nid(nid), at_most)?;
        Ok(run.map(|run| (run.first().offset(), run.len())))
    };
    ensure!(run(0, 0)?.is_none(), "nothing was wanted");
    ensure!(run(0, 3)? == Some((53, 3)), "not 53, 54, 55");
    ensure!(run(1, 9)? == Some((60, 1)), "not 60");
    let rest = [run(0, 99)?, run(0, 99)?, run(0, 99)?, run(0, 99)?];
    let expected = [Some((61, 9)), Some((56, 4)), Some((50, 3)), Some((10, 10))];
    ensure!(rest == expected, "{rest:?}");
    ensure!(run(0, 99)?.is_none(), "more than there were");
    ensure!(pool.books.empty_pages() == 30, "not thirty");
    for id in (0..DESCRIPTORS_PER_LEAF).filter_map(|at| DescId::new(0, at)) {
        match pool.put_back(id) {
            Ok(()) => {}
            Err(_) => ensure!(
                pool.table.descriptor(id)?.state() == Some(State::Buddied)
                    || pool.table.descriptor(id)?.state() == Some(State::Unbuddied),
                "{id:?} was not put back"
            ),
        }
    }
    pool.books.verify(&pool.table)?;
    ensure!(pool.release_all()? == 30, "not thirty");
    Ok(pool.books.verify(&pool.table)?)
}

/// They go on behind the first as well, up to as many as are wanted.
#[test]
fn a_run_goes_on_behind_the_page_that_it_begins_with() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let whole = Len::new(PAGE_SIZE)?;
    pool.books.keep(u64::MAX);
    let stored = [(); 8].map(|()| pool.store(Nid(0), whole));
    // The first is stored still, the second was the last that was freed.
    for put in stored.into_iter().skip(1).rev() {
        let _ = pool.free(put?.slot)??;
    }
    let mut run = |at_most| -> Result<_, Trouble> {
        let run = pool.take_empty(Nid(0), at_most)?;
        Ok(run.map(|run| (run.first().offset(), run.len())))
    };
    let runs = [run(3)?, run(1)?, run(99)?, run(99)?];
    ensure!(
        runs == [Some((1, 3)), Some((4, 1)), Some((5, 3)), None],
        "{runs:?}"
    );
    Ok(pool.books.verify(&pool.table)?)
}

/// Drops the only lost page that nobody has mapped.
fn drop_lost(pool: &mut Pool, page: PageAddr) -> Result<(), Trouble> {
    let (id, addr) = some(pool.take_lost(0)?, "lost page")?;
    ensure!(addr == page, "{addr:?} is lost, not {page:?}");
    ensure!(pool.pages.try_lock(addr, Holder::Pool), "locked");
    pool.forget(id, addr)
}

/// mm has hold of one: it stays, and the others go.
#[test]
fn a_lost_page_that_stays_keeps_no_other() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let whole = Len::new(PAGE_SIZE)?;
    let stored = [(); 3].map(|()| pool.store(Nid(0), whole));
    ensure!(!pool.books.has_lost(), "lost before");
    for put in stored {
        let put = put?;
        pool.lose(put.slot.desc(), put.addr)??;
    }
    ensure!(pool.books.has_lost(), "not lost");
    let (stays, _) = some(pool.take_lost(0)?, "lost page")?;
    pool.keep_lost(stays)?;
    for _ in 0..2 {
        let (id, addr) = some(pool.take_lost(1)?, "other lost page")?;
        ensure!(id != stays, "{id:?} again");
        ensure!(pool.pages.try_lock(addr, Holder::Pool), "locked");
        pool.forget(id, addr)?;
    }
    ensure!(pool.take_lost(1)?.is_none(), "one more");
    ensure!(pool.books.has_lost(), "it has not stayed");
    let (id, _) = some(pool.take_lost(0)?, "page that stayed")?;
    ensure!(id == stays, "{id:?} is not the one that stayed");
    ensure!(!pool.books.has_lost(), "it is being dropped");
    Ok(())
}

#[test]
fn what_is_lost_cannot_be_mapped() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let half = Len::new(PAGE_SIZE / 2)?;
    let (first, second) = (pool.store(Nid(1), half)?, pool.store(Nid(1), half)?);
    let other = pool.store(Nid(1), half)?;
    let (id, page) = (first.slot.desc(), first.addr);
    let mapped = pool.map(first.slot)?;
    let figures = |pool: &Pool| {
        let node = some(pool.books.nodes().get(1), "node")?;
        let sums = (pool.books.stored_bytes(), pool.books.lost_zpages());
        Ok::<_, Trouble>((node.pages(), node.zpages(), sums))
    };
    let bytes = half.bytes() as u64;
    ensure!(figures(&pool)? == (2, 3, (3 * bytes, 0)), "three zpages");

    pool.lose(id, page)??;
    ensure!(pool.lose(id, page)? == Err(Error::Stale), "lost twice");
    ensure!(figures(&pool)? == (2, 1, (bytes, 2)), "one is left");
    for slot in [first.slot, second.slot] {
        ensure!(pool.map(slot) == Err(Error::Lost), "mapped though lost");
    }
    // It stays for the one that has it mapped, does not move, and takes nothing.
    ensure!(pool.take_lost(0)?.is_none(), "taken though mapped");
    let can = pool.books.can_move(&pool.table, id, page);
    ensure!(can == Err(Error::Stale), "can move");
    let joined = pool.store(Nid(1), half)?;
    ensure!(joined.addr == other.addr, "joined what is lost");
    let mut found = Cursor::start();
    let next = pool.books.next_page_on(&pool.table, &mut found, Nid(1));
    ensure!(
        next == Some((other.slot.desc(), Some(other.addr))),
        "{next:?}"
    );
    ensure!(pool.free(first.slot)? == Err(Error::Pinned), "freed mapped");
    ensure!(mapped.address == page.address(), "mapped elsewhere");
    pool.unmap(first.slot)?;

    drop_lost(&mut pool, page)?;
    ensure!(
        figures(&pool)? == (1, 2, (2 * bytes, 2)),
        "the page is there"
    );
    ensure!(pool.map(first.slot) == Err(Error::Lost), "mapped nothing");
    ensure!(pool.free(first.slot)? == Ok(Freed::Kept), "one is left");
    let freed = pool.free(second.slot)?;
    ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
    ensure!(
        figures(&pool)? == (1, 2, (2 * bytes, 0)),
        "something is lost"
    );
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn every_step_between_states_is_taken() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    pool.steps = Some(BTreeSet::new());
    let half = Len::new(PAGE_SIZE / 2)?;
    let id = pool.reserve()?;
    pool.unreserve(id)?;

    // Two zpages; the page moves with both, with one, and without any.
    let first = pool.store(Nid(0), half)?;
    let second = pool.store(Nid(0), half)?;
    let id = first.slot.desc();
    let mut src = first.addr;
    let freed_on_the_way = [None, Some(first.slot), Some(second.slot)];
    for (slot, nid) in freed_on_the_way.into_iter().zip([1, 0, 1]) {
        let dst = pool.pages.alloc(Nid(nid))?;
        let locked =
            pool.pages.try_lock(src, Holder::Mover) && pool.pages.try_lock(dst, Holder::Mover);
        ensure!(locked, "somebody has the page locks");
        let _ = pool.begin(id, src, dst, Nid(nid))??;
        if let Some(slot) = slot {
            ensure!(pool.free(slot)? == Ok(Freed::Moving), "not moving");
        }
        let _ = pool.finish(id, src, dst, Nid(nid))?;
        src = dst;
    }
    // An empty page moves, and is filled again.
    let dst = pool.pages.alloc(Nid(0))?;
    let locked = pool.pages.try_lock(src, Holder::Mover) && pool.pages.try_lock(dst, Holder::Mover);
    ensure!(locked, "somebody has the page locks");
    let _ = pool.begin(id, src, dst, Nid(0))??;
    let _ = pool.finish(id, src, dst, Nid(0))?;
    let again = pool.store(Nid(0), half)?;
    ensure!(again.addr == dst, "not filled again");
    ensure!(pool.pages.try_lock(dst, Holder::Someone), "still locked");
    let freed = pool.free(again.slot)?;
    ensure!(freed == Ok(Freed::Empty { surplus: true }), "{freed:?}");
    pool.pages.unlock(dst)?;
    let run = some(pool.take_empty(Nid(0), 1)?, "empty page")?;
    pool.put_back(run.first())?;
    ensure!(pool.release_all()? == 1, "not one");

    // The last zpage goes while the page lock is free, and while it is not.
    let first = pool.store(Nid(0), half)?;
    let second = pool.store(Nid(0), half)?;
    ensure!(pool.free(first.slot)? == Ok(Freed::Kept), "one is left");
    let freed = pool.free(second.slot)?;
    ensure!(matches!(freed, Ok(Freed::Released(_))), "{freed:?}");
    let last = pool.store(Nid(0), half)?;
    ensure!(pool.pages.try_lock(last.addr, Holder::Someone), "locked");
    let freed = pool.free(last.slot)?;
    ensure!(freed == Ok(Freed::Empty { surplus: true }), "{freed:?}");
    pool.pages.unlock(last.addr)?;
    ensure!(pool.release_all()? == 1, "not one");

    // The memory breaks of a page with two zpages, with one, and without any.
    let first = pool.store(Nid(0), half)?;
    let second = pool.store(Nid(0), half)?;
    pool.lose(first.slot.desc(), first.addr)??;
    drop_lost(&mut pool, first.addr)?;
    ensure!(pool.free(first.slot)? == Ok(Freed::Kept), "one is left");
    let freed = pool.free(second.slot)?;
    ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
    let lone = pool.store(Nid(0), half)?;
    pool.lose(lone.slot.desc(), lone.addr)??;
    ensure!(
        pool.free(lone.slot)? == Ok(Freed::Kept),
        "the page is there"
    );
    drop_lost(&mut pool, lone.addr)?;
    pool.books.keep(1);
    let last = pool.store(Nid(0), half)?;
    let freed = pool.free(last.slot)?;
    ensure!(freed == Ok(Freed::Empty { surplus: false }), "{freed:?}");
    pool.lose(last.slot.desc(), last.addr)??;
    drop_lost(&mut pool, last.addr)?;

    // A zpage moves beside another; its page goes, is kept, and goes, and its slot goes last.
    let first = pool.store(Nid(0), half)?;
    let second = pool.store(Nid(1), half)?;
    let repair = some(pool.begin_repair(first.slot.desc(), true)??, "partner")?;
    let undone = pool.finish_repair(&repair, false)?;
    ensure!(!undone.won, "{undone:?}");
    let repair = some(pool.begin_repair(first.slot.desc(), true)??, "partner")?;
    let repaired = pool.finish_repair(&repair, true)?;
    ensure!(repaired.won && !repaired.emptied, "{repaired:?}");
    let run = some(pool.take_empty(Nid(0), 1)?, "vacated page")?;
    pool.put_back(run.first())?;
    ensure!(pool.release_all()? == 1, "not one");
    let freed = pool.free(first.slot)?;
    ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
    // Both are freed on the way.
    let first = pool.store(Nid(0), half)?;
    let repair = some(pool.begin_repair(first.slot.desc(), true)??, "partner")?;
    for slot in [first.slot, second.slot] {
        ensure!(pool.free(slot)? == Ok(Freed::Moving), "not moving");
    }
    let repaired = pool.finish_repair(&repair, true)?;
    ensure!(repaired.won && repaired.emptied, "{repaired:?}");
    ensure!(pool.release_all()? == 2, "not two");

    let allowed = |from: State| {
        let next = State::ALL
            .into_iter()
            .filter(move |&to| from.may_become(to));
        next.map(move |to| format!("{from:?} {to:?}"))
    };
    let allowed: BTreeSet<_> = State::ALL.into_iter().flat_map(allowed).collect();
    let taken = pool.steps.take().unwrap_or_default();
    ensure!(taken == allowed, "{taken:?} taken, {allowed:?} allowed");
    ensure!(pool.pages.allocated() == 0, "a page leaks");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn a_cursor_meets_each_descriptor_once() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    for _ in 0..3 {
        pool.grow()?;
    }
    // The middle leaf is missing.
    ensure!(pool.table.remove(1), "no leaf");
    let (mut cursor, mut met) = (Cursor::start(), Vec::new());
    loop {
        let leaf = cursor.leaf();
        while let Some((id, _)) = cursor.next_in_leaf(&pool.table) {
            ensure!(id.leaf() == leaf && cursor.leaf() == leaf, "{id:?}");
            met.push(id);
        }
        if !cursor.next_leaf(&pool.table) {
            break;
        }
        ensure!(cursor == Cursor::at_leaf(leaf + 1), "{cursor:?}");
    }
    let expected: Vec<_> = [0, 2]
        .into_iter()
        .flat_map(|leaf| (0..DESCRIPTORS_PER_LEAF).filter_map(move |at| DescId::new(leaf, at)))
        .collect();
    ensure!(met == expected, "{met:?}");

    let end = cursor;
    ensure!(end.leaf() + 1 == pool.table.leaves(), "stopped at {end:?}");
    ensure!(!cursor.next_leaf(&pool.table), "went on behind the end");
    ensure!(cursor == end, "moved behind the end, to {cursor:?}");
    let none = Cursor::at_leaf(u32::MAX)
        .next_in_leaf(&pool.table)
        .is_none();
    ensure!(none, "there is no such leaf");
    ensure!(
        !Cursor::at_leaf(u32::MAX).next_leaf(&pool.table),
        "there is no leaf after the last number"
    );
    Ok(())
}

/// Descriptors come from the fuller leaf, and so the other loses its last and goes.
#[test]
fn the_fuller_leaf_gives_its_descriptors_first() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.grow()?;
    let mut first = Vec::new();
    for _ in 0..DESCRIPTORS_PER_LEAF {
        first.push(pool.reserve()?);
    }
    let lone = pool.reserve()?;
    let fuller = some(first.first(), "descriptor")?.leaf();
    ensure!(lone.leaf() != fuller, "one leaf");
    // The emptier one is the last that was touched.
    for id in first.drain(20..) {
        pool.unreserve(id)?;
    }
    for _ in 0..2 {
        let id = pool.reserve()?;
        ensure!(id.leaf() == fuller, "{id:?}");
    }
    pool.unreserve(lone)?;
    ensure!(
        pool.table.present().count() == 1,
        "an unused leaf has stayed"
    );
    Ok(pool.books.verify(&pool.table)?)
}

/// A leaf is wanted while some descriptors are left, and one that nobody uses stays then.
#[test]
fn a_leaf_is_wanted_before_the_last_descriptor_is_taken() -> Result<(), Trouble> {
    const LOW: usize = 4;
    let mut pool = Pool::new(1);
    pool.books.keep_descriptors(LOW as u64);
    ensure!(pool.books.wants_leaf(), "there is none yet");
    pool.grow()?;
    let mut taken = Vec::new();
    while !pool.books.wants_leaf() {
        taken.push(pool.reserve()?);
    }
    ensure!(taken.len() == DESCRIPTORS_PER_LEAF - LOW, "{}", taken.len());
    ensure!(pool.books.has_descriptor(), "none is left");
    pool.grow()?;
    ensure!(!pool.books.wants_leaf(), "wanted again");
    for id in taken {
        pool.unreserve(id)?;
    }
    ensure!(pool.table.present().count() == 1, "not one leaf");
    ensure!(!pool.books.wants_leaf(), "wanted at the end");
    Ok(pool.books.verify(&pool.table)?)
}

/// A descriptor cannot be released while a leaf beside its own is lost: the leaf
/// would have to leave the list.
#[test]
fn a_release_is_refused_while_the_list_of_leaves_is_broken() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let (_, other) = (pool.grow()?, pool.grow()?);
    let len = Len::new(100)?;
    let put = pool.store(Nid(0), len)?;
    let (id, addr) = (put.slot.desc(), put.addr);
    ensure!(id.leaf() == other, "not in the leaf that was added last");
    let other = pool.table.present().map(Leaf::number);
    let other = some(other.filter(|&number| number != id.leaf()).last(), "leaf")?;
    let refused = |pool: &mut Pool, operation: &str| {
        ensure!(pool.refused.remove(operation), "{operation}: not refused");
        Ok(())
    };

    ensure!(pool.pages.try_lock(addr, Holder::Someone), "locked");
    pool.hidden = Some(other);
    let freed = pool.free(put.slot)?;
    ensure!(freed == Ok(Freed::Empty { surplus: true }), "{freed:?}");
    refused(&mut pool, "free")?;
    pool.pages.unlock(addr)?;
    let run = some(pool.take_empty(Nid(0), 1)?, "empty page")?;
    ensure!(run.first() == id, "another page");
    ensure!(pool.pages.try_lock(addr, Holder::Pool), "locked");
    pool.hidden = Some(other);
    pool.release(id, addr)?;
    refused(&mut pool, "release")?;
    ensure!(pool.table.leaf(id.leaf()).is_none(), "the leaf is there");

    let number = pool.grow()?;
    let id = pool.reserve()?;
    ensure!(id.leaf() == number, "not in the leaf that was added last");
    pool.hidden = Some(other);
    pool.unreserve(id)?;
    refused(&mut pool, "unreserve")?;
    ensure!(pool.pages.allocated() == 0, "a page leaks");
    Ok(pool.books.verify(&pool.table)?)
}

/// A caller that maps a page that is being moved waits in its own way, in turns of its own, until
/// the move is over, however long that takes.
#[test]
fn a_map_is_refused_until_a_mover_that_is_slow_is_done() -> Result<(), Trouble> {
    const TURNS: u32 = 100;
    let mut pool = Pool::new(1);
    let put = pool.store(Nid(0), Len::new(PAGE_SIZE / 2)?)?;
    let Pool { table, books, .. } = &mut pool;
    let table = &*table;
    let owner = table.descriptor(put.slot.desc())?;
    books.begin_move(table, put.slot.desc(), put.addr, Nid(0))?;

    let (turns, waited) = std::sync::mpsc::channel();
    let mapped = std::thread::scope(|scope| {
        let user = scope.spawn(move || loop {
            match owner.map(table, put.slot.index()) {
                Err(Error::Frozen) => {
                    // Nobody counts any more after a while.
                    let _ = turns.send(());
                    std::thread::yield_now();
                }
                done => return done,
            }
        });
        let counted = (0..TURNS).try_for_each(|turn| {
            let waited = waited.recv_timeout(std::time::Duration::from_secs(10));
            waited.map_err(|_| Trouble(format!("no turn {turn}")))
        });
        let finished = books.finish_move(table, put.slot.desc(), put.addr, Nid(0));
        let mapped = user.join().map_err(|_| Trouble("died".into()))?;
        counted?;
        let _ = finished?;
        Ok::<_, Trouble>(mapped?)
    })?;
    ensure!(mapped.address == put.addr.address(), "{mapped:?}");
    Ok(owner.slot(put.slot.index()).unpin()?)
}
