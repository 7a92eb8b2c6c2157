// SPDX-License-Identifier: GPL-2.0

//! Loom models of a page that is shown to a process: what it sees is what was stored, or was
//! wiped, never what was in the page before.

#![cfg(loom)]

mod common;

use common::model::{explore, join, World};
use common::Trouble;
use loom::thread;

const ONE: u32 = 1;
const TWO: u32 = 2;

/// A zpage comes into the page, and is written.
#[test]
fn show_against_a_store() -> Result<(), Trouble> {
    let outcomes = ["None", "Some([Some(1), None])", "Some([Some(1), Some(2)])"];
    explore(3, &outcomes, |seen| {
        let world = World::new(1)?;
        let first = world.insert(0, ONE)?;
        let writer = thread::spawn({
            let world = world.clone();
            move || world.pair(TWO)
        });
        seen.note(world.show(first.desc(), 0)?);
        let second = join(writer)?.ok_or(Trouble("no pair".into()))?;
        for slot in [first, second] {
            let _freed = world.free(slot)??;
        }
        world.settle(0)
    })
}

/// A zpage that was just stored beside nothing is to come into the page beside another.
#[test]
fn show_against_a_store_and_a_repair() -> Result<(), Trouble> {
    let outcomes = ["None", "Some([Some(1), None])", "Some([Some(1), Some(2)])"];
    explore(3, &outcomes, |seen| {
        let world = World::new(3)?;
        let first = world.insert(0, ONE)?;
        let second = world.insert_fresh(2)?;
        let writer = thread::spawn({
            let world = world.clone();
            move || world.write(second, TWO)
        });
        let mover = thread::spawn({
            let world = world.clone();
            move || world.repair(second.desc())
        });
        seen.note(world.show(first.desc(), 0)?);
        join(writer)?;
        let _paired = join(mover)?;
        for slot in [first, second] {
            let _freed = world.free(slot)??;
        }
        world.settle(0)
    })
}
