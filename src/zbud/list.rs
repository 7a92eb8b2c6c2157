// SPDX-License-Identifier: GPL-2.0

//! The doubly linked list of the core: unbuddied pages, empty pages and
//! leaves with a free descriptor are all on lists of this kind.
//!
//! The links are in the entries, which are named by numbers below 2^31 and found
//! through [`Entries`]. A list is changed in two steps, so that a caller can look
//! up all that it needs, and refuse, before it changes anything:
//! [`List::prepare_push`] and [`Links::prepare_remove`] can fail and change
//! nothing; [`List::push`] and [`List::remove`] cannot fail.

use super::error::Error;
use super::primitive::{AtomicU32, Ordering};

/// The name of no entry: its top bit is set.
const NONE: u32 = u32::MAX;

/// The name that was stored, if it is one.
#[inline]
fn name(raw: u32) -> Option<u32> {
    (raw >> 31 == 0).then_some(raw)
}

/// Finds the links of an entry by its name.
pub(super) trait Entries<'t> {
    /// # Errors
    ///
    /// [`Error::Corrupt`] when there is no such entry.
    fn links(&self, name: u32) -> Result<&'t Links, Error>;
}

/// The neighbours of an entry. The pool lock protects them.
#[repr(C)]
pub(super) struct Links {
    next: AtomicU32,
    prev: AtomicU32,
}

/// Prepared for [`List::push`]: the first entry so far.
#[must_use]
pub(super) struct Push<'t> {
    first: Option<&'t Links>,
}

/// Prepared for [`List::remove`]: the neighbours of the entry.
#[must_use]
pub(super) struct Removal<'t> {
    next: Option<&'t Links>,
    prev: Option<&'t Links>,
}

impl<'t> Push<'t> {
    /// For a push right after that of the entry with these links to the same list.
    pub(super) fn after(links: &'t Links) -> Self {
        Self { first: Some(links) }
    }
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicU32::new(NONE),
            prev: AtomicU32::new(NONE),
        }
    }

    /// The raw link to the next entry. An entry that is on no list may keep a
    /// number of its owner's there.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    #[inline]
    fn prev(&self) -> u32 {
        self.prev.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_prev(&self, prev: u32) {
        self.prev.store(prev, Ordering::Relaxed);
    }

    /// As [`Links::prepare_remove`], for an entry that is removed right after entry `name`,
    /// whose removal is `before`: they may be neighbours.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a neighbour cannot be found.
    pub(super) fn prepare_remove_after<'t>(
        &self,
        entries: impl Entries<'t>,
        name: u32,
        before: &Removal<'t>,
    ) -> Result<Removal<'t>, Error> {
        let find = |raw, instead| match self::name(raw) {
            Some(found) if found == name => Ok(instead),
            found => found.map(|name| entries.links(name)).transpose(),
        };
        Ok(Removal {
            next: find(self.next(), before.next)?,
            prev: find(self.prev(), before.prev)?,
        })
    }

    /// Looks up what the removal of this entry needs. Inlined, as the result would
    /// otherwise be returned through memory on hot paths.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when a neighbour cannot be found.
    #[inline(always)]
    pub(super) fn prepare_remove<'t>(
        &self,
        entries: impl Entries<'t>,
    ) -> Result<Removal<'t>, Error> {
        let find = |raw| name(raw).map(|name| entries.links(name)).transpose();
        Ok(Removal {
            next: find(self.next())?,
            prev: find(self.prev())?,
        })
    }
}

/// A list: the name of its first entry.
///
/// # Invariants
///
/// The links of its entries agree with each other, from the first entry to the
/// last; an entry is on one list at most.
#[repr(transparent)]
pub(super) struct List {
    first: u32,
}

impl List {
    /// A list without entries.
    pub(super) const EMPTY: Self = Self { first: NONE };

