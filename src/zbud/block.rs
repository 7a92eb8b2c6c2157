// SPDX-License-Identifier: GPL-2.0

//! A block of a disk: what it holds, and a lock that a free never waits for.

use super::primitive::{AtomicU64, AtomicU8, Ordering};

/// What the block holds, a [`Kind`], in the low bits.
const KIND: u8 = 7;
const LOCKED: u8 = 1 << 3;
/// To be emptied by the holder of the lock.
const FREE: u8 = 1 << 4;
const PINNED: u8 = 1 << 5;

/// What a block holds. The name of a zpage is the owner's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: it reads as zeroes.
    Empty,
    /// This word, over and over.
    Filled(u64),
    /// A zpage of at most half a page.
    Zpage(u64),
    /// A zpage of more than half a page.
    Large(u64),
    /// A page that is stored as it is.
    Raw(u64),
}

impl Content {
    #[inline]
    fn of(kind: u8, value: u64) -> Self {
        match kind {
            1 => Self::Filled(value),
            2 => Self::Zpage(value),
            3 => Self::Large(value),
            4 => Self::Raw(value),
            _ => Self::Empty,
        }
    }

    #[inline]
    fn parts(self) -> (u8, u64) {
        match self {
            Self::Empty => (0, 0),
            Self::Filled(value) => (1, value),
            Self::Zpage(value) => (2, value),
            Self::Large(value) => (3, value),
            Self::Raw(value) => (4, value),
        }
    }
}

/// The state of a block, one byte: kind (bits 0 to 2), LOCKED, FREE, PINNED. All zero
/// is that of an empty block.
///
/// | state        | becomes            | by                                                |
/// | ------------ | ------------------ | ------------------------------------------------- |
/// | unlocked     | LOCKED             | `try_lock`, `free`                                |
/// | LOCKED       | LOCKED, FREE       | `free`: the holder is to empty the block          |
/// | LOCKED       | unlocked           | `unlock`, with what the holder has put there      |
/// | LOCKED, FREE | LOCKED             | `unlock`: the holder has to empty it, then unlock |
///
/// # Invariants
///
/// FREE implies LOCKED. Kind and PINNED, and the value, change only by the holder.
#[repr(transparent)]
pub struct BlockState(AtomicU8);

/// The word beside the state. All zero is that of an empty block.
#[repr(transparent)]
pub struct BlockValue(AtomicU64);

impl BlockState {
    /// Of an empty block.
    pub fn new() -> Self {
        Self(AtomicU8::new(0))
    }
}

impl Default for BlockState {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockValue {
    /// Of an empty block.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Default for BlockValue {
    fn default() -> Self {
        Self::new()
    }
}

/// A block, by the places of its two parts.
#[derive(Clone, Copy)]
pub struct Block<'b> {
    state: &'b BlockState,
    value: &'b BlockValue,
}

/// A locked block. It stays locked until [`Locked::unlock`] is done.
#[must_use]
pub struct Locked<'b> {
    block: Block<'b>,
    /// The state as it was locked, without FREE.
    found: u8,
    content: Content,
    pinned: bool,
}

impl<'b> Block<'b> {
    /// The block whose parts these are.
    #[inline]
    pub fn new(state: &'b BlockState, value: &'b BlockValue) -> Self {
        Self { state, value }
    }

    /// Locks the block unless it is locked. Does not wait.
    #[inline]
    pub fn try_lock(self) -> Option<Locked<'b>> {
        let state = self.state.0.load(Ordering::Relaxed);
        if state & LOCKED != 0 {
            return None;
        }
        self.lock(state)
    }

    /// Locks the block, to be emptied, or leaves that to the holder of the lock. Does
    /// not wait, whatever the holder does.
    #[inline]
    pub fn free(self) -> Option<Locked<'b>> {
        loop {
            let state = self.state.0.load(Ordering::Relaxed);
            if state & LOCKED == 0 {
                if let Some(locked) = self.lock(state) {
                    return Some(locked);
                }
            } else {
                // Release: what the caller did before is before the next use of the
                // block, as if it had emptied it itself.
                let marked = self.state.0.compare_exchange_weak(
                    state,
                    state | FREE,
                    Ordering::Release,
                    Ordering::Relaxed,
                );
                if marked.is_ok() {
                    return None;
                }
            }
        }
    }

    #[inline]
    fn lock(self, state: u8) -> Option<Locked<'b>> {
        let found = state | LOCKED;
        // Acquire: pairs with `unlock`, so that the value is that of the state.
        self.state
            .0
            .compare_exchange(state, found, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let value = self.value.0.load(Ordering::Relaxed);
        Some(Locked {
            block: self,
            found,
            content: Content::of(state & KIND, value),
            pinned: state & PINNED != 0,
        })
    }
}

