// SPDX-License-Identifier: GPL-2.0

//! The whole-pool validator: every invariant that the types state, checked
//! against every leaf, descriptor, slot, list and counter.
//!
//! It is an *audit*, in steps of a leaf each, so that nobody holds the pool lock for
//! longer than a constant. The counters are noted when it begins. Whoever changes a leaf
//! that was not counted yet has it counted first ([`Books::touch`]), and a new leaf counts as
//! counted: so each leaf is counted once, as it was when the audit began, whatever
//! happens meanwhile. What must hold between a descriptor, its slots and its neighbours on
//! a list is checked as it is when the leaf is counted.

use super::books::Books;
use super::chunk::{Buddy, NCHUNKS};
use super::descriptor::Descriptor;
use super::id::{DescId, SlotId, SlotIndex};
use super::leaf::{Leaf, DESCRIPTORS_PER_LEAF};
use super::list::List;
use super::node_books::NodeBooks;
use super::slot::Word;
use super::state::State;
use super::table::{DescriptorEntries, Table};
use super::violation::{Invariant, Violation};

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

/// Numbers without a leaf that a step passes over at most.
const GAP: u32 = 256;

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// Begins an audit: take [steps](Self::audit) until it ends. One at a time; the
    /// caller sees to that. The time this takes grows with the number of nodes.
    pub fn begin_audit(&mut self) {
        for node in self.nodes.as_mut() {
            node.begin_audit();
        }
        let now = self.sums();
        self.audit.begin(now);
    }

    /// The next step of the audit: a leaf, or the lists of a node. `None` when there is
    /// more to do.
    ///
    /// # Errors
    ///
    /// The first invariant found broken.
    pub fn audit<T: Table>(&mut self, table: &T) -> Option<Result<(), Violation>> {
        for _ in 0..GAP {
            let Some(number) = self.audit.next_leaf(table.leaves()) else {
                return self.audit_lists(table);
            };
            if let Some(leaf) = table.leaf(number) {
                self.count(table, leaf, number);
                break;
            }
        }
        self.audit_has_failed()
    }

    /// The same in one go, where nobody waits for the pool lock. The time this takes grows
    /// with the size of the pool.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(not(MODULE))]
    pub fn verify<T: Table>(&mut self, table: &T) -> Result<(), Violation> {
        self.begin_audit();
        loop {
            if let Some(result) = self.audit(table) {
                return result;
            }
        }
    }

    /// To be called before something in a leaf changes.
    #[inline]
    pub(super) fn touch<T: Table>(&mut self, table: &T, leaf: u32) {
        if self.audit.is_running() {
            self.count_before(table, leaf);
        }
    }

    #[cold]
    fn count_before<T: Table>(&mut self, table: &T, number: u32) {
        if let Some(leaf) = table.leaf(number) {
            self.count(table, leaf, number);
        }
    }

    /// Counts and checks a leaf, unless that was done.
    fn count<T: Table>(&mut self, table: &T, leaf: &Leaf, number: u32) {
        let checked = if leaf.number() != number {
            Err(pool(Invariant::Leaf))
        } else if self.audit.marks(leaf) {
            self.check_leaf(table, leaf, number)
        } else {
            Ok(())
        };
        if let Err(violation) = checked {
            self.audit.fail(violation);
        }
    }

    /// The audit ends when something is wrong.
    fn audit_has_failed(&mut self) -> Option<Result<(), Violation>> {
        let violation = self.audit.violation()?;
        self.audit.end();
        Some(Err(violation))
    }

    /// The last steps: the lists of a node each, then the sums.
    fn audit_lists<T: Table>(&mut self, table: &T) -> Option<Result<(), Violation>> {
        let nid = self.audit.next_node();
        let result = match self.nodes().get(nid) {
            Some(node) => {
                let checked = check_node(table, nid, node);
                if checked.is_ok() {
                    return self.audit_has_failed();
                }
                checked
            }
            None => self.check_sums(table),
        };
        let before = self.audit.violation();
        self.audit.end();
        Some(before.map_or(result, Err))
    }

    fn check_sums<T: Table>(&self, table: &T) -> Result<(), Violation> {
        check(
            self.audit.adds_up() && self.nodes().iter().all(NodeBooks::adds_up),
            pool(Invariant::Counter),
        )?;
        check(self.leaves.verify_lists(table), pool(Invariant::Leaf))?;
        check(begins(table, &self.lost, lost), pool(Invariant::List))
    }

    fn check_leaf<T: Table>(
        &mut self,
        table: &T,
        leaf: &Leaf,
        number: u32,
    ) -> Result<(), Violation> {
        let mut used = 0_usize;
        for offset in 0..DESCRIPTORS_PER_LEAF {
            let (Some(id), Some(desc)) = (DescId::new(number, offset), leaf.descriptor(offset))
            else {
                return Err(pool(Invariant::Leaf));
            };
            let state = desc.state().ok_or(at(Invariant::State, id))?;
            used = used.saturating_add(usize::from(state != State::Free));
            if matches!(state, State::Free | State::Reserved) {
                check(desc.page().is_none(), at(Invariant::Page, id))?;
            } else if state == State::Lost {
                self.check_lost(table, id, desc)?;
            } else if state == State::Stub {
                check(desc.page().is_none(), at(Invariant::Page, id))?;
                let empty = !desc.has_zpages() && desc.has_live_slot();
                check(empty, at(Invariant::Zpages, id))?;
            } else {
                self.check_page(table, id, desc, state)?;
            }
            for index in SlotIndex::BOTH {
                let word = desc.slot(index).word();
                if word.live() {
                    add(&mut self.audit.counted.live_slots, 1);
                    let place = word.place();
                    let named = table
                        .descriptor(place.desc())
                        .ok()
                        .and_then(|page| page.rmap(place.buddy()))
                        .is_some_and(|slot| slot.desc() == id && slot.index() == index);
                    check(named, at(Invariant::OrphanSlot, id))?;
                    check(word.home() == (place.desc() == id), at(Invariant::Rmap, id))?;
                    check(word.home() || state.stays_empty(), at(Invariant::Stray, id))?;
                    check(word.home() || !word.fresh(), at(Invariant::Unwritten, id))?;
                }
            }
        }
        check(leaf.used() == used, pool(Invariant::Leaf))?;
        let free = DESCRIPTORS_PER_LEAF.saturating_sub(used);
        add(&mut self.audit.counted.free_descriptors, free as u64);
        check(self.leaves.verify(table, leaf), pool(Invariant::Leaf))
    }

    fn check_page<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
        state: State,
    ) -> Result<(), Violation> {
        check(desc.page().is_some(), at(Invariant::Page, id))?;
        let nid = desc.nid().index();
        let node = self.nodes.as_mut().get_mut(nid);
        let node = node.ok_or(at(Invariant::Node, id))?;
        let (mut zpages, mut chunks, mut bytes) = (0_u64, 0_usize, 0_u64);
        for buddy in Buddy::BOTH {
            let (Some(len), Some(slot)) = (desc.len(buddy), desc.rmap(buddy)) else {
                check(
                    desc.len(buddy).is_none() && desc.rmap(buddy).is_none(),
                    at(Invariant::Rmap, id),
                )?;
                continue;
            };
            zpages = zpages.saturating_add(1);
            chunks = chunks.saturating_add(len.chunks());
            bytes = bytes.saturating_add(u64::from(len.raw()));
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
            State::Joining => zpages <= 1,
            State::Empty
            | State::Leaving
            | State::Vacated
            | State::Free
            | State::Reserved
            | State::Stub
            | State::Lost => zpages == 0,
        };
        check(expected, at(Invariant::Zpages, id))?;
        let list = match state {
            State::Unbuddied => node.unbuddied(desc.free_chunks()),
            State::Empty => Some(node.empty().0),
            State::Vacated => Some(node.vacated()),
            _ => None,
        };
        if let Some(list) = list {
            let listed = holds(table, list, id, same(state, nid, desc.free_chunks()));
            check(listed, at(Invariant::List, id))?;
        }
        let counted = &mut node.counted;
        add(&mut counted.pages, 1);
        add(&mut counted.zpages, zpages);
        add(
            &mut counted.unbuddied_pages,
            u64::from(state == State::Unbuddied),
        );
        add(&mut counted.empty_pages, u64::from(state == State::Empty));
        add(
            &mut counted.vacated_pages,
            u64::from(state == State::Vacated),
        );
        add(&mut self.audit.counted.pages, 1);
        add(&mut self.audit.counted.stored_bytes, bytes);
        add(&mut self.audit.counted.zpages, zpages);
        add(
            &mut self.audit.counted.leaving,
            u64::from(state == State::Leaving),
        );
        Ok(())
    }

    fn check_lost<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
    ) -> Result<(), Violation> {
        let mut zpages = 0_u64;
        for buddy in Buddy::BOTH {
            check(desc.len(buddy).is_none(), at(Invariant::Rmap, id))?;
            let Some(slot) = desc.rmap(buddy) else {
                continue;
            };
            zpages = zpages.saturating_add(1);
            let word = word_of(table, id, buddy, slot)?;
            check(!word.frozen(), at(Invariant::Frozen, id))?;
        }
        add(&mut self.audit.counted.lost_zpages, zpages);
        if desc.page().is_none() {
            return check(zpages != 0, at(Invariant::Zpages, id));
        }
        let node = self.nodes.as_mut().get_mut(desc.nid().index());
        let node = node.ok_or(at(Invariant::Node, id))?;
        add(&mut node.counted.pages, 1);
        let counted = &mut self.audit.counted;
        add(&mut counted.pages, 1);
        if holds(table, &self.lost, id, lost) {
            add(&mut counted.lost, 1);
        } else {
            add(&mut counted.dropping, 1);
        }
        Ok(())
    }
}

