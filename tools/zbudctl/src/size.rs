// SPDX-License-Identifier: GPL-2.0

//! Sizes: as people write them, and as util-linux prints them.

use crate::dir::digits;
use crate::error::Error;
use crate::place;
use std::fs;

/// The letters of binary units, from 1024 bytes on.
const UNITS: &str = "KMGTPE";

/// A size as given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Hundredths of the memory that the machine has.
    Percent(u64),
}

impl Size {
    /// Parses "4096", "512M", "2GiB" or "50%"; `None` if it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            return number(percent).map(Self::Percent);
        }
        let text = text.strip_suffix("iB").unwrap_or(text);
        let unit = text.chars().last()?.to_ascii_uppercase();
        let Some(place) = UNITS.find(unit) else {
            return number(text).map(Self::Bytes);
        };
        let count = number(text.get(..text.len().checked_sub(1)?)?)?;
        let exponent = u32::try_from(place).ok()?.checked_add(1)?;
        count
            .checked_mul(1024_u64.checked_pow(exponent)?)
            .map(Self::Bytes)
    }

    /// It in bytes.
    ///
    /// # Errors
    ///
    /// `Os` or `Format`, if the size of the memory cannot be read.
    pub fn bytes(self) -> Result<u64, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Percent(percent) => {
                let bytes = u128::from(memory()?).saturating_mul(u128::from(percent)) / 100;
                Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
            }
        }
    }
}

/// Digits, at least one.
fn number(text: &str) -> Option<u64> {
    (!text.is_empty()).then(|| digits(text)).flatten()
}

/// The bytes of memory that the machine has.
fn memory() -> Result<u64, Error> {
    let path = place::proc().join("meminfo");
    let text = fs::read_to_string(&path).map_err(|error| Error::os("read", &path, &error))?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"))
        .and_then(|kib| digits(kib.trim())?.checked_mul(1024))
        .ok_or_else(|| Error::format(&path, "a line MemTotal", text.as_bytes()))
}

/// `bytes` as util-linux prints them: "1.5G", with one digit after the point at most.
pub fn human(bytes: u64) -> String {
    let mut unit = 1_u64;
    let mut letter = 'B';
    for next in UNITS.chars() {
        match unit.checked_mul(1024) {
            Some(larger) if larger <= bytes => (unit, letter) = (larger, next),
            _ => break,
        }
    }
    // In tenths of the unit, rounded.
    let tenths = u128::from(bytes)
        .saturating_mul(10)
        .saturating_add(u128::from(unit / 2))
        .checked_div(u128::from(unit))
        .unwrap_or(0);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole}{letter}"),
        (whole, tenth) => format!("{whole}.{tenth}{letter}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{human, Size};

    #[test]
    fn sizes_have_units_or_are_percentages() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1024),
            ("512M", 512 << 20),
            ("2G", 2 << 30),
            ("2GiB", 2 << 30),
            ("1T", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(Size::parse(text), Some(Size::Bytes(bytes)), "{text}");
        }
        assert_eq!(Size::parse("50%"), Some(Size::Percent(50)));
        for bad in [
            "", "%", "M", "iB", "-1", "+1", "1.5G", "1 G", "G1", "1GB", "1x", "16E", "1G%", "1M\n",
            "1é",
        ] {
            assert_eq!(Size::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn people_see_at_most_one_digit_after_the_point() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1K"),
            (1536, "1.5K"),
            (1_100_000, "1M"),
            (4 << 30, "4G"),
            ((3 << 30) + (1 << 28), "3.3G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
