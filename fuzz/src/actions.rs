// SPDX-License-Identifier: GPL-2.0

//! Actions on a pool and on the reference, as tests/property.rs does them, but chosen by the
//! input.

use crate::common::driver::{some_leaves, Action, World, NODES};
use zbud_movable_core::zbud::{CHUNK_SIZE, PAGE_SIZE};

/// No run stores more zpages at most: after each action the whole pool is compared.
const MOST: usize = 600;

/// An input that is read from its beginning.
struct Bytes<'a> {
    left: &'a [u8],
    /// How many zpages may be stored still.
    stores: usize,
}

/// Does what `data` says.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes {
        left: data,
        stores: MOST,
    };
    let Some(kind) = bytes.byte() else { return };
    let audited = kind & 1 != 0;
    let mut world = if audited {
        World::audited()
    } else {
        World::new()
    };
    // Now and then, as a large pool takes its time.
    let mut actions = if kind >= 0xf8 {
        some_leaves()
    } else {
        Vec::new()
    };
    while let Some(action) = bytes.action() {
        // An audit that goes on takes a leaf that is hidden for a corrupt pool.
        if !(audited && matches!(action, Action::Hide { .. })) {
            actions.push(action);
        }
    }
    let done = actions.iter().try_for_each(|action| world.apply(action));
    if let Err(trouble) = done.and_then(|()| world.end()) {
        panic!("{trouble}, after {actions:?}");
    }
}

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, left) = self.left.split_first()?;
        self.left = left;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? & 1 != 0)
    }

    fn below(&mut self, end: usize) -> Option<usize> {
        Some(usize::from(self.byte()?) % end)
    }

    fn nid(&mut self) -> Option<u16> {
        Some(u16::from(self.byte()?) % NODES)
    }

    /// One of what there is; there may be more than a byte can tell apart.
    fn k(&mut self) -> Option<usize> {
        let k = usize::from(self.byte()?);
        Some(if k < 0xf0 {
            k
        } else {
            k * 256 + self.below(256)?
        })
    }

    /// A length: whole chunks more often than not, where the edges are.
    fn len(&mut self) -> Option<usize> {
        let chunks = self.below(PAGE_SIZE / CHUNK_SIZE)?;
        let byte = usize::from(self.byte()?);
        Some(
            chunks * CHUNK_SIZE
                + if byte < 192 {
                    byte % 2 * 63
                } else {
                    byte - 192
                }
                + 1,
        )
    }

    /// One mostly, and so many that there are more leaves now and then.
    fn count(&mut self) -> Option<usize> {
        let byte = usize::from(self.byte()?);
        Some((byte.saturating_sub(240) * 6).max(1))
    }

    fn store(&mut self) -> Option<Action> {
        let count = self.count()?.min(self.stores);
        self.stores -= count;
        Some(Action::Store {
            count,
            len: self.len()?,
            nid: self.nid()?,
            full: self.flag()?,
        })
    }

    /// The next action; `None` at the end.
    fn action(&mut self) -> Option<Action> {
        Some(match self.byte()? % 35 {
            0..=4 => self.store()?,
            5 | 6 => Action::Free {
                count: self.count()?,
                k: self.k()?,
            },
            7 => Action::Map { k: self.k()? },
            8 => Action::Unmap { k: self.k()? },
            9 => Action::Write {
                k: self.k()?,
                seed: self.byte()?,
            },
            10 => Action::Begin {
                k: self.k()?,
                nid: self.nid()?,
            },
            11 => Action::Finish { k: self.k()? },
            12 => Action::Cancel { k: self.k()? },
            13 => Action::Move {
                k: self.k()?,
                nid: self.nid()?,
                all: self.below(8)? == 0,
            },
            14 => Action::Hold { k: self.k()? },
            15 => Action::Unhold { k: self.k()? },
            16 => Action::Take {
                nid: self.nid()?,
                at_most: match self.below(5)? {
                    4 => usize::MAX,
                    few => few,
                },
                skip: self.below(3)?,
            },
            17 => Action::Work {
                k: self.k()?,
                back: self.flag()?,
            },
            18 => Action::Keep {
                pages: self.below(64)?,
            },
            19 => Action::Surplus {
                nid: self.nid()?,
                pages: self.below(20)? + 1,
            },
            20 => Action::Idle { nid: self.nid()? },
            21 => Action::Limit {
                pages: Some(self.below(64)?).filter(|&pages| pages < 60),
            },
            22 => Action::Repair {
                k: self.k()?,
                elsewhere: self.flag()?,
                freed: [self.flag()?, self.flag()?],
                copied: self.flag()?,
            },
            23 => Action::BeginRepair {
                k: self.k()?,
                elsewhere: self.flag()?,
            },
            24 => Action::FinishRepair {
                k: self.k()?,
                copied: self.flag()?,
            },
            25 => Action::Compact {
                elsewhere: self.flag()?,
            },
            26 => Action::Reserve,
            27 => Action::Fill {
                k: self.k()?,
                len: self.len()?,
                nid: self.nid()?,
            },
            28 => Action::Unreserve { k: self.k()? },
            29 => match self.byte()? {
                0xff => Action::Grow,
                nodes => Action::Allow { nodes },
            },
            30 => Action::Lose { k: self.k()? },
            31 => Action::DropLost { back: self.flag()? },
            32 => Action::FreeLost { k: self.k()? },
            33 => match self.byte()? {
                0..=63 => Action::Walk { nid: self.nid()? },
                64..=127 => Action::Gather {
                    k: self.k()?,
                    count: self.count()?,
                },
                _ => Action::Misuse { k: self.k()? },
            },
            _ => Action::Hide { k: self.k()? },
        })
    }
}
