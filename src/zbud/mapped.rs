// SPDX-License-Identifier: GPL-2.0

//! Mapping a zpage: from its slot to its bytes.

use super::chunk::{Buddy, Len};
use super::descriptor::Descriptor;
use super::error::Error;
use super::id::SlotIndex;
use super::table::Table;

/// A mapped zpage: pinned until its slot is unpinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedZpage {
    /// Address of the zpage's first byte.
    pub address: usize,
    /// Its length.
    pub len: Len,
}

impl Descriptor {
    /// Pins the zpage whose slot is slot `index` of this descriptor and says where
    /// the zpage is; the bytes stay there until `Slot::unpin`. Takes no lock, and does not
    /// wait.
    ///
    /// The caller ensures that the zpage is not freed meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] when there is no such zpage, [`Error::Frozen`] while it is being
    /// moved: the caller waits, in the way in which it can. A mover, which has preemption
    /// off, needs the time of one page copy, as long as its CPU runs; an interrupt handler
    /// must not wait: it may have interrupted the mover. [`Error::Pinned`] when its pin count
    /// is at its limit, [`Error::Lost`] when its memory is broken,
    /// [`Error::Corrupt`]. Nothing is pinned then.
    #[inline]
    pub fn map<T: Table>(&self, table: &T, index: SlotIndex) -> Result<MappedZpage, Error> {
        let slot = self.slot(index);
        let word = slot.pin()?;
        let buddy = word.place().buddy();
        let desc = if word.home() {
            self
        } else {
            match table.descriptor(word.place().desc()) {
                Ok(desc) => desc,
                Err(error) => {
                    slot.drop_pin()?;
                    return Err(error);
                }
            }
        };
        // Stable while pinned: moving, freeing and re-pairing all stop at a pin. A page that
        // is lost meanwhile is kept for those who have seen a length.
        match (desc.page(), desc.len(buddy)) {
            // No overflow: these are the addresses of whole pages.
            (Some(page), Some(len)) => Ok(MappedZpage {
                address: page.address().wrapping_add(len.extent(buddy).offset()),
                len,
            }),
            _ => {
                let lost = desc.is_lost(buddy);
                slot.drop_pin()?;
                Err(if lost { Error::Lost } else { Error::Corrupt })
            }
        }
    }

    /// Where the zpage is whose slot is slot `index` of this descriptor: the descriptor of its
    /// page; and its length. `None` when there is none, or its memory is broken. Under the pool
    /// lock.
    pub fn find<'t, T: Table>(
        &'t self,
        table: &'t T,
        index: SlotIndex,
    ) -> Option<(&'t Descriptor, Len)> {
        let word = self.slot(index).word();
        let place = word.live().then_some(word.place())?;
        let desc = table.descriptor(place.desc()).ok()?;
        Some((desc, desc.len(place.buddy())?))
    }

    /// How often the zpages of the page are mapped now. Under the pool lock; a
    /// hint, as pins come and go without it.
    pub fn pins<T: Table>(&self, table: &T) -> u64 {
        Buddy::BOTH
            .into_iter()
            .filter_map(|buddy| self.rmap(buddy))
            .filter_map(|slot| {
                let owner = table.descriptor(slot.desc()).ok()?;
                Some(owner.slot(slot.index()).word().pins())
            })
            .fold(0, u64::saturating_add)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::zbud::chunk::PAGE_SIZE;
    use crate::zbud::id::{DescId, Nid, PageAddr};
    use crate::zbud::leaf::Leaf;
    use crate::zbud::one_leaf::OneLeaf;

    #[test]
    fn a_zpage_without_a_length_is_not_mapped_and_not_lost() -> Result<(), Error> {
        let table = OneLeaf(Leaf::new());
        table.0.set_up(0, 0);
        let id = DescId::new(0, 5).ok_or(Error::Corrupt)?;
        let desc = table.descriptor(id)?;
        desc.set_page(PageAddr::new(PAGE_SIZE), Nid(0));
        let len = Len::new(100).map_err(|_| Error::Corrupt)?;
        let index = SlotIndex::A;
        desc.store_at(id, Buddy::First, index, len);
        let found = desc.map(&table, index)?;
        assert_eq!((found.address, found.len), (PAGE_SIZE, len));
        desc.slot(index).unpin()?;

        // As where a page is lost; but it is not.
        desc.lose(Buddy::First);
        assert_eq!(desc.map(&table, index), Err(Error::Corrupt));
        assert_eq!(desc.slot(index).unpin(), Err(Error::NotPinned));
        Ok(())
    }
}
