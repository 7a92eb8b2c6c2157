// SPDX-License-Identifier: GPL-2.0

//! Descriptors: what the pool knows of one zbud page, outside of the page.

use super::chunk::{Buddy, Extent, Len, PerBuddy, NCHUNKS};
use super::error::Error;
use super::id::{DescId, Frame, Half, Nid, Place, SlotId};
use super::leaf::{Table, NONE};
use super::primitive::{AtomicU16, AtomicU32, AtomicU8, AtomicUsize, Ordering};
use super::slot::Slot;

/// What a descriptor is doing. Changes only under L.
///
/// | from      | to        | by                                                  |
/// | --------- | --------- | --------------------------------------------------- |
/// | Free      | Unbuddied | `insert`: a new page with one zpage                 |
/// | Free      | Reserved  | `reserve`, for a page to come                       |
/// | Reserved  | Unbuddied | `insert_reserved`: here it is                       |
/// | Reserved  | Free      | `unreserve`: it does not come                       |
/// | Unbuddied | Buddied   | `pair`: a second zpage joins                        |
/// | Buddied   | Unbuddied | `free` of one of the two                            |
/// | Unbuddied | Free      | `free` of the last, the page given up               |
/// | Unbuddied | Empty     | `free` of the last, not to be given up at once      |
/// | Unbuddied, Buddied | Moving | `begin_move`, P held                          |
/// | Moving    | Unbuddied, Buddied | `finish_move`, by the zpages that are left |
/// | Moving    | Empty     | `finish_move`, when all were freed meanwhile        |
/// | Empty     | Free      | `release` under W: P held, or the host forgot it    |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Describes no page.
    Free = 0,
    /// One zpage; on the list of its node and number of free chunks.
    Unbuddied = 1,
    /// Two zpages; on no list.
    Buddied = 2,
    /// Being copied to another page: slots frozen, on no list.
    Moving = 3,
    /// No zpage left; on the deferred list until the page can be given up.
    Empty = 4,
    /// Describes no page yet; on no list.
    Reserved = 5,
}

impl State {
    fn from_raw(raw: u8) -> Option<Self> {
        [
            Self::Free,
            Self::Unbuddied,
            Self::Buddied,
            Self::Moving,
            Self::Empty,
            Self::Reserved,
        ]
        .into_iter()
        .find(|&state| state as u8 == raw)
    }
}

/// A mapped zpage: pinned until its slot is unpinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Address of the zpage's first byte.
    pub address: usize,
    /// Its length.
    pub len: Len,
}

/// One zbud page, and room for two slots, in 48 bytes.
///
/// The slots are there for density and for the cache line: a zpage's slot lives
/// in the descriptor of the page it was first put into. A slot may stay longer
/// than that page, when re-pairing moves the zpage elsewhere.
///
/// # Invariants (under L)
///
/// - `len[b]` is 0 exactly when `rmap[b]` is `NONE`.
/// - `rmap[b]` names a live slot whose place is (this descriptor, b).
/// - The chunks of both buddies together are at most [`NCHUNKS`].
#[repr(C, align(16))]
pub struct Descriptor {
    slots: [Slot; 2],
    frame: AtomicUsize,
    len: PerBuddy<AtomicU16>,
    nid: AtomicU16,
    state: AtomicU8,
    rmap: PerBuddy<AtomicU32>,
    next: AtomicU32,
    prev: AtomicU32,
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(core::mem::size_of::<Descriptor>() == 48);

impl Descriptor {
    pub(super) fn new() -> Self {
        Self {
            slots: [Slot::new(), Slot::new()],
            frame: AtomicUsize::new(0),
            len: PerBuddy::new(AtomicU16::new(0), AtomicU16::new(0)),
            nid: AtomicU16::new(0),
            state: AtomicU8::new(State::Free as u8),
            rmap: PerBuddy::new(AtomicU32::new(NONE), AtomicU32::new(NONE)),
            next: AtomicU32::new(NONE),
            prev: AtomicU32::new(NONE),
        }
    }

    /// Makes zeroed memory a free descriptor.
    pub(super) fn set_up(&self) {
        self.set_page(None, Nid(0));
        self.set_state(State::Free);
        Buddy::BOTH.into_iter().for_each(|buddy| self.clear(buddy));
    }

