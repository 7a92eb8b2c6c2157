// SPDX-License-Identifier: GPL-2.0

//! The kernel's [`Table`]: a two-level tree of pages that finds a leaf by its
//! number, as a page table finds a page. Look-ups take no lock. The leaves of all
//! pools are numbered together ([`Numbers`]): their numbers say where their pages are in
//! the page cache, for the mover that keeps them there.
//!
//! Leaves come and go under the pool lock ([`Editor`]); the pages of the upper level
//! stay until the pool goes (8 bytes for 85 pool pages).

use super::numbers::{Number, Numbers};
use crate::linux::bindings;
use crate::zbud::{Leaf, Table};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

const MID_SHIFT: u32 = 9;
const MID_ENTRIES: usize = 1 << MID_SHIFT;

/// One page of pointers to leaves; null where there is none.
pub(crate) struct Mid([AtomicPtr<Leaf>; MID_ENTRIES]);

const _: () = assert!(core::mem::size_of::<Mid>() == crate::zbud::PAGE_SIZE);
const _: () = assert!(core::mem::size_of::<Leaf>() == crate::zbud::PAGE_SIZE);

/// Types that may live in a zeroed page.
///
/// # Safety
///
/// All zeroes is a value of the type, the type fills at most a page, is not
/// aligned to more than a page, and needs no drop.
unsafe trait PageContent {}

// SAFETY: Arrays of atomics and plain integers; the size is asserted above.
unsafe impl PageContent for Leaf {}
// SAFETY: An array of atomic pointers; the size is asserted above.
unsafe impl PageContent for Mid {}

/// An owned page of kernel memory that holds a `T`.
///
/// # Invariants
///
/// The pointer is that of a page from `zbm_alloc_table_page`, which is ours.
struct TablePage<T: PageContent>(NonNull<T>, PhantomData<T>);

// SAFETY: Owns its `T`, as a box would.
unsafe impl<T: PageContent + Send> Send for TablePage<T> {}

impl<T: PageContent> TablePage<T> {
    /// A `T` of zeroes. `gfp` says whether this may sleep; its bits for movable
    /// and high memory are not for tables and are left out.
    fn new(gfp: u32) -> Result<Self> {
        // SAFETY: Any flags are fine.
        let page = unsafe { bindings::zbm_alloc_table_page(gfp & !bindings::ZBM_GFP_ZONE_BITS) };
        // INVARIANT: The page is new, and zeroes are a `T`.
        Ok(Self(NonNull::new(page.cast()).ok_or(ENOMEM)?, PhantomData))
    }

    fn into_raw(self) -> *mut T {
        let page = self.0.as_ptr();
        core::mem::forget(self);
        page
    }

    /// # Safety
    ///
    /// `page` came from `into_raw`, once.
    unsafe fn from_raw(page: NonNull<T>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(page, PhantomData)
    }
}

impl<T: PageContent> Drop for TablePage<T> {
    fn drop(&mut self) {
        // SAFETY: The page is ours by the type invariant and has no drop glue.
        unsafe { bindings::zbm_free_table_page(self.0.as_ptr().cast()) };
    }
}

/// A leaf that was removed from the table. Dropping it frees its page: not under the
/// pool lock.
#[allow(dead_code, reason = "kept to be dropped, the number last")]
pub(crate) struct RemovedLeaf(TablePage<Leaf>, Number);

/// All it takes to add a leaf, allocated before the pool lock is taken. The parts that
/// `install` does not use are freed with it: not under the pool lock.
pub(crate) struct Growth {
    leaf: Option<(TablePage<Leaf>, Number)>,
    mid: Option<TablePage<Mid>>,
}

impl Growth {
    /// Room for one leaf of `table`. May sleep if `gfp` says so.
    pub(crate) fn new(table: &Leaves, gfp: u32) -> Result<Self> {
        // First what costs less: at the bound each store comes here.
        let number = table.numbers.take(gfp)?;
        Ok(Self {
            leaf: Some((TablePage::new(gfp)?, number)),
            mid: None,
        })
    }

    /// Brings a mid as well. May sleep if `gfp` says so.
    pub(crate) fn add_mid(&mut self, gfp: u32) -> Result {
        self.mid = Some(TablePage::new(gfp)?);
        Ok(())
    }
}

/// The table of one pool.
///
/// # Invariants
///
/// - A non-null entry of `mids` is a [`TablePage`] of ours and never changes.
/// - A non-null entry of a mid is a [`TablePage`] of ours, its number a [`Number`].
pub(crate) struct Leaves {
    mids: KVVec<AtomicPtr<Mid>>,
    /// No leaf has this number or a higher one. Changes under the pool lock.
    bound: AtomicU32,
    numbers: Arc<Numbers>,
}