/// Adds to what was counted.
fn add(counted: &mut u64, more: u64) {
    *counted = counted.wrapping_add(more);
}

/// Checks how the lists of a node begin.
fn check_node<T: Table>(table: &T, nid: usize, node: &NodeBooks) -> Result<(), Violation> {
    let mut unbuddied = 0_u64;
    for (free_chunks, list, occupied, pages) in node.lists() {
        check(occupied != list.is_empty(), pool(Invariant::Bitmap))?;
        check(occupied == (pages != 0), pool(Invariant::Counter))?;
        unbuddied = unbuddied.saturating_add(pages);
        let begins = begins(table, list, same(State::Unbuddied, nid, free_chunks));
        check(begins, pool(Invariant::List))?;
    }
    check(
        unbuddied == node.unbuddied_pages(),
        pool(Invariant::Counter),
    )?;
    let vacated = same(State::Vacated, nid, NCHUNKS);
    check(
        begins(table, node.vacated(), vacated),
        pool(Invariant::List),
    )?;
    let (list, counts) = node.empty();
    let begins = begins(table, list, same(State::Empty, nid, NCHUNKS));
    check(begins, pool(Invariant::List))?;
    check(counts, pool(Invariant::Counter))
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

/// Whether a descriptor may be on the list of those in that state, on that node, with that many
/// free chunks.
fn same(state: State, nid: usize, free_chunks: usize) -> impl Fn(&Descriptor) -> bool {
    move |desc| desc.is(state) && desc.nid().index() == nid && desc.free_chunks() == free_chunks
}

/// Whether a descriptor may be on the list of lost pages.
fn lost(desc: &Descriptor) -> bool {
    desc.is(State::Lost) && desc.page().is_some()
}

fn named<T: Table>(table: &T, raw: u32) -> Option<&Descriptor> {
    table.descriptor(DescId::from_raw(raw)?).ok()
}

/// Whether a descriptor is on a list, of such as belong there, and linked as it should be.
fn holds<T: Table>(
    table: &T,
    list: &List,
    id: DescId,
    belongs: impl Fn(&Descriptor) -> bool,
) -> bool {
    list.holds(DescriptorEntries(table), id.raw(), |raw| {
        named(table, raw).is_some_and(&belongs)
    })
}

/// Whether a list begins with one of them, if it is not empty.
fn begins<T: Table>(table: &T, list: &List, belongs: impl Fn(&Descriptor) -> bool) -> bool {
    list.begins_well(DescriptorEntries(table), |raw| {
        named(table, raw).is_some_and(&belongs)
    })
}

#[cfg(all(test, not(loom)))]
mod tests;