    /// The name of the first entry.
    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        name(self.first)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// Looks up what a push needs. Inlined for the same reason.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the first entry cannot be found.
    #[inline(always)]
    pub(super) fn prepare_push<'t>(&self, entries: impl Entries<'t>) -> Result<Push<'t>, Error> {
        let first = self.first().map(|name| entries.links(name)).transpose()?;
        Ok(Push { first })
    }

    /// Makes an entry that is on no list the first of this one.
    #[inline]
    pub(super) fn push(&mut self, name: u32, links: &Links, push: Push<'_>) {
        if let Some(first) = push.first {
            first.set_prev(name);
        }
        // INVARIANT: `push` has the entry that was first.
        links.set_next(self.first);
        links.set_prev(NONE);
        self.first = name;
    }

    /// Removes an entry that is on this list.
    #[inline]
    pub(super) fn remove(&mut self, links: &Links, removal: Removal<'_>) {
        let (next, prev) = (links.next(), links.prev());
        // INVARIANT: `removal` has the neighbours, which are each other's now.
        if let Some(neighbour) = removal.next {
            neighbour.set_prev(prev);
        }
        match removal.prev {
            Some(neighbour) => neighbour.set_next(next),
            None => self.first = next,
        }
    }

    /// Whether the links of an entry of this list agree with those of its neighbours, or with
    /// the list where it has none. `belongs` says whether an entry may be on it.
    pub(super) fn holds<'t>(
        &self,
        entries: impl Entries<'t> + Copy,
        entry: u32,
        belongs: impl Fn(u32) -> bool,
    ) -> bool {
        let Ok(links) = entries.links(entry) else {
            return false;
        };
        let names_entry = |raw: u32, back: fn(&Links) -> u32| match name(raw) {
            Some(other) => {
                let links = entries.links(other);
                belongs(other) && links.is_ok_and(|links| back(links) == entry)
            }
            None => raw == NONE,
        };
        belongs(entry)
            && names_entry(links.next(), Links::prev)
            && names_entry(links.prev(), Links::next)
            && (links.prev() != NONE || self.first == entry)
    }

    /// The same for the entry that the list begins with, if there is one.
    pub(super) fn begins_well<'t>(
        &self,
        entries: impl Entries<'t> + Copy,
        belongs: impl Fn(u32) -> bool,
    ) -> bool {
        let Some(first) = self.first() else {
            return self.first == NONE;
        };
        let begins = entries.links(first).is_ok_and(|links| links.prev() == NONE);
        begins && self.holds(entries, first, belongs)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Entries named by their index; the others cannot be found.
    #[derive(Clone, Copy)]
    struct Found<'t>(&'t [Links]);

    impl<'t> Entries<'t> for Found<'t> {
        fn links(&self, name: u32) -> Result<&'t Links, Error> {
            self.0.get(name as usize).ok_or(Error::Corrupt)
        }
    }

    fn names(list: &List, entries: Found<'_>) -> Result<Vec<u32>, Error> {
        let mut names = Vec::new();
        let mut next = list.first();
        while let Some(name) = next {
            names.push(name);
            next = super::name(entries.links(name)?.next());
        }
        Ok(names)
    }

    /// All entries on one list, which begins with the last.
    fn list(entries: Found<'_>) -> Result<List, Error> {
        let mut list = List::EMPTY;
        assert!(list.is_empty());
        for (name, links) in (0..).zip(entries.0) {
            let push = list.prepare_push(entries)?;
            list.push(name, links, push);
        }
        Ok(list)
    }

    #[test]
    fn entries_come_first_and_leave_from_anywhere() -> Result<(), Error> {
        for leaving in 0..3 {
            let entries = [0; 3].map(|_| Links::new());
            let entries = Found(&entries);
            let mut list = list(entries)?;
            assert_eq!(names(&list, entries)?, [2, 1, 0]);
            assert!((0..3).all(|entry| list.holds(entries, entry, |_| true)));
            assert!(list.begins_well(entries, |_| true));
            for stranger in 0..3 {
                // Its neighbours see it, too: 2 and 0 have one each.
                let wrong = (0..3).filter(|&entry| !list.holds(entries, entry, |e| e != stranger));
                assert_eq!(wrong.count(), if stranger == 1 { 3 } else { 2 });
            }

            let links = entries.links(leaving)?;
            let removal = links.prepare_remove(entries)?;
            list.remove(links, removal);
            let mut left = vec![2, 1, 0];
            left.retain(|&name| name != leaving);
            assert_eq!(names(&list, entries)?, left);
            assert!(left
                .iter()
                .all(|&entry| list.holds(entries, entry, |_| true)));
            assert!(list.begins_well(entries, |_| true));
        }
        Ok(())
    }

    #[test]
    fn two_entries_leave_and_come_back_at_once() -> Result<(), Error> {
        for (one, two) in [
            (0, 1),
            (1, 0),
            (0, 2),
            (2, 0),
            (1, 2),
            (2, 1),
            (0, 3),
            (3, 1),
        ] {
            let entries = [0; 4].map(|_| Links::new());
            let entries = Found(&entries);
            let mut list = list(entries)?;
            let (first, second) = (entries.links(one)?, entries.links(two)?);
            let removal = first.prepare_remove(entries)?;
            let after = second.prepare_remove_after(entries, one, &removal)?;
            list.remove(first, removal);
            list.remove(second, after);
            let mut left = vec![3, 2, 1, 0];
            left.retain(|&name| name != one && name != two);
            assert_eq!(names(&list, entries)?, left);
            assert!(left.iter().all(|&name| list.holds(entries, name, |_| true)));

            let push = list.prepare_push(entries)?;
            list.push(one, first, push);
            list.push(two, second, Push::after(first));
            left.splice(0..0, [two, one]);
            assert_eq!(names(&list, entries)?, left);
            assert!(left.iter().all(|&name| list.holds(entries, name, |_| true)));
        }
        Ok(())
    }

    #[test]
    fn a_change_that_cannot_be_prepared_changes_nothing() -> Result<(), Error> {
        let entries = [0; 3].map(|_| Links::new());
        let (lost, entries) = (Found(&entries[..2]), Found(&entries));
        let list = list(entries)?;
        assert_eq!(list.prepare_push(lost).err(), Some(Error::Corrupt));
        let removal = entries.links(1)?.prepare_remove(lost);
        assert_eq!(removal.err(), Some(Error::Corrupt));
        assert_eq!(names(&list, entries)?, [2, 1, 0]);
        assert!(list.begins_well(entries, |_| true));
        assert!(!list.begins_well(lost, |_| true));
        assert!(!list.holds(lost, 1, |_| true));
        Ok(())
    }

    #[test]
    fn links_that_are_no_names_are_seen() -> Result<(), Error> {
        // Not that of no entry.
        const WRONG: u32 = NONE - 1;
        let entries = [0; 3].map(|_| Links::new());
        let entries = Found(&entries);
        let mut list = list(entries)?;
        entries.links(0)?.set_next(WRONG);
        assert!(!list.holds(entries, 0, |_| true));
        entries.links(0)?.set_next(NONE);
        assert!(list.holds(entries, 0, |_| true));
        entries.links(2)?.set_prev(WRONG);
        assert!(!list.holds(entries, 2, |_| true));
        assert!(!list.begins_well(entries, |_| true));
        entries.links(2)?.set_prev(NONE);
        assert!(list.begins_well(entries, |_| true));
        assert!(!list.begins_well(entries, |_| false));
        list.first = WRONG;
        assert!(!list.begins_well(entries, |_| true));
        // Its first entry is not the one that says so.
        list.first = 1;
        assert!(!list.holds(entries, 2, |_| true));
        assert!(!list.begins_well(entries, |_| true));
        Ok(())
    }
}
