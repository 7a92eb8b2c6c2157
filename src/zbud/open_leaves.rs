// SPDX-License-Identifier: GPL-2.0

//! The leaves of a pool that have a free descriptor.

use super::descriptor::Descriptor;
use super::error::Error;
use super::id::DescId;
use super::leaf::{Leaf, DESCRIPTORS_PER_LEAF};
use super::list::{List, Push, Removal};
use super::state::State;
use super::table::{LeafEntries, Table};

/// How far the number of used descriptors is shifted to tell a leaf's list.
const FILL_SHIFT: u32 = 4;
/// Lists, by fill.
const FILLS: usize = (DESCRIPTORS_PER_LEAF >> FILL_SHIFT) + 1;

/// The list of a leaf with so many descriptors in use; none of a full one.
#[inline]
fn fill(used: usize) -> Option<usize> {
    (used < DESCRIPTORS_PER_LEAF).then_some(used >> FILL_SHIFT)
}

/// Leaves on the first so many lists are sparse: those of which less than 32 descriptors, three
/// eighths, are in use.
const SPARSE: usize = 2;
/// So many leaves at the beginning of each of these are looked at for one that can be won: some may
/// be in use no more, or be the next.
const LOOKS: usize = 4;

/// Whether so little of a leaf is used that it should go. Under the pool lock.
pub(super) fn is_sparse(leaf: &Leaf) -> bool {
    fill(leaf.used()).is_some_and(|fill| fill < SPARSE)
}

/// The lists of leaves that have a free descriptor. A full leaf is on no list.
///
/// Descriptors are taken from a leaf among the fullest, so that those that only few pages
/// use lose them in time, and go.
pub(super) struct OpenLeaves {
    /// By [`fill`].
    lists: [List; FILLS],
    /// Free descriptors in all leaves.
    free: u64,
    /// As many are to be free at least, or a leaf is wanted.
    low: u64,
}

/// The change to the lists when the fill of a leaf changes.
enum Change<'t> {
    /// It stays on its list.
    None,
    /// It was full.
    Push(Push<'t>),
    /// It is full now, or no longer needed.
    Remove(Removal<'t>),
    /// It goes to another list.
    Relist(Removal<'t>, Push<'t>),
}

/// Prepared for [`OpenLeaves::release`].
#[must_use]
pub(super) struct Release<'t> {
    leaf: &'t Leaf,
    used: usize,
    change: Change<'t>,
}

impl OpenLeaves {
    pub(super) const NONE: Self = Self {
        lists: [List::EMPTY; FILLS],
        free: 0,
        low: 0,
    };

