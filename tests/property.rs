// SPDX-License-Identifier: GPL-2.0

//! Random sequences of actions on a pool, compared after every step with a
//! naive reference and with the whole-pool validator. The sequences are the
//! same in every run; `ZBM_PROPTEST_CASES` tries more of them.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

mod common;

use common::driver::{some_leaves, Action, World, NODES};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use zbud_movable_core::zbud::{CHUNK_SIZE, PAGE_SIZE};

fn action() -> impl Strategy<Value = Action> {
    let k = || any::<u16>().prop_map(usize::from);
    let nid = || 0..NODES;
    let len = || {
        prop_oneof![
            4 => 1..=PAGE_SIZE,
            1 => (1..=PAGE_SIZE / CHUNK_SIZE).prop_map(|chunks| chunks * CHUNK_SIZE),
            1 => (0..PAGE_SIZE / CHUNK_SIZE).prop_map(|chunks| chunks * CHUNK_SIZE + 1),
            1 => Just(PAGE_SIZE),
            2 => 1..=PAGE_SIZE / 2,
        ]
    };
    let count = || prop_oneof![20 => Just(1_usize), 3 => 1..8_usize, 1 => 40..120_usize];
    prop_oneof![
        12 => (count(), len(), nid(), prop::bool::weighted(0.3))
            .prop_map(|(count, len, nid, full)| Action::Store { count, len, nid, full }),
        8 => (count(), k()).prop_map(|(count, k)| Action::Free { count, k }),
        4 => k().prop_map(|k| Action::Map { k }),
        6 => k().prop_map(|k| Action::Unmap { k }),
        3 => (k(), any::<u8>()).prop_map(|(k, seed)| Action::Write { k, seed }),
        6 => (k(), nid()).prop_map(|(k, nid)| Action::Begin { k, nid }),
        6 => k().prop_map(|k| Action::Finish { k }),
        2 => k().prop_map(|k| Action::Cancel { k }),
        6 => (k(), nid(), prop::bool::weighted(0.1))
            .prop_map(|(k, nid, all)| Action::Move { k, nid, all }),
        5 => k().prop_map(|k| Action::Hold { k }),
        4 => k().prop_map(|k| Action::Unhold { k }),
        3 => (
            nid(),
            prop_oneof![3 => 1..4_usize, 1 => Just(usize::MAX), 1 => Just(0_usize)],
            prop_oneof![3 => Just(0_usize), 1 => 1..3_usize],
        )
            .prop_map(|(nid, at_most, skip)| Action::Take { nid, at_most, skip }),
        4 => (k(), prop::bool::weighted(0.3)).prop_map(|(k, back)| Action::Work { k, back }),
        1 => prop_oneof![Just(0), 1..40_usize].prop_map(|pages| Action::Keep { pages }),
        2 => (nid(), 1..20_usize).prop_map(|(nid, pages)| Action::Surplus { nid, pages }),
        1 => nid().prop_map(|nid| Action::Idle { nid }),
        1 => prop::option::weighted(0.7, 0..60_usize).prop_map(|pages| Action::Limit { pages }),
        3 => (k(), any::<bool>(), any::<[bool; 2]>(), any::<bool>()).prop_map(
            |(k, elsewhere, freed, copied)| Action::Repair { k, elsewhere, freed, copied }
        ),
        5 => (k(), prop::bool::weighted(0.3))
            .prop_map(|(k, elsewhere)| Action::BeginRepair { k, elsewhere }),
        4 => (k(), prop::bool::weighted(0.6))
            .prop_map(|(k, copied)| Action::FinishRepair { k, copied }),
        2 => prop::bool::ANY.prop_map(|elsewhere| Action::Compact { elsewhere }),
        2 => (k(), count()).prop_map(|(k, count)| Action::Gather { k, count }),
        1 => Just(Action::Grow),
        3 => Just(Action::Reserve),
        2 => (k(), len(), nid()).prop_map(|(k, len, nid)| Action::Fill { k, len, nid }),
        1 => k().prop_map(|k| Action::Unreserve { k }),
        1 => prop_oneof![Just(u8::MAX), any::<u8>()].prop_map(|nodes| Action::Allow { nodes }),
        2 => k().prop_map(|k| Action::Lose { k }),
        3 => prop::bool::ANY.prop_map(|back| Action::DropLost { back }),
        3 => k().prop_map(|k| Action::FreeLost { k }),
        2 => nid().prop_map(|nid| Action::Walk { nid }),
        2 => k().prop_map(|k| Action::Misuse { k }),
    ]
}