    /// Pins the zpage whose slot is `half` of this descriptor and tells where
    /// it is; the bytes stay there until [`Slot::unpin`]. Waits while the zpage
    /// is being moved, for at most the time of one page copy. Takes no lock;
    /// process context, preemptible or not.
    ///
    /// The caller sees to it that the zpage is not freed meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when there is no such zpage.
    #[inline]
    pub fn map<T: Table>(&self, table: &T, half: Half) -> Result<Mapping, Error> {
        let slot = self.slot(half);
        let word = slot.pin()?;
        let buddy = word.place().buddy();
        let desc = if word.home() {
            self
        } else {
            match table.descriptor(word.place().desc()) {
                Ok(desc) => desc,
                Err(error) => {
                    slot.unpin()?;
                    return Err(error);
                }
            }
        };
        // Stable while pinned: moving, freeing and re-pairing all stop at a pin.
        match (desc.frame(), desc.len(buddy)) {
            // No overflow: frame addresses are those of whole pages.
            (Some(frame), Some(len)) => Ok(Mapping {
                address: frame.address().wrapping_add(len.extent(buddy).offset()),
                len,
            }),
            _ => {
                slot.unpin()?;
                Err(Error::Corrupt)
            }
        }
    }

    /// One of the two slots that live here.
    #[inline]
    pub fn slot(&self, half: Half) -> &Slot {
        match half {
            Half::A => &self.slots[0],
            Half::B => &self.slots[1],
        }
    }

    /// The host page, if the descriptor has one. Under L, or with a zpage of it pinned.
    #[inline]
    pub fn frame(&self) -> Option<Frame> {
        Frame::new(self.frame.load(Ordering::Relaxed))
    }

    /// The node of the host page. Under L.
    #[inline]
    pub fn nid(&self) -> Nid {
        Nid(self.nid.load(Ordering::Relaxed))
    }

    /// The length of a buddy, if it is there. Under L, or with that zpage pinned.
    #[inline]
    pub fn len(&self, buddy: Buddy) -> Option<Len> {
        Len::from_raw(self.len.of(buddy).load(Ordering::Relaxed))
    }

    /// What the descriptor is doing. Under L.
    #[inline]
    pub fn state(&self) -> Option<State> {
        State::from_raw(self.state.load(Ordering::Relaxed))
    }

    /// The slot that points to a buddy, if it is there. Under L.
    #[inline]
    pub fn rmap(&self, buddy: Buddy) -> Option<SlotId> {
        let raw = self.rmap.of(buddy).load(Ordering::Relaxed);
        (raw != NONE).then(|| SlotId::from_raw(raw))
    }

    /// How often the zpages of the page are mapped now. Under L; a hint, pins
    /// come and go without L.
    pub fn pins<T: Table>(&self, table: &T) -> u64 {
        Buddy::BOTH
            .into_iter()
            .filter_map(|buddy| self.rmap(buddy))
            .filter_map(|slot| {
                let home = table.descriptor(slot.desc()).ok()?;
                Some(home.slot(slot.half()).word().pins())
            })
            .fold(0, u64::saturating_add)
    }

    /// Chunks that no buddy takes.
    #[inline]
    pub(super) fn free_chunks(&self) -> usize {
        Buddy::BOTH
            .into_iter()
            .filter_map(|buddy| self.len(buddy))
            .fold(NCHUNKS, |free, len| free.saturating_sub(len.chunks()))
    }

    /// Where the zpages of the page lie.
    #[inline]
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        Buddy::BOTH.map(|buddy| self.len(buddy).map(|len| len.extent(buddy)))
    }

    /// Puts a zpage of `len` bytes into the page, in a slot of its own. Under
    /// L; returns the slot.
    #[inline]
    pub(super) fn place(&self, id: DescId, buddy: Buddy, len: Len) -> Result<Half, Error> {
        let half = Half::BOTH
            .into_iter()
            .find(|&half| !self.slot(half).word().live())
            .ok_or(Error::NoDescriptor)?;
        self.len.of(buddy).store(len.raw(), Ordering::Relaxed);
        self.rmap
            .of(buddy)
            .store(SlotId::new(id, half).raw(), Ordering::Relaxed);
        self.slot(half).publish(Place::new(id, buddy), true);
        Ok(half)
    }

    /// Forgets a buddy whose slot was retired. Under L.
    #[inline]
    pub(super) fn clear(&self, buddy: Buddy) {
        self.len.of(buddy).store(0, Ordering::Relaxed);
        self.rmap.of(buddy).store(NONE, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn set_page(&self, frame: Option<Frame>, nid: Nid) {
        self.frame
            .store(frame.map_or(0, Frame::address), Ordering::Relaxed);
        self.nid.store(nid.0, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is(&self, state: State) -> bool {
        self.state.load(Ordering::Relaxed) == state as u8
    }

    #[inline]
    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn prev(&self) -> u32 {
        self.prev.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_prev(&self, prev: u32) {
        self.prev.store(prev, Ordering::Relaxed);
    }
}
