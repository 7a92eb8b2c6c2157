// SPDX-License-Identifier: GPL-2.0

//! The leaves of a pool that have a free descriptor.

use super::descriptor::Descriptor;
use super::error::Error;
use super::id::DescId;
use super::leaf::{Leaf, DESCRIPTORS_PER_LEAF};
use super::list::{List, Push, Removal};
use super::state::State;
use super::table::{LeafEntries, Table};

/// The list of leaves that have a free descriptor. A full leaf is on no list.
pub(super) struct OpenLeaves(List);

/// The change to the list when a descriptor of a leaf is released.
enum Change<'t> {
    /// The leaf had a free descriptor before, and is kept.
    None,
    /// The leaf was full.
    Push(Push<'t>),
    /// The leaf is no longer needed.
    Remove(Removal<'t>),
}

/// Prepared for [`OpenLeaves::release`].
#[must_use]
pub(super) struct Release<'t> {
    leaf: &'t Leaf,
    change: Change<'t>,
}

impl OpenLeaves {
    pub(super) const NONE: Self = Self(List::EMPTY);

    /// Whether there is a free descriptor.
    #[inline]
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Sets up the leaf that the table has under `number`, and adds it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the table does not have it.
    pub(super) fn add<T: Table>(&mut self, table: &T, number: u32) -> Result<(), Error> {
        let leaf = table.leaf(number).ok_or(Error::Corrupt)?;
        let push = self.0.prepare_push(LeafEntries(table))?;
        leaf.set_up(number);
        self.0.push(number, leaf.links(), push);
        Ok(())
    }

    /// Takes a free descriptor into use.
    ///
    /// # Errors
    ///
    /// [`Error::NoDescriptor`] when there is none, [`Error::Corrupt`].
    #[inline]
    pub(super) fn reserve<'t, T: Table>(
        &mut self,
        table: &'t T,
    ) -> Result<(DescId, &'t Descriptor), Error> {
        let number = self.0.first().ok_or(Error::NoDescriptor)?;
        let leaf = table.leaf(number).ok_or(Error::Corrupt)?;
        let (id, desc) = leaf.first_free().ok_or(Error::Corrupt)?;
        if leaf.used() >= DESCRIPTORS_PER_LEAF - 1 {
            let removal = leaf.links().prepare_remove(LeafEntries(table))?;
            self.0.remove(leaf.links(), removal);
        }
        leaf.reserve(desc);
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
        let change = if leaf.full() {
            Change::Push(self.0.prepare_push(LeafEntries(table))?)
        } else if leaf.used() == 1 && !leaf.links().alone() {
            Change::Remove(leaf.links().prepare_remove(LeafEntries(table))?)
        } else {
            Change::None
        };
        Ok(Release { leaf, change })
    }

    /// Makes a descriptor that is in state `from` free. Returns the number of its
    /// leaf if that is no longer needed. One unused leaf is kept, so that a pool
    /// that grows and shrinks by a page does not allocate each time.
    #[inline(always)]
    pub(super) fn release(
        &mut self,
        id: DescId,
        desc: &Descriptor,
        from: State,
        release: Release<'_>,
    ) -> Option<u32> {
        let Release { leaf, change } = release;
        desc.step(from, State::Free);
        leaf.release(id);
        match change {
            Change::None => None,
            Change::Push(push) => {
                self.0.push(id.leaf(), leaf.links(), push);
                None
            }
            Change::Remove(removal) => {
                self.0.remove(leaf.links(), removal);
                Some(id.leaf())
            }
        }
    }

    /// Checks the list and returns its length.
    ///
    /// # Errors
    ///
    /// The number of a leaf that should not be there, or is linked wrongly.
    pub(super) fn verify<T: Table>(&self, table: &T) -> Result<u64, u32> {
        let limit = u64::from(table.leaves());
        self.0.verify(LeafEntries(table), limit, |number| {
            let leaf = table.leaf(number);
            leaf.is_some_and(|leaf| !leaf.full() && leaf.number() == number)
        })
    }
}
