// SPDX-License-Identifier: GPL-2.0

//! Chunk arithmetic: how long zpages are and where they lie in their page.
//!
//! A page is divided into 2^[`NCHUNKS_ORDER`] chunks, as in zbud (mm/zbud.c).
//! zbud spends the first of its 64 chunks on a header; here the page holds data
//! only, so all 64 can be used and an incompressible page fits as it is.

use super::error::LenError;

/// Base-2 logarithm of [`PAGE_SIZE`]; the kernel module asserts that it is the kernel's.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Base-2 logarithm of the number of chunks in a page; zbud's value.
pub const NCHUNKS_ORDER: u32 = 6;
/// Chunks in a page.
pub const NCHUNKS: usize = 1 << NCHUNKS_ORDER;
/// Base-2 logarithm of [`CHUNK_SIZE`].
pub const CHUNK_SHIFT: u32 = PAGE_SHIFT - NCHUNKS_ORDER;
/// Bytes in a chunk.
pub const CHUNK_SIZE: usize = 1 << CHUNK_SHIFT;

/// Which of the two zpages of a zbud page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buddy {
    /// Left-justified: starts at the first byte of the page.
    First = 0,
    /// Right-justified, by whole chunks: ends with the page's last chunk.
    Last = 1,
}

impl Buddy {
    /// Both, in the order in which they lie in the page.
    pub const BOTH: [Buddy; 2] = [Buddy::First, Buddy::Last];

    /// The one that is not this.
    #[inline]
    pub fn other(self) -> Self {
        match self {
            Buddy::First => Buddy::Last,
            Buddy::Last => Buddy::First,
        }
    }
}

/// One of something for each buddy.
#[repr(transparent)]
pub(super) struct PerBuddy<T>([T; 2]);

impl<T> PerBuddy<T> {
    pub(super) fn new(first: T, last: T) -> Self {
        Self([first, last])
    }

    #[inline]
    pub(super) fn of(&self, buddy: Buddy) -> &T {
        match buddy {
            Buddy::First => &self.0[0],
            Buddy::Last => &self.0[1],
        }
    }
}

/// The length of a zpage in bytes.
///
/// # Invariants
///
/// Between 1 and [`PAGE_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Len(u16);

impl Len {
    /// Checks a length given by a user of the pool.
    #[inline]
    pub fn new(bytes: usize) -> Result<Self, LenError> {
        if bytes == 0 {
            return Err(LenError::Zero);
        }
        if bytes > PAGE_SIZE {
            return Err(LenError::TooLong);
        }
        // CAST: PAGE_SIZE fits in 16 bits.
        // INVARIANT: both bounds were checked.
        Ok(Self(bytes as u16))
    }

    /// A length as a descriptor keeps it: 0 stands for "no zpage".
    #[inline]
    pub(super) fn from_raw(raw: u16) -> Option<Self> {
        Self::new(usize::from(raw)).ok()
    }

    #[inline]
    pub(super) fn raw(self) -> u16 {
        self.0
    }

    /// The length in bytes, 1 to [`PAGE_SIZE`].
    #[inline]
    pub fn bytes(self) -> usize {
        usize::from(self.0)
    }

    /// The chunks it takes, 1 to [`NCHUNKS`].
    #[inline]
    pub fn chunks(self) -> usize {
        self.bytes().div_ceil(CHUNK_SIZE)
    }

    /// Where a zpage of this length lies as `buddy`.
    #[inline]
    pub fn extent(self, buddy: Buddy) -> Extent {
        let offset = match buddy {
            Buddy::First => 0,
            // The last chunk border that leaves room. Not negative: at most a page.
            Buddy::Last => PAGE_SIZE.saturating_sub(self.bytes()) & !(CHUNK_SIZE - 1),
        };
        Extent {
            offset,
            bytes: self.bytes(),
        }
    }
}

/// A piece of a page.
///
/// # Invariants
///
/// `offset + bytes <= PAGE_SIZE`; `offset` is a multiple of [`CHUNK_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    offset: usize,
    bytes: usize,
}

impl Extent {
    /// Bytes from the start of the page.
    #[inline]
    pub fn offset(self) -> usize {
        self.offset
    }

    /// Length in bytes.
    #[inline]
    pub fn bytes(self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_outside_a_page_are_refused() {
        assert_eq!(Len::new(0), Err(LenError::Zero));
        assert_eq!(Len::new(PAGE_SIZE + 1), Err(LenError::TooLong));
        assert_eq!(Len::new(usize::MAX), Err(LenError::TooLong));
        assert_eq!(Len::new(PAGE_SIZE).map(Len::chunks), Ok(NCHUNKS));
    }

    #[test]
    fn chunks_round_up() -> Result<(), LenError> {
        assert_eq!(Len::new(1)?.chunks(), 1);
        assert_eq!(Len::new(CHUNK_SIZE)?.chunks(), 1);
        assert_eq!(Len::new(CHUNK_SIZE + 1)?.chunks(), 2);
        Ok(())
    }

    #[test]
    fn two_zpages_that_fit_by_chunks_never_overlap() -> Result<(), LenError> {
        for first in 1..PAGE_SIZE {
            let first = Len::new(first)?;
            let left = NCHUNKS - first.chunks();
            if left == 0 {
                continue;
            }
            for last in [
                (left << CHUNK_SHIFT),
                (left << CHUNK_SHIFT) - CHUNK_SIZE + 1,
            ] {
                let last = Len::new(last)?.extent(Buddy::Last);
                assert!(first.extent(Buddy::First).bytes() <= last.offset());
                assert!(last.offset() + last.bytes() <= PAGE_SIZE);
            }
        }
        Ok(())
    }
}
