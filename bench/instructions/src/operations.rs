// SPDX-License-Identifier: GPL-2.0

//! What is counted. Each operation leaves the pool about as large as it was.

use crate::counted::count;
use crate::pool::{Pool, Zpage, NODE};
use zbud_movable_core::zbud::{
    Buddy, DescId, Error, Freed, Len, LenError, PageAddr, SlotId, State, DESCRIPTORS_PER_LEAF,
    PAGE_SIZE,
};

/// How often each is done: a pool of 1000 pages has as many pages of each kind.
const TIMES: usize = 400;
/// Leaves that the validator looks at: a pool of 1000 pages has more.
const LEAVES: usize = 10;

/// A way to store a zpage.
type Store = fn(&mut Pool, Len) -> Result<SlotId, Error>;

/// Every operation in turn.
pub fn all(pool: &mut Pool) -> Result<(), Error> {
    load(pool)?;
    move_pages(pool)?;
    beside_another(pool)?;
    in_a_new_page(pool)?;
    in_an_empty_page(pool)?;
    verify(pool)?;
    repair(pool)
}

/// Fails unless it is as it should be.
fn check(holds: bool) -> Result<(), Error> {
    holds.then_some(()).ok_or(Error::Corrupt)
}

/// A zpage of each of some pages with two.
fn one_of_two(pool: &mut Pool) -> Result<Vec<Zpage>, Error> {
    let ids = pool.some(State::Buddied, TIMES)?;
    let buddies = Buddy::BOTH.into_iter().cycle();
    let zpages = ids.into_iter().zip(buddies);
    zpages.map(|(id, buddy)| pool.buddy(id, buddy)).collect()
}

fn map(pool: &mut Pool, what: &str, zpages: &[Zpage]) -> Result<(), Error> {
    count(pool, what, |pool| {
        for zpage in zpages {
            let mapped = zpage.owner.map(&pool.table, zpage.index)?;
            check(mapped.len == zpage.len)?;
            zpage.owner.slot(zpage.index).unpin()?;
        }
        Ok(zpages.len())
    })
}

fn load(pool: &mut Pool) -> Result<(), Error> {
    let zpages = one_of_two(pool)?;
    map(pool, "map and unmap", &zpages)
}

fn move_pages(pool: &mut Pool) -> Result<(), Error> {
    for (state, what) in [
        (State::Buddied, "move a page of two zpages"),
        (State::Unbuddied, "move a page of one"),
    ] {
        let pages = pool.some(state, TIMES)?.into_iter();
        let pages = pages.map(|id| {
            let page = pool.table.find(id)?.page().ok_or(Error::Corrupt)?;
            Ok((id, page, pool.address()?))
        });
        let pages: Vec<(DescId, PageAddr, PageAddr)> = pages.collect::<Result<_, Error>>()?;
        count(pool, what, |pool| {
            for &(id, src, dst) in &pages {
                let (books, table) = (&mut pool.books, &pool.table);
                let _ = books.begin_move(table, id, src, NODE)?;
                let _ = books.finish_move(table, id, dst, NODE)?;
            }
            Ok(pages.len())
        })?;
    }
    Ok(())
}

fn beside_another(pool: &mut Pool) -> Result<(), Error> {
    let zpages = one_of_two(pool)?;
    count(pool, "free, another stays in the page", |pool| {
        for zpage in &zpages {
            check(pool.free(zpage)? == Freed::Kept)?;
        }
        Ok(zpages.len())
    })?;
    let mut slots = Vec::with_capacity(TIMES);
    count(pool, "store beside another", |pool| {
        for zpage in &zpages {
            // It fits, as the one of that length has left room.
            let stored = pool.books.pair(&pool.table, NODE, zpage.len)?;
            slots.push(stored.ok_or(Error::Corrupt)?.slot);
        }
        Ok(zpages.len())
    })?;
    let stored = slots.into_iter().map(|slot| pool.zpage(slot));
    let stored: Vec<Zpage> = stored.collect::<Result<_, Error>>()?;
    map(pool, "map and unmap, the first time", &stored)
}

/// Too long to be beside another.
fn whole() -> Result<Len, Error> {
    Len::new(PAGE_SIZE).map_err(|_: LenError| Error::Corrupt)
}

fn store_alone(pool: &mut Pool, what: &str, store: Store) -> Result<Vec<Zpage>, Error> {
    let (mut slots, len) = (Vec::with_capacity(TIMES), whole()?);
    count(pool, what, |pool| {
        for _ in 0..TIMES {
            slots.push(store(pool, len)?);
        }
        Ok(TIMES)
    })?;
    slots.into_iter().map(|slot| pool.zpage(slot)).collect()
}

