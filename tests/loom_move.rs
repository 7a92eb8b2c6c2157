// SPDX-License-Identifier: GPL-2.0

//! Loom models of the move protocol: moves against frees, the worker, new
//! zpages and other moves.

#![cfg(loom)]

mod common;

use common::model::{explore, join, Moved, World};
use common::Trouble;
use loom::thread;
use zbud_movable_core::zbud::Freed;

const ONE: u32 = 1;
const TWO: u32 = 2;

/// The kind of a [`Freed`], without what it holds.
fn kind(freed: Freed) -> &'static str {
    match freed {
        Freed::Kept => "Kept",
        Freed::Moving => "Moving",
        Freed::Released(_) => "Released",
        Freed::Deferred => "Deferred",
    }
}

/// The last zpage of a page is freed while the page moves: the thread that finishes
/// last cleans up, and neither page stays.
#[test]
fn free_against_move() -> Result<(), Trouble> {
    let outcomes = [
        // Freed before the mover came, or while it had the page lock and waited for
        // the pool lock.
        r#"("Released", Stale)"#,
        r#"("Deferred", Stale)"#,
        // During the copy.
        r#"("Moving", Emptied)"#,
        // After it; the mover still has the lock, or not any more.
        r#"("Deferred", Yes)"#,
        r#"("Released", Yes)"#,
    ];
    explore(6, &outcomes, |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, ONE)?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(slot)??)
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let freed = join(freer)?;
        seen.note((kind(freed), moved));
        world.settle(0)
    })
}

/// One of two zpages is freed while the page moves: the other goes on living.
#[test]
fn free_of_one_against_move() -> Result<(), Trouble> {
    let outcomes = [r#"("Kept", Yes)"#, r#"("Moving", Yes)"#];
    explore(6, &outcomes, |seen| {
        let world = World::new(2)?;
        let first = world.insert(0, ONE)?;
        let last = world.pair(TWO)?.ok_or(Trouble("no pair".into()))?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(first)??)
        });
        let moved = world.move_page(first.desc(), 0, 1)?;
        let freed = join(freer)?;
        seen.note((kind(freed), moved));
        let read = world.read(last)?;
        ensure!(read == TWO, "read {read:#x}");
        world.settle(1)
    })
}

/// Both zpages are freed by different threads while the page moves.
#[test]
fn two_frees_against_move() -> Result<(), Trouble> {
    explore(4, &["Emptied", "Stale", "Yes"], |seen| {
        let world = World::new(2)?;
        let first = world.insert(0, ONE)?;
        let last = world.pair(TWO)?.ok_or(Trouble("no pair".into()))?;
        let freers = [first, last].map(|slot| {
            let world = world.clone();
            thread::spawn(move || Ok(world.free(slot)??))
        });
        let moved = world.move_page(first.desc(), 0, 1)?;
        seen.note(moved);
        for freer in freers {
            let _ = join(freer)?;
        }
        world.settle(0)
    })
}

/// A free that cannot claim the page, the worker, and the mover that has the page
/// lock.
#[test]
fn free_against_worker_against_move() -> Result<(), Trouble> {
    let outcomes = [
        r#"("Deferred", false, Stale)"#,
        r#"("Deferred", false, Yes)"#,
        r#"("Deferred", true, Stale)"#,
        r#"("Deferred", true, Yes)"#,
        r#"("Moving", false, Emptied)"#,
        r#"("Moving", true, Emptied)"#,
        r#"("Released", false, Stale)"#,
        r#"("Released", false, Yes)"#,
    ];
    explore(4, &outcomes, |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, ONE)?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(slot)??)
        });
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work()
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let (freed, worked) = (join(freer)?, join(worker)?);
        seen.note((kind(freed), worked, moved));
        world.settle(0)
    })
}

