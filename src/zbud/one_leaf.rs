// SPDX-License-Identifier: GPL-2.0

//! A table of one leaf, for the tests beside the code.

use super::leaf::Leaf;
use super::table::Table;

pub(super) struct OneLeaf(pub(super) Leaf);

impl Table for OneLeaf {
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        (number == 0).then_some(&self.0)
    }

    fn leaves(&self) -> u32 {
        1
    }
}
