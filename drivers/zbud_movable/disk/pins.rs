// SPDX-License-Identifier: GPL-2.0

//! Blocks that stay where they are, for tests: their zpages are mapped until someone says
//! otherwise.
//!
//! A pin has its zpage together with the block, and alone once the block holds another, or
//! nothing.

use super::pin_tree::Pin;
use super::store::Store;
use crate::linux::task;
use crate::zbud::Content;
use kernel::prelude::*;
use kernel::rbtree::{RBTree, RBTreeNodeReservation};

/// The zpage that a block holds.
fn zpage_in(content: Content) -> Option<u64> {
    match content {
        Content::Empty | Content::Filled(_) => None,
        Content::Zpage(raw) | Content::Large(raw) | Content::Raw(raw) => Some(raw),
    }
}

/// Pins each block of `first..first + count`, all or none.
///
/// # Errors
///
/// `ERANGE` beyond the end, `ENOENT` where a block holds no zpage, `EBUSY` where one has
/// got another since it was pinned, `ENOMEM`.
pub(super) fn pin(store: &Store, first: u64, count: u64) -> Result {
    let range = range(store, first, count)?;
    let mut pins = store.pins.0.lock();
    for index in range.clone() {
        if let Err(error) = pin_one(store, &mut pins, index) {
            (range.start..index).try_for_each(|index| unpin_one(store, &mut pins, index))?;
            return Err(error);
        }
        task::cond_resched();
    }
    Ok(())
}

/// Unpins each block of `first..first + count` once, all or none.
///
/// # Errors
///
/// `ERANGE` beyond the end, `EINVAL` where one is not pinned.
pub(super) fn unpin(store: &Store, first: u64, count: u64) -> Result {
    let mut range = range(store, first, count)?;
    let mut pins = store.pins.0.lock();
    if range.clone().any(|index| pins.get(&index).is_none()) {
        return Err(EINVAL);
    }
    range.try_for_each(|index| unpin_one(store, &mut pins, index))
}

/// Undoes all pins.
pub(super) fn unpin_all(store: &Store) -> Result {
    let mut pins = store.pins.0.lock();
    while let Some(index) = pins.cursor_front().map(|cursor| *cursor.current().0) {
        unpin_one(store, &mut pins, index)?;
        task::cond_resched();
    }
    Ok(())
}

/// Empties each block that is `chosen`.
///
/// # Errors
///
/// `EBUSY` when one is pinned; none is emptied then.
pub(super) fn free(store: &Store, chosen: impl Fn(u64) -> bool) -> Result {
    let pins = store.pins.0.lock();
    if pins.keys().any(|&index| chosen(index)) {
        return Err(EBUSY);
    }
    store.clear_all(chosen)
}

fn range(store: &Store, first: u64, count: u64) -> Result<core::ops::Range<u64>> {
    let end = first.checked_add(count).ok_or(ERANGE)?;
    if end > store.blocks() {
        return Err(ERANGE);
    }
    Ok(first..end)
}

fn pin_one(store: &Store, pins: &mut RBTree<u64, Pin>, index: u64) -> Result {
    // Before the lock: this may reclaim, and reclaim may want the block.
    let place = RBTreeNodeReservation::new(GFP_KERNEL)?;
    let mut block = store.lock(index)?;
    let zpage = zpage_in(block.content()).ok_or(ENOENT)?;
    let known = pins.get_mut(&index);
    if known.as_ref().is_some_and(|pin| pin.zpage != zpage) {
        return Err(EBUSY);
    }
    let count = known.as_ref().map_or(0, |pin| pin.count);
    let count = count.checked_add(1).ok_or(EBUSY)?;
    // SAFETY: The block holds it, and is locked.
    unsafe { store.zpage(zpage) }?.pin()?;
    match known {
        Some(pin) => pin.count = count,
        None => drop(pins.insert(place.into_node(index, Pin { zpage, count }))),
    }
    block.set_pinned(true);
    Ok(())
}

fn unpin_one(store: &Store, pins: &mut RBTree<u64, Pin>, index: u64) -> Result {
    let mut block = store.lock(index)?;
    let pin = pins.get_mut(&index).ok_or(EINVAL)?;
    let zpage = pin.zpage;
    // SAFETY: The pin holds it.
    let mut held = unsafe { store.zpage(zpage) }?;
    // SAFETY: Pinned by `pin_one`, which `count` counts.
    unsafe { held.unpin() }?;
    pin.count = pin.count.saturating_sub(1);
    if pin.count != 0 {
        return Ok(());
    }
    drop(pins.remove_node(&index));
    if block.is_pinned() && zpage_in(block.content()) == Some(zpage) {
        block.set_pinned(false);
    } else {
        // SAFETY: The block holds it no more, and neither does a pin; dropped once.
        unsafe { core::mem::ManuallyDrop::drop(&mut held) };
    }
    Ok(())
}
