// SPDX-License-Identifier: GPL-2.0

//! A table of leaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use zbud_movable_core::zbud::{Cursor, DescId, Descriptor, Leaf, Table};

/// A table whose leaves are never freed but can be removed: then `leaf` does not
/// know the number any more, and a use of the leaf shows as an error.
/// A number can be used again, for another leaf.
pub struct Leaves {
    arena: Vec<OnceLock<Box<Leaf>>>,
    made: AtomicUsize,
    /// Index = number; 0, or one more than the place in the arena.
    numbers: Vec<AtomicUsize>,
    /// 0, or one more than the number of a leaf that is not shown.
    hidden: AtomicUsize,
}

impl Leaves {
    /// Room for `at_once` leaves at any one time, `in_all` over the time of a test.
    pub fn new(at_once: usize, in_all: usize) -> Self {
        Self {
            arena: (0..in_all).map(|_| OnceLock::new()).collect(),
            made: AtomicUsize::new(0),
            numbers: (0..at_once).map(|_| AtomicUsize::new(0)).collect(),
            hidden: AtomicUsize::new(0),
        }
    }

    /// Puts a new leaf under the lowest number that is free. The caller adds it
    /// to its books.
    pub fn grow(&self) -> Option<u32> {
        let (number, entry) = self
            .numbers
            .iter()
            .enumerate()
            .find(|(_, entry)| entry.load(Ordering::SeqCst) == 0)?;
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        self.arena.get(made)?.get_or_init(|| Box::new(Leaf::new()));
        entry.store(made.checked_add(1)?, Ordering::SeqCst);
        u32::try_from(number).ok()
    }

    /// Removes a leaf; false when there is none.
    pub fn remove(&self, number: u32) -> bool {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.numbers.get(number))
            .is_some_and(|entry| entry.swap(0, Ordering::SeqCst) != 0)
    }

    /// Does something while one leaf is not shown, as if the table had lost it.
    pub fn without<R>(&self, number: u32, act: impl FnOnce(&Self) -> R) -> R {
        self.hidden.store(number as usize + 1, Ordering::SeqCst);
        let result = act(self);
        self.hidden.store(0, Ordering::SeqCst);
        result
    }

    /// All descriptors, with their names.
    pub fn descriptors(&self) -> impl Iterator<Item = (DescId, &Descriptor)> {
        let mut cursor = Cursor::start();
        std::iter::from_fn(move || loop {
            match cursor.next_in_leaf(self) {
                Some(next) => return Some(next),
                None if cursor.next_leaf(self) => {}
                None => return None,
            }
        })
    }

    fn find(&self, number: u32) -> Option<&Leaf> {
        let entry = self.numbers.get(usize::try_from(number).ok()?)?;
        let place = entry.load(Ordering::SeqCst).checked_sub(1)?;
        self.arena.get(place)?.get().map(Box::as_ref)
    }

    /// A descriptor, though its leaf may be hidden: it was found before.
    pub fn even_hidden(&self, id: DescId) -> Option<&Descriptor> {
        self.find(id.leaf())?.descriptor(id.offset())
    }

    /// Leaves that are there.
    pub fn present(&self) -> impl Iterator<Item = &Leaf> {
        (0..self.leaves()).filter_map(|number| self.leaf(number))
    }
}

impl Table for Leaves {
    fn leaf(&self, number: u32) -> Option<&Leaf> {
        let hidden = self.hidden.load(Ordering::SeqCst);
        self.find(number).filter(|_| hidden != number as usize + 1)
    }

    fn leaves(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }
}
