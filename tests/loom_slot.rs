// SPDX-License-Identifier: GPL-2.0

//! Loom models of the slot word: map and unmap against the operations that must
//! wait for them, or for which they must wait.

#![cfg(loom)]

mod common;

use common::model::{explore, join, Moved, World};
use common::Trouble;
use loom::thread;
use zbud_movable_core::zbud::{Error, Freed, SlotIndex, Table};

const OLD: u32 = 1;
const NEW: u32 = 2;

/// A reader sees the right bytes, in the old page or the new, and the old page is
/// not released while somebody reads there.
#[test]
fn a_reader_sees_the_bytes_wherever_they_are() -> Result<(), Trouble> {
    explore(6, &["Pinned", "Yes"], |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, OLD)?;
        let reader = thread::spawn({
            let world = world.clone();
            move || world.read(slot)
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        seen.note(moved);
        let read = join(reader)?;
        ensure!(read == OLD, "read {read:#x}");
        let read = world.read(slot)?;
        ensure!(read == OLD, "read {read:#x} at the end");
        world.settle(1)
    })
}

/// The same with a page that moves away and back: its address is no proof that
/// nothing happened.
#[test]
fn a_reader_sees_the_bytes_of_a_page_that_comes_back() -> Result<(), Trouble> {
    let outcomes = ["(Pinned, Stale)", "(Yes, Pinned)", "(Yes, Yes)"];
    explore(3, &outcomes, |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, OLD)?;
        let reader = thread::spawn({
            let world = world.clone();
            move || {
                let once = world.read(slot)?;
                Ok((once, world.read(slot)?))
            }
        });
        let away = world.move_page(slot.desc(), 0, 1)?;
        let back = world.move_page(slot.desc(), 1, 0)?;
        seen.note((away, back));
        let read = join(reader)?;
        ensure!(read == (OLD, OLD), "read {read:?}");
        world.settle(1)
    })
}

/// A move never loses a write to a mapped zpage.
#[test]
fn a_write_is_never_lost() -> Result<(), Trouble> {
    explore(6, &["Pinned", "Yes"], |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, OLD)?;
        let writer = thread::spawn({
            let world = world.clone();
            move || world.write(slot, NEW)
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        seen.note(moved);
        join(writer)?;
        let read = world.read(slot)?;
        ensure!(read == NEW, "the write is lost: {read:#x}");
        world.settle(1)
    })
}

/// Both zpages of a page, with a user each: one pin is enough to keep the page
/// where it is, and no zpage stays frozen.
#[test]
fn either_zpage_keeps_the_page() -> Result<(), Trouble> {
    explore(3, &["Pinned", "Yes"], |seen| {
        let world = World::new(2)?;
        let first = world.insert(0, OLD)?;
        let last = world.pair(OLD)?.ok_or(Trouble("no pair".into()))?;
        let users = [(first, NEW), (last, NEW + 1)].map(|(slot, value)| {
            let world = world.clone();
            thread::spawn(move || world.write(slot, value))
        });
        let moved = world.move_page(first.desc(), 0, 1)?;
        seen.note(moved);
        users.into_iter().try_for_each(join)?;
        let read = (world.read(first)?, world.read(last)?);
        ensure!(read == (NEW, NEW + 1), "read {read:?}");
        world.settle(1)
    })
}

/// A mapped zpage is not freed; once it is, all accesses to the mapped bytes are
/// over.
#[test]
fn a_mapped_zpage_is_not_freed() -> Result<(), Trouble> {
    explore(6, &["Pinned", "Released"], |seen| {
        let world = World::new(1)?;
        let slot = world.insert(0, OLD)?;
        // Mapped for the other thread, before it can be freed.
        let owner = world.table.descriptor(slot.desc())?;
        world.map(owner, slot.index())?;
        let user = thread::spawn({
            let world = world.clone();
            move || {
                world.write(slot, NEW)?;
                let owner = world.table.descriptor(slot.desc())?;
                Ok(owner.slot(slot.index()).unpin()?)
            }
        });
        match world.free_seeing(slot, Some(NEW))? {
            Ok(Freed::Released(_)) => {
                seen.note(format_args!("Released"));
                join(user)?;
                world.settle(0)
            }
            Err(Error::Pinned) => {
                seen.note(Error::Pinned);
                join(user)?;
                let freed = world.free_seeing(slot, Some(NEW))?;
                ensure!(matches!(freed, Ok(Freed::Released(_))), "{freed:?}");
                world.settle(0)
            }
            other => Err(Trouble(format!("free said {other:?}"))),
        }
    })
}

/// A slot that can be seen to be live leads to its page, without any help from
/// how the handle was passed on.
#[test]
fn a_live_slot_leads_to_its_page() -> Result<(), Trouble> {
    explore(4, &["BadHandle", "Page"], |seen| {
        let world = World::new(1)?;
        // Which slot it will be is known: the first of all.
        let user = thread::spawn({
            let world = world.clone();
            move || {
                let leaf = world.table.leaf(0).ok_or(Trouble("no leaf".into()))?;
                let owner = leaf.descriptor(0).ok_or(Trouble("no slot".into()))?;
                let mapped = world.map(owner, SlotIndex::A);
                if mapped.is_ok() {
                    owner.slot(SlotIndex::A).unpin()?;
                }
                Ok(mapped)
            }
        });
        let slot = world.insert(0, OLD)?;
        match join(user)? {
            Ok(mapped) => {
                seen.note(format_args!("Page"));
                ensure!(mapped.address == World::addr(0)?.address(), "{mapped:?}");
            }
            Err(error) => seen.note(error),
        }
        ensure!(world.read(slot)? == OLD, "wrong bytes");
        world.settle(1)
    })
}

/// Nested maps: each pin counts, and the last unmap lets the page go.
#[test]
fn every_pin_counts() -> Result<(), Trouble> {
    explore(2, &["Pinned", "Yes"], |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, OLD)?;
        let users = [0, 1].map(|_| {
            let world = world.clone();
            thread::spawn(move || world.read(slot))
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        seen.note(moved);
        for user in users {
            let read = join(user)?;
            ensure!(read == OLD, "read {read:#x}");
        }
        let src = if moved == Moved::Yes { 1 } else { 0 };
        let moved = world.move_page(slot.desc(), src, 1 - src)?;
        ensure!(moved == Moved::Yes, "a pin was left: {moved:?}");
        world.settle(1)
    })
}