/// Events that must have happened once all sequences have run.
const ALL: [&str; 48] = [
    "a free found a mapped zpage",
    "a map found a frozen zpage",
    "a leaf was released",
    "a zpage was gathered",
    "a re-pairing of a mapped zpage",
    "a re-pairing of no lone zpage",
    "a re-pairing to another node",
    "a re-pairing was undone",
    "a re-pairing where zpages do not come to",
    "a re-pairing with none was undone",
    "a stub went",
    "a stub went with the last",
    "a page that is joined lost its own",
    "a move found a page that was being joined",
    "a move found a page whose zpage was being moved",
    "a move found a vacated page",
    "a zpage was freed while it was re-paired",
    "a zpage was re-paired",
    "a zpage was re-paired with none",
    "both zpages were freed",
    "nothing to re-pair with",
    "the worker left a stub",
    "the worker put a vacated page back",
    "a lost page was dropped",
    "a lost page was kept",
    "a lost zpage was mapped still",
    "a move ended without zpages",
    "a move was cancelled",
    "a move was cancelled without zpages",
    "a move found a mapped zpage",
    "a move found a page that was leaving",
    "a page moved",
    "a page moved to another node",
    "a page was lost",
    "a page could not be lost",
    "a reserved descriptor got its page",
    "a run was taken",
    "a walk met a page that was being moved",
    "a zpage went elsewhere",
    "an empty page elsewhere was filled",
    "an empty page moved",
    "an empty page was filled again",
    "the worker put a page back",
    "the worker released a page",
    "Empty",
    "Forgotten",
    "Moving",
    "Released",
];

fn cases(few: u32) -> Result<u32, std::num::ParseIntError> {
    std::env::var("ZBM_PROPTEST_CASES").map_or(Ok(few), |cases| cases.parse())
}

/// Operations that must have been refused for a hidden leaf.
const REFUSED: [&str; 20] = [
    "begin_move",
    "begin_repair",
    "finish_move",
    "finish_repair",
    "forget",
    "free",
    "free of one of two",
    "insert",
    "keep_lost",
    "lose",
    "pair",
    "pair_elsewhere",
    "put_back",
    "refill",
    "refill_elsewhere",
    "release",
    "reserve",
    "take_empty",
    "take_lost",
    "unreserve",
];

/// Runs sequences of actions, each on a new pool. All of `wanted` must happen.
fn run(
    cases: u32,
    sequences: impl Strategy<Value = Vec<Action>>,
    world: fn() -> World,
    wanted: &[&str],
) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let reached = RefCell::new(BTreeSet::new());
    runner.run(&sequences, |actions| {
        let mut world = world();
        actions
            .iter()
            .try_for_each(|action| world.apply(action))
            .and_then(|()| world.end())
            .map_err(|trouble| TestCaseError::fail(trouble.0))?;
        reached.borrow_mut().append(&mut world.reached);
        reached.borrow_mut().extend(world.refused());
        Ok(())
    })?;
    let missed = wanted.iter().find(|what| !reached.borrow().contains(*what));
    missed.map_or(Ok(()), |what| Err(format!("never happened: {what}").into()))
}

#[test]
fn any_sequence_of_actions() -> Result<(), Box<dyn std::error::Error>> {
    run(
        cases(96)?,
        prop::collection::vec(action(), 1..250),
        World::new,
        &ALL,
    )
}

/// An operation that the table keeps from being done has changed nothing.
#[test]
fn any_sequence_of_actions_while_leaves_are_hidden() -> Result<(), Box<dyn std::error::Error>> {
    let hide = any::<u16>().prop_map(|k| Action::Hide { k: usize::from(k) });
    let steps = prop::collection::vec((prop::option::of(hide), action()), 1..120);
    let sequences = steps.prop_map(|steps| {
        let steps = steps.into_iter();
        let steps = steps.flat_map(|(hide, action)| hide.into_iter().chain([action]));
        some_leaves().into_iter().chain(steps).collect()
    });
    run(cases(96)?, sequences, World::new, &REFUSED)
}

/// An audit that goes on beside counts what there was when it began.
#[test]
fn any_sequence_of_actions_beside_an_audit() -> Result<(), Box<dyn std::error::Error>> {
    let sequences = prop::collection::vec(action(), 1..250)
        .prop_map(|steps| some_leaves().into_iter().chain(steps).collect());
    let wanted = ["an audit has ended"];
    run(cases(64)?, sequences, World::audited, &wanted)
}