fn free_alone(pool: &mut Pool, what: &str, zpages: &[Zpage], kept: bool) -> Result<(), Error> {
    count(pool, what, |pool| {
        for zpage in zpages {
            check(matches!(pool.free(zpage)?, Freed::Empty { .. }) == kept)?;
        }
        Ok(zpages.len())
    })
}

fn in_a_new_page(pool: &mut Pool) -> Result<(), Error> {
    let numbers = (0..TIMES.div_ceil(DESCRIPTORS_PER_LEAF)).map(|_| pool.table.grow());
    let numbers: Vec<u32> = numbers.collect::<Result<_, Error>>()?;
    count(pool, "add a leaf", |pool| {
        for &number in &numbers {
            pool.books.add_leaf(&pool.table, number)?;
        }
        Ok(numbers.len())
    })?;
    let zpages = store_alone(pool, "store in a new page", Pool::store_alone)?;
    free_alone(pool, "free, the page is released", &zpages, false)
}

fn in_an_empty_page(pool: &mut Pool) -> Result<(), Error> {
    let slots = (0..TIMES).map(|_| pool.store(whole()?));
    let slots: Vec<SlotId> = slots.collect::<Result<_, Error>>()?;
    pool.books.keep(u64::MAX);
    for slot in slots {
        let _ = pool.free(&pool.zpage(slot)?)?;
    }
    let refill: Store = |pool, len| {
        let stored = pool.books.refill(&pool.table, NODE, len)?;
        Ok(stored.ok_or(Error::Corrupt)?.slot)
    };
    let zpages = store_alone(pool, "store in an empty page", refill)?;
    free_alone(pool, "free, the page is kept", &zpages, true)?;
    release(pool, "release an empty page, in runs", usize::MAX)
}

/// Releases all pages without zpages, up to `at_most` at once.
fn release(pool: &mut Pool, what: &str, at_most: usize) -> Result<(), Error> {
    count(pool, what, |pool| {
        let mut pages = 0_usize;
        while let Some(run) = pool.books.take_empty(&pool.table, NODE, at_most, 0)? {
            for id in run.ids() {
                let leaf = pool.books.release(&pool.table, id)?;
                pool.forget(leaf);
            }
            pages = pages.saturating_add(run.len());
        }
        Ok(pages)
    })?;
    check(pool.books.empty_pages() == 0)
}

/// Some leaves in turn, as the validator takes them, then the rest: as long as it is at work, a
/// leaf is looked at before it is changed.
fn verify(pool: &mut Pool) -> Result<(), Error> {
    pool.books.begin_audit();
    count(pool, "verify a leaf", |pool| {
        for _ in 0..LEAVES {
            check(pool.books.audit(&pool.table).is_none())?;
        }
        Ok(LEAVES)
    })?;
    let result = loop {
        if let Some(result) = pool.books.audit(&pool.table) {
            break result;
        }
    };
    result.map_err(|_| Error::Corrupt)
}

/// Pages with a zpage each, of half a page at most, so that any two fit together.
fn small(pool: &mut Pool) -> Result<Vec<(DescId, Zpage)>, Error> {
    let mut lone = Vec::new();
    for id in pool.some(State::Buddied, TIMES)? {
        let (first, last) = (pool.buddy(id, Buddy::First)?, pool.buddy(id, Buddy::Last)?);
        let (less, more) = if first.len.bytes() < last.len.bytes() {
            (first, last)
        } else {
            (last, first)
        };
        let _ = pool.free(&more)?;
        lone.push((id, less));
    }
    Ok(lone)
}

fn repair(pool: &mut Pool) -> Result<(), Error> {
    let (lone, mut moved) = (small(pool)?, Vec::with_capacity(TIMES));
    count(pool, "re-pair: move a zpage beside another", |pool| {
        for &(id, zpage) in &lone {
            // The others have another beside them by now.
            if pool.table.find(id)?.state() == Some(State::Unbuddied) {
                let (books, table) = (&mut pool.books, &pool.table);
                let repair = books.begin_repair(table, id, false)?;
                let repair = repair.ok_or(Error::Corrupt)?;
                let repaired = books.finish_repair(table, &repair, true)?;
                check(repaired.moved)?;
                moved.push(zpage);
            }
        }
        Ok(moved.len())
    })?;
    // As many are beside each other as it happens, which depends on the size of the pool.
    release(pool, "release a page that its zpage has left", 1)?;
    map(pool, "map and unmap, re-paired", &moved)?;
    count(pool, "free, re-paired", |pool| {
        for zpage in &moved {
            let Freed::Forgotten(forgotten) = pool.free(zpage)? else {
                return Err(Error::Corrupt);
            };
            forgotten.leaves.map(|leaf| pool.forget(leaf));
        }
        Ok(moved.len())
    })
}
