// SPDX-License-Identifier: GPL-2.0

//! A file mapped into this process, whose bytes nobody reads: it is mapped for the
//! kernel, which then counts its pages as the process's.
//!
//! All unsafe code of zbudctl is here. Nothing that it does can be unsound: it gives out
//! no reference into the mapping, does not unmap it, and the kernel chooses where it is.

#![allow(
    unsafe_code,
    reason = "the standard library cannot map a file, and no crate offers it as a safe call"
)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// The only size on x86-64.
pub const PAGE_SIZE: usize = 4096;

/// Some of a file's pages, until the process ends.
///
/// # Invariants
///
/// `mmap` has mapped `pages` pages at `start`, readable only, and nobody unmaps them.
pub struct Mapping {
    start: *mut c_void,
    pages: usize,
}

impl Mapping {
    /// Maps `pages` pages of the file, from page `first` on.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(file: &File, first: usize, pages: usize) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::InvalidInput);
        let length = pages.checked_mul(PAGE_SIZE).ok_or_else(too_large)?;
        let offset = first.checked_mul(PAGE_SIZE).ok_or_else(too_large)?;
        let offset = i64::try_from(offset).map_err(|_| too_large())?;
        // SAFETY: Without MAP_FIXED the kernel maps where nothing is, so no memory that
        // anyone uses changes. The file is open.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // INVARIANT: `mmap` has succeeded.
        Ok(Self { start, pages })
    }

    /// How many pages are mapped.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The address of a page, as in /proc/PID/maps.
    pub fn address(&self, page: usize) -> usize {
        self.at(page).addr()
    }

    /// Sets the lowest bit of each byte for which the file has a page: the first byte is
    /// for page `first`.
    ///
    /// # Errors
    ///
    /// The kernel's; `InvalidInput` beyond the end.
    pub fn find(&self, first: usize, found: &mut [u8]) -> io::Result<()> {
        let length = self.length(&(first..first.saturating_add(found.len())))?;
        // SAFETY: The pages are mapped, by the type invariant and `length`; one byte of
        // `found` is written for each.
        let result = unsafe { libc::mincore(self.at(first), length, found.as_mut_ptr()) };
        answer(result)
    }

    /// Has the process touch these pages, without an access that could give SIGBUS.
    ///
    /// # Errors
    ///
    /// EFAULT if the file has no page at one of them; others that follow may be untouched
    /// then. `InvalidInput` beyond the end.
    pub fn touch(&self, pages: Range<usize>) -> io::Result<()> {
        let length = self.length(&pages)?;
        // SAFETY: The pages are mapped, by the type invariant and `length`. The advice
        // changes no contents and unmaps nothing.
        let result =
            unsafe { libc::madvise(self.at(pages.start), length, libc::MADV_POPULATE_READ) };
        answer(result)
    }

    fn at(&self, page: usize) -> *mut c_void {
        self.start.wrapping_byte_add(page.saturating_mul(PAGE_SIZE))
    }

    /// The length of some of the pages, if they are.
    fn length(&self, pages: &Range<usize>) -> io::Result<usize> {
        let count = pages.end.checked_sub(pages.start);
        match count.and_then(|count| count.checked_mul(PAGE_SIZE)) {
            Some(length) if pages.end <= self.pages => Ok(length),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

fn answer(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
