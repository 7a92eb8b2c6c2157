// SPDX-License-Identifier: GPL-2.0

//! Descriptors: the metadata of a zbud page, kept outside of the page.

use super::chunk::{Buddy, Extent, Len, PerBuddy, NCHUNKS};
use super::id::{DescId, Nid, PageAddr, Place, SlotId, SlotIndex};
use super::list::Links;
use super::primitive::{AtomicU16, AtomicU32, AtomicU8, AtomicUsize, Ordering};
use super::slot::Slot;
use super::state::State;

/// The reverse map of a buddy that is not there.
const NO_SLOT: u32 = u32::MAX;

/// One zbud page, and room for two slots, in 48 bytes.
///
/// The slots are there for density and for the cache line: a zpage's slot lives
/// in the descriptor of the page it was first put into. A slot may stay longer
/// than that page, when re-pairing moves the zpage elsewhere. No zpage comes into the page
/// after that: so a page with one zpage has a slot for one more.
///
/// # Invariants (under the pool lock)
///
/// - `len[b]` is 0 exactly when `rmap[b]` is `NO_SLOT`, unless the page is lost: then it
///   is 0.
/// - `rmap[b]` names a live slot whose place is (this descriptor, b).
/// - The chunks of both buddies together are at most [`NCHUNKS`].
/// - While zpages may come to the page, its live slots are those of zpages in it.
#[repr(C, align(16))]
pub struct Descriptor {
    slots: [Slot; 2],
    page: AtomicUsize,
    len: PerBuddy<AtomicU16>,
    nid: AtomicU16,
    state: AtomicU8,
    rmap: PerBuddy<AtomicU32>,
    links: Links,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(core::mem::size_of::<Descriptor>() == 48);

impl Descriptor {
    pub(super) fn new() -> Self {
        Self {
            slots: [Slot::new(), Slot::new()],
            page: AtomicUsize::new(0),
            len: PerBuddy::new(AtomicU16::new(0), AtomicU16::new(0)),
            nid: AtomicU16::new(0),
            state: AtomicU8::new(State::Free as u8),
            rmap: PerBuddy::new(AtomicU32::new(NO_SLOT), AtomicU32::new(NO_SLOT)),
            links: Links::new(),
        }
    }

    /// Makes zeroed memory a free descriptor.
    pub(super) fn set_up(&self) {
        self.set_page(None, Nid(0));
        self.set_state(State::Free);
        Buddy::BOTH.into_iter().for_each(|buddy| self.clear(buddy));
    }

    /// One of the two slots that live here.
    #[inline]
    pub fn slot(&self, index: SlotIndex) -> &Slot {
        match index {
            SlotIndex::A => &self.slots[0],
            SlotIndex::B => &self.slots[1],
        }
    }

    /// The page, if the descriptor has one. Under the pool lock, or with a zpage of
    /// it pinned.
    #[inline]
    pub fn page(&self) -> Option<PageAddr> {
        PageAddr::new(self.page.load(Ordering::Relaxed))
    }

    /// The node of the page. Under the pool lock.
    #[inline]
    pub fn nid(&self) -> Nid {
        Nid(self.nid.load(Ordering::Relaxed))
    }

    /// The length of a buddy, if it is there. Under the pool lock, or with that zpage pinned.
    #[inline]
    pub fn len(&self, buddy: Buddy) -> Option<Len> {
        Len::from_raw(self.len.of(buddy).load(Ordering::Relaxed))
    }

    /// The state of the descriptor. Under the pool lock.
    #[inline]
    pub fn state(&self) -> Option<State> {
        State::from_raw(self.state.load(Ordering::Relaxed))
    }

    /// The slot that points to a buddy, if it is there. Under the pool lock.
    #[inline]
    pub fn rmap(&self, buddy: Buddy) -> Option<SlotId> {
        let raw = self.rmap.of(buddy).load(Ordering::Relaxed);
        (raw != NO_SLOT).then(|| SlotId::from_raw(raw))
    }

    /// Chunks that no buddy takes.
    #[inline]
    pub(super) fn free_chunks(&self) -> usize {
        let chunks = |buddy| self.len(buddy).map_or(0, Len::chunks);
        NCHUNKS
            .saturating_sub(chunks(Buddy::First))
            .saturating_sub(chunks(Buddy::Last))
    }

