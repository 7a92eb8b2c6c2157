// SPDX-License-Identifier: GPL-2.0

//! Wrong links between descriptors: on lists, from slots to pages and back. What is found first
//! is named with the descriptor at which it was.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

use super::*;
use crate::zbud::chunk::CHUNK_SIZE;

/// A pool with three pages with one zpage each, in the order of their descriptors, and so the
/// last is the first of its list.
struct Three {
    table: OneLeaf,
    books: Books<[NodeBooks; 2]>,
    ids: [DescId; 3],
}

impl Three {
    fn new() -> Result<Self, Error> {
        let table = OneLeaf(Leaf::new());
        let mut books = Books::new([NodeBooks::new(), NodeBooks::new()]);
        books.add_leaf(&table, 0)?;
        books.keep(3);
        let mut insert = |pages| {
            let page = PageAddr::new(PAGE_SIZE * pages).ok_or(Error::Corrupt)?;
            let id = books.reserve(&table)?;
            let stored = books.insert(&table, id, page, Nid(1), small()?)?;
            let _ = stored.owner.map(&table, stored.index)?;
            stored.owner.slot(stored.index).unpin()?;
            Ok::<_, Error>(id)
        };
        let ids = [insert(1)?, insert(2)?, insert(3)?];
        assert_eq!(ids.map(DescId::offset), [0, 1, 2]);
        Ok(Self { table, books, ids })
    }

    fn desc(&self, at: usize) -> Result<&Descriptor, Error> {
        let id = self.ids.get(at).ok_or(Error::Corrupt)?;
        self.table.descriptor(*id)
    }

    fn free(&mut self, at: usize) -> Result<(), Error> {
        let Self { table, books, ids } = self;
        let owner = table.descriptor(*ids.get(at).ok_or(Error::Corrupt)?)?;
        let (_, index) = only(owner)?;
        let _ = books.free(table, owner, index, |_| false)?;
        Ok(())
    }

    /// What the validator finds, and at which of them.
    fn found(mut self) -> Option<(Invariant, Option<usize>)> {
        let violation = self.books.verify(&self.table).err()?;
        let at = |id| self.ids.iter().position(|&other| Some(other) == id);
        Some((violation.invariant, at(violation.id)))
    }
}

fn small() -> Result<Len, Error> {
    Len::new(100).map_err(|_| Error::Corrupt)
}

/// What is found once `harm` was done to three pages that `before` has prepared.
fn found(
    before: impl FnOnce(&mut Three) -> Result<(), Error>,
    harm: impl FnOnce(&mut Three) -> Result<(), Error>,
) -> Result<Option<(Invariant, Option<usize>)>, Error> {
    let mut three = Three::new()?;
    before(&mut three)?;
    assert_eq!(three.books.verify(&three.table), Ok(()));
    harm(&mut three)?;
    Ok(three.found())
}

fn unbuddied(_: &mut Three) -> Result<(), Error> {
    Ok(())
}

fn empty(three: &mut Three) -> Result<(), Error> {
    (0..3).try_for_each(|at| three.free(at))
}

/// All three were beside others, and were put back.
fn vacated(three: &mut Three) -> Result<(), Error> {
    for at in 0..3 {
        let Three { table, books, ids } = &mut *three;
        let page = PageAddr::new(PAGE_SIZE * (4 + at)).ok_or(Error::Corrupt)?;
        let another = books.reserve(table)?;
        let rest = PAGE_SIZE - small()?.chunks() * CHUNK_SIZE;
        let rest = Len::new(rest).map_err(|_| Error::Corrupt)?;
        let _ = books.insert(table, another, page, Nid(1), rest)?;
        let id = *ids.get(at).ok_or(Error::Corrupt)?;
        let repair = books.begin_repair(table, id, false)?;
        let repair = repair.ok_or(Error::Corrupt)?;
        assert_eq!(repair.dst, another);
        let _ = books.finish_repair(table, &repair, true)?;
    }
    Ok(())
}

/// The list begins well: only at its end it is wrong.
#[test]
fn the_end_of_a_list_does_not_link_back() -> Result<(), Error> {
    for before in [unbuddied, empty, vacated] {
        let found = found(before, |three| {
            // The list is that of 2, 1 and 0.
            three.desc(0)?.links().set_prev(three.ids[2].raw());
            Ok(())
        })?;
        assert_eq!(found, Some((Invariant::List, Some(0))));
    }
    Ok(())
}

/// The first in the leaf has a neighbour that does not belong to its list.
#[test]
fn a_neighbour_is_a_stranger() -> Result<(), Error> {
    let moving = found(unbuddied, |three| {
        three.desc(1)?.step(State::Unbuddied, State::Moving);
        Ok(())
    })?;
    let elsewhere = found(unbuddied, |three| {
        let desc = three.desc(1)?;
        desc.set_page(desc.page(), Nid(0));
        Ok(())
    })?;
    let longer = found(unbuddied, |three| {
        let desc = three.desc(1)?;
        let (buddy, _) = only(desc)?;
        let slot = desc.rmap(buddy).ok_or(Error::Corrupt)?;
        desc.take_in(buddy, slot, Len::new(1000).map_err(|_| Error::Corrupt)?);
        Ok(())
    })?;
    assert_eq!(
        [moving, elsewhere, longer],
        [Some((Invariant::List, Some(0))); 3]
    );
    Ok(())
}

#[test]
fn a_length_goes_with_a_slot() -> Result<(), Error> {
    let found = found(unbuddied, |three| {
        let desc = three.desc(0)?;
        desc.lose(only(desc)?.0);
        Ok(())
    })?;
    assert_eq!(found, Some((Invariant::Rmap, Some(0))));
    Ok(())
}

/// The slot of a zpage says that it is in another page.
#[test]
fn the_slot_of_a_zpage_points_elsewhere() -> Result<(), Error> {
    let found = found(unbuddied, |three| {
        let other = three.desc(1)?;
        let slot = other.rmap(only(other)?.0).ok_or(Error::Corrupt)?;
        let desc = three.desc(0)?;
        desc.take_in(only(desc)?.0, slot, small()?);
        Ok(())
    })?;
    assert_eq!(found, Some((Invariant::Rmap, Some(0))));
    Ok(())
}

/// Both slots of a descriptor say that they are of the only zpage.
#[test]
fn two_slots_of_a_descriptor_point_to_one_zpage() -> Result<(), Error> {
    let found = found(unbuddied, |three| {
        let desc = three.desc(0)?;
        let place = Place::new(three.ids[0], only(desc)?.0);
        let index = desc.free_slot().ok_or(Error::Corrupt)?;
        desc.slot(index).publish(place, true);
        Ok(())
    })?;
    assert_eq!(found, Some((Invariant::OrphanSlot, Some(0))));
    Ok(())
}

/// A page was dropped, but is on the list of lost pages.
#[test]
fn a_list_of_lost_pages_begins_with_one_that_was_dropped() -> Result<(), Error> {
    let lose = |three: &mut Three| {
        let Three { table, books, ids } = three;
        for id in ids {
            let page = table.descriptor(*id)?.page().ok_or(Error::Corrupt)?;
            books.lose(table, *id, page)?;
        }
        Ok(())
    };
    let found = found(lose, |three| {
        three.desc(2)?.set_page(None, Nid(0));
        let books = &mut three.books;
        books.totals.sub(1, 0);
        books.nodes[1].sub(1, 0);
        // Its neighbour is not taken for listed.
        books.lost_pages = 1;
        books.dropping = 1;
        Ok(())
    })?;
    assert_eq!(found, Some((Invariant::List, None)));
    Ok(())
}
