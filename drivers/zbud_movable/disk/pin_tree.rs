// SPDX-License-Identifier: GPL-2.0

//! The pins of a disk.

use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::{new_mutex, Mutex};

/// A pinned zpage, and how often it is pinned.
pub(super) struct Pin {
    pub(super) zpage: u64,
    pub(super) count: u32,
}

/// The pins of a disk, by block. Locked before blocks are.
pub(super) struct Pins(pub(super) core::pin::Pin<KBox<Mutex<RBTree<u64, Pin>>>>);

impl Pins {
    /// No pin. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        let pins = new_mutex!(RBTree::new(), "zbud_movable::Pins");
        Ok(Self(KBox::pin_init(pins, GFP_KERNEL)?))
    }
}
