// SPDX-License-Identifier: GPL-2.0

//! The slot word, which says where a zpage is.

use super::error::Error;
use super::id::Place;
use super::primitive::{AtomicU64, Ordering};

const FROZEN: u64 = 1 << 32;
const LIVE: u64 = 1 << 33;
const HOME: u64 = 1 << 34;
const FRESH: u64 = 1 << 35;
/// One pin; the count takes all bits above.
const PIN: u64 = 1 << 36;

/// One 64-bit word: place (bits 0 to 31), FROZEN, LIVE, HOME, FRESH, pin count.
///
/// | state  | word                 | leaves it by                                  |
/// | ------ | -------------------- | --------------------------------------------- |
/// | free   | 0                    | `publish`, under the pool lock                |
/// | live   | LIVE, pins 0         | `pin`; `freeze`, `retire` under the pool lock |
/// | pinned | LIVE, pins > 0       | `unpin`                                       |
/// | frozen | LIVE, FROZEN, pins 0 | `thaw`, `thaw_at`, `retire`, under the pool   |
/// |        |                      | lock                                          |
///
/// HOME says that the descriptor of the zpage's page is the slot's owner, the one
/// that the slot lives in, which spares `map` a look into the table. Only re-pairing,
/// which moves a zpage beside another (`thaw_at`), makes it otherwise.
///
/// FRESH says that the bytes of the zpage were not written yet, and so are of who knows whom.
/// The first `unpin` ends that: who stores a zpage maps it first, and to write it.
///
/// # Invariants
///
/// FROZEN implies LIVE and no pins, FRESH implies HOME. Everything but the pin count and FRESH
/// changes only under the pool lock.
pub struct Slot(AtomicU64);

/// A loaded slot word.
#[derive(Clone, Copy)]
pub(super) struct Word(u64);

impl Word {
    #[inline]
    pub(super) fn live(self) -> bool {
        self.0 & LIVE != 0
    }

    #[inline]
    pub(super) fn frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    #[inline]
    pub(super) fn home(self) -> bool {
        self.0 & HOME != 0
    }

    #[inline]
    pub(super) fn fresh(self) -> bool {
        self.0 & FRESH != 0
    }

    #[inline]
    pub(super) fn pins(self) -> u64 {
        self.0 / PIN
    }

    #[inline]
    pub(super) fn place(self) -> Place {
        // CAST: the place is the low 32 bits.
        Place::from_raw(self.0 as u32)
    }
}

