// SPDX-License-Identifier: GPL-2.0

//! What of a page no zpage takes, for movers that show pages to others.

use super::books::Books;
use super::chunk::{Buddy, Extent, PAGE_SIZE};
use super::error::Error;
use super::id::{DescId, PageAddr};
use super::moving::slot_of;
use super::node_books::NodeBooks;
use super::state::State;
use super::table::Table;
use core::ops::Range;

/// Between the zpages and behind the last, as bytes of the page; they may be empty.
pub type Gaps = [Range<usize>; 2];

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// The bytes of a page that no zpage has: nobody writes to them as long as the pool lock
    /// is held. `None` while a zpage is being copied into the page, or is there but was not
    /// written yet: so all else in the page is of the pool. Under the page lock as well.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when `id` does not describe `page` (any more), or it is lost;
    /// [`Error::Corrupt`].
    pub fn gaps<T: Table>(
        &self,
        table: &T,
        id: DescId,
        page: PageAddr,
    ) -> Result<Option<Gaps>, Error> {
        let desc = table.descriptor(id).map_err(|_| Error::Stale)?;
        if desc.page() != Some(page) {
            return Err(Error::Stale);
        }
        match desc.state() {
            Some(
                State::Unbuddied | State::Buddied | State::Empty | State::Vacated | State::Leaving,
            ) => {}
            Some(State::Moving | State::Joining) => return Ok(None),
            _ => return Err(Error::Stale),
        }
        for buddy in Buddy::BOTH {
            if slot_of(table, desc, buddy)?.is_some_and(|slot| !slot.is_written()) {
                return Ok(None);
            }
        }
        let [first, last] = desc.extents();
        let end = |extent: Extent| extent.offset().saturating_add(extent.bytes());
        let offset = last.map_or(PAGE_SIZE, Extent::offset);
        Ok(Some([
            first.map_or(0, end)..offset,
            last.map_or(PAGE_SIZE, end)..PAGE_SIZE,
        ]))
    }
}