/// A mover and a worker that come late: the page has gone, and its descriptor
/// is another page's already.
#[test]
fn the_descriptor_is_used_again() -> Result<(), Trouble> {
    explore(6, &["(false, Stale)", "(false, Yes)"], |seen| {
        let world = World::new(3)?;
        let slot = world.insert(0, ONE)?;
        let id = slot.desc();
        let user = thread::spawn({
            let world = world.clone();
            move || {
                let freed = world.free(slot)??;
                let again = world.insert(2, TWO)?;
                Ok((freed, again))
            }
        });
        let moved = world.move_page(id, 0, 1)?;
        let worked = world.release(id, World::addr(0)?)?;
        let (freed, again) = join(user)?;
        // A free during the move, or one that could not claim the page, leaves the
        // descriptor in use: not what this model is about.
        if matches!(freed, Freed::Released(_)) {
            ensure!(again.desc() == id, "the descriptor is not used again");
            seen.note((worked, moved));
        }
        let read = world.read(again)?;
        ensure!(read == TWO, "read {read:#x}");
        world.settle(1)
    })
}

/// A new zpage joins a page that moves: before or after, never during the copy.
#[test]
fn a_new_zpage_against_move() -> Result<(), Trouble> {
    let outcomes = [
        "(true, Yes)",
        // It came in between, and got a page of its own.
        "(false, Yes)",
        // It had joined, and its bytes were just being written.
        "(true, Pinned)",
    ];
    explore(5, &outcomes, |seen| {
        let world = World::new(3)?;
        let slot = world.insert(0, ONE)?;
        let user = thread::spawn({
            let world = world.clone();
            move || match world.pair(TWO)? {
                Some(slot) => Ok((true, slot)),
                None => Ok((false, world.insert(2, TWO)?)),
            }
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let (joined, other) = join(user)?;
        seen.note((joined, moved));
        let read = (world.read(slot)?, world.read(other)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(if joined { 1 } else { 2 })
    })
}

/// Two movers want the same page: the page lock makes one of them late.
#[test]
fn two_movers() -> Result<(), Trouble> {
    explore(6, &["(Stale, Yes)", "(Yes, Stale)"], |seen| {
        let world = World::new(3)?;
        let slot = world.insert(0, ONE)?;
        let other = thread::spawn({
            let world = world.clone();
            move || world.move_page(slot.desc(), 0, 2)
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let other = join(other)?;
        seen.note((moved, other));
        let read = world.read(slot)?;
        ensure!(read == ONE, "read {read:#x}");
        world.settle(1)
    })
}

/// Two movers and a reader.
#[test]
fn two_movers_and_a_reader() -> Result<(), Trouble> {
    let outcomes = [
        "(Pinned, Pinned)",
        "(Pinned, Yes)",
        "(Stale, Yes)",
        "(Yes, Pinned)",
        "(Yes, Stale)",
    ];
    explore(3, &outcomes, |seen| {
        let world = World::new(3)?;
        let slot = world.insert(0, ONE)?;
        let other = thread::spawn({
            let world = world.clone();
            move || world.move_page(slot.desc(), 0, 2)
        });
        let reader = thread::spawn({
            let world = world.clone();
            move || world.read(slot)
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let other = join(other)?;
        seen.note((moved, other));
        let read = join(reader)?;
        ensure!(read == ONE, "read {read:#x}");
        world.settle(1)
    })
}

/// Two pages of the pool move at once, in the same books.
#[test]
fn two_pages_move_at_once() -> Result<(), Trouble> {
    explore(6, &["(Yes, Yes)"], |seen| {
        let world = World::new(4)?;
        let one = world.insert(0, ONE)?;
        let two = world.insert(1, TWO)?;
        let other = thread::spawn({
            let world = world.clone();
            move || world.move_page(two.desc(), 1, 2)
        });
        let moved: Moved = world.move_page(one.desc(), 0, 3)?;
        seen.note((moved, join(other)?));
        let read = (world.read(one)?, world.read(two)?);
        ensure!(read == (ONE, TWO), "read {read:?}");
        world.settle(2)
    })
}
