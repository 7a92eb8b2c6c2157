// SPDX-License-Identifier: GPL-2.0

//! Each invariant is broken by hand, and the validator names it. The tests that take
//! more than one pool are in tests/verify.rs.

use super::*;
use crate::zbud::chunk::{Len, PAGE_SIZE};
use crate::zbud::error::Error;
use crate::zbud::id::{Nid, PageAddr, Place};
use crate::zbud::one_leaf::OneLeaf;

mod links;

/// A pool with two pages, each with one zpage: on node 0 one that fills its page, on
/// node 1 one of 100 bytes.
struct Pool {
    table: OneLeaf,
    books: Books<[NodeBooks; 2]>,
    full: DescId,
    lone: DescId,
}

impl Pool {
    fn new() -> Result<Self, Error> {
        let table = OneLeaf(Leaf::new());
        let mut books = Books::new([NodeBooks::new(), NodeBooks::new()]);
        books.add_leaf(&table, 0)?;
        let mut insert = |address, nid, bytes| {
            let page = PageAddr::new(address).ok_or(Error::Corrupt)?;
            let len = Len::new(bytes).map_err(|_| Error::Corrupt)?;
            let id = books.reserve(&table)?;
            let stored = books.insert(&table, id, page, Nid(nid), len)?;
            Ok(stored.slot.desc())
        };
        let full = insert(PAGE_SIZE, 0, PAGE_SIZE)?;
        let lone = insert(PAGE_SIZE * 2, 1, 100)?;
        Ok(Self {
            table,
            books,
            full,
            lone,
        })
    }

    fn full(&self) -> Result<&Descriptor, Error> {
        self.table.descriptor(self.full)
    }

    fn lone(&self) -> Result<&Descriptor, Error> {
        self.table.descriptor(self.lone)
    }

    /// A descriptor that nobody uses.
    fn free(&self) -> Result<&Descriptor, Error> {
        let last = self.table.0.descriptor(DESCRIPTORS_PER_LEAF - 1);
        last.ok_or(Error::Corrupt)
    }
}

/// The zpage of a page with one.
fn only(desc: &Descriptor) -> Result<(Buddy, SlotIndex), Error> {
    let mut buddies = Buddy::BOTH.into_iter();
    buddies
        .find_map(|buddy| Some((buddy, desc.rmap(buddy)?.index())))
        .ok_or(Error::Corrupt)
}

/// The invariant that the validator names once `harm` was done to a pool.
fn found(harm: impl FnOnce(&mut Pool) -> Result<(), Error>) -> Result<Option<Invariant>, Error> {
    let mut pool = Pool::new()?;
    assert_eq!(pool.books.verify(&pool.table), Ok(()));
    harm(&mut pool)?;
    let found = pool.books.verify(&pool.table);
    Ok(found.err().map(|violation| violation.invariant))
}

#[test]
fn a_page_is_missing_or_left_over() -> Result<(), Error> {
    let missing = found(|pool| {
        pool.lone()?.set_page(None, Nid(1));
        Ok(())
    })?;
    let left_over = found(|pool| {
        pool.free()?.set_page(PageAddr::new(PAGE_SIZE * 3), Nid(0));
        Ok(())
    })?;
    assert_eq!([missing, left_over], [Some(Invariant::Page); 2]);
    Ok(())
}

#[test]
fn a_page_is_on_a_node_that_is_not_there() -> Result<(), Error> {
    let found = found(|pool| {
        pool.lone()?.set_page(pool.lone()?.page(), Nid(2));
        Ok(())
    })?;
    assert_eq!(found, Some(Invariant::Node));
    Ok(())
}

#[test]
fn zpages_do_not_go_with_the_state() -> Result<(), Error> {
    for state in [State::Buddied, State::Empty] {
        let found = found(|pool| {
            pool.lone()?.step(State::Unbuddied, state);
            Ok(())
        })?;
        assert_eq!(found, Some(Invariant::Zpages), "{state:?}");
    }
    Ok(())
}

#[test]
fn zpages_overlap() -> Result<(), Error> {
    let found = found(|pool| {
        let page = pool.full()?;
        let other = only(page)?.0.other();
        let len = Len::new(100).map_err(|_| Error::Corrupt)?;
        let index = page.free_slot().ok_or(Error::Corrupt)?;
        page.store_at(pool.full, other, index, len);
        Ok(())
    })?;
    assert_eq!(found, Some(Invariant::Overlap));
    Ok(())
}

