// SPDX-License-Identifier: GPL-2.0

//! The kernel's [`Table`]: a two-level tree of pages that finds a leaf by its
//! number, as a page table finds a page. Look-ups take no lock.
//!
//! Leaves come and go under L ([`Leaves::install`], [`Leaves::take`]); the
//! pages of the upper level stay until the pool goes (8 bytes for 85 zbud pages).

use crate::bindings;
use crate::zbud::{DescId, Leaf, Table};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use kernel::prelude::*;

const MID_SHIFT: u32 = 9;
const MID_ENTRIES: usize = 1 << MID_SHIFT;

/// One page of pointers to leaves. An entry is null (never used), a leaf, or,
/// with bit 0 set, a link to the next number that is free for use again.
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

    fn get(&self) -> &T {
        // SAFETY: The page is ours and holds a `T` by the type invariant.
        unsafe { self.0.as_ref() }
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

/// A leaf that was taken out of the table. Dropping it frees its page: not under L.
pub(crate) struct TakenLeaf(#[allow(dead_code)] TablePage<Leaf>);

/// What is needed to add a leaf, allocated before L is taken. What `install`
/// does not use is freed with it: not under L.
pub(crate) struct Growth {
    leaf: Option<TablePage<Leaf>>,
    mid: Option<TablePage<Mid>>,
}

impl Growth {
    /// Room for one leaf. May sleep if `gfp` says so.
    pub(crate) fn new(gfp: u32) -> Result<Self> {
        Ok(Self {
            leaf: Some(TablePage::new(gfp)?),
            mid: None,
        })
    }

    /// Brings a mid as well. May sleep if `gfp` says so.
    pub(crate) fn add_mid(&mut self, gfp: u32) -> Result {
        self.mid = Some(TablePage::new(gfp)?);
        Ok(())
    }
}

/// Which leaf numbers are free. L protects it.
pub(crate) struct Numbers {
    /// Numbers from here on were never used.
    fresh: u32,
    /// First of those that were and are free again, linked through their entries.
    reuse: Option<u32>,
}

impl Numbers {
    pub(crate) const fn new() -> Self {
        Self {
            fresh: 0,
            reuse: None,
        }
    }
}

/// The table of one pool.
///
/// # Invariants
///
/// - A non-null entry of `mids` is a [`TablePage`] of ours and never changes.
/// - An untagged, non-null entry of a mid is a [`TablePage`] of ours.
pub(crate) struct Leaves {
    mids: KVVec<AtomicPtr<Mid>>,
    /// No leaf has this number or a higher one. Changes under L.
    bound: AtomicU32,
}

/// The leaf that an entry holds, if it holds one.
#[inline]
fn leaf_of(entry: *mut Leaf) -> Option<NonNull<Leaf>> {
    NonNull::new(entry).filter(|leaf| leaf.as_ptr() as usize & 1 == 0)
}

/// What stands in the entry of a number that is free again.
fn free_entry(next: Option<u32>) -> *mut Leaf {
    // CAST: 64-bit kernels; numbers are below 2^24, so `next + 1` fits twice.
    let link = next.map_or(0, |next| next as usize + 1);
    ((link << 1) | 1) as *mut Leaf
}

/// The inverse of `free_entry`.
fn next_free(entry: *mut Leaf) -> Option<u32> {
    u32::try_from(entry as usize >> 1).ok()?.checked_sub(1)
}

impl Leaves {
    /// An empty table that can describe four times the memory the host has now:
    /// room for hot-plugged memory.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Reads a variable.
        let pages = unsafe { bindings::zbm_totalram_pages() };
        let leaves = (pages / crate::zbud::DESCRIPTORS_PER_LEAF).saturating_mul(4);
        let leaves = leaves.clamp(MID_ENTRIES, DescId::MAX_LEAVES as usize);
        let count = leaves.div_ceil(MID_ENTRIES);
        let mut mids = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            mids.push(AtomicPtr::new(core::ptr::null_mut()), GFP_KERNEL)?;
        }
        Ok(Self {
            mids,
            bound: AtomicU32::new(0),
        })
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

    /// Puts the leaf of `growth` into the table and returns its number. Under L.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the table is full; `EAGAIN` when it wants a mid too.
    pub(crate) fn install(&self, numbers: &mut Numbers, growth: &mut Growth) -> Result<u32> {
        let number = numbers.reuse.unwrap_or(numbers.fresh);
        let mid = self.mid(number).ok_or(ENOMEM)?;
        if mid.load(Ordering::Relaxed).is_null() {
            let page = growth.mid.take().ok_or(EAGAIN)?;
            // INVARIANT: A page of ours, put there once: L is held.
            mid.store(page.into_raw(), Ordering::Release);
        }
        let entry = self.entry(number).ok_or(ENOMEM)?;
        let leaf = growth.leaf.take().ok_or(ENOMEM)?;
        if numbers.reuse.is_some() {
            numbers.reuse = next_free(entry.load(Ordering::Relaxed));
        } else {
            numbers.fresh = numbers.fresh.saturating_add(1);
            self.bound.store(numbers.fresh, Ordering::Relaxed);
        }
        // INVARIANT: A page of ours; it is aligned, so bit 0 is clear.
        entry.store(leaf.into_raw(), Ordering::Release);
        Ok(number)
    }

    /// Takes a leaf out that the pool does not need any more. Under L.
    pub(crate) fn take(&self, numbers: &mut Numbers, number: u32) -> Option<TakenLeaf> {
        let entry = self.entry(number)?;
        let leaf = leaf_of(entry.load(Ordering::Relaxed))?;
        entry.store(free_entry(numbers.reuse), Ordering::Relaxed);
        numbers.reuse = Some(number);
        // SAFETY: By the type invariant the leaf is a page of ours, and it was
        // replaced, so it is taken once.
        Some(TakenLeaf(unsafe { TablePage::from_raw(leaf) }))
    }
}

impl Table for Leaves {
    #[inline]
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        // Acquire: pairs with `install`, so that the zeroes are seen.
        let leaf = leaf_of(self.entry(number)?.load(Ordering::Acquire))?;
        // SAFETY: A page of ours by the type invariant. It is freed only after
        // `take`, which runs under L for a leaf without live slots and pages:
        // callers look up under L, or have a zpage whose slot or page is there.
        Some(unsafe { leaf.as_ref() })
    }

    fn leaves(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        for mid in self.mids.iter() {
            let Some(mid) = NonNull::new(mid.load(Ordering::Relaxed)) else {
                continue;
            };
            // SAFETY: A page of ours by the type invariant; nobody else has
            // `self` any more, so it is taken once.
            let mid = unsafe { TablePage::from_raw(mid) };
            for entry in mid.get().0.iter() {
                if let Some(leaf) = leaf_of(entry.load(Ordering::Relaxed)) {
                    // SAFETY: As above.
                    drop(unsafe { TablePage::from_raw(leaf) });
                }
            }
        }
    }
}
