// SPDX-License-Identifier: GPL-2.0

//! The table of a pool: its leaves stay in memory for good, as a handle is the address of a
//! descriptor in one of them.

use zbud_movable_core::zbud::{DescId, Descriptor, Error, Leaf, Table};

/// Leaves by number.
#[derive(Default)]
pub struct Leaves {
    leaves: Vec<Option<&'static Leaf>>,
    /// Numbers that no leaf has any more, and the leaves themselves, to be used again.
    unused: Vec<(u32, &'static Leaf)>,
}

impl Leaves {
    /// A number for a leaf, which is to be added to the books.
    pub fn grow(&mut self) -> Result<u32, Error> {
        let (number, leaf) = match self.unused.pop() {
            Some(unused) => unused,
            None => {
                let number = self.leaves();
                self.leaves.push(None);
                (number, &*Box::leak(Box::new(Leaf::new())))
            }
        };
        let entry = self.leaves.get_mut(number as usize);
        *entry.ok_or(Error::NoDescriptor)? = Some(leaf);
        Ok(number)
    }

    /// Removes a leaf.
    pub fn remove(&mut self, number: u32) {
        if let Some(entry) = self.leaves.get_mut(number as usize) {
            self.unused.extend(entry.take().map(|leaf| (number, leaf)));
        }
    }

    /// A descriptor, for as long as the program runs.
    pub fn find(&self, id: DescId) -> Result<&'static Descriptor, Error> {
        let leaf = self.leaves.get(id.leaf() as usize).copied().flatten();
        let desc = leaf.and_then(|leaf| leaf.descriptor(id.offset()));
        desc.ok_or(Error::Corrupt)
    }
}

impl Table for Leaves {
    #[inline]
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        self.leaves.get(number as usize).copied().flatten()
    }

    #[inline]
    fn leaves(&self) -> u32 {
        u32::try_from(self.leaves.len()).unwrap_or(u32::MAX)
    }
}