#[test]
fn slots_and_reverse_maps_do_not_match() -> Result<(), Error> {
    let retired = found(|pool| {
        let page = pool.lone()?;
        let slot = page.slot(only(page)?.1);
        slot.retire(slot.unpinned()?)
    })?;
    assert_eq!(retired, Some(Invariant::Rmap));
    let orphan = found(|pool| {
        let place = Place::new(pool.lone, only(pool.lone()?)?.0);
        pool.free()?.slot(SlotIndex::A).publish(place, false);
        Ok(())
    })?;
    assert_eq!(orphan, Some(Invariant::OrphanSlot));
    Ok(())
}

#[test]
fn a_slot_is_where_zpages_come_and_its_zpage_is_elsewhere() -> Result<(), Error> {
    let stray = found(|pool| {
        // As if the lone zpage had come to its page from the full one.
        let (page, place) = (pool.lone()?, Place::new(pool.lone, only(pool.lone()?)?.0));
        let (buddy, index) = only(page)?;
        let len = page.len(buddy).ok_or(Error::Corrupt)?;
        page.slot(index).retire(page.slot(index).unpinned()?)?;
        let there = pool.full()?.free_slot().ok_or(Error::Corrupt)?;
        pool.full()?.slot(there).publish(place, false);
        page.take_in(buddy, SlotId::new(pool.full, there), len);
        Ok(())
    })?;
    assert_eq!(stray, Some(Invariant::Stray));
    let nothing = found(|pool| {
        let stub = pool.books.reserve(&pool.table)?;
        let stub = pool.table.descriptor(stub)?;
        stub.step(State::Reserved, State::Free);
        for (from, to) in [
            (State::Free, State::Reserved),
            (State::Reserved, State::Unbuddied),
            (State::Unbuddied, State::Empty),
            (State::Empty, State::Leaving),
            (State::Leaving, State::Stub),
        ] {
            stub.step(from, to);
        }
        Ok(())
    })?;
    assert_eq!(nothing, Some(Invariant::Zpages));
    Ok(())
}

/// Puts a zpage that was written beside the lone one: its slot stays in the descriptor of the
/// page that is won.
fn vacate(pool: &mut Pool) -> Result<DescId, Error> {
    let page = pool.lone()?.page().ok_or(Error::Corrupt)?;
    let id = pool.books.reserve(&pool.table)?;
    let len = Len::new(100).map_err(|_| Error::Corrupt)?;
    let stored = pool.books.insert(&pool.table, id, page, Nid(1), len)?;
    let _ = stored.owner.map(&pool.table, stored.index)?;
    stored.owner.slot(stored.index).unpin()?;
    let repair = pool.books.begin_repair(&pool.table, id, false)?;
    let repair = repair.ok_or(Error::Corrupt)?;
    assert_eq!(pool.books.verify(&pool.table), Ok(()));
    let _ = pool.books.finish_repair(&pool.table, &repair, true)?;
    assert_eq!(pool.books.verify(&pool.table), Ok(()));
    Ok(id)
}

#[test]
fn what_was_not_written_has_not_been_re_paired() -> Result<(), Error> {
    let found = found(|pool| {
        let id = vacate(pool)?;
        let desc = pool.table.descriptor(id)?;
        let mut slots = SlotIndex::BOTH.into_iter().map(|index| desc.slot(index));
        let slot = slots.find(|slot| slot.word().live());
        let slot = slot.ok_or(Error::Corrupt)?;
        let word = slot.unpinned()?;
        slot.retire(word)?;
        slot.publish(word.place(), false);
        Ok(())
    })?;
    assert_eq!(found, Some(Invariant::Unwritten));
    Ok(())
}

#[test]
fn what_is_vacated_is_counted_and_listed() -> Result<(), Error> {
    let moved = found(|pool| {
        let id = vacate(pool)?;
        let page = pool.table.descriptor(id)?;
        page.set_page(page.page(), Nid(0));
        Ok(())
    })?;
    let another = found(|pool| {
        let id = vacate(pool)?;
        pool.table
            .descriptor(id)?
            .step(State::Vacated, State::Leaving);
        pool.books.leaving = 1;
        Ok(())
    })?;
    assert_eq!([moved, another], [Some(Invariant::List); 2]);
    Ok(())
}

#[test]
fn slots_are_frozen_without_a_move_and_a_move_goes_without() -> Result<(), Error> {
    let frozen = found(|pool| {
        let page = pool.lone()?;
        assert!(page.slot(only(page)?.1).freeze());
        Ok(())
    })?;
    let moving = found(|pool| {
        pool.lone()?.step(State::Unbuddied, State::Moving);
        Ok(())
    })?;
    assert_eq!([frozen, moving], [Some(Invariant::Frozen); 2]);
    Ok(())
}

