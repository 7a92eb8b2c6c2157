// SPDX-License-Identifier: GPL-2.0

//! Loom models of the move protocol: moves against frees, the worker, new
//! zpages and other moves.

#![cfg(loom)]

mod common;

use common::model::{explore, join, lock, Moved, World};
use common::Trouble;
use loom::thread;
use zbud_movable_core::zbud::{DescId, Freed, Table};

const ONE: u32 = 1;
const TWO: u32 = 2;

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

/// The last zpage of a page is freed while the page moves: the thread that finishes
/// last cleans up, and neither page stays.
#[test]
fn free_against_move() -> Result<(), Trouble> {
    let outcomes = [
        // Freed before the mover came, or while it had the page lock and waited for
        // the pool lock.
        r#"("Released", Stale)"#,
        r#"("Empty", Emptied)"#,
        // During the copy.
        r#"("Moving", Emptied)"#,
        // After it; the mover still has the lock, or not any more.
        r#"("Empty", Yes)"#,
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
        r#"("Empty", false, Emptied)"#,
        r#"("Empty", false, Yes)"#,
        r#"("Empty", true, Emptied)"#,
        r#"("Empty", true, Stale)"#,
        r#"("Empty", true, Yes)"#,
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
        let (freed, worked) = (join(freer)?, join(worker)? != 0);
        seen.note((kind(freed), worked, moved));
        world.settle(0)
    })
}

/// A mover that comes late: the page has gone, and its descriptor is another page's
/// already.
#[test]
fn the_descriptor_is_used_again() -> Result<(), Trouble> {
    explore(6, &["Stale", "Yes"], |seen| {
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
        let (freed, again) = join(user)?;
        // A free during the move, or one that could not claim the page, leaves the
        // descriptor in use: not what this model is about.
        if matches!(freed, Freed::Released(_)) {
            ensure!(again.desc() == id, "the descriptor is not used again");
            seen.note(moved);
        }
        let read = world.read(again)?;
        ensure!(read == TWO, "read {read:#x}");
        world.settle(1)
    })
}

/// A page that is kept without zpages is filled again, or released, or moved: the user
/// finds its bytes wherever they are, and no page is released twice or with a zpage in it.
#[test]
fn a_kept_page_against_all() -> Result<(), Trouble> {
    let outcomes = [
        // Filled before the worker came, or after it had gone elsewhere.
        "(true, 0, Yes)",
        "(true, 0, Emptied)",
        "(true, 0, Pinned)",
        // Released before it could be filled.
        "(false, 1, Stale)",
        "(false, 1, Emptied)",
        // While it was moving.
        "(false, 0, Emptied)",
    ];
    explore(4, &outcomes, |seen| {
        let world = World::new(2)?;
        lock(&world.books).keep(1);
        let slot = world.insert(0, ONE)?;
        let freed = world.free(slot)??;
        ensure!(
            freed == Freed::Empty { surplus: false },
            "not kept: {freed:?}"
        );
        let user = thread::spawn({
            let world = world.clone();
            move || world.refill(TWO)
        });
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work()
        });
        let moved = world.move_page(slot.desc(), 0, 1)?;
        let (filled, worked) = (join(user)?, join(worker)?);
        seen.note((filled.is_some(), worked, moved));
        if let Some(slot) = filled {
            let read = world.read(slot)?;
            ensure!(read == TWO, "read {read:#x}");
        }
        world.settle(usize::from(filled.is_some()))
    })
}

/// Two pages leave in a run, while one of them moves.
#[test]
fn a_run_leaves_against_a_move() -> Result<(), Trouble> {
    // The one that moves is on another node then.
    let outcomes = ["(1, Emptied)", "(2, Stale)"];
    explore(5, &outcomes, |seen| {
        let world = World::new(4)?;
        lock(&world.books).keep(2);
        for slot in [world.insert(0, ONE)?, world.insert(2, TWO)?] {
            let freed = world.free(slot)??;
            ensure!(matches!(freed, Freed::Empty { .. }), "not kept: {freed:?}");
        }
        let id = {
            let pages = (0..2).filter_map(|at| DescId::new(0, at));
            let first = World::addr(0)?;
            let mut pages = pages.filter(|&id| {
                let desc = world.table.descriptor(id);
                desc.is_ok_and(|desc| desc.page() == Some(first))
            });
            pages.next().ok_or(Trouble("no page".into()))?
        };
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work()
        });
        let moved = world.move_page(id, 0, 1)?;
        seen.note((join(worker)?, moved));
        world.settle(0)
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
