// SPDX-License-Identifier: GPL-2.0

//! The whole-pool validator: every invariant that the types state, checked
//! against every leaf, descriptor, slot, list and counter.

use super::books::Books;
use super::chunk::{Buddy, NCHUNKS};
use super::cursor::Cursor;
use super::descriptor::Descriptor;
use super::id::{DescId, SlotId, SlotIndex};
use super::leaf::{Leaf, DESCRIPTORS_PER_LEAF};
use super::list::List;
use super::node_books::NodeBooks;
use super::slot::Word;
use super::state::State;
use super::table::{DescriptorEntries, Table};

/// Which invariant does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// There is no such state.
    State,
    /// A descriptor in use has no page, or a free one has.
    Page,
    /// The pool was not made for such a node.
    Node,
    /// The number of zpages does not fit the state.
    Zpages,
    /// The zpages overlap.
    Overlap,
    /// Reverse map and slot do not point at each other.
    Rmap,
    /// No reverse map names a live slot.
    OrphanSlot,
    /// A slot is frozen though its page is not being moved, or the reverse.
    Frozen,
    /// A list has a wrong entry, or is not linked both ways.
    List,
    /// The bitmap of non-empty lists is wrong.
    Bitmap,
    /// A leaf's count of used descriptors is wrong.
    Leaf,
    /// A counter does not add up.
    Counter,
}

/// A broken invariant, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// The descriptor, where it is about one.
    pub id: Option<DescId>,
}

fn at(invariant: Invariant, id: DescId) -> Violation {
    Violation {
        invariant,
        id: Some(id),
    }
}

fn pool(invariant: Invariant) -> Violation {
    Violation {
        invariant,
        id: None,
    }
}

fn check(holds: bool, violation: Violation) -> Result<(), Violation> {
    holds.then_some(()).ok_or(violation)
}

/// Counts made on the way, to be compared with the counters.
#[derive(Default)]
struct Count {
    pages: u64,
    zpages: u64,
    bytes: u64,
    unbuddied: u64,
    empty: u64,
    leaving: u64,
    lost: u64,
    lost_zpages: u64,
    live_slots: u64,
    open_leaves: u64,
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Checks the whole pool. The time this takes grows with the size of the pool.
    ///
    /// # Errors
    ///
    /// The first invariant found broken.
    pub fn verify<T: Table>(&self, table: &T) -> Result<(), Violation> {
        let mut count = Count::default();
        let mut cursor = Cursor::start();
        loop {
            if let Some(leaf) = table.leaf(cursor.leaf()) {
                self.verify_leaf(table, leaf, &mut cursor, &mut count)?;
            }
            if !cursor.next_leaf(table) {
                break;
            }
        }
        let sum = |field: fn(&NodeBooks) -> u64| {
            self.nodes()
                .iter()
                .fold(0_u64, |sum, node| sum.wrapping_add(field(node)))
        };
        check(
            count.pages == self.pages()
                && count.pages == sum(NodeBooks::pages)
                && count.zpages == sum(NodeBooks::zpages)
                && count.unbuddied == sum(NodeBooks::unbuddied_pages)
                && count.empty == sum(NodeBooks::empty_pages)
                && count.leaving == self.leaving
                && count.bytes == self.stored_bytes()
                && count.lost_zpages == self.lost_zpages()
                && count.live_slots == count.zpages.wrapping_add(count.lost_zpages),
            pool(Invariant::Counter),
        )?;
        for (nid, node) in self.nodes().iter().enumerate() {
            self.verify_node(table, nid, node)?;
        }
        let lost = verify_list(table, &self.lost, |desc| {
            desc.is(State::Lost) && desc.page().is_some()
        })?;
        let lost = lost.wrapping_add(self.dropping);
        check(lost == count.lost, pool(Invariant::List))?;
        let open = self.leaves.verify(table);
        check(open == Ok(count.open_leaves), pool(Invariant::Leaf))
    }

    fn verify_leaf<T: Table>(
        &self,
        table: &T,
        leaf: &Leaf,
        cursor: &mut Cursor,
        count: &mut Count,
    ) -> Result<(), Violation> {
        let mut used = 0_usize;
        while let Some((id, desc)) = cursor.next_in_leaf(table) {
            let state = desc.state().ok_or(at(Invariant::State, id))?;
            used = used.saturating_add(usize::from(state != State::Free));
            if matches!(state, State::Free | State::Reserved) {
                check(desc.page().is_none(), at(Invariant::Page, id))?;
            } else if state == State::Lost {
                self.verify_lost(table, id, desc, count)?;
            } else {
                self.verify_page(table, id, desc, state, count)?;
            }
            for index in SlotIndex::BOTH {
                let word = desc.slot(index).word();
                if word.live() {
                    count.live_slots = count.live_slots.wrapping_add(1);
                    let place = word.place();
                    let named = table
                        .descriptor(place.desc())
                        .ok()
                        .and_then(|page| page.rmap(place.buddy()))
                        .is_some_and(|slot| slot.desc() == id && slot.index() == index);
                    check(named, at(Invariant::OrphanSlot, id))?;
                    check(word.home() == (place.desc() == id), at(Invariant::Rmap, id))?;
                }
            }
        }
        count.open_leaves = count.open_leaves.wrapping_add(u64::from(!leaf.full()));
        check(
            leaf.used() == used && leaf.full() == (used == DESCRIPTORS_PER_LEAF),
            pool(Invariant::Leaf),
        )
    }