#[test]
fn lists_are_wrong() -> Result<(), Error> {
    let back = found(|pool| {
        pool.lone()?.links().set_prev(7);
        Ok(())
    })?;
    let circle = found(|pool| {
        pool.lone()?.links().set_next(pool.lone.raw());
        Ok(())
    })?;
    assert_eq!([back, circle], [Some(Invariant::List); 2]);
    let not_empty = found(|pool| {
        let Pool { table, books, .. } = pool;
        let page = table.descriptor(pool.full)?;
        let node = books.nodes.first_mut().ok_or(Error::BadNode)?;
        let push = node.prepare_push_empty(table)?;
        node.push_empty(pool.full, page, push);
        Ok(())
    })?;
    assert_eq!(not_empty, Some(Invariant::List));
    // All others are empty.
    for bits in [0, u64::MAX] {
        let wrong = found(|pool| {
            let node = pool.books.nodes.last_mut().ok_or(Error::BadNode)?;
            *node.occupied_mut() = bits;
            Ok(())
        })?;
        assert_eq!(wrong, Some(Invariant::Bitmap), "{bits:#x}");
    }
    Ok(())
}

#[test]
fn leaves_are_wrong() -> Result<(), Error> {
    let used = found(|pool| {
        let (_, desc) = pool.table.0.first_free().ok_or(Error::NoDescriptor)?;
        pool.table.0.reserve(desc);
        Ok(())
    })?;
    let circle = found(|pool| {
        pool.table.0.links().set_next(0);
        Ok(())
    })?;
    assert_eq!([used, circle], [Some(Invariant::Leaf); 2]);
    Ok(())
}

#[test]
fn counters_do_not_add_up() -> Result<(), Error> {
    let harms: [fn(&mut Books<[NodeBooks; 2]>); 5] = [
        |books| books.leaving = 1,
        |books| books.totals.pages = 3,
        |books| books.totals.stored_bytes = 0,
        |books| books.nodes.iter_mut().for_each(|node| node.add(1, 0)),
        |books| books.nodes.iter_mut().for_each(|node| node.add(0, 1)),
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let found = found(|pool| {
            harm(&mut pool.books);
            Ok(())
        })?;
        assert_eq!(found, Some(Invariant::Counter), "harm {number}");
    }
    Ok(())
}

#[test]
fn what_is_lost_is_counted_and_listed() -> Result<(), Error> {
    let lose = |pool: &mut Pool| {
        let page = pool.lone()?.page().ok_or(Error::Corrupt)?;
        pool.books.lose(&pool.table, pool.lone, page)?;
        assert_eq!(pool.books.verify(&pool.table), Ok(()));
        Ok::<_, Error>(())
    };
    let zpages = found(|pool| {
        lose(pool)?;
        pool.books.lost_zpages = 0;
        Ok(())
    })?;
    let dropping = found(|pool| {
        lose(pool)?;
        pool.books.dropping = 1;
        Ok(())
    })?;
    let on_no_list = found(|pool| {
        lose(pool)?;
        let _taken = pool.books.take_lost(&pool.table, 0)?;
        pool.books.dropping = 0;
        Ok(())
    })?;
    let without_zpages = found(|pool| {
        lose(pool)?;
        let (buddy, index) = only(pool.lone()?)?;
        let slot = pool.lone()?.slot(index);
        slot.retire(slot.unpinned()?)?;
        pool.lone()?.clear(buddy);
        pool.lone()?.set_page(None, Nid(0));
        Ok(())
    })?;
    let frozen = found(|pool| {
        lose(pool)?;
        let (_, index) = only(pool.lone()?)?;
        assert!(pool.lone()?.slot(index).freeze());
        Ok(())
    })?;
    let readable = found(|pool| {
        let page = pool.lone()?.page().ok_or(Error::Corrupt)?;
        let (buddy, index) = only(pool.lone()?)?;
        pool.books.lose(&pool.table, pool.lone, page)?;
        let len = Len::new(100).map_err(|_| Error::Corrupt)?;
        let slot = pool.lone()?.slot(index);
        slot.retire(slot.unpinned()?)?;
        pool.lone()?.store_at(pool.lone, buddy, index, len);
        Ok(())
    })?;
    assert_eq!(zpages, Some(Invariant::Counter));
    assert_eq!([dropping, on_no_list], [Some(Invariant::Counter); 2]);
    assert_eq!(without_zpages, Some(Invariant::Zpages));
    assert_eq!(frozen, Some(Invariant::Frozen));
    assert_eq!(readable, Some(Invariant::Rmap));
    Ok(())
}
