// SPDX-License-Identifier: GPL-2.0

//! Re-pairing, one thing at a time, and how many pages it wins.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

mod common;

use common::pages::Holder;
use common::pool::{Pool, Put};
use common::sizes::Random;
use common::table::Leaves;
use common::{some, Trouble};
use zbud_movable_core::zbud::{
    Books, Cursor, Error, Freed, Len, Nid, NodeBooks, PageAddr, SlotId, State, Table, CHUNK_SIZE,
    DESCRIPTORS_PER_LEAF, PAGE_SIZE,
};

/// Two lone zpages of half a page, of nodes 0 and 1, with bytes.
fn two(pool: &mut Pool) -> Result<[Put; 2], Trouble> {
    let half = Len::new(PAGE_SIZE / 2)?;
    let (first, second) = (pool.store(Nid(0), half)?, pool.store(Nid(1), half)?);
    for (put, byte) in [(&first, 1), (&second, 2)] {
        pool.write(put.slot, &[byte; PAGE_SIZE / 2])?;
    }
    Ok([first, second])
}

fn holds(pool: &Pool, slot: SlotId, byte: u8) -> Result<(), Trouble> {
    let holds = pool.holds(slot, &[byte; PAGE_SIZE / 2])?;
    ensure!(holds, "the bytes of {slot:?} have changed");
    Ok(())
}

#[test]
fn the_handle_stays_and_the_page_goes() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let [first, second] = two(&mut pool)?;
    ensure!(pool.compact(false)? == 0, "re-paired on another node");
    ensure!(pool.compact(true)? == 1, "not re-paired");
    ensure!(pool.release_all()? == 1, "not released");
    for (put, byte) in [(&first, 1), (&second, 2)] {
        holds(&pool, put.slot, byte)?;
    }
    let [one, two] = [pool.map(first.slot)?, pool.map(second.slot)?];
    ensure!(
        one.address == second.addr.address() + PAGE_SIZE / 2
            && two.address == second.addr.address(),
        "{one:?} and {two:?}"
    );
    let state = pool.owner(first.slot)?.state();
    ensure!(state == Some(State::Stub), "{state:?}");
    let freed = pool.free(first.slot)?;
    ensure!(freed == Err(Error::Pinned), "freed while mapped");
    pool.unmap(first.slot)?;
    pool.unmap(second.slot)?;

    // The slot's descriptor goes, the other page stays; then it takes one more.
    let freed = pool.free(first.slot)?;
    ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
    let state = pool.owner(first.slot)?.state();
    ensure!(state == Some(State::Free), "{state:?}");
    let third = pool.store(Nid(1), Len::new(PAGE_SIZE / 2)?)?;
    ensure!(third.addr == second.addr, "not beside the other");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn only_to_nodes_that_are_allowed() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    two(&mut pool)?;
    // All to node 0: so nothing goes to node 1.
    pool.books.allow(|_| Nid(0));
    let [first, second] = [0, 1].map(|at| pool.books.nodes().get(at).map(NodeBooks::zpages));
    ensure!(first == second, "one each");
    ensure!(pool.compact(true)? == 1, "not re-paired");
    let zpages = pool.books.nodes().iter().map(NodeBooks::zpages);
    let zpages: Vec<_> = zpages.collect();
    ensure!(zpages == [2, 0], "{zpages:?}");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn what_is_mapped_stays() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let [first, second] = two(&mut pool)?;
    pool.map(first.slot)?;
    let refused = pool.begin_repair(first.slot.desc(), true)?;
    ensure!(refused == Err(Error::Pinned), "{refused:?}");
    // The other goes beside it.
    ensure!(pool.compact(true)? == 1, "not re-paired");
    let mapped = pool.map(second.slot)?;
    let to = first.addr.address() + PAGE_SIZE / 2;
    ensure!(mapped.address == to, "at {mapped:?}");
    Ok(pool.books.verify(&pool.table)?)
}

