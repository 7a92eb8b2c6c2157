// SPDX-License-Identifier: GPL-2.0

//! The table that finds leaves, and through them descriptors.

use super::descriptor::Descriptor;
use super::error::Error;
use super::id::DescId;
use super::leaf::Leaf;
use super::list::{Entries, Links};

/// Finds leaves by number.
///
/// A leaf may be removed again when the books say that it is no longer needed
/// (`Released::leaf`, `Books::unreserve`). The owner of the table ensures that
/// nobody holds a reference into the leaf then. For callers of the core this
/// holds because a leaf with a zpage's slot or a page's descriptor in it is never
/// released, and because everything else is looked up under the pool lock and not
/// kept.
pub trait Table {
    /// The leaf of that number.
    fn leaf(&self, number: u32) -> Option<&Leaf>;

    /// One more than the highest number that `leaf` may know.
    fn leaves(&self) -> u32;

    /// The descriptor of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when there is none: names come from the pool itself.
    #[inline]
    fn descriptor(&self, id: DescId) -> Result<&Descriptor, Error> {
        self.leaf(id.leaf())
            .and_then(|leaf| leaf.descriptor(id.offset()))
            .ok_or(Error::Corrupt)
    }
}

/// Descriptors as entries of a list, named by [`DescId::raw`].
pub(super) struct DescriptorEntries<'t, T>(pub(super) &'t T);

impl<T> Copy for DescriptorEntries<'_, T> {}

impl<T> Clone for DescriptorEntries<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'t, T: Table> Entries<'t> for DescriptorEntries<'t, T> {
    #[inline]
    fn links(&self, name: u32) -> Result<&'t Links, Error> {
        let id = DescId::from_raw(name).ok_or(Error::Corrupt)?;
        Ok(self.0.descriptor(id)?.links())
    }
}

/// Leaves as entries of a list, named by their numbers.
pub(super) struct LeafEntries<'t, T>(pub(super) &'t T);

impl<T> Copy for LeafEntries<'_, T> {}

impl<T> Clone for LeafEntries<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'t, T: Table> Entries<'t> for LeafEntries<'t, T> {
    #[inline]
    fn links(&self, name: u32) -> Result<&'t Links, Error> {
        Ok(self.0.leaf(name).ok_or(Error::Corrupt)?.links())
    }
}
