// SPDX-License-Identifier: GPL-2.0

//! The files of a device or a class in sysfs, as C wants them.

use super::bindings;
use kernel::prelude::*;

/// A group of attributes, and the list of groups that has just that.
pub(super) struct AttributeGroup {
    _attributes: KVec<*mut bindings::attribute>,
    _group: KBox<bindings::attribute_group>,
    groups: KBox<[*const bindings::attribute_group; 2]>,
}

impl AttributeGroup {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(
        attributes: impl Iterator<Item = &'static bindings::attribute>,
    ) -> Result<Self> {
        let mut list = KVec::new();
        for attribute in attributes {
            list.push(core::ptr::from_ref(attribute).cast_mut(), GFP_KERNEL)?;
        }
        list.push(core::ptr::null_mut(), GFP_KERNEL)?;
        let mut group = KBox::new(bindings::attribute_group::empty(), GFP_KERNEL)?;
        // SAFETY: Just sets a field.
        unsafe { bindings::zbm_attribute_group_set(&mut *group, list.as_mut_ptr()) };
        let groups = [core::ptr::from_ref(&*group), core::ptr::null()];
        Ok(Self {
            _attributes: list,
            _group: group,
            groups: KBox::new(groups, GFP_KERNEL)?,
        })
    }

    /// The list of groups, which stays where it is as long as `self` lives.
    pub(super) fn as_groups(&mut self) -> *mut *const bindings::attribute_group {
        self.groups.as_mut_ptr()
    }
}
