// SPDX-License-Identifier: GPL-2.0

//! The whole-pool validator: every invariant that the types state, checked
//! against every leaf, descriptor, slot, list and counter.

use super::chunk::{Buddy, NCHUNKS};
use super::descriptor::{Descriptor, State};
use super::id::{DescId, Half};
use super::leaf::{Leaf, Table, DESCRIPTORS_PER_LEAF, NONE};
use super::lists::{Lists, NodeLists};
use super::primitive::Ordering;

/// Which invariant does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The state is none that exists.
    State,
    /// A descriptor in use has no page, or a free one has.
    Frame,
    /// The node is none the pool was made for.
    Node,
    /// The number of zpages does not go with the state.
    Zpages,
    /// The zpages overlap.
    Overlap,
    /// Reverse map and slot do not point at each other.
    Rmap,
    /// A slot is live that no reverse map names.
    OrphanSlot,
    /// A slot is frozen though nobody moves its page, or not though someone does.
    Frozen,
    /// A list holds what it should not, or is not linked both ways.
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
    pub what: What,
    /// The descriptor, where it is about one.
    pub id: Option<DescId>,
}

fn at(what: What, id: DescId) -> Violation {
    Violation { what, id: Some(id) }
}

fn pool(what: What) -> Violation {
    Violation { what, id: None }
}

fn check(holds: bool, violation: Violation) -> Result<(), Violation> {
    holds.then_some(()).ok_or(violation)
}

/// What is counted on the way, to be compared with the counters.
#[derive(Default)]
struct Count {
    pages: u64,
    zpages: u64,
    bytes: u64,
    unbuddied: u64,
    empty: u64,
    live_slots: u64,
    open_leaves: u64,
}

impl<N: AsRef<[NodeLists]> + AsMut<[NodeLists]>> Lists<N> {
    /// Checks the whole pool. Under L; its time grows with the size of the pool.
    ///
    /// # Errors
    ///
    /// The first invariant found broken.
    pub fn verify<T: Table>(&self, table: &T) -> Result<(), Violation> {
        let mut count = Count::default();
        for leaf in (0..table.leaves()).filter_map(|number| table.leaf(number)) {
            self.verify_leaf(table, leaf, &mut count)?;
        }
        let sum = |field: fn(&NodeLists) -> u64| {
            self.nodes()
                .iter()
                .fold(0_u64, |sum, node| sum.wrapping_add(field(node)))
        };
        check(
            count.pages == self.pages()
                && count.pages == sum(NodeLists::pages)
                && count.zpages == sum(NodeLists::zpages)
                && count.unbuddied == sum(NodeLists::unbuddied_pages)
                && count.bytes == self.stored_bytes()
                && count.live_slots == count.zpages,
            pool(What::Counter),
        )?;
        for (nid, node) in self.nodes().iter().enumerate() {
            self.verify_node(table, nid, node)?;
        }
        let deferred = walk(table, self.deferred, |desc| desc.is(State::Empty))?;
        check(deferred == count.empty, pool(What::List))?;
        check(
            self.verify_leaves(table)? == count.open_leaves,
            pool(What::Leaf),
        )
    }

    /// Walks the list of leaves that have a free descriptor; returns its length.
    fn verify_leaves<T: Table>(&self, table: &T) -> Result<u64, Violation> {
        let (mut next, mut prev, mut length) = (self.first_leaf(), NONE, 0_u64);
        while next != NONE {
            let leaf = table.leaf(next).ok_or(pool(What::Leaf))?;
            check(
                !leaf.full()
                    && leaf.number() == next
                    && leaf.prev.load(Ordering::Relaxed) == prev
                    && length < u64::from(table.leaves()),
                pool(What::Leaf),
            )?;
            length = length.wrapping_add(1);
            prev = next;
            next = leaf.next.load(Ordering::Relaxed);
        }
        Ok(length)
    }

