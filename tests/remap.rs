// SPDX-License-Identifier: GPL-2.0

//! Node remapping, against what migrate_pages(2) says in so many words, and on
//! nodes full of pages.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

mod common;

use common::Trouble;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use zbud_movable_core::zbud::{Nid, NodeSet, Remap, Step, MAX_NODES};

type Nodes = BTreeSet<u16>;

fn set(nodes: &Nodes) -> NodeSet {
    nodes.iter().copied().map(Nid).collect()
}

fn steps(remap: &Remap) -> Vec<(u16, u16)> {
    let pair = |step: Step| (step.from.0, step.to.0);
    remap.steps().map(pair).collect()
}

fn remap(from: &[u16], to: &[u16]) -> Vec<(u16, u16)> {
    let set = |nodes: &[u16]| nodes.iter().copied().map(Nid).collect();
    steps(&Remap::new(set(from), set(to)))
}

#[test]
fn the_manual_s_examples() {
    // mm/mempolicy.c: "[2,3,4] -> [3,4,5] moves everything."
    assert_eq!(remap(&[2, 3, 4], &[3, 4, 5]), [(4, 5), (3, 4), (2, 3)]);
    // "[0-7] -> [3,4,5] moves only 0,1,2,6,7."
    let moved = remap(&[0, 1, 2, 3, 4, 5, 6, 7], &[3, 4, 5]);
    assert_eq!(moved, [(2, 5), (1, 4), (0, 3), (6, 3), (7, 4)]);
}

#[test]
fn placement_is_kept_and_folded() {
    assert_eq!(remap(&[0, 1], &[2, 3]), [(1, 3), (0, 2)]);
    assert_eq!(remap(&[0, 1], &[1, 2]), [(1, 2), (0, 1)]);
    assert_eq!(remap(&[1, 2], &[0, 1]), [(1, 0), (2, 1)]);
    assert_eq!(remap(&[0, 1, 2, 3], &[5]), [(3, 5), (2, 5), (1, 5), (0, 5)]);
    assert_eq!(remap(&[0, 1, 2], &[7, 9]), [(2, 7), (1, 9), (0, 7)]);
    assert_eq!(remap(&[0], &[3, 4]), [(0, 3)]);
    assert_eq!(remap(&[0, 3], &[0, 3]), []);
    assert_eq!(remap(&[], &[1]), []);
    assert_eq!(remap(&[1], &[]), []);
}

#[test]
fn the_nearest_of_a_set() {
    let nodes: NodeSet = [1, 4, 6].map(Nid).into_iter().collect();
    let nearest = |from: u16| nodes.nearest(|to| to.0.abs_diff(from).into());
    assert_eq!(
        [0, 4, 5, 9].map(nearest),
        [1, 4, 4, 6].map(|nid| Some(Nid(nid)))
    );
    assert_eq!(NodeSet::EMPTY.nearest(|_| 10), None);
}

#[test]
fn sets_hold_what_was_put_in() {
    let last = Nid((MAX_NODES - 1) as u16);
    let nodes: NodeSet = [Nid(0), Nid(63), Nid(64), last, Nid(u16::MAX)]
        .into_iter()
        .collect();
    assert_eq!(nodes.len(), 4);
    assert!(nodes.contains(last) && !nodes.contains(Nid(u16::MAX)) && !nodes.contains(Nid(1)));
    assert_eq!(nodes.iter().last(), Some(last));
    assert_eq!(nodes.words()[0], 1 | (1 << 63));
    assert!(NodeSet::EMPTY.is_empty() && NodeSet::EMPTY.is_subset(&nodes));
    assert!(nodes.difference(&nodes).is_empty());
    assert_eq!(nodes.intersection(&nodes), nodes);
}

#[test]
fn sets_are_compared() {
    let [one, other]: [NodeSet; 2] = [[1, 4, 70], [4, 70, 71]].map(|nodes| {
        let nodes = nodes.map(Nid);
        nodes.into_iter().collect()
    });
    let nodes = |set: NodeSet| set.iter().map(|nid| nid.0).collect::<Vec<_>>();
    assert_eq!(nodes(one.intersection(&other)), [4, 70]);
    assert_eq!(nodes(one.difference(&other)), [1]);
    assert_eq!(nodes(other.difference(&one)), [71]);
    assert!(!one.is_empty() && !one.is_subset(&other) && !one.is_subset(&NodeSet::EMPTY));
    assert!(one.intersection(&other).is_subset(&one) && one.is_subset(&one));
}

#[test]
fn sets_are_written_as_words() {
    let mut nodes = NodeSet::EMPTY;
    nodes.words_mut()[1] = 1 << 5;
    assert!(nodes.iter().eq([Nid(69)]));
    assert_eq!(NodeSet::from_words(*nodes.words()), nodes);
    // As many as Linux has at most (CONFIG_NODES_SHIFT=10)
    assert_eq!(MAX_NODES, 1 << 10);
    let all: NodeSet = (0..1 << 10).map(Nid).collect();
    assert_eq!(all.words(), &[u64::MAX; 16]);
    assert_eq!((all.len(), all.iter().count()), (MAX_NODES, MAX_NODES));
}

/// Where pages on `node` go by migrate_pages(2) and mm/mempolicy.c.
fn naive(from: &Nodes, to: &Nodes, node: u16) -> u16 {
    let Some(rank) = from.iter().position(|&other| other == node) else {
        return node;
    };
    if to.is_empty() || (from.len() != to.len() && to.contains(&node)) {
        return node;
    }
    to.iter().copied().nth(rank % to.len()).unwrap_or(node)
}

/// Does the steps to a page on each of `nodes`, and says where these end.
fn play(remap: &Remap, nodes: &Nodes) -> Result<BTreeMap<u16, u16>, Trouble> {
    let mut pages: BTreeMap<u16, (u16, u32)> = nodes.iter().map(|&nid| (nid, (nid, 0))).collect();
    for step in remap.steps() {
        for (nid, moves) in pages.values_mut().filter(|(nid, _)| *nid == step.from.0) {
            *nid = step.to.0;
            *moves += 1;
        }
    }
    for (born, (_, moves)) in &pages {
        ensure!(*moves <= 1, "the page of node {born} moved {moves} times");
    }
    Ok(pages
        .into_iter()
        .map(|(born, (nid, _))| (born, nid))
        .collect())
}

fn nodes() -> impl Strategy<Value = Nodes> {
    prop_oneof![
        4 => prop::collection::btree_set(0..8_u16, 0..8),
        1 => prop::collection::btree_set(0..MAX_NODES as u16, 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn pages_go_where_migrate_pages_would_take_them(from in nodes(), to in nodes()) {
        let remap = Remap::new(set(&from), set(&to));
        let everywhere: Nodes = from.union(&to).copied().chain(0..8).collect();
        for (born, nid) in play(&remap, &everywhere)? {
            prop_assert_eq!(nid, naive(&from, &to, born), "from {}", born);
        }
    }

    #[test]
    fn all_end_on_allowed_nodes(
        old in nodes(),
        new in nodes().prop_filter("some node", |new| !new.is_empty()),
        more in nodes(),
    ) {
        let all: Nodes = old.union(&new).chain(&more).copied().collect();
        let remap = Remap::allowed(set(&old), set(&new), &set(&all));
        for (born, nid) in play(&remap, &all)? {
            if old.contains(&born) {
                prop_assert_eq!(nid, naive(&old, &new, born), "from {}", born);
            }
            prop_assert!(new.contains(&nid), "from {} to {}", born, nid);
        }
    }
}
