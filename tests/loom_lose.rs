// SPDX-License-Identifier: GPL-2.0

//! Loom models of pages whose memory breaks: against users, frees and moves.

#![cfg(loom)]

mod common;

use common::model::{explore, join, World};
use common::Trouble;
use loom::thread;
use zbud_movable_core::zbud::{Error, Freed, Table};

const ONE: u32 = 1;
const TWO: u32 = 2;

/// A user reads while the page is lost and dropped: it gets what was stored, or the error,
/// and never what is in the page after that.
#[test]
fn lose_against_a_reader() -> Result<(), Trouble> {
    let outcomes = [
        "(None, true)",
        // It still had the page mapped when the worker came.
        "(Some(1), false)",
        "(Some(1), true)",
    ];
    explore(6, &outcomes, |seen| {
        let world = World::new(1)?;
        let slot = world.insert(0, ONE)?;
        let reader = thread::spawn({
            let world = world.clone();
            move || world.try_read(slot)
        });
        ensure!(world.lose(slot.desc(), 0)?, "not lost");
        let dropped = world.drop_lost()?;
        let read = join(reader)?;
        ensure!(matches!(read, None | Some(ONE)), "read {read:?}");
        // A reader who comes in between and finds it lost keeps the worker, too.
        if !(read.is_none() && !dropped) {
            seen.note((read, dropped));
        }
        ensure!(world.try_read(slot)?.is_none(), "read what is lost");
        let _freed = world.free(slot)??;
        world.settle(0)
    })
}

/// A user who had the page mapped before is done with it when it is dropped.
#[test]
fn lose_against_a_writer() -> Result<(), Trouble> {
    explore(6, &["false", "true"], |seen| {
        let world = World::new(1)?;
        let slot = world.insert(0, ONE)?;
        let owner = world.table.descriptor(slot.desc())?;
        let mapped = world.map(owner, slot.index())?;
        let writer = thread::spawn({
            let world = world.clone();
            move || {
                world.write_mapped(&mapped, TWO)?;
                let owner = world.table.descriptor(slot.desc())?;
                Ok(owner.slot(slot.index()).unpin()?)
            }
        });
        ensure!(world.lose(slot.desc(), 0)?, "not lost");
        seen.note(world.drop_lost_seeing(Some(TWO))?);
        join(writer)?;
        let _freed = world.free(slot)??;
        world.settle(0)
    })
}

/// Two readers of two zpages of the page.
#[test]
fn lose_against_two_readers() -> Result<(), Trouble> {
    explore(2, &["false", "true"], |seen| {
        let world = World::new(1)?;
        let first = world.insert(0, ONE)?;
        let last = world.pair(TWO)?.ok_or(Trouble("no pair".into()))?;
        let readers = [(first, ONE), (last, TWO)].map(|(slot, value)| {
            let world = world.clone();
            let read = move || Ok((world.try_read(slot)?, value));
            thread::spawn(read)
        });
        ensure!(world.lose(first.desc(), 0)?, "not lost");
        seen.note(world.drop_lost()?);
        for reader in readers {
            let (read, value) = join(reader)?;
            ensure!(read.is_none_or(|read| read == value), "read {read:?}");
        }
        for slot in [first, last] {
            let _freed = world.free(slot)??;
        }
        world.settle(0)
    })
}

/// The zpage is freed while the page is lost, and dropped by the worker: the descriptor goes
/// once, with the last of them.
#[test]
fn lose_against_free() -> Result<(), Trouble> {
    let outcomes = [
        // Before it was lost, or after it and before the page was dropped.
        r#"("Released", false)"#,
        r#"("Kept", true)"#,
        r#"("Forgotten", true)"#,
    ];
    explore(6, &outcomes, |seen| {
        let world = World::new(1)?;
        let slot = world.insert(0, ONE)?;
        let freer = thread::spawn({
            let world = world.clone();
            move || Ok(world.free(slot)??)
        });
        let lost = world.lose(slot.desc(), 0)?;
        let dropped = world.drop_lost()?;
        let freed = match join(freer)? {
            Freed::Kept => "Kept",
            Freed::Released(_) => "Released",
            Freed::Forgotten(_) => "Forgotten",
            freed => return Err(Trouble(format!("{freed:?}"))),
        };
        ensure!(lost == dropped, "lost: {lost}, dropped: {dropped}");
        seen.note((freed, lost));
        world.settle(0)
    })
}

/// The page moves: it is lost before, and does not move, or not at all, and has moved.
#[test]
fn lose_against_move() -> Result<(), Trouble> {
    explore(6, &["(false, Yes)", "(true, Stale)"], |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, ONE)?;
        let mover = thread::spawn({
            let world = world.clone();
            move || world.move_page(slot.desc(), 0, 1)
        });
        let lost = world.lose(slot.desc(), 0)?;
        let moved = join(mover)?;
        seen.note((lost, moved));
        let read = world.try_read(slot)?;
        ensure!(read.is_none() == lost, "read {read:?}");
        while world.drop_lost()? {}
        world.settle(usize::from(!lost))?;
        let _freed = world.free(slot)??;
        world.settle(0)
    })
}

/// A new zpage joins the page, or comes too late.
#[test]
fn lose_against_a_new_zpage() -> Result<(), Trouble> {
    explore(4, &["false", "true"], |seen| {
        let world = World::new(2)?;
        let slot = world.insert(0, ONE)?;
        let user = thread::spawn({
            let world = world.clone();
            move || {
                // Lost as well if it had just joined.
                Ok(match world.pair(TWO) {
                    Ok(joined) => joined,
                    Err(lost) if lost == Error::Lost.into() => None,
                    Err(trouble) => return Err(trouble),
                })
            }
        });
        ensure!(world.lose(slot.desc(), 0)?, "not lost");
        let joined = join(user)?;
        seen.note(joined.is_some());
        for slot in joined.into_iter().chain([slot]) {
            ensure!(world.try_read(slot)?.is_none(), "read what is lost");
            let _freed = world.free(slot)??;
        }
        // The one that was stored and not written stays.
        Ok(())
    })
}