/// Who looks for a zpage finds the page in which it is now, by its slot.
#[test]
fn a_zpage_is_found_where_it_is() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let [first, second] = two(&mut pool)?;
    let half = Len::new(PAGE_SIZE / 2)?;
    let found = |pool: &Pool, slot: SlotId| {
        let found = pool.owner(slot)?.find(&pool.table, slot.index());
        Ok::<_, Error>(found.map(|(desc, len)| (desc.page(), len)))
    };
    for put in [&first, &second] {
        let found = found(&pool, put.slot)?;
        ensure!(found == Some((Some(put.addr), half)), "{found:?}");
    }
    ensure!(pool.compact(true)? == 1, "not re-paired");
    for put in [&first, &second] {
        let found = found(&pool, put.slot)?;
        ensure!(found == Some((Some(second.addr), half)), "{found:?}");
    }
    pool.lose(second.slot.desc(), second.addr)??;
    let lost = found(&pool, first.slot)?;
    ensure!(lost.is_none(), "lost: {lost:?}");
    let freed = pool.free(first.slot)?;
    ensure!(freed.is_ok(), "{freed:?}");
    let freed = found(&pool, first.slot)?;
    ensure!(freed.is_none(), "freed: {freed:?}");
    Ok(())
}

/// The best fit of a zpage of half a page is its own page, which is the only one of its kind;
/// the next is one that has a chunk more to spare.
#[test]
fn not_beside_itself_but_the_next() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    let chunks = |chunks| Len::new(chunks * CHUNK_SIZE);
    let first = pool.store(Nid(0), chunks(32)?)?;
    let gone = pool.store(Nid(0), chunks(33)?)?;
    let second = pool.store(Nid(0), chunks(31)?)?;
    ensure!(second.addr == gone.addr, "not beside the larger");
    ensure!(pool.free(gone.slot)? == Ok(Freed::Kept), "not kept");
    let repair = some(pool.begin_repair(first.slot.desc(), false)??, "partner")?;
    ensure!(repair.to.0 == second.addr, "{repair:?}");
    let repaired = pool.finish_repair(&repair, true)?;
    ensure!(repaired.won && !repaired.emptied, "{repaired:?}");
    Ok(pool.books.verify(&pool.table)?)
}

/// A page whose descriptor has the slot of a zpage that is elsewhere has room for one slot
/// only: it must not get two zpages again.
#[test]
fn a_vacated_page_takes_nothing() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let [first, _] = two(&mut pool)?;
    let half = Len::new(PAGE_SIZE / 2)?;
    ensure!(pool.compact(true)? == 1, "not re-paired");
    let run = some(pool.take_empty(Nid(0), 1)?, "vacated page")?;
    pool.put_back(run.first())?;
    for _ in 0..2 {
        let put = pool.store(Nid(0), half)?;
        ensure!(put.addr != first.addr, "in the page that is to go");
        ensure!(pool.free(put.slot)?.is_ok(), "not freed");
    }
    let id = first.slot.desc();
    let moves = pool.books.can_move(&pool.table, id, first.addr);
    ensure!(moves == Err(Error::Stale), "it moves: {moves:?}");
    // It is taken before one that is only empty; and kept for new ones once its slot is free.
    pool.books.keep(1);
    let put = pool.store(Nid(0), half)?;
    ensure!(pool.free(put.slot)?.is_ok(), "not freed");
    let run = some(pool.take_empty(Nid(0), 1)?, "vacated page")?;
    ensure!(run.first() == id, "{run:?}, not {id:?}");
    let freed = pool.free(first.slot)?;
    ensure!(freed == Ok(Freed::Kept), "{freed:?}");
    pool.put_back(id)?;
    let put = pool.store(Nid(0), half)?;
    ensure!(put.addr == first.addr, "not filled again");
    Ok(pool.books.verify(&pool.table)?)
}

#[test]
fn a_zpage_whose_page_is_not_found_is_not_pinned() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let [first, _] = two(&mut pool)?;
    ensure!(pool.compact(true)? == 1, "not re-paired");
    let (owner, index) = (pool.owner(first.slot)?, first.slot.index());
    let leaf = first.slot.desc().leaf();
    let mapped = pool.table.without(leaf, |table| owner.map(table, index));
    ensure!(mapped == Err(Error::Corrupt), "{mapped:?}");
    ensure!(
        pool.unmap(first.slot) == Err(Error::NotPinned),
        "a pin is left"
    );
    holds(&pool, first.slot, 1)
}

