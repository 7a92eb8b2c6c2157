// SPDX-License-Identifier: GPL-2.0

//! Loom models of re-pairing: a zpage moves beside another while both are used and freed,
//! new ones come, and their pages move, break and leave.

#![cfg(loom)]

mod common;

use common::model::{explore, join, Moved, Paired, World};
use common::Trouble;
use loom::sync::Arc;
use loom::thread;
use zbud_movable_core::zbud::{Freed, SlotId};

const ONE: u32 = 1;
const TWO: u32 = 2;
const THREE: u32 = 3;

/// Two lone zpages, on pages 0 and 2 of node 0, and page 1, on node 1, and page 4, on node 0.
fn two() -> Result<(Arc<World>, SlotId, SlotId), Trouble> {
    let world = World::new(5)?;
    let (one, two) = (world.insert(0, ONE)?, world.insert(2, TWO)?);
    Ok((world, one, two))
}

/// The kind of a [`Freed`], without what it holds.
fn kind(freed: Freed) -> &'static str {
    match freed {
        Freed::Kept => "Kept",
        Freed::Moving => "Moving",
        Freed::Released(_) => "Released",
        Freed::Empty { .. } => "Empty",
        Freed::Forgotten(_) => "Forgotten",
    }
}

/// What was written before is read after, wherever it is; the page that was won is used for
/// something else at once.
#[test]
fn a_reader_of_the_zpage() -> Result<(), Trouble> {
    explore(6, &["Pinned", "Yes"], |seen| {
        let (world, slot, other) = two()?;
        let reader = thread::spawn({
            let world = world.clone();
            move || world.read(slot)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        seen.note(paired);
        let read = join(reader)?;
        ensure!(read == ONE, "read {read:#x}");
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(if paired == Paired::Yes { 1 } else { 2 })
    })
}

/// What a user has just written is copied.
#[test]
fn a_writer_of_the_zpage() -> Result<(), Trouble> {
    explore(6, &["Pinned", "Yes"], |seen| {
        let (world, slot, _) = two()?;
        let writer = thread::spawn({
            let world = world.clone();
            move || world.write(slot, THREE)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        seen.note(paired);
        join(writer)?;
        let read = world.read(slot)?;
        ensure!(read == THREE, "read {read:#x}");
        world.settle(if paired == Paired::Yes { 1 } else { 2 })
    })
}

/// The one that is there is read and written all the time.
#[test]
fn a_user_of_the_other() -> Result<(), Trouble> {
    explore(5, &["Yes"], |seen| {
        let (world, slot, other) = two()?;
        let user = thread::spawn({
            let world = world.clone();
            move || {
                let read = world.read(other)?;
                ensure!(read == TWO, "read {read:#x}");
                world.write(other, THREE)
            }
        });
        seen.note(world.repair(slot.desc())?);
        join(user)?;
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, THREE), "read {read:?}");
        world.settle(1)
    })
}

/// The zpage is freed before, during or after, while the worker releases the page it was in:
/// the slot's descriptor goes with the last of them.
#[test]
fn a_free_of_the_zpage() -> Result<(), Trouble> {
    let outcomes = [
        r#"("Released", Stale)"#,
        r#"("Moving", Yes)"#,
        // After it, before the worker has come, or after that.
        r#"("Kept", Yes)"#,
        r#"("Forgotten", Yes)"#,
    ];
    explore(6, &outcomes, |seen| {
        let (world, slot, other) = two()?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(slot)??)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        seen.note((kind(join(freer)?), paired));
        let read = world.read(other)?;
        ensure!(read == TWO, "read {read:#x}");
        world.settle(1)?;
        let _freed = world.free(other)??;
        world.settle(0)
    })
}

/// The other is freed.
#[test]
fn a_free_of_the_other() -> Result<(), Trouble> {
    let outcomes = [
        r#"("Released", No)"#,
        r#"("Moving", Yes)"#,
        r#"("Kept", Yes)"#,
    ];
    explore(6, &outcomes, |seen| {
        let (world, slot, other) = two()?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(other)??)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        seen.note((kind(join(freer)?), paired));
        let read = world.read(slot)?;
        ensure!(read == ONE, "read {read:#x}");
        world.settle(1)?;
        let _freed = world.free(slot)??;
        world.settle(0)
    })
}

/// Both are, by different threads.
#[test]
fn frees_of_both() -> Result<(), Trouble> {
    explore(4, &["Emptied", "No", "Stale", "Yes"], |seen| {
        let (world, slot, other) = two()?;
        let freers = [slot, other].map(|slot| {
            let world = world.clone();
            thread::spawn(move || Ok(world.free(slot)??))
        });
        seen.note(world.repair(slot.desc())?);
        for freer in freers {
            let _ = join(freer)?;
        }
        world.settle(0)
    })
}