/// The right to change the table of one pool. It lives under the pool lock, so that
/// only the holder of that changes it.
pub(crate) struct Editor(());

impl Leaves {
    /// An empty table for leaves with any of `numbers`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(numbers: Arc<Numbers>) -> Result<(Self, Editor)> {
        // CAST: 32 bits fit.
        let count = (numbers.end() as usize).div_ceil(MID_ENTRIES);
        let mut mids = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            mids.push(AtomicPtr::new(core::ptr::null_mut()), GFP_KERNEL)?;
        }
        let table = Self {
            mids,
            bound: AtomicU32::new(0),
            numbers,
        };
        Ok((table, Editor(())))
    }

    fn mid(&self, number: u32) -> Option<&AtomicPtr<Mid>> {
        // CAST: 32 bits fit.
        self.mids.get((number >> MID_SHIFT) as usize)
    }

    fn entry(&self, number: u32) -> Option<&AtomicPtr<Leaf>> {
        // Acquire: pairs with `install`, so that the zeroes are seen.
        let mid = self.mid(number)?.load(Ordering::Acquire);
        // SAFETY: By the type invariant it is null or a page of ours that
        // stays as long as `self`.
        let mid = unsafe { mid.as_ref() }?;
        // CAST: nine bits.
        mid.0.get(number as usize & (MID_ENTRIES - 1))
    }

    /// Puts the leaf of `growth` into the table and returns its number.
    ///
    /// # Errors
    ///
    /// `EAGAIN` when it wants a mid too.
    pub(crate) fn install(&self, _: &mut Editor, growth: &mut Growth) -> Result<u32> {
        let number = growth.leaf.as_ref().ok_or(ENOMEM)?.1.get();
        let mid = self.mid(number).ok_or(ENOMEM)?;
        if mid.load(Ordering::Relaxed).is_null() {
            let page = growth.mid.take().ok_or(EAGAIN)?;
            // INVARIANT: A page of ours, put there once: there is one `Editor`.
            mid.store(page.into_raw(), Ordering::Release);
        }
        let entry = self.entry(number).ok_or(ENOMEM)?;
        let (leaf, number) = growth.leaf.take().ok_or(ENOMEM)?;
        let number = number.into_raw();
        let bound = self.leaves().max(number.saturating_add(1));
        self.bound.store(bound, Ordering::Relaxed);
        // INVARIANT: A page and a number of ours.
        entry.store(leaf.into_raw(), Ordering::Release);
        Ok(number)
    }

    /// Removes a leaf.
    ///
    /// # Safety
    ///
    /// Nobody has a reference into the leaf, or gets one: no slot in it is live, no page
    /// is described in it, and it is on no list of the books.
    pub(crate) unsafe fn remove(&self, _: &mut Editor, number: u32) -> Option<RemovedLeaf> {
        // SAFETY: By the safety requirements.
        unsafe { self.remove_entry(number) }
    }

    /// # Safety
    ///
    /// As for [`Leaves::remove`].
    unsafe fn remove_entry(&self, number: u32) -> Option<RemovedLeaf> {
        let entry = self.entry(number)?;
        let leaf = NonNull::new(entry.load(Ordering::Relaxed))?;
        entry.store(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: By the type invariant the leaf is a page of ours, and it was
        // replaced, so it is owned once.
        let leaf = unsafe { TablePage::from_raw(leaf) };
        // SAFETY: That of a leaf that was installed, so ours.
        let number = unsafe { Number::from_raw(number) };
        Some(RemovedLeaf(leaf, number))
    }
}

impl Table for Leaves {
    #[inline]
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        // Acquire: pairs with `install`, so that the zeroes are seen.
        let leaf = NonNull::new(self.entry(number)?.load(Ordering::Acquire))?;
        // SAFETY: A page of ours by the type invariant. It is freed only after `remove`,
        // whose contract is that nobody has or gets a reference into the leaf.
        Some(unsafe { leaf.as_ref() })
    }

    fn leaves(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        for number in 0..self.leaves() {
            // SAFETY: Nobody else has `self` any more, and so nothing in it.
            drop(unsafe { self.remove_entry(number) });
        }
        for mid in self.mids.iter() {
            let Some(mid) = NonNull::new(mid.load(Ordering::Relaxed)) else {
                continue;
            };
            // SAFETY: A page of ours by the type invariant; nobody else has
            // `self` any more, so it is owned once.
            drop(unsafe { TablePage::from_raw(mid) });
        }
    }
}