impl Slot {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.0.load(Ordering::Relaxed))
    }

    /// Gives a free slot to a zpage. Under the pool lock.
    #[inline]
    pub(super) fn publish(&self, place: Place, home: bool) {
        self.set(place, home, FRESH);
    }

    #[inline]
    fn set(&self, place: Place, home: bool, fresh: u64) {
        let home = if home { HOME } else { 0 };
        let word = u64::from(place.raw()) | LIVE | home | fresh;
        self.0.store(word, Ordering::Release);
    }

    /// Whether the zpage's bytes are its own. If so, who asks sees them.
    pub(super) fn is_written(&self) -> bool {
        // Acquire: pairs with the first `unpin`.
        !Word(self.0.load(Ordering::Acquire)).fresh()
    }

    /// The word, if a zpage has the slot and nobody has it mapped. Under the pool
    /// lock.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when no zpage has it, [`Error::Pinned`] when it is mapped.
    #[inline]
    pub(super) fn unpinned(&self) -> Result<Word, Error> {
        let word = self.word();
        if !word.live() {
            return Err(Error::BadHandle);
        }
        if word.pins() != 0 {
            return Err(Error::Pinned);
        }
        Ok(word)
    }

    /// Ends the use of the slot by its zpage. Under the pool lock, with the word
    /// from [`Slot::unpinned`].
    ///
    /// # Errors
    ///
    /// [`Error::Pinned`] when it was mapped meanwhile; the slot is as before.
    #[inline]
    pub(super) fn retire(&self, word: Word) -> Result<(), Error> {
        // Acquire: the page may be reused at once, after the last unpin's accesses.
        self.0
            .compare_exchange(word.0, 0, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| Error::Pinned)?;
        Ok(())
    }

    /// Counts one more user of the zpage's bytes. Without the pool lock.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when the slot is free, [`Error::Frozen`] until it is thawed,
    /// [`Error::Pinned`] when the count (28 bits) is full.
    #[inline]
    pub(super) fn pin(&self) -> Result<Word, Error> {
        loop {
            let word = self.word();
            if !word.live() {
                return Err(Error::BadHandle);
            }
            if word.frozen() {
                return Err(Error::Frozen);
            }
            let pinned = word.0.checked_add(PIN).ok_or(Error::Pinned)?;
            // Acquire: pairs with `thaw`, so that a page address written before it is seen.
            if self
                .0
                .compare_exchange_weak(word.0, pinned, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(word);
            }
        }
    }

    /// Ends what `Descriptor::map` began. Without the pool lock.
    ///
    /// # Errors
    ///
    /// [`Error::NotPinned`] when there is no pin to drop; the slot is as before.
    #[inline]
    pub fn unpin(&self) -> Result<(), Error> {
        let word = self.word();
        if word.fresh() {
            return self.unpin_first(word);
        }
        self.drop_pin()
    }

    /// Ends a pin of who has not come to the zpage's bytes, or was not the first there.
    ///
    /// # Errors
    ///
    /// As [`Slot::unpin`].
    #[inline]
    pub(super) fn drop_pin(&self) -> Result<(), Error> {
        // Release: pairs with `freeze` and `retire`, so that what the user wrote
        // is copied, and nothing is read after the page was released.
        let before = self.0.fetch_sub(PIN, Ordering::Release);
        if before < PIN {
            self.0.fetch_add(PIN, Ordering::Relaxed);
            return Err(Error::NotPinned);
        }
        Ok(())
    }

    /// [`Slot::unpin`] by the one who has written the zpage.
    #[inline]
    fn unpin_first(&self, mut word: Word) -> Result<(), Error> {
        loop {
            let unpinned = word.0.checked_sub(PIN).ok_or(Error::NotPinned)? & !FRESH;
            // Release: as in `unpin`; and pairs with `is_written`.
            let done = self.0.compare_exchange_weak(
                word.0,
                unpinned,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match done {
                Ok(_) => return Ok(()),
                Err(now) => word = Word(now),
            }
        }
    }

    /// Freezes the zpage, which stops new pins, unless it is pinned. Under the pool
    /// lock.
    #[inline]
    pub(super) fn freeze(&self) -> bool {
        let word = self.word();
        if word.pins() != 0 || !word.live() || word.frozen() {
            return false;
        }
        // Acquire: pairs with `unpin`. One try is enough: only a pin can have
        // come between, and then the zpage is in use.
        self.0
            .compare_exchange(
                word.0,
                word.0 | FROZEN,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Whether nobody has the zpage pinned. If so, whoever pins it from now on sees what was
    /// written before. Under the pool lock.
    pub(super) fn is_unpinned(&self) -> bool {
        let Ok(word) = self.unpinned() else {
            return false;
        };
        // Acquire: pairs with `unpin`. Release: with `pin`. Nothing changes, so a pin or an
        // unpin that comes between is not lost.
        self.0
            .compare_exchange(word.0, word.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Allows pins again. Under the pool lock, by the mover that froze the zpage.
    #[inline]
    pub(super) fn thaw(&self) {
        // Release: the page address written before is published to `pin`. A plain
        // store is enough: nobody else changes a frozen word but under the pool lock.
        self.0.store(self.word().0 & !FROZEN, Ordering::Release);
    }

    /// The same for a zpage that is at `place` now, and was [written](Slot::is_written).
    pub(super) fn thaw_at(&self, place: Place, home: bool) {
        // Release: as in `thaw`, of what the descriptor at `place` says about the zpage. One
        // store, so that nobody pins it where it was.
        self.set(place, home, 0);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_pin_count_refuses_one_more() {
        let full = LIVE | HOME | (u64::MAX / PIN * PIN);
        let slot = Slot(AtomicU64::new(full));
        assert_eq!(slot.pin().err(), Some(Error::Pinned));
        assert_eq!(slot.word().0, full);
        assert_eq!(slot.unpin(), Ok(()));
        assert!(slot.pin().is_ok());
        assert_eq!(slot.word().0, full);
    }

    #[test]
    fn only_a_live_slot_without_pins_freezes() -> Result<(), Error> {
        let slot = Slot::new();
        assert!(!slot.freeze());
        slot.publish(Place::from_raw(5), true);
        slot.pin()?;
        assert!(!slot.freeze());
        assert!(!slot.is_written());
        slot.unpin()?;
        assert!(slot.is_written());
        assert!(slot.freeze());
        assert!(!slot.freeze());
        assert_eq!(slot.pin().err(), Some(Error::Frozen));
        slot.thaw();
        assert_eq!(slot.word().0, 5 | LIVE | HOME);
        assert!(slot.freeze());
        slot.thaw_at(Place::from_raw(9), false);
        assert_eq!(slot.word().0, 9 | LIVE);
        slot.retire(slot.unpinned()?)?;
        assert_eq!(slot.word().0, 0);
        Ok(())
    }

    #[test]
    fn an_unpin_too_many_leaves_the_word_as_it_was() {
        for word in [0, 7 | LIVE, 7 | LIVE | FRESH, 7 | LIVE | HOME | FROZEN] {
            let slot = Slot(AtomicU64::new(word));
            assert_eq!(slot.unpin(), Err(Error::NotPinned));
            assert_eq!(slot.word().0, word);
        }
    }
}