/// What has ended does not end again, though one of its pages is moved or joined by another.
#[test]
fn a_repairing_ends_once() -> Result<(), Trouble> {
    let mut pool = Pool::new(3);
    let [first, second] = two(&mut pool)?;
    let third = pool.store(Nid(2), Len::new(PAGE_SIZE / 2)?)?;
    let id = second.slot.desc();
    let ended = some(pool.begin_repair(id, true)??, "partner")?;
    ensure!(ended.dst == first.slot.desc(), "{ended:?}");
    ensure!(!pool.finish_repair(&ended, false)?.won, "not undone");
    let again = |pool: &mut Pool| pool.books.finish_repair(&pool.table, &ended, true).err();

    let _ = pool
        .books
        .begin_move(&pool.table, id, second.addr, Nid(1))?;
    ensure!(again(&mut pool) == Some(Error::Stale), "in a move");
    let (books, table) = (&mut pool.books, &pool.table);
    let _ = books.finish_move(table, id, second.addr, Nid(1))?;

    let other = some(pool.begin_repair(third.slot.desc(), true)??, "partner")?;
    ensure!(other.dst == ended.dst, "{other:?}");
    ensure!(again(&mut pool) == Some(Error::Stale), "in another's place");
    ensure!(pool.finish_repair(&other, true)?.won, "not re-paired");
    Ok(pool.books.verify(&pool.table)?)
}

/// Pages that a zpage has left for good go without those that are only empty, which may be kept.
#[test]
fn a_run_is_of_pages_of_one_kind() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    pool.books.keep(1);
    let half = Len::new(PAGE_SIZE / 2)?;
    let left = pool.store(Nid(0), half)?;
    let empty = pool.store(Nid(0), Len::new(PAGE_SIZE)?)?;
    pool.store(Nid(1), half)?;
    let freed = pool.free(empty.slot)?;
    ensure!(freed == Ok(Freed::Empty { surplus: false }), "{freed:?}");
    ensure!(pool.compact(true)? == 1, "not re-paired");
    let names = [left, empty].map(|put| put.slot.desc());
    let offsets = names.map(|id| id.offset());
    ensure!(offsets == [0, 1], "not beside each other: {offsets:?}");
    for id in names {
        let run = some(pool.take_empty(Nid(0), 9)?, "page without zpages")?;
        ensure!((run.first(), run.len()) == (id, 1), "{run:?}, not {id:?}");
    }
    Ok(())
}

/// The page of a zpage that is beside another is lost, and dropped: with the last of them two
/// descriptors go, and two leaves.
#[test]
fn a_stub_and_a_lost_page_go_at_once() -> Result<(), Trouble> {
    let hidden = [None, Some(0), Some(1), Some(2)].into_iter();
    for (hide, apart) in hidden.flat_map(|hide| [(hide, false), (hide, true)]) {
        let mut pool = Pool::new(2);
        let (half, whole) = (Len::new(PAGE_SIZE / 2)?, Len::new(PAGE_SIZE)?);
        let mut put = Vec::new();
        let mut fill = |pool: &mut Pool| {
            for _ in 0..DESCRIPTORS_PER_LEAF {
                put.push(pool.store(Nid(0), whole)?.slot);
            }
            Ok::<_, Trouble>(())
        };
        let first = pool.store(Nid(0), half)?;
        if apart {
            fill(&mut pool)?;
        }
        let second = pool.store(Nid(1), half)?;
        if !apart {
            fill(&mut pool)?;
        }
        let leaves = [&first, &second].map(|put| put.slot.desc().leaf());
        ensure!(apart == (leaves != [0, 0]), "in leaves {leaves:?}");
        let third = pool.store(Nid(1), half)?;
        ensure!(third.addr == second.addr, "not beside the second");
        ensure!(pool.free(third.slot)? == Ok(Freed::Kept), "not kept");
        ensure!(pool.compact(true)? == 1, "not re-paired");
        ensure!(pool.release_all()? == 1, "not released");
        pool.lose(second.slot.desc(), second.addr)??;
        let (id, page) = some(pool.take_lost(0)?, "lost page")?;
        ensure!(pool.pages.try_lock(page, Holder::Pool), "locked");
        pool.forget(id, page)?;
        for slot in put {
            ensure!(pool.free(slot)?.is_ok(), "not freed");
        }
        let freed = pool.free(second.slot)?;
        ensure!(freed == Ok(Freed::Kept), "{freed:?}");
        pool.hidden = hide;
        let freed = pool.free(first.slot)?;
        ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
        pool.hidden = None;
        pool.books.verify(&pool.table)?;
        let used = pool.table.descriptors();
        let used = used.filter(|(_, desc)| desc.state() != Some(State::Free));
        ensure!(used.count() == 0, "descriptors are left");
        ensure!(pool.table.present().count() == 1, "more than one leaf");
    }
    Ok(())
}