    /// Where the zpages of the page lie.
    #[inline]
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        Buddy::BOTH.map(|buddy| self.len(buddy).map(|len| len.extent(buddy)))
    }

    /// The first slot that no zpage has.
    #[inline]
    pub(super) fn free_slot(&self) -> Option<SlotIndex> {
        let free = |index| (!self.slot(index).word().live()).then_some(index);
        free(SlotIndex::A).or_else(|| free(SlotIndex::B))
    }

    /// Whether a zpage has one of the slots. Under the pool lock.
    pub(super) fn has_live_slot(&self) -> bool {
        let live = |index| self.slot(index).word().live();
        live(SlotIndex::A) || live(SlotIndex::B)
    }

    /// The buddy that is there and its length, if it is the only one. Under the pool lock.
    pub(super) fn lone(&self) -> Option<(Buddy, Len)> {
        match (self.len(Buddy::First), self.len(Buddy::Last)) {
            (Some(len), None) => Some((Buddy::First, len)),
            (None, Some(len)) => Some((Buddy::Last, len)),
            _ => None,
        }
    }

    /// Puts the zpage of `slot` at a buddy that is not there. Under the pool lock, before
    /// anybody can map it there.
    #[inline]
    pub(super) fn take_in(&self, buddy: Buddy, slot: SlotId, len: Len) {
        self.len.of(buddy).store(len.raw(), Ordering::Relaxed);
        self.rmap.of(buddy).store(slot.raw(), Ordering::Relaxed);
    }

    /// Stores a zpage of `len` bytes at a buddy that is not there, with slot
    /// `index`, which is free. Under the pool lock; returns the slot's name.
    #[inline]
    pub(super) fn store_at(&self, id: DescId, buddy: Buddy, index: SlotIndex, len: Len) -> SlotId {
        let slot = SlotId::new(id, index);
        self.take_in(buddy, slot, len);
        self.slot(index).publish(Place::new(id, buddy), true);
        slot
    }

    /// Clears a buddy whose slot was retired. Under the pool lock.
    #[inline]
    pub(super) fn clear(&self, buddy: Buddy) {
        self.len.of(buddy).store(0, Ordering::Relaxed);
        self.rmap.of(buddy).store(NO_SLOT, Ordering::Relaxed);
    }

    /// Makes a buddy one that cannot be mapped. Under the pool lock, once the state says why.
    pub(super) fn lose(&self, buddy: Buddy) {
        // Release: pairs with `is_lost`.
        self.len.of(buddy).store(0, Ordering::Release);
    }

    /// Whether a buddy is there no more as the page is lost. With its zpage pinned.
    #[cold]
    pub(super) fn is_lost(&self, buddy: Buddy) -> bool {
        // Acquire: who sees that there is no length sees the state that came before.
        self.len.of(buddy).load(Ordering::Acquire) == 0 && self.is(State::Lost)
    }

    /// Whether there is a zpage, lost or not. Under the pool lock.
    pub(super) fn has_zpages(&self) -> bool {
        let there = |buddy| self.rmap(buddy).is_some();
        there(Buddy::First) || there(Buddy::Last)
    }

    #[inline]
    pub(super) fn set_page(&self, page: Option<PageAddr>, nid: Nid) {
        self.page
            .store(page.map_or(0, PageAddr::address), Ordering::Relaxed);
        self.nid.store(nid.0, Ordering::Relaxed);
    }

    /// Goes from one state to the next. Under the pool lock. Every change of state
    /// is made here; the tests stop at one that [`State`] does not allow.
    #[inline]
    pub(super) fn step(&self, from: State, to: State) {
        // MODULE: the kernel module has no panic path. loom: each load multiplies
        // the interleavings.
        debug_assert!(cfg!(MODULE) || from.may_become(to), "{from:?} to {to:?}");
        debug_assert!(cfg!(any(MODULE, loom)) || self.is(from), "not {from:?}");
        self.set_state(to);
    }

    #[inline]
    fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is(&self, state: State) -> bool {
        self.state.load(Ordering::Relaxed) == state as u8
    }

    #[inline]
    pub(super) fn links(&self) -> &Links {
        &self.links
    }
}