    fn verify_leaf<T: Table>(
        &self,
        table: &T,
        leaf: &Leaf,
        count: &mut Count,
    ) -> Result<(), Violation> {
        let mut used = 0_usize;
        for (id, desc) in leaf.descriptors() {
            let state = desc.state().ok_or(at(What::State, id))?;
            used = used.saturating_add(usize::from(state != State::Free));
            if matches!(state, State::Free | State::Reserved) {
                check(desc.frame().is_none(), at(What::Frame, id))?;
            } else {
                self.verify_page(table, id, desc, state, count)?;
            }
            for half in Half::BOTH {
                let word = desc.slot(half).word();
                if word.live() {
                    count.live_slots = count.live_slots.wrapping_add(1);
                    let place = word.place();
                    let named = table
                        .descriptor(place.desc())
                        .ok()
                        .and_then(|page| page.rmap(place.buddy()))
                        .is_some_and(|slot| slot.desc() == id && slot.half() == half);
                    check(named, at(What::OrphanSlot, id))?;
                    check(word.home() == (place.desc() == id), at(What::Rmap, id))?;
                }
            }
        }
        count.open_leaves = count.open_leaves.wrapping_add(u64::from(!leaf.full()));
        check(
            leaf.used() == used && leaf.full() == (used == DESCRIPTORS_PER_LEAF),
            pool(What::Leaf),
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
        check(desc.frame().is_some(), at(What::Frame, id))?;
        check(desc.nid().index() < self.nodes().len(), at(What::Node, id))?;
        let (mut zpages, mut chunks) = (0_u64, 0_usize);
        for buddy in Buddy::BOTH {
            let (Some(len), Some(slot)) = (desc.len(buddy), desc.rmap(buddy)) else {
                check(
                    desc.len(buddy).is_none() && desc.rmap(buddy).is_none(),
                    at(What::Rmap, id),
                )?;
                continue;
            };
            zpages = zpages.wrapping_add(1);
            chunks = chunks.saturating_add(len.chunks());
            count.bytes = count.bytes.wrapping_add(u64::from(len.raw()));
            let home = table
                .descriptor(slot.desc())
                .map_err(|_| at(What::Rmap, id))?;
            let word = home.slot(slot.half()).word();
            check(
                word.live() && word.place().desc() == id && word.place().buddy() == buddy,
                at(What::Rmap, id),
            )?;
            check(
                word.frozen() == (state == State::Moving) && !(word.frozen() && word.pins() != 0),
                at(What::Frozen, id),
            )?;
        }
        check(chunks <= NCHUNKS, at(What::Overlap, id))?;
        let expected = match state {
            State::Unbuddied => zpages == 1,
            State::Buddied => zpages == 2,
            State::Moving => true,
            State::Empty | State::Free | State::Reserved => zpages == 0,
        };
        check(expected, at(What::Zpages, id))?;
        count.pages = count.pages.wrapping_add(1);
        count.zpages = count.zpages.wrapping_add(zpages);
        count.unbuddied = count
            .unbuddied
            .wrapping_add(u64::from(state == State::Unbuddied));
        count.empty = count.empty.wrapping_add(u64::from(state == State::Empty));
        Ok(())
    }

    fn verify_node<T: Table>(
        &self,
        table: &T,
        nid: usize,
        node: &NodeLists,
    ) -> Result<(), Violation> {
        let mut listed = 0_u64;
        for free_chunks in 0..NCHUNKS {
            let head = node.head(free_chunks);
            let occupied = (node.occupied() >> free_chunks) & 1 == 1;
            check(occupied == (head != NONE), pool(What::Bitmap))?;
            let length = walk(table, head, |desc| {
                desc.is(State::Unbuddied)
                    && desc.nid().index() == nid
                    && desc.free_chunks() == free_chunks
            })?;
            listed = listed.wrapping_add(length);
        }
        check(listed == node.unbuddied_pages(), pool(What::Counter))
    }
}

/// Walks a list threaded through descriptors; returns its length.
fn walk<T: Table>(
    table: &T,
    head: u32,
    belongs: impl Fn(&Descriptor) -> bool,
) -> Result<u64, Violation> {
    // More than the table can hold: the list runs in a circle.
    let limit = u64::from(table.leaves()).saturating_mul(DESCRIPTORS_PER_LEAF as u64);
    let (mut next, mut prev, mut length) = (head, NONE, 0_u64);
    while let Some(id) = DescId::from_raw(next) {
        let desc = table.descriptor(id).map_err(|_| at(What::List, id))?;
        check(
            belongs(desc) && desc.prev() == prev && length < limit,
            at(What::List, id),
        )?;
        length = length.wrapping_add(1);
        prev = next;
        next = desc.next();
    }
    Ok(length)
}

#[cfg(all(test, not(loom)))]
mod tests;