    /// Whether there is a free descriptor.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.free != 0
    }

    /// Whether there are so few that a leaf should be added.
    #[inline]
    pub(super) fn wanted(&self) -> bool {
        self.free <= self.low
    }

    /// From now on a leaf is [wanted](Self::wanted) when no more than `low` are free.
    pub(super) fn set_low(&mut self, low: u64) {
        self.low = low;
    }

    /// Whether there are so many that a leaf could go.
    #[inline]
    pub(super) fn enough(&self) -> bool {
        // CAST: 85.
        self.free >= self.low.saturating_add(DESCRIPTORS_PER_LEAF as u64)
    }

    /// Whether a sparse leaf is in use and is not the [next](Self::next).
    pub(super) fn any_sparse<T: Table>(&self, table: &T) -> bool {
        let next = self.next().ok();
        let leaves = |list: &List| {
            let after = |number: &u32| Some(table.leaf(*number)?.links().next());
            core::iter::successors(list.first(), after).take(LOOKS)
        };
        let used = |number| table.leaf(number).is_some_and(|leaf| leaf.used() != 0);
        let mut sparse = self.lists.iter().take(SPARSE).flat_map(leaves);
        sparse.any(|number| used(number) && Some(number) != next)
    }

    fn list(&self, fill: usize) -> Result<&List, Error> {
        self.lists.get(fill).ok_or(Error::Corrupt)
    }

    #[inline]
    fn prepare_push<'t, T: Table>(&self, table: &'t T, fill: usize) -> Result<Push<'t>, Error> {
        self.list(fill)?.prepare_push(LeafEntries(table))
    }

    #[inline]
    fn push(&mut self, leaf: &Leaf, fill: usize, push: Push<'_>) {
        if let Some(list) = self.lists.get_mut(fill) {
            list.push(leaf.number(), leaf.links(), push);
        }
    }

    #[inline]
    fn remove(&mut self, leaf: &Leaf, fill: usize, removal: Removal<'_>) {
        if let Some(list) = self.lists.get_mut(fill) {
            list.remove(leaf.links(), removal);
        }
    }

    /// What becomes of a leaf with `from` used descriptors when it has `to`.
    #[inline]
    fn prepare<'t, T: Table>(
        &self,
        table: &'t T,
        leaf: &Leaf,
        from: usize,
        to: usize,
    ) -> Result<Change<'t>, Error> {
        let (from, to) = (fill(from), fill(to));
        if from == to {
            return Ok(Change::None);
        }
        let removal = |_| leaf.links().prepare_remove(LeafEntries(table));
        let push = |fill| self.prepare_push(table, fill);
        Ok(match (from.map(removal), to.map(push)) {
            (None, None) => Change::None,
            (None, Some(push)) => Change::Push(push?),
            (Some(removal), None) => Change::Remove(removal?),
            (Some(removal), Some(push)) => Change::Relist(removal?, push?),
        })
    }

    /// Makes that change to a leaf that had `from` used descriptors and has `to`.
    #[inline]
    fn change(&mut self, leaf: &Leaf, from: usize, to: usize, change: Change<'_>) {
        let (from, to) = (fill(from).unwrap_or(FILLS), fill(to).unwrap_or(FILLS));
        match change {
            Change::None => {}
            Change::Push(push) => self.push(leaf, to, push),
            Change::Remove(removal) => self.remove(leaf, from, removal),
            Change::Relist(removal, push) => {
                self.remove(leaf, from, removal);
                self.push(leaf, to, push);
            }
        }
    }

    /// Sets up the leaf that the table has under `number`, and adds it. `mark` is that of
    /// the audit.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the table does not have it.
    pub(super) fn add<T: Table>(&mut self, table: &T, number: u32, mark: u16) -> Result<(), Error> {
        let leaf = table.leaf(number).ok_or(Error::Corrupt)?;
        let push = self.prepare_push(table, 0)?;
        leaf.set_up(number, mark);
        self.push(leaf, 0, push);
        // CAST: 85.
        self.free = self.free.saturating_add(DESCRIPTORS_PER_LEAF as u64);
        Ok(())
    }

    /// The leaf of which the next descriptor is taken.
    ///
    /// # Errors
    ///
    /// [`Error::NoDescriptor`] when there is none.
    #[inline]
    pub(super) fn next(&self) -> Result<u32, Error> {
        let mut lists = self.lists.iter().rev();
        lists.find_map(List::first).ok_or(Error::NoDescriptor)
    }

    /// Takes a free descriptor of leaf `number`, the [next](Self::next), into use.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`].
    #[inline]
    pub(super) fn reserve<'t, T: Table>(
        &mut self,
        table: &'t T,
        number: u32,
    ) -> Result<(DescId, &'t Descriptor), Error> {
        let leaf = table.leaf(number).ok_or(Error::Corrupt)?;
        let (id, desc) = leaf.first_free().ok_or(Error::Corrupt)?;
        let used = leaf.used();
        let change = self.prepare(table, leaf, used, used.saturating_add(1))?;

        self.change(leaf, used, used.saturating_add(1), change);
        leaf.reserve(desc);
        self.free = self.free.wrapping_sub(1);
        desc.step(State::Free, State::Reserved);
        Ok((id, desc))
    }

    /// Looks up what the release of a descriptor in use needs. Inlined, as the result
    /// would otherwise be returned through memory on hot paths.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when it cannot be found.
    #[inline(always)]
    pub(super) fn prepare_release<'t, T: Table>(
        &self,
        table: &'t T,
        id: DescId,
    ) -> Result<Release<'t>, Error> {
        let leaf = table.leaf(id.leaf()).ok_or(Error::Corrupt)?;
        let used = leaf.used();
        let change = if used == 1 && self.enough() {
            Change::Remove(leaf.links().prepare_remove(LeafEntries(table))?)
        } else {
            self.prepare(table, leaf, used, used.saturating_sub(1))?
        };
        Ok(Release { leaf, used, change })
    }

    /// Fails if [`prepare_release`](Self::prepare_release) of a descriptor in use may fail
    /// after the release of another one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when what it needs cannot be found.
    #[cold]
    pub(super) fn check_release<T: Table>(&self, table: &T, id: DescId) -> Result<(), Error> {
        let leaf = table.leaf(id.leaf()).ok_or(Error::Corrupt)?;
        for list in &self.lists {
            let _ = list.prepare_push(LeafEntries(table))?;
        }
        // The other one has found its own leaf, and the neighbours of that.
        if !leaf.full() {
            let _ = leaf.links().prepare_remove(LeafEntries(table))?;
        }
        Ok(())
    }

    /// Makes a descriptor that is in state `from` free. Returns the number of its leaf if
    /// that is no longer needed. One unused leaf is kept, so that a pool that grows and
    /// shrinks by a page does not allocate each time.
    #[inline(always)]
    pub(super) fn release(
        &mut self,
        id: DescId,
        desc: &Descriptor,
        from: State,
        release: Release<'_>,
    ) -> Option<u32> {
        let Release { leaf, used, change } = release;
        desc.step(from, State::Free);
        leaf.release(id);
        self.free = self.free.wrapping_add(1);
        let removed = matches!(change, Change::Remove(_));
        self.change(leaf, used, used.saturating_sub(1), change);
        if !removed {
            return None;
        }
        // CAST: 85.
        self.free = self.free.wrapping_sub(DESCRIPTORS_PER_LEAF as u64);
        Some(id.leaf())
    }

    /// Whether a leaf is on the list that it should be on, if on any.
    pub(super) fn verify<T: Table>(&self, table: &T, leaf: &Leaf) -> bool {
        let Some(fill) = fill(leaf.used()) else {
            return leaf.full();
        };
        let list = self.lists.get(fill);
        !leaf.full()
            && list.is_some_and(|list| {
                list.holds(LeafEntries(table), leaf.number(), belongs(table, fill))
            })
    }

    /// Whether each list begins with a leaf that should be on it.
    pub(super) fn verify_lists<T: Table>(&self, table: &T) -> bool {
        let mut lists = self.lists.iter().enumerate();
        lists.all(|(fill, list)| list.begins_well(LeafEntries(table), belongs(table, fill)))
    }

    /// Free descriptors.
    pub(super) fn free(&self) -> u64 {
        self.free
    }
}