/// A new zpage comes: beside the other, and the first has none left, or too late for either.
#[test]
fn a_new_zpage() -> Result<(), Trouble> {
    explore(5, &["(true, No)", "(false, Yes)"], |seen| {
        let (world, slot, other) = two()?;
        let user = thread::spawn({
            let world = world.clone();
            move || world.pair(THREE)
        });
        let paired = world.repair(slot.desc())?;
        let joined = join(user)?;
        seen.note((joined.is_some(), paired));
        for (slot, value) in [(Some(slot), ONE), (Some(other), TWO), (joined, THREE)] {
            let read = slot.map(|slot| world.read(slot)).transpose()?;
            ensure!(read.is_none_or(|read| read == value), "read {read:?}");
        }
        world.settle(if joined.is_some() { 2 } else { 1 })
    })
}

/// The page that it leaves moves.
#[test]
fn a_move_of_its_page() -> Result<(), Trouble> {
    // It moves to node 1, where there is no other.
    explore(6, &["(No, Yes)", "(Stale, Yes)", "(Yes, Stale)"], |seen| {
        let (world, slot, other) = two()?;
        let mover = thread::spawn({
            let world = world.clone();
            move || world.move_page(slot.desc(), 0, 1)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        let moved: Moved = join(mover)?;
        seen.note((paired, moved));
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(if paired == Paired::Yes { 1 } else { 2 })
    })
}

/// The page to which it goes moves, with it or without.
#[test]
fn a_move_of_the_page_of_the_other() -> Result<(), Trouble> {
    explore(6, &["(No, Yes)", "(Yes, Stale)", "(Yes, Yes)"], |seen| {
        let (world, slot, other) = two()?;
        let mover = thread::spawn({
            let world = world.clone();
            move || world.move_page(other.desc(), 2, 4)
        });
        let paired = world.repair(slot.desc())?;
        world.work()?;
        let moved: Moved = join(mover)?;
        seen.note((paired, moved));
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(if paired == Paired::Yes { 1 } else { 2 })
    })
}

/// A zpage that is beside another is read while their page moves.
#[test]
fn a_move_of_a_page_that_was_joined() -> Result<(), Trouble> {
    explore(5, &["Pinned", "Yes"], |seen| {
        let (world, slot, other) = two()?;
        ensure!(world.repair(slot.desc())? == Paired::Yes, "not re-paired");
        world.settle(1)?;
        let reader = thread::spawn({
            let world = world.clone();
            move || world.read(slot)
        });
        seen.note(world.move_page(other.desc(), 2, 4)?);
        let read = join(reader)?;
        ensure!(read == ONE, "read {read:#x}");
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(1)
    })
}

/// The memory of one of the pages breaks: it is not lost during the copy.
#[test]
fn a_page_is_lost() -> Result<(), Trouble> {
    let outcomes = [
        // The page that it leaves: before it, during it, or when it is vacated.
        "(true, true, Stale)",
        "(true, false, Yes)",
        // The page of the other: before it, during it, and after it.
        "(false, true, No)",
        "(false, false, Yes)",
        "(false, true, Yes)",
    ];
    explore(5, &outcomes, |seen| {
        for its in [true, false] {
            let (world, slot, other) = two()?;
            let (breaks, page) = if its { (slot, 0) } else { (other, 2) };
            let breaker = thread::spawn({
                let world = world.clone();
                move || world.lose(breaks.desc(), page)
            });
            let paired = world.repair(slot.desc())?;
            let lost = join(breaker)?;
            seen.note((its, lost, paired));
            let read = (world.try_read(slot)?, world.try_read(other)?);
            let expected = match (lost, paired, its) {
                (false, ..) => (Some(ONE), Some(TWO)),
                (true, Paired::Yes, _) => (None, None),
                (true, _, true) => (None, Some(TWO)),
                (true, _, false) => (Some(ONE), None),
            };
            ensure!(read == expected, "read {read:?}, not {expected:?}");
            for slot in [slot, other] {
                let _freed = world.free(slot)??;
            }
            world.settle(0)?;
        }
        Ok(())
    })
}

/// Two at once: each wants to move beside the other, and one of them does.
#[test]
fn two_at_once() -> Result<(), Trouble> {
    explore(5, &["(Stale, Yes)", "(Yes, Stale)"], |seen| {
        let (world, slot, other) = two()?;
        let second = thread::spawn({
            let world = world.clone();
            move || world.repair(other.desc())
        });
        let paired = world.repair(slot.desc())?;
        seen.note((paired, join(second)?));
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(1)
    })
}
