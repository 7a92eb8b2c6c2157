// SPDX-License-Identifier: GPL-2.0

//! The seam between pools and mm: the operations that a pool asks of a *mover*, which
//! makes pool pages known to mm in a way that lets mm move them.
//!
//! A mover calls the pool when mm moves a page (`Pool::move_page`); the pool calls
//! the mover, through [`Mover`], when a page comes, goes, or is to move by hand. One
//! mover serves all pools from load to unload.

use crate::linux::bindings;
use crate::linux::page::{BorrowedPage, LockedPage, NewPage, PageRef};
use crate::zbud::{DescId, Run, Stayed};
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// The operations that a pool, the `Owner`, asks of its mover.
///
/// # Safety
///
/// A page that was admitted stays in existence until it is evicted, abandoned or
/// withdrawn, until its [`Claim`] is released, or until a move through `Pool::move_page`
/// has put another in its place, which then stays likewise.
pub(crate) unsafe trait Mover<Owner>: Send + Sync {
    /// Its name, as the module parameter has it.
    fn name(&self) -> &'static str;

    /// Makes `page` known to mm as the page of `owner` that its descriptor `id` will
    /// describe. `gfp` is for memory that this takes. mm cannot move the page before its
    /// lock is dropped ([`Mover::settle`]).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `id` is reserved until the page is in the books. The page is settled after that, or
    /// withdrawn before the name is free again.
    unsafe fn admit(
        &self,
        page: NewPage,
        id: DescId,
        owner: Arc<Owner>,
        gfp: u32,
    ) -> Result<LockedPage>;

    /// Drops the lock of an admitted page, and leaves its reference to the pool.
    ///
    /// # Safety
    ///
    /// `page` is from [`Mover::admit`], and is in the books.
    unsafe fn settle(&self, page: LockedPage);

    /// Undoes [`Mover::admit`]. Sleeps.
    ///
    /// # Safety
    ///
    /// `page` is from [`Mover::admit`] under the name `id`, and is not in the books.
    unsafe fn withdraw(&self, page: LockedPage, id: DescId);

    /// Tries to take a page that has lost its last zpage away from mm, without
    /// sleeping: the pool lock is held.
    ///
    /// # Safety
    ///
    /// `page` is a settled page of a pool of this mover.
    unsafe fn try_claim(&self, page: BorrowedPage<'_>) -> Option<Claim>;

    /// Takes pages without zpages away from mm and frees them, and drops their references
    /// on their owner. Sleeps. Those that mm has hold of stay. `page` gives a reference on
    /// the page of that name.
    ///
    /// # Safety
    ///
    /// The pages are settled pages of a pool of this mover, which has taken them to be
    /// released (`Books::take_empty`); the caller has a reference on their owner.
    unsafe fn evict(&self, run: Run, page: &dyn Fn(DescId) -> Option<PageRef>) -> Stayed;

    /// Takes a page whose memory is broken away from mm, so that nobody uses it again, and drops
    /// its reference on its owner. `page` is a reference beside the pool's. Sleeps.
    ///
    /// # Errors
    ///
    /// `page`, when mm has hold of it.
    ///
    /// # Safety
    ///
    /// It is a settled page of a pool of this mover, and `id` is its name, under which it was
    /// taken to be dropped (`Books::take_lost`); the caller has a reference on its owner.
    unsafe fn abandon(&self, page: PageRef, id: DescId) -> Result<(), PageRef>;

    /// Frees a claimed page, and drops its reference on its owner.
    ///
    /// # Safety
    ///
    /// `claim` is from this mover, the page is not in the books any more, and the caller
    /// has a reference on its owner.
    unsafe fn release(&self, claim: Claim);

    /// Leaves a claimed page, which is still in the books, as it was.
    ///
    /// # Safety
    ///
    /// `claim` is from this mover.
    unsafe fn unclaim(&self, claim: Claim);

    /// Moves page `src`, which has descriptor `id` of `owner`, to `dst`, without being
    /// asked by mm. May sleep. Afterwards the pages are unlocked; the one that is not
    /// the pool's is freed.
    ///
    /// # Errors
    ///
    /// Those of `Pool::move_page`; `EBUSY` when mm is about to move the page.
    fn relocate(
        &self,
        owner: ArcBorrow<'_, Owner>,
        id: DescId,
        src: LockedPage,
        dst: NewPage,
    ) -> Result;
}

/// A page that is to be mm's: [settled](Admitted::settle), or withdrawn when it is
/// dropped.
#[must_use]
pub(crate) struct Admitted<'m, Owner> {
    mover: &'m dyn Mover<Owner>,
    page: Option<LockedPage>,
    id: DescId,
}

impl<'m, Owner> Admitted<'m, Owner> {
    /// [`Mover::admit`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// `id` is reserved until the page is in the books and settled, or until the result
    /// is dropped. It is not dropped once the page is in the books.
    pub(crate) unsafe fn new(
        mover: &'m dyn Mover<Owner>,
        page: NewPage,
        id: DescId,
        owner: Arc<Owner>,
        gfp: u32,
    ) -> Result<Self> {
        // SAFETY: By the safety requirements; `drop` withdraws the page.
        let page = Some(unsafe { mover.admit(page, id, owner, gfp) }?);
        Ok(Self { mover, page, id })
    }

    /// The page, locked.
    pub(crate) fn page(&self) -> Option<BorrowedPage<'_>> {
        self.page.as_ref().map(LockedPage::page)
    }

    /// [`Mover::settle`].
    ///
    /// # Safety
    ///
    /// The page is in the books.
    pub(crate) unsafe fn settle(mut self) {
        if let Some(page) = self.page.take() {
            // SAFETY: The page is admitted; the rest by the safety requirements.
            unsafe { self.mover.settle(page) };
        }
    }
}

impl<Owner> Drop for Admitted<'_, Owner> {
    fn drop(&mut self) {
        if let Some(page) = self.page.take() {
            // SAFETY: The page is admitted under that name, and not in the books.
            unsafe { self.mover.withdraw(page, self.id) };
        }
    }
}

/// A page that mm cannot find any more, or cannot take a reference on.
pub(crate) struct Claim(pub(crate) NonNull<bindings::page>);

/// A claimed page: [released](Claimed::release), or left as it was when it is dropped.
#[must_use]
pub(crate) struct Claimed<'m, Owner> {
    mover: &'m dyn Mover<Owner>,
    claim: Option<Claim>,
}

impl<'m, Owner> Claimed<'m, Owner> {
    /// [`Mover::try_claim`].
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn try_new(
        mover: &'m dyn Mover<Owner>,
        page: BorrowedPage<'_>,
    ) -> Option<Self> {
        // SAFETY: By the safety requirements.
        let claim = Some(unsafe { mover.try_claim(page) }?);
        Some(Self { mover, claim })
    }

    /// [`Mover::release`].
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn release(mut self) {
        if let Some(claim) = self.claim.take() {
            // SAFETY: The claim is this mover's; the rest by the safety requirements.
            unsafe { self.mover.release(claim) };
        }
    }
}

impl<Owner> Drop for Claimed<'_, Owner> {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            // SAFETY: The claim is this mover's.
            unsafe { self.mover.unclaim(claim) };
        }
    }
}