impl Locked<'_> {
    /// What the block holds.
    #[inline]
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether someone besides the block has its zpage.
    #[inline]
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Says whether someone besides the block has its zpage.
    #[inline]
    pub fn set_pinned(&mut self, pinned: bool) {
        self.pinned = pinned;
    }

    /// Puts `content` there, pinned by nobody.
    #[inline]
    pub fn set(&mut self, content: Content) {
        self.content = content;
        self.pinned = false;
    }

    /// Unlocks the block, unless it was [freed](Block::free) meanwhile: then it stays
    /// locked, and the caller is to empty it and unlock it again. Not used after that.
    #[inline]
    pub fn unlock(&mut self) -> Unlocked {
        let (kind, value) = self.content.parts();
        self.block.value.0.store(value, Ordering::Relaxed);
        let left = kind | if self.pinned { PINNED } else { 0 };
        let state = &self.block.state.0;
        // Release: pairs with `lock`.
        let unlocked =
            state.compare_exchange(self.found, left, Ordering::Release, Ordering::Relaxed);
        if unlocked.is_ok() {
            return Unlocked::Done;
        }
        // Only `free` changes a locked block, once. Acquire: pairs with it.
        let freed = self.found | FREE;
        self.found = left | LOCKED;
        // It cannot fail; if it did, the next call would come here again.
        let _ = state.compare_exchange(freed, self.found, Ordering::Acquire, Ordering::Relaxed);
        Unlocked::Freed
    }
}

/// What [`Locked::unlock`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Unlocked {
    /// It has unlocked the block.
    Done,
    /// Nothing: the block is to be emptied.
    Freed,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn with_block(test: impl FnOnce(Block<'_>) -> Option<()>) {
        let (state, value) = (BlockState::new(), BlockValue::new());
        assert_eq!(test(Block::new(&state, &value)), Some(()));
    }

    #[test]
    fn it_holds_what_was_put_there() {
        let contents = [
            Content::Empty,
            Content::Filled(u64::MAX),
            Content::Zpage(8),
            Content::Large(1 << 63),
            Content::Raw(0),
        ];
        with_block(|block| {
            for content in contents {
                for pinned in [false, true] {
                    let mut locked = block.try_lock()?;
                    locked.set(content);
                    locked.set_pinned(pinned);
                    assert_eq!(locked.unlock(), Unlocked::Done);
                    let mut locked = block.try_lock()?;
                    assert_eq!((locked.content(), locked.is_pinned()), (content, pinned));
                    assert_eq!(locked.unlock(), Unlocked::Done);
                }
            }
            Some(())
        });
    }

    #[test]
    fn a_locked_block_is_locked_by_nobody_else() {
        with_block(|block| {
            let mut locked = block.try_lock()?;
            assert!(block.try_lock().is_none());
            assert_eq!(locked.unlock(), Unlocked::Done);
            block.try_lock().map(|_| ())
        });
    }

    #[test]
    fn the_holder_is_told_of_a_free_once() {
        with_block(|block| {
            let mut locked = block.try_lock()?;
            assert!(block.free().is_none());
            assert!(block.free().is_none());
            locked.set(Content::Zpage(5));
            assert_eq!(locked.unlock(), Unlocked::Freed);
            assert_eq!(locked.content(), Content::Zpage(5));
            assert!(block.try_lock().is_none());
            locked.set(Content::Empty);
            assert_eq!(locked.unlock(), Unlocked::Done);
            let locked = block.free()?;
            assert_eq!(locked.content(), Content::Empty);
            Some(())
        });
    }
}
