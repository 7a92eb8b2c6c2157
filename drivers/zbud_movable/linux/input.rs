// SPDX-License-Identifier: GPL-2.0

//! Input from users, who write short lines of words to files of the module.

use super::compat::user_slice;
use kernel::prelude::*;

/// Longer input is refused.
const MAX: usize = 64;

/// One write to a trigger: text, copied from the writer.
pub(crate) struct Input {
    bytes: [u8; MAX],
    len: usize,
}

impl Input {
    /// Copies `len` bytes from the user. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` when it is too long, `EFAULT` when it cannot be read.
    pub(crate) fn read(from: usize, len: usize) -> Result<Self> {
        let mut bytes = [0; MAX];
        let into = bytes.get_mut(..len).ok_or(EINVAL)?;
        user_slice(from, len).reader().read_slice(into)?;
        Ok(Self { bytes, len })
    }

    /// The words, if there is at least one and at most `N`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for anything else, and for bytes that are not text.
    pub(crate) fn words<const N: usize>(&self) -> Result<[Option<&str>; N]> {
        words(self.bytes.get(..self.len).ok_or(EINVAL)?)
    }
}

/// The words of `bytes`, if there is at least one and at most `N`.
///
/// # Errors
///
/// `EINVAL` for anything else, and for bytes that are not text.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> Result<[Option<&str>; N]> {
    let text = core::str::from_utf8(bytes).map_err(|_| EINVAL)?;
    let mut split = text.split_ascii_whitespace();
    let words = core::array::from_fn(|_| split.next());
    if split.next().is_some() || !words.first().is_some_and(Option::is_some) {
        return Err(EINVAL);
    }
    Ok(words)
}

/// A decimal number.
///
/// # Errors
///
/// `EINVAL` for anything but digits, `ERANGE` for a number above 2^64 - 1.
pub(crate) fn number(word: &str) -> Result<u64> {
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EINVAL);
    }
    word.parse().map_err(|_| ERANGE)
}

/// A size in bytes: a decimal number, or one with a suffix K, M, G, T or P, of either case.
///
/// # Errors
///
/// `EINVAL` for anything else, and for 2^64 bytes and more.
pub(crate) fn size(word: &str) -> Result<u64> {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match word.get(digits.len()..) {
        Some("") => 0,
        Some("K" | "k") => 10,
        Some("M" | "m") => 20,
        Some("G" | "g") => 30,
        Some("T" | "t") => 40,
        Some("P" | "p") => 50,
        _ => return Err(EINVAL),
    };
    let number = number(digits).map_err(|_| EINVAL)?;
    number.checked_mul(1 << shift).ok_or(EINVAL)
}

/// `FIRST [COUNT]`; COUNT is 1 without.
///
/// # Errors
///
/// As [`number`]; `EINVAL` for a count of 0.
pub(crate) fn range(first: &str, count: Option<&str>) -> Result<(u64, u64)> {
    let first = number(first)?;
    let count = count.map_or(Ok(1), number)?;
    if count == 0 {
        return Err(EINVAL);
    }
    Ok((first, count))
}
