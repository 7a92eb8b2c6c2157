// SPDX-License-Identifier: GPL-2.0

//! What of a page no zpage takes, for movers that show pages to others.

use super::books::Books;
use super::chunk::{Buddy, PAGE_SIZE};
use super::error::Error;
use super::id::{DescId, PageAddr};
use super::node_books::NodeBooks;
use super::state::State;
use super::table::Table;
use core::ops::Range;

/// Between the zpages and behind the last, as bytes of the page; they may be empty.
pub type Gaps = [Range<usize>; 2];

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// The bytes of a page that no zpage has: nobody writes to them as long as the pool lock
    /// is held. `None` while a zpage may be copied into the page. Under the page lock as well.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] when `id` does not describe `page` (any more), or it is lost.
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
        let end = |(at, bytes): (usize, usize)| at.saturating_add(bytes);
        let [first, last] = Buddy::BOTH.map(|buddy| {
            let extent = desc.len(buddy).map(|len| len.extent(buddy));
            extent.map(|extent| (extent.offset(), extent.bytes()))
        });
        let last = last.unwrap_or((PAGE_SIZE, 0));
        Ok(Some([first.map_or(0, end)..last.0, end(last)..PAGE_SIZE]))
    }
}
