// SPDX-License-Identifier: GPL-2.0

//! Pages: bytes, a node, references and a page lock.

use super::{some, Trouble};
use crate::ensure;
use std::collections::BTreeMap;
use zbud_movable_core::zbud::{Extent, Nid, PageAddr, PAGE_SIZE};

/// The contents of a page that nobody has written, or that the pool released.
pub const POISON: u8 = 0xa5;

/// The holder of a page lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Someone in the kernel, compaction for example.
    Someone,
    /// A mover: the page is the source or the target of a move.
    Mover,
    /// The pool, which sets the page up or tears it down.
    Pool,
}

struct Page {
    bytes: Vec<u8>,
    nid: Nid,
    lock: Option<Holder>,
    references: u32,
}

/// All pages. Addresses are made up; a page that is freed is the next to
/// be handed out, so that what should have been forgotten is met again.
#[derive(Default)]
pub struct Pages {
    pages: BTreeMap<usize, Page>,
    free: Vec<usize>,
    made: usize,
}

/// The page an address is in, and the offset there.
fn split(address: usize) -> (usize, usize) {
    (address & !(PAGE_SIZE - 1), address & (PAGE_SIZE - 1))
}

impl Pages {
    /// A page with one reference, not locked.
    pub fn alloc(&mut self, nid: Nid) -> Result<PageAddr, Trouble> {
        let address = self.free.pop().unwrap_or_else(|| {
            self.made += 1;
            self.made * PAGE_SIZE
        });
        let page = Page {
            bytes: vec![POISON; PAGE_SIZE],
            nid,
            lock: None,
            references: 1,
        };
        let before = self.pages.insert(address, page);
        ensure!(before.is_none(), "page {address:#x} was handed out twice");
        some(PageAddr::new(address), "page 0")
    }

    fn page(&mut self, addr: PageAddr) -> Result<&mut Page, Trouble> {
        let address = addr.address();
        self.pages
            .get_mut(&address)
            .ok_or_else(|| Trouble(format!("page {address:#x} is used but is not there")))
    }

    /// Takes a reference.
    pub fn get(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        self.page(addr)?.references += 1;
        Ok(())
    }

    /// Drops a reference, with the last of them the page.
    pub fn put(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        let page = self.page(addr)?;
        page.references -= 1;
        if page.references == 0 {
            ensure!(page.lock.is_none(), "{addr:?} was freed while locked");
            self.pages.remove(&addr.address());
            self.free.push(addr.address());
        }
        Ok(())
    }

    /// The pool's part when it releases a page, under the page lock: the
    /// bytes may be anything now, the pool's reference goes.
    pub fn release(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        let page = self.page(addr)?;
        ensure!(page.lock.is_some(), "{addr:?} was released without lock");
        page.bytes.fill(POISON);
        page.references -= 1;
        ensure!(page.references != 0, "{addr:?} was freed while locked");
        Ok(())
    }

    /// Takes the page lock, if it is free, and a reference with it.
    pub fn try_lock(&mut self, addr: PageAddr, holder: Holder) -> bool {
        let Ok(page) = self.page(addr) else {
            return false;
        };
        if page.lock.is_some() {
            return false;
        }
        page.lock = Some(holder);
        page.references += 1;
        true
    }

    /// Hands the page lock on to another holder.
    pub fn hand_over(&mut self, addr: PageAddr, holder: Holder) -> Result<(), Trouble> {
        let page = self.page(addr)?;
        ensure!(page.lock.is_some(), "{addr:?} is not locked");
        page.lock = Some(holder);
        Ok(())
    }

    /// Drops the page lock and the reference taken with it.
    pub fn unlock(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        let was = self.page(addr)?.lock.take();
        ensure!(was.is_some(), "{addr:?} was unlocked but not locked");
        self.put(addr)
    }

    /// The holder of the page lock.
    pub fn holder(&self, addr: PageAddr) -> Option<Holder> {
        self.pages.get(&addr.address())?.lock
    }

    /// The node of a page.
    pub fn nid(&self, addr: PageAddr) -> Option<Nid> {
        Some(self.pages.get(&addr.address())?.nid)
    }

    /// Pages that somebody has a reference on.
    pub fn allocated(&self) -> usize {
        self.pages.len()
    }

    /// The bytes at an address, as many as the page still has.
    pub fn bytes(&self, address: usize) -> Option<&[u8]> {
        let (page, offset) = split(address);
        self.pages.get(&page)?.bytes.get(offset..)
    }

    /// Writes at an address.
    pub fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), Trouble> {
        let (page, offset) = split(address);
        let page = some(self.pages.get_mut(&page), "page to write to")?;
        let target = page.bytes.get_mut(offset..offset + bytes.len());
        some(target, "room in the page")?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies a piece of one page to another place in another.
    pub fn copy_to(
        &mut self,
        from: (PageAddr, Extent),
        to: (PageAddr, Extent),
    ) -> Result<(), Trouble> {
        let at = |(page, extent): (PageAddr, Extent)| page.address() + extent.offset();
        let bytes = self.bytes(at(from));
        let bytes = some(bytes.and_then(|all| all.get(..from.1.bytes())), "source")?.to_vec();
        self.write(at(to), &bytes)
    }

    /// Copies a piece of one page to the same place in another.
    pub fn copy(&mut self, src: PageAddr, dst: PageAddr, extent: Extent) -> Result<(), Trouble> {
        let bytes = self.bytes(src.address() + extent.offset());
        let bytes = some(bytes.and_then(|all| all.get(..extent.bytes())), "source")?.to_vec();
        self.write(dst.address() + extent.offset(), &bytes)
    }
}