/// The leaf of a stub would have to leave its list, of which another leaf is lost: nothing is
/// freed, though the page of the zpage could be found.
#[test]
fn a_stub_stays_while_the_list_of_its_leaf_is_broken() -> Result<(), Trouble> {
    let mut pool = Pool::new(2);
    let (half, whole) = (Len::new(PAGE_SIZE / 2)?, Len::new(PAGE_SIZE)?);
    let fill = |pool: &mut Pool, count| {
        let slots = (0..count).map(|_| Ok(pool.store(Nid(0), whole)?.slot));
        slots.collect::<Result<Vec<_>, Trouble>>()
    };
    let first = pool.store(Nid(0), half)?.slot;
    let beside_first = fill(&mut pool, DESCRIPTORS_PER_LEAF - 1)?;
    let others = fill(&mut pool, DESCRIPTORS_PER_LEAF)?;
    let second = pool.store(Nid(1), half)?.slot;
    // On another list than those of which only one descriptor is in use.
    fill(&mut pool, DESCRIPTORS_PER_LEAF / 2)?;
    let leaf_of = |slot: SlotId| slot.desc().leaf();
    let other = *some(others.first(), "other")?;
    let leaves = [first, other, second].map(leaf_of);
    ensure!(leaves == [0, 1, 2], "in leaves {leaves:?}");

    let repair = some(pool.begin_repair(first.desc(), true)??, "partner")?;
    ensure!(repair.dst == second.desc(), "{repair:?}");
    ensure!(pool.finish_repair(&repair, true)?.won, "not re-paired");
    ensure!(pool.release_all()? == 1, "not released");
    for slot in others.into_iter().skip(1).chain(beside_first) {
        ensure!(pool.free(slot)?.is_ok(), "not freed");
    }
    pool.hidden = Some(leaf_of(other));
    let freed = pool.free(first)?;
    ensure!(matches!(freed, Ok(Freed::Forgotten(_))), "{freed:?}");
    ensure!(pool.refused.contains("free"), "not refused");
    ensure!(pool.table.leaf(leaf_of(first)).is_none(), "its leaf stays");
    Ok(pool.books.verify(&pool.table)?)
}

/// A pool without bytes.
struct Sized {
    table: Leaves,
    books: Books<Vec<NodeBooks>>,
    random: Random,
    zpages: Vec<(SlotId, usize)>,
    addresses: usize,
}

impl Sized {
    fn filled(zpages: usize) -> Result<Self, Trouble> {
        let mut pool = Self {
            table: Leaves::new(zpages / 64 + 2, zpages / 4 + 64),
            books: Books::new(vec![NodeBooks::new()]),
            random: Random::new(),
            zpages: Vec::new(),
            addresses: 0,
        };
        for _ in 0..zpages {
            pool.store()?;
        }
        Ok(pool)
    }

    fn store(&mut self) -> Result<(), Trouble> {
        let len = self.random.len()?;
        let (books, table) = (&mut self.books, &self.table);
        let slot = match books.pair(table, Nid(0), len)? {
            Some(stored) => stored.slot,
            None => {
                if !books.has_descriptor() {
                    books.add_leaf(table, some(table.grow(), "room for a leaf")?)?;
                }
                let id = books.reserve(table)?;
                self.addresses += 1;
                let page = some(PageAddr::new(self.addresses * PAGE_SIZE), "page")?;
                books.insert(table, id, page, Nid(0), len)?.slot
            }
        };
        let owner = self.table.descriptor(slot.desc())?;
        let _ = owner.map(&self.table, slot.index())?;
        owner.slot(slot.index()).unpin()?;
        self.zpages.push((slot, len.chunks()));
        Ok(())
    }