/// Whether a leaf may be on a list.
fn belongs<T: Table>(table: &T, list: usize) -> impl Fn(u32) -> bool + '_ {
    move |number| {
        let leaf = table.leaf(number);
        leaf.is_some_and(|leaf| leaf.number() == number && fill(leaf.used()) == Some(list))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::zbud::one_leaf::OneLeaf;

    /// A leaf on list `fill`, though none of its descriptors is in use.
    fn on_list(fill: usize) -> Result<(OneLeaf, OpenLeaves), Error> {
        let table = OneLeaf(Leaf::new());
        let mut leaves = OpenLeaves::NONE;
        table.0.set_up(0, 0);
        let push = leaves.prepare_push(&table, fill)?;
        leaves.push(&table.0, fill, push);
        Ok((table, leaves))
    }

    #[test]
    fn leaves_come_to_each_list() {
        let mut fills: Vec<_> = (0..DESCRIPTORS_PER_LEAF).filter_map(fill).collect();
        fills.dedup();
        assert!(fills.into_iter().eq(0..FILLS));
        assert_eq!(fill(DESCRIPTORS_PER_LEAF), None);
    }

    #[test]
    fn a_leaf_is_on_the_list_of_its_fill() -> Result<(), Error> {
        for fill in 0..FILLS {
            let (table, leaves) = on_list(fill)?;
            assert_eq!(leaves.verify(&table, &table.0), fill == 0, "{fill}");
            assert_eq!(leaves.verify_lists(&table), fill == 0, "{fill}");
        }
        Ok(())
    }

    #[test]
    fn a_leaf_on_a_list_has_the_number_by_which_it_is_found() -> Result<(), Error> {
        let (table, leaves) = on_list(0)?;
        table.0.set_up(1, 0);
        assert!(!leaves.verify_lists(&table));
        Ok(())
    }

    #[test]
    fn a_leaf_is_sparse_up_to_three_eighths() {
        let leaf = Leaf::new();
        leaf.set_up(0, 0);
        for used in 0..DESCRIPTORS_PER_LEAF {
            assert_eq!((leaf.used(), is_sparse(&leaf)), (used, used < 32));
            let taken = leaf.first_free().map(|(_, desc)| leaf.reserve(desc));
            assert!(taken.is_some());
        }
        assert!(!is_sparse(&leaf));
    }

    /// Takes a descriptor into use that is not the first free one: `free` is that then.
    fn reserve_another(leaf: &Leaf, free: usize) -> Result<(), Error> {
        let another = leaf.descriptor(0).ok_or(Error::Corrupt)?;
        another
            .links()
            .set_next(u32::try_from(free).map_err(|_| Error::Corrupt)?);
        leaf.reserve(another);
        Ok(())
    }

    #[test]
    fn a_leaf_has_free_descriptors_unless_all_are_in_use() -> Result<(), Error> {
        let (table, leaves) = on_list(0)?;
        reserve_another(&table.0, usize::from(u8::MAX))?;
        assert_eq!((table.0.used(), table.0.full()), (1, true));
        assert!(!leaves.verify(&table, &table.0));

        let (table, leaves) = (OneLeaf(Leaf::new()), OpenLeaves::NONE);
        table.0.set_up(0, 0);
        while let Some((_, desc)) = table.0.first_free() {
            table.0.reserve(desc);
        }
        assert!(leaves.verify(&table, &table.0));
        let last = DescId::new(0, DESCRIPTORS_PER_LEAF - 1).ok_or(Error::Corrupt)?;
        table.0.release(last);
        reserve_another(&table.0, last.offset())?;
        assert_eq!(table.0.used(), DESCRIPTORS_PER_LEAF);
        assert!(!table.0.full() && !leaves.verify(&table, &table.0));
        Ok(())
    }
}