    fn verify_page<T: Table>(
        &self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
        state: State,
        count: &mut Count,
    ) -> Result<(), Violation> {
        check(desc.page().is_some(), at(Invariant::Page, id))?;
        check(
            desc.nid().index() < self.nodes().len(),
            at(Invariant::Node, id),
        )?;
        let (mut zpages, mut chunks) = (0_u64, 0_usize);
        for buddy in Buddy::BOTH {
            let (Some(len), Some(slot)) = (desc.len(buddy), desc.rmap(buddy)) else {
                check(
                    desc.len(buddy).is_none() && desc.rmap(buddy).is_none(),
                    at(Invariant::Rmap, id),
                )?;
                continue;
            };
            zpages = zpages.wrapping_add(1);
            chunks = chunks.saturating_add(len.chunks());
            count.bytes = count.bytes.wrapping_add(u64::from(len.raw()));
            let word = word_of(table, id, buddy, slot)?;
            check(
                word.frozen() == (state == State::Moving) && !(word.frozen() && word.pins() != 0),
                at(Invariant::Frozen, id),
            )?;
        }
        check(chunks <= NCHUNKS, at(Invariant::Overlap, id))?;
        let expected = match state {
            State::Unbuddied => zpages == 1,
            State::Buddied => zpages == 2,
            State::Moving => true,
            State::Empty | State::Leaving | State::Free | State::Reserved | State::Lost => {
                zpages == 0
            }
        };
        check(expected, at(Invariant::Zpages, id))?;
        count.pages = count.pages.wrapping_add(1);
        count.zpages = count.zpages.wrapping_add(zpages);
        count.unbuddied = count
            .unbuddied
            .wrapping_add(u64::from(state == State::Unbuddied));
        count.empty = count.empty.wrapping_add(u64::from(state == State::Empty));
        count.leaving = count
            .leaving
            .wrapping_add(u64::from(state == State::Leaving));
        Ok(())
    }

    fn verify_lost<T: Table>(
        &self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
        count: &mut Count,
    ) -> Result<(), Violation> {
        let mut zpages = 0_u64;
        for buddy in Buddy::BOTH {
            check(desc.len(buddy).is_none(), at(Invariant::Rmap, id))?;
            let Some(slot) = desc.rmap(buddy) else {
                continue;
            };
            zpages = zpages.wrapping_add(1);
            let word = word_of(table, id, buddy, slot)?;
            check(!word.frozen(), at(Invariant::Frozen, id))?;
        }
        count.lost_zpages = count.lost_zpages.wrapping_add(zpages);
        if desc.page().is_none() {
            return check(zpages != 0, at(Invariant::Zpages, id));
        }
        check(
            desc.nid().index() < self.nodes().len(),
            at(Invariant::Node, id),
        )?;
        count.pages = count.pages.wrapping_add(1);
        count.lost = count.lost.wrapping_add(1);
        Ok(())
    }

    fn verify_node<T: Table>(
        &self,
        table: &T,
        nid: usize,
        node: &NodeBooks,
    ) -> Result<(), Violation> {
        let mut listed = 0_u64;
        for (free_chunks, list, occupied) in node.lists() {
            check(occupied != list.is_empty(), pool(Invariant::Bitmap))?;
            let length = verify_list(table, list, |desc| {
                desc.is(State::Unbuddied)
                    && desc.nid().index() == nid
                    && desc.free_chunks() == free_chunks
            })?;
            listed = listed.wrapping_add(length);
        }
        check(listed == node.unbuddied_pages(), pool(Invariant::Counter))?;
        let (list, counts) = node.empty();
        let empty = verify_list(table, list, |desc| {
            desc.is(State::Empty) && desc.nid().index() == nid
        })?;
        check(
            counts && empty == node.empty_pages(),
            pool(Invariant::Counter),
        )
    }
}

/// The word of `slot`, which the reverse map of a buddy of `id` names, if it points back.
fn word_of<T: Table>(table: &T, id: DescId, buddy: Buddy, slot: SlotId) -> Result<Word, Violation> {
    let owner = table
        .descriptor(slot.desc())
        .map_err(|_| at(Invariant::Rmap, id))?;
    let word = owner.slot(slot.index()).word();
    let place = word.place();
    check(
        word.live() && place.desc() == id && place.buddy() == buddy,
        at(Invariant::Rmap, id),
    )?;
    Ok(word)
}

/// Checks a list of descriptors and returns its length.
fn verify_list<T: Table>(
    table: &T,
    list: &List,
    belongs: impl Fn(&Descriptor) -> bool,
) -> Result<u64, Violation> {
    let limit = u64::from(table.leaves()).saturating_mul(DESCRIPTORS_PER_LEAF as u64);
    let named = |raw| DescId::from_raw(raw).and_then(|id| table.descriptor(id).ok());
    list.verify(DescriptorEntries(table), limit, |raw| {
        named(raw).is_some_and(&belongs)
    })
    .map_err(|raw| Violation {
        invariant: Invariant::List,
        id: DescId::from_raw(raw),
    })
}

#[cfg(all(test, not(loom)))]
mod tests;
