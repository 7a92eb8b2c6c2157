// SPDX-License-Identifier: GPL-2.0

//! What of a page a process may see, where pages are shown to processes: all but what no zpage
//! has written.

#![cfg(not(loom))]

mod common;

use common::pages::Holder;
use common::pool::{Pool, Put};
use common::{some, Trouble};
use core::ops::Range;
use zbud_movable_core::zbud::{DescId, Error, Freed, Len, Nid, PageAddr, CHUNK_SIZE, PAGE_SIZE};

type Gaps = Result<Option<[Range<usize>; 2]>, Error>;

fn gaps(pool: &Pool, id: DescId, page: PageAddr) -> Gaps {
    pool.books.gaps(&pool.table, id, page)
}

/// Those of a page without zpages.
const ALL: Gaps = Ok(Some([0..PAGE_SIZE, PAGE_SIZE..PAGE_SIZE]));

fn write(pool: &Pool, put: &Put) -> Result<(), Error> {
    let _ = pool.map(put.slot)?;
    pool.unmap(put.slot)
}

#[test]
fn gaps_are_what_no_zpage_has() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.books.keep(1);
    pool.leaves_fresh = true;
    let first = pool.store(Nid(0), Len::new(100)?)?;
    let (id, page) = (first.slot.desc(), first.addr);
    let gaps = |pool: &Pool| self::gaps(pool, id, page);
    ensure!(gaps(&pool) == Ok(None), "not written: {:?}", gaps(&pool));
    write(&pool, &first)?;
    let around = Ok(Some([100..PAGE_SIZE, PAGE_SIZE..PAGE_SIZE]));
    ensure!(gaps(&pool) == around, "{:?}", gaps(&pool));
    // At the last chunk border that leaves room.
    let second = pool.store(Nid(0), Len::new(70)?)?;
    ensure!(second.addr == page, "elsewhere");
    ensure!(gaps(&pool) == Ok(None), "not written: {:?}", gaps(&pool));
    write(&pool, &second)?;
    let last = PAGE_SIZE - 2 * CHUNK_SIZE;
    let between = Ok(Some([100..last, last + 70..PAGE_SIZE]));
    ensure!(gaps(&pool) == between, "{:?}", gaps(&pool));
    let _ = pool.free(first.slot)??;
    let before = Ok(Some([0..last, last + 70..PAGE_SIZE]));
    ensure!(gaps(&pool) == before, "{:?}", gaps(&pool));

    // While zpages are copied nobody knows.
    let dst = pool.pages.alloc(Nid(0))?;
    let locked =
        pool.pages.try_lock(page, Holder::Mover) && pool.pages.try_lock(dst, Holder::Mover);
    ensure!(locked, "somebody has the page locks");
    let _ = pool.begin(id, page, dst, Nid(0))??;
    ensure!(gaps(&pool) == Ok(None), "{:?}", gaps(&pool));
    let _ = pool.finish(id, page, dst, Nid(0))?;
    ensure!(gaps(&pool) == Err(Error::Stale), "{:?}", gaps(&pool));
    let gaps = |pool: &Pool| self::gaps(pool, id, dst);
    ensure!(gaps(&pool) == before, "{:?}", gaps(&pool));

    let _ = pool.free(second.slot)??;
    ensure!(gaps(&pool) == ALL, "empty: {:?}", gaps(&pool));
    let run = some(pool.take_empty(Nid(0), 1)?, "empty page")?;
    ensure!(gaps(&pool) == ALL, "leaving: {:?}", gaps(&pool));
    pool.put_back(run.first())?;
    pool.lose(id, dst)??;
    ensure!(gaps(&pool) == Err(Error::Stale), "{:?}", gaps(&pool));
    Ok(())
}

#[test]
fn a_page_that_is_joined_is_not_shown_and_one_that_is_won_has_nothing() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let len = Len::new(PAGE_SIZE / 2 + 1)?;
    // Two pages, as they are too large for one, and a small one beside each.
    let [first, second] = [pool.store(Nid(0), len)?, pool.store(Nid(0), len)?];
    let small = Len::new(CHUNK_SIZE)?;
    let others = [pool.store(Nid(0), small)?, pool.store(Nid(0), small)?];
    for put in [&first, &second].into_iter().chain(&others) {
        write(&pool, put)?;
    }
    // Only the small ones are left.
    let [stays, goes] = &others;
    let [from, to] = if goes.addr == first.addr {
        [&first, &second].map(|put| put.slot.desc())
    } else {
        [&second, &first].map(|put| put.slot.desc())
    };
    for put in [&first, &second] {
        ensure!(pool.free(put.slot)? == Ok(Freed::Kept), "not kept");
    }
    let repair = some(pool.begin_repair(from, false)??, "partner")?;
    ensure!(gaps(&pool, to, stays.addr) == Ok(None), "joined");
    ensure!(gaps(&pool, from, goes.addr) == Ok(None), "on its way");
    ensure!(pool.finish_repair(&repair, true)?.won, "not re-paired");
    ensure!(gaps(&pool, from, goes.addr) == ALL, "the page that is won");
    let ends = [stays, goes].map(|put| pool.map(put.slot).map(|mapped| mapped.address));
    let [stays, goes] = ends.map(|address| address.map(|address| address % PAGE_SIZE));
    ensure!(stays? != goes?, "in one place");
    let shown = gaps(&pool, to, repair.to.0)?;
    let [between, behind] = some(shown, "gaps")?;
    ensure!(
        between.len() + behind.len() == PAGE_SIZE - 2 * CHUNK_SIZE,
        "{between:?}, {behind:?}"
    );
    Ok(())
}

#[test]
fn a_descriptor_that_is_not_there_has_no_page() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let put = pool.store(Nid(0), Len::new(100)?)?;
    let other = some(DescId::new(9, 0), "name")?;
    let found = gaps(&pool, other, put.addr);
    ensure!(found == Err(Error::Stale), "{found:?}");
    Ok(())
}
