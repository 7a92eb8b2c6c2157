// SPDX-License-Identifier: GPL-2.0

//! New pages, allocated several at a time.

use super::bindings;
use super::fault;
use super::page::NewPage;
use crate::zbud::Nid;
use core::mem;
use core::ptr;
use kernel::ffi::{c_int, c_uint};

/// New pages on one node, up to `N` of them. Dropping it frees those that nobody has taken.
///
/// # Invariants
///
/// The first `left` pointers are pages that were allocated and that nobody else knows; the
/// others are null.
pub(crate) struct NewPages<const N: usize> {
    nid: Nid,
    pages: [*mut bindings::page; N],
    left: usize,
    /// Whether there were more than one, when several were asked for.
    plenty: bool,
}

impl<const N: usize> NewPages<N> {
    /// None so far, on node `nid` and no other.
    pub(crate) fn on(nid: Nid) -> Self {
        // INVARIANT: All are null.
        Self {
            nid,
            pages: [ptr::null_mut(); N],
            left: 0,
            plenty: true,
        }
    }

    /// One of them. If none is left, allocates first, as many as the caller says that it
    /// `wants`, or fewer if memory is short; may sleep then.
    pub(crate) fn take(&mut self, wants: usize) -> Option<NewPage> {
        fault::alloc().ok()?;
        if self.left == 0 {
            self.alloc(wants);
        }
        let last = self.left.checked_sub(1)?;
        let page = mem::replace(self.pages.get_mut(last)?, ptr::null_mut());
        // INVARIANT: The last of them is null now.
        self.left = last;
        // SAFETY: By the type invariant; nobody else has it any more.
        unsafe { NewPage::from_raw(page) }
    }

    /// Allocates up to `wants` pages that there are to spare, else one; none is left.
    fn alloc(&mut self, wants: usize) {
        let (gfp, nid) = (bindings::ZBM_GFP_THIS_NODE, c_int::from(self.nid.0));
        if self.plenty && wants > 1 {
            // CAST: a few.
            let wants = wants.min(N) as c_uint;
            let pages = self.pages.as_mut_ptr();
            // SAFETY: Any node is fine; there are so many pointers, and all are null.
            let there = unsafe { bindings::zbm_alloc_spare_pages(gfp, nid, wants, pages) };
            // INVARIANT: So many were allocated, the first ones. CAST: a few.
            self.left = there as usize;
            self.plenty = there > 1;
        }
        if let (0, Some(first)) = (self.left, self.pages.first_mut()) {
            // SAFETY: Any node is fine, and there is no node mask.
            *first = unsafe { bindings::zbm_alloc_page_from(gfp, nid, ptr::null()) };
            // INVARIANT: That one, if there was one.
            self.left = usize::from(!first.is_null());
        }
    }
}

impl<const N: usize> Drop for NewPages<N> {
    fn drop(&mut self) {
        for &page in self.pages.iter().take(self.left) {
            // SAFETY: By the type invariant; nobody else has it any more.
            drop(unsafe { NewPage::from_raw(page) });
        }
    }
}
