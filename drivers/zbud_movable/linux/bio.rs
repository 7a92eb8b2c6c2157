// SPDX-License-Identifier: GPL-2.0

//! Requests to a disk.

use super::bindings;
use crate::zbud::{Nid, PAGE_SHIFT, PAGE_SIZE};
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// What a request asks for.
pub(crate) enum Op {
    Read,
    Write,
    /// The blocks shall read as zeroes, and take no memory.
    Zero,
}

/// A request that has begun. When it is dropped, it ends with an error.
///
/// # Invariants
///
/// A valid bio, which is ended by nobody else.
pub(crate) struct Bio {
    bio: NonNull<bindings::bio>,
    /// For the accounting.
    began: u64,
}

impl Bio {
    /// Takes over a request, and begins to account for it.
    ///
    /// # Safety
    ///
    /// `bio` was submitted to a driver, which passes it on.
    pub(super) unsafe fn begin(bio: NonNull<bindings::bio>) -> Self {
        // SAFETY: By the safety requirements.
        let began = unsafe { bindings::zbm_bio_start_io_acct(bio.as_ptr()) };
        // INVARIANT: By the safety requirements.
        Self { bio, began }
    }

    /// `None` when it is nothing that a disk is asked for.
    pub(crate) fn op(&self) -> Option<Op> {
        // SAFETY: Valid by the type invariant.
        match unsafe { bindings::zbm_bio_op(self.bio.as_ptr()) } {
            bindings::ZBM_REQ_OP_READ => Some(Op::Read),
            bindings::ZBM_REQ_OP_WRITE => Some(Op::Write),
            bindings::ZBM_REQ_OP_DISCARD | bindings::ZBM_REQ_OP_WRITE_ZEROES => Some(Op::Zero),
            _ => None,
        }
    }

    /// The blocks that lie in it as a whole.
    pub(crate) fn whole_blocks(&self) -> Range<u64> {
        // SAFETY: Valid by the type invariant.
        let (start, bytes) = unsafe {
            let bio = self.bio.as_ptr();
            (bindings::zbm_bio_start(bio), bindings::zbm_bio_bytes(bio))
        };
        let first = start.div_ceil(PAGE_SIZE as u64);
        let end = start.saturating_add(u64::from(bytes)) >> PAGE_SHIFT;
        first..end
    }

    /// Its parts, in order; each lies in one page and in one block.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let mut iter = bindings::bvec_iter::empty();
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::zbm_bio_iter(self.bio.as_ptr(), &mut iter) };
        core::iter::from_fn(move || {
            let mut segment = bindings::zbm_segment::empty();
            // SAFETY: As above; the iterator is that of the bio.
            let more =
                unsafe { bindings::zbm_bio_next(self.bio.as_ptr(), &mut iter, &mut segment) };
            // INVARIANT: As the call has filled it in.
            more.then_some(Segment(segment, PhantomData))
        })
    }

    /// Ends it.
    pub(crate) fn end(self, result: Result) {
        self.end_with(result);
        core::mem::forget(self);
    }

    fn end_with(&self, result: Result) {
        let error: c_int = result.map_or_else(Error::to_errno, |()| 0);
        // SAFETY: Valid by the type invariant, and not used after this.
        unsafe { bindings::zbm_bio_end(self.bio.as_ptr(), self.began, error) };
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        self.end_with(Err(EIO));
    }
}

/// A part of a request.
///
/// # Invariants
///
/// A page, and a range within it, that are the request's for `'a`.
pub(crate) struct Segment<'a>(bindings::zbm_segment, PhantomData<&'a Bio>);

impl Segment<'_> {
    /// The block that it is of.
    pub(crate) fn block(&self) -> u64 {
        self.0.start >> PAGE_SHIFT
    }

    /// Whether it is all of the block.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.len as usize == PAGE_SIZE
    }

    /// The bytes of the block that it is.
    pub(crate) fn range(&self) -> Range<usize> {
        // CAST: below the size of a page.
        let start = (self.0.start % PAGE_SIZE as u64) as usize;
        start..start.saturating_add(self.0.len as usize)
    }

    /// Where its bytes are. Others may write to them at any time: whoever maps the page of
    /// a file, for one.
    pub(crate) fn address(&self) -> *mut u8 {
        // SAFETY: A valid page by the type invariant; 64-bit kernels have no high memory.
        let page = unsafe { bindings::zbm_page_address(self.0.page) }.cast::<u8>();
        page.wrapping_add(self.0.offset as usize)
    }

    /// The node that its page is on.
    pub(crate) fn nid(&self) -> Nid {
        // SAFETY: A valid page by the type invariant.
        let nid = unsafe { bindings::zbm_page_to_nid(self.0.page) };
        // CAST: node ids are below MAX_NUMNODES, at most 1024.
        Nid(nid as u16)
    }

    /// After its bytes were written.
    pub(crate) fn flush(&self) {
        // SAFETY: A valid page by the type invariant.
        unsafe { bindings::zbm_flush_dcache_page(self.0.page) };
    }
}