    fn free(&mut self, zpages: usize) -> Result<(), Trouble> {
        for _ in 0..zpages {
            let k = self.random.below(self.zpages.len());
            let (slot, _) = self.zpages.swap_remove(k);
            let owner = self.table.descriptor(slot.desc())?;
            let (books, table) = (&mut self.books, &self.table);
            let leaves = match books.free(table, owner, slot.index(), |_| true)? {
                Freed::Released(released) => [released.leaf, None],
                Freed::Forgotten(forgotten) => forgotten.leaves,
                _ => [None, None],
            };
            for number in leaves.into_iter().flatten() {
                ensure!(table.remove(number), "no leaf {number}");
            }
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), Trouble> {
        let (books, table) = (&mut self.books, &self.table);
        while let Some(run) = books.take_empty(table, Nid(0), usize::MAX, 0)? {
            for id in run.ids() {
                if let Some(number) = books.release(table, id)? {
                    ensure!(table.remove(number), "no leaf {number}");
                }
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<u64, Trouble> {
        let mut won = 0;
        let mut cursor = Cursor::start();
        loop {
            let (books, table) = (&mut self.books, &self.table);
            while let Some(repair) = books.next_repair(table, &mut cursor, false)? {
                won += u64::from(books.finish_repair(table, &repair, true)?.won);
            }
            self.release()?;
            if !cursor.next_leaf(&self.table) {
                return Ok(won);
            }
        }
    }

    /// The pages that the zpages would take at best: the smallest beside the largest, if they
    /// fit.
    fn perfect(&self) -> usize {
        let mut chunks: Vec<_> = self.zpages.iter().map(|&(_, chunks)| chunks).collect();
        chunks.sort_unstable();
        let mut chunks = std::collections::VecDeque::from(chunks);
        let mut pages = 0;
        while let Some(large) = chunks.pop_back() {
            pages += 1;
            let fits = |&small: &usize| small + large <= PAGE_SIZE / CHUNK_SIZE;
            if chunks.front().is_some_and(fits) {
                chunks.pop_front();
            }
        }
        pages
    }

    /// Re-pairs, and says what part the pages of perfect pairing were of those that there
    /// were, and are now.
    fn compacted(&mut self) -> Result<[f64; 2], Trouble> {
        self.release()?;
        let perfect = self.perfect() as f64;
        let before = self.books.pages();
        let winnable = self.books.winnable();
        let won = self.compact()?;
        ensure!(won == winnable, "{won} pages won, of {winnable}");
        ensure!(self.books.winnable() == 0, "more could be won");
        let after = self.books.pages();
        ensure!(after == before - won, "{after} pages, {before} before");
        self.books.verify(&self.table)?;
        Ok([before, after].map(|pages| perfect / pages as f64))
    }
}

/// As full as it can be, whatever was freed before.
#[test]
fn density_against_perfect_pairing() -> Result<(), Trouble> {
    let zpages = 150_000;
    for (freed, least) in [(0, 0.99), (zpages / 2, 0.97), (zpages / 10 * 9, 0.97)] {
        let mut pool = Sized::filled(zpages)?;
        pool.free(freed)?;
        let [before, after] = pool.compacted()?;
        println!("{freed} of {zpages} freed: {before:.3} of perfect pairing, {after:.3}");
        let enough = after >= least;
        ensure!(enough, "{after:.3} only, after {freed} were freed");
        pool.free(zpages - freed)?;
        pool.release()?;
        ensure!(pool.books.pages() == 0, "pages are left");
        let leaves = pool.table.present().count();
        ensure!(leaves <= 1, "{leaves} leaves are left");
    }
    Ok(())
}

#[test]
fn what_was_not_written_is_not_repaired() -> Result<(), Trouble> {
    let mut pool = Pool::new(1);
    pool.leaves_fresh = true;
    let [first, second] = [(); 2].map(|()| {
        let id = pool.reserve()?;
        pool.fill(id, Nid(0), Len::new(PAGE_SIZE / 2)?)
    });
    let (first, second) = (first?, second?);
    let refused = pool.begin_repair(first.slot.desc(), false)?;
    ensure!(refused == Err(Error::Pinned), "{refused:?}");
    let _ = pool.map(first.slot)?;
    pool.unmap(first.slot)?;
    // It is the bytes of the one that moves that matter.
    let repair = some(pool.begin_repair(first.slot.desc(), false)??, "partner")?;
    let repaired = pool.finish_repair(&repair, true)?;
    ensure!(repaired.won, "{repaired:?}");
    let _ = pool.free(second.slot)??;
    Ok(pool.books.verify(&pool.table)?)
}
