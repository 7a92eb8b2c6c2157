// SPDX-License-Identifier: GPL-2.0

//! A directory of sysfs. Contents of files are not trusted: each file is read up to a
//! limit and parsed in full.

use crate::errno::Errno;
use crate::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// No file of sysfs is longer.
const PAGE_SIZE: u64 = 4096;

/// Explains an errno, where it means more than for other files.
pub type Hint = fn(Errno) -> Option<&'static str>;

/// The directory.
pub struct Dir(pub PathBuf);

impl Dir {
    /// The path of a file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads one line of text.
    ///
    /// # Errors
    ///
    /// `Os`; `Format` if it is not one printable line.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        line(&self.path(name))
    }

    /// Reads a decimal number.
    ///
    /// # Errors
    ///
    /// As `text`; `Format` also for anything but digits, and for more than 2^64 - 1.
    pub fn number(&self, name: &str) -> Result<u64, Error> {
        let path = self.path(name);
        let text = line(&path)?;
        digits(&text).ok_or_else(|| Error::format(&path, "a number", text.as_bytes()))
    }

    /// Reads a switch, 0 or 1.
    ///
    /// # Errors
    ///
    /// As `text`; `Format` also for anything else.
    pub fn switch(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name);
        match line(&path)?.as_str() {
            "0" => Ok(false),
            "1" => Ok(true),
            other => Err(Error::format(&path, "0 or 1", other.as_bytes())),
        }
    }

    /// Writes a switch.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn set_switch(&self, name: &str, on: bool) -> Result<(), Error> {
        self.write(name, if on { "1" } else { "0" })
            .map_err(|error| Error::os("write", &self.path(name), &error))
    }

    /// Writes `value`. `hint` explains an errno of this file.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn set(&self, name: &str, value: &str, hint: Hint) -> Result<(), Error> {
        self.write(name, value).map_err(|error| {
            let errno = Errno::of(&error);
            Error::Os {
                doing: format!("write '{value}' to {}", self.path(name).display()),
                errno,
                hint: hint(errno).or_else(|| errno.hint()),
            }
        })
    }

    /// Writes `value` in one write: each write to a trigger is a request of its own.
    ///
    /// # Errors
    ///
    /// The kernel's own error.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path(name))?;
        let written = file.write(value.as_bytes())?;
        if written == value.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The numbers N of its entries `<prefix>N`, in order.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn numbers(&self, prefix: &str) -> Result<Vec<u32>, Error> {
        let mut numbers: Vec<_> = names(&self.0)?
            .iter()
            .filter_map(|name| number_after(prefix, name))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The nodes that have a directory, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn nodes(&self) -> Result<Vec<u32>, Error> {
        self.numbers("node")
    }

    /// The files in the directory `name`, in the order of their names.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn files(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut files = names(&self.path(name))?;
        files.sort_unstable();
        Ok(files)
    }
}

/// Parses a number of digits only: `parse` alone would accept a sign.
pub fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// The number after `prefix`, if the kernel would spell it so.
pub fn number_after(prefix: &str, name: &str) -> Option<u32> {
    let text = name.strip_prefix(prefix)?;
    let number = u32::try_from(digits(text)?).ok()?;
    (text == number.to_string()).then_some(number)
}

/// The names in a directory. The module has none that are not UTF-8.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |error: io::Error| Error::os("list", dir, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(OsStr::to_str(&name).map(str::to_owned));
    }
    Ok(names)
}

/// Reads one line of text.
///
/// # Errors
///
/// See `Dir::text`.
pub fn line(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PAGE_SIZE).read_to_end(&mut bytes))
        .map_err(|error| Error::os("read", path, &error))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(Error::format(path, "a line of text", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::{digits, number_after};

    #[test]
    fn numbers_are_digits() {
        assert_eq!(digits("0"), Some(0));
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(digits(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn entries_are_spelled_as_the_kernel_does() {
        assert_eq!(number_after("node", "node0"), Some(0));
        assert_eq!(number_after("zbud", "zbud1023"), Some(1023));
        for bad in ["node", "node01", "node+1", "node4294967296", "nodes", "0"] {
            assert_eq!(number_after("node", bad), None, "{bad}");
        }
    }
}
