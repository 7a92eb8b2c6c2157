// SPDX-License-Identifier: GPL-2.0

//! `make density`: what it costs in density that zpages stay on their node. The core
//! stores zpages as long as lz4 makes them, each of a node at random, in two orders:
//!
//! - `any hole`: beside another on its node, else beside another anywhere, else in a new
//!   page on its node;
//! - `own node`: beside another on its node, else in a new page there, as the module does
//!   while that node has memory to spare.
//!
//! Prints, for each, zpages per page, and the share of zpages that are on their node.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow ends the program, as it should"
)]

#[path = "../tests/common/table.rs"]
#[allow(dead_code, reason = "made for the tests")]
mod table;

#[path = "../tests/common/sizes.rs"]
mod sizes;

use sizes::Random;
use table::Leaves;
use zbud_movable_core::zbud::{
    Books, Error, Freed, Nid, NodeBooks, PageAddr, SlotId, Table, PAGE_SIZE,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AnyHole,
    OwnNode,
}

/// zpages per page, and the share of zpages that are on their node.
type Figures = (f64, f64);

struct World {
    order: Order,
    nodes: u16,
    random: Random,
    table: Leaves,
    books: Books<Vec<NodeBooks>>,
    /// Each with whether it is on its node.
    zpages: Vec<(SlotId, bool)>,
    addresses: usize,
}

impl World {
    fn new(order: Order, nodes: u16, zpages: usize) -> Self {
        Self {
            order,
            nodes,
            random: Random::new(),
            table: Leaves::new(zpages / 64 + 2, zpages / 4 + 64),
            books: Books::new((0..nodes).map(|_| NodeBooks::new()).collect()),
            zpages: Vec::new(),
            addresses: 0,
        }
    }

    /// Stores a zpage of one of the first `nodes` nodes.
    fn store(&mut self, nodes: u16) -> Result<(), Error> {
        let len = self.random.len()?;
        let nid = Nid(self.random.below(nodes.into()) as u16);
        let mut stored = self.books.pair(&self.table, nid, len)?;
        if stored.is_none() && self.order == Order::AnyHole {
            stored = self.books.pair_elsewhere(&self.table, nid, len)?;
        }
        let stored = match stored {
            Some(stored) => stored,
            None => {
                if !self.books.has_descriptor() {
                    let number = self.table.grow().ok_or(Error::NoDescriptor)?;
                    self.books.add_leaf(&self.table, number)?;
                }
                let id = self.books.reserve(&self.table)?;
                self.addresses += 1;
                let page = PageAddr::new(self.addresses * PAGE_SIZE).ok_or(Error::Corrupt)?;
                self.books.insert(&self.table, id, page, nid, len)?
            }
        };
        self.zpages.push((stored.slot, stored.owner.nid() == nid));
        Ok(())
    }

    fn free(&mut self) -> Result<(), Error> {
        let k = self.random.below(self.zpages.len());
        let (slot, _) = self.zpages.swap_remove(k);
        let owner = self.table.descriptor(slot.desc())?;
        let freed = self
            .books
            .free(&self.table, owner, slot.index(), |_| true)?;
        if let Freed::Released(released) = freed {
            released.leaf.map(|number| self.table.remove(number));
        }
        Ok(())
    }

    fn figures(&self) -> Figures {
        let zpages = self.zpages.len() as f64;
        let local = self.zpages.iter().filter(|(_, local)| *local).count() as f64;
        (zpages / self.books.pages() as f64, local / zpages)
    }

    /// Fills the pool, replaces each zpage four times, frees half, and fills it again;
    /// the same once more, but now all new ones are of one node.
    fn run(mut self, zpages: usize) -> Result<[Figures; 5], Error> {
        for _ in 0..zpages {
            self.store(self.nodes)?;
        }
        let filled = self.figures();
        for _ in 0..4 * zpages {
            self.free()?;
            self.store(self.nodes)?;
        }
        let churned = self.figures();
        for _ in 0..zpages / 2 {
            self.free()?;
        }
        let halved = self.figures();
        for _ in 0..zpages / 2 {
            self.store(self.nodes)?;
        }
        let again = self.figures();
        for _ in 0..zpages / 2 {
            self.free()?;
        }
        for _ in 0..zpages / 2 {
            self.store(1)?;
        }
        Ok([filled, churned, halved, again, self.figures()])
    }
}

fn main() -> Result<(), Error> {
    println!(
        "| zpages | nodes | when | any hole | on their node | own node | on their node | loss |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|---:|");
    for zpages in [4 << 10, 32 << 10, 256 << 10] {
        for nodes in [1, 2, 4] {
            let any = World::new(Order::AnyHole, nodes, zpages).run(zpages)?;
            let own = World::new(Order::OwnNode, nodes, zpages).run(zpages)?;
            let when = [
                "filled",
                "4 x replaced",
                "half freed",
                "filled again",
                "half freed, filled again from one node",
            ];
            for ((when, any), own) in when.into_iter().zip(any).zip(own) {
                println!(
                    "| {zpages} | {nodes} | {when} | {:.3} | {:.0} % | {:.3} | {:.0} % | {:.2} % |",
                    any.0,
                    any.1 * 100.0,
                    own.0,
                    own.1 * 100.0,
                    (1.0 - own.0 / any.0) * 100.0,
                );
            }
        }
    }
    Ok(())
}
