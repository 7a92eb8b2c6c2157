// SPDX-License-Identifier: GPL-2.0

//! A naive pool, to compare the real one with.

use super::pool::{Pool, Put};
use super::{some, Trouble};
use crate::ensure;
use std::collections::{BTreeMap, BTreeSet};
use zbud_movable_core::zbud::{
    Buddy, DescId, Error, Extent, Freed, Len, MappedZpage, Nid, PageAddr, SlotId, State, Table,
    CHUNK_SIZE, NCHUNKS, PAGE_SIZE, SHARE,
};

/// A zpage.
#[derive(Clone, Debug)]
pub struct Zpage {
    /// Its handle.
    pub slot: SlotId,
    /// The bytes that were stored.
    pub bytes: Vec<u8>,
    /// The results of the maps that were not undone.
    pub pins: Vec<MappedZpage>,
    /// The page it is in.
    pub addr: PageAddr,
    /// And as which buddy.
    pub buddy: Buddy,
    /// The descriptor of that page.
    pub page: DescId,
}

impl Zpage {
    /// The chunks it takes.
    pub fn chunks(&self) -> usize {
        self.bytes.len().div_ceil(CHUNK_SIZE)
    }

    /// Offset in its page.
    pub fn offset(&self) -> usize {
        match self.buddy {
            Buddy::First => 0,
            Buddy::Last => PAGE_SIZE - self.chunks() * CHUNK_SIZE,
        }
    }
}

/// A page of the pool.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its descriptor.
    pub id: DescId,
    /// Its node.
    pub nid: Nid,
    /// The key of the zpage that is its first buddy.
    pub first: Option<u32>,
    /// And of its last.
    pub last: Option<u32>,
    /// Whether a move of it has begun.
    pub moving: bool,
    /// Whether it is being released.
    pub leaving: bool,
    /// Whether a zpage is being copied to it.
    pub joining: bool,
    /// Whether it is for no zpage any more.
    pub vacated: bool,
}

impl Page {
    /// The keys of its zpages.
    pub fn zpages(&self) -> impl Iterator<Item = u32> + use<> {
        [self.first, self.last].into_iter().flatten()
    }

    fn buddy(&mut self, buddy: Buddy) -> &mut Option<u32> {
        match buddy {
            Buddy::First => &mut self.first,
            Buddy::Last => &mut self.last,
        }
    }

    /// Whether it could be moved, but for pins.
    pub fn movable(&self) -> bool {
        use State::{Buddied, Empty, Unbuddied};
        matches!(self.state(), Unbuddied | Buddied | Empty)
    }

    /// The state of its descriptor.
    pub fn state(&self) -> State {
        match (self.moving, self.zpages().count()) {
            (true, _) => State::Moving,
            _ if self.joining => State::Joining,
            (false, 0) if self.leaving => State::Leaving,
            (false, 0) if self.vacated => State::Vacated,
            (false, 0) => State::Empty,
            (false, 1) => State::Unbuddied,
            (false, _) => State::Buddied,
        }
    }
}

/// The pool as it must be.
#[derive(Default)]
pub struct Reference {
    /// Keys are never used twice.
    pub zpages: BTreeMap<u32, Zpage>,
    /// By address.
    pub pages: BTreeMap<usize, Page>,
    /// Zpages of pages that were lost, by the same keys.
    pub lost: BTreeMap<u32, Zpage>,
    /// Such pages that were not dropped yet, by address.
    pub lost_pages: BTreeMap<usize, Page>,
    /// Where zpages of each node are put; there, if nobody said so.
    pub homes: BTreeMap<u16, Nid>,
    /// Empty pages that are kept on each node.
    pub kept: Option<usize>,
    /// None is kept while there are more pages.
    pub limit: Option<usize>,
    /// Of each node: pages that were released as too many, and how many of such were missed.
    demand: BTreeMap<u16, (usize, usize)>,
    keys: u32,
}

impl Reference {
    /// The page at an address.
    pub fn page(&mut self, addr: PageAddr) -> Result<&mut Page, Trouble> {
        some(self.pages.get_mut(&addr.address()), "such page")
    }

    fn zpage(&self, key: u32) -> Result<&Zpage, Trouble> {
        some(self.zpages.get(&key), "such zpage")
    }

    /// The pages on a node that could be moved, but for pins.
    pub fn movable_on(&self, nid: Nid) -> BTreeSet<usize> {
        let movable = Page::movable;
        self.pages
            .iter()
            .filter(|(_, page)| page.nid == nid && movable(page))
            .map(|(&address, _)| address)
            .collect()
    }

    /// How many pages on a node are being moved.
    pub fn moving_on(&self, nid: Nid) -> usize {
        let pages = self.pages.values();
        let moving = |page: &Page| page.moving || page.joining;
        pages.filter(|page| page.nid == nid && moving(page)).count()
    }

    /// Where zpages of a node are put.
    pub fn home(&self, nid: Nid) -> Nid {
        self.homes.get(&nid.0).map_or(nid, |&home| home)
    }

    /// The nodes but for that home on which zpages may be put.
    pub fn elsewhere(&self, home: Nid, nodes: u16) -> impl Iterator<Item = Nid> + '_ {
        let nodes = (0..nodes).map(Nid);
        nodes.filter(move |&nid| nid != home && self.home(nid) == nid)
    }

    /// The pages a zpage should be put into: those that fit best on the first of
    /// `nodes` where any does.
    pub fn best_fit(&self, mut nodes: impl Iterator<Item = Nid>, chunks: usize) -> Vec<PageAddr> {
        let free = |page: &Page| {
            let lone = page.state() == State::Unbuddied;
            let mut taken = page.zpages().filter_map(|key| self.zpages.get(&key));
            taken
                .next()
                .filter(|_| lone)
                .map(|zpage| NCHUNKS - zpage.chunks())
        };
        let best_on = |nid| {
            let on_node = |page: &&Page| page.nid == nid;
            let fitting = |page: &Page| free(page).filter(|&free| free >= chunks);
            let best = self.pages.values().filter(on_node).filter_map(fitting);
            let best = best.min();
            let pages = self.pages.iter();
            let pages: Vec<_> = pages
                .filter(|(_, page)| page.nid == nid)
                .filter(|(_, page)| best.is_some() && free(page) == best)
                .filter_map(|(&address, _)| PageAddr::new(address))
                .collect();
            Some(pages).filter(|pages| !pages.is_empty())
        };
        nodes.find_map(best_on).unwrap_or_default()
    }

    /// The pages without zpages on a node that wait for one.
    pub fn empty_on(&self, nid: Nid) -> Vec<PageAddr> {
        let pages = self.pages.iter();
        pages
            .filter(|(_, page)| page.nid == nid && page.state() == State::Empty)
            .filter_map(|(&address, _)| PageAddr::new(address))
            .collect()
    }

    /// The pages without zpages on a node that could be released, and which of them are
    /// vacated.
    pub fn releasable_on(&self, nid: Nid) -> (usize, Vec<PageAddr>) {
        let pages = self.pages.iter();
        let vacated = pages
            .filter(|(_, page)| page.nid == nid && page.state() == State::Vacated)
            .filter_map(|(&address, _)| PageAddr::new(address));
        let vacated: Vec<_> = vacated.collect();
        (self.empty_on(nid).len() + vacated.len(), vacated)
    }

    /// Whether a zpage that is elsewhere has a slot in a descriptor.
    pub fn keeps(&self, id: DescId) -> bool {
        let all = self.zpages.values().chain(self.lost.values());
        all.filter(|zpage| zpage.slot.desc() == id)
            .any(|zpage| zpage.page != id)
    }

    /// Whether a descriptor is there for the slot of this zpage only.
    fn is_stub(&self, zpage: &Zpage) -> bool {
        let owner = zpage.slot.desc();
        let mut pages = self.pages.values().chain(self.lost_pages.values());
        zpage.page != owner && !pages.any(|page| page.id == owner)
    }

    /// The pages beside whose zpage that of the page at `addr` should go, `None` when the
    /// page has not just one.
    pub fn partners(
        &mut self,
        addr: PageAddr,
        elsewhere: bool,
        nodes: u16,
    ) -> Result<Option<Vec<PageAddr>>, Trouble> {
        let page = self.page(addr)?.clone();
        if page.state() != State::Unbuddied {
            return Ok(None);
        }
        let key = some(page.zpages().next(), "zpage")?;
        let chunks = self.zpage(key)?.chunks();
        // Not beside itself.
        self.page(addr)?.moving = true;
        let others = (0..nodes).map(Nid).filter(|&nid| nid != page.nid);
        let others = others.filter(|&nid| elsewhere && self.home(nid) == nid);
        let mut partners = self.best_fit([page.nid].into_iter(), chunks);
        if partners.is_empty() {
            partners = others
                .flat_map(|nid| self.best_fit([nid].into_iter(), chunks))
                .collect();
            // The fullest of all these nodes.
            let taken = |addr: &PageAddr| {
                let page = self.pages.get(&addr.address());
                let key = page.and_then(|page| page.zpages().next());
                key.and_then(|key| self.zpages.get(&key)).map(Zpage::chunks)
            };
            let most = partners.iter().map(taken).max();
            partners.retain(|addr| Some(taken(addr)) == most);
        }
        self.page(addr)?.moving = false;
        Ok(Some(partners))
    }

    /// Notes that the zpage of page `src` is, or is not, beside that of page `dst` now; as
    /// `buddy`.
    pub fn repaired(
        &mut self,
        src: PageAddr,
        dst: PageAddr,
        buddy: Buddy,
        copied: bool,
    ) -> Result<(), Trouble> {
        let from = self.page(src)?;
        from.moving = false;
        let key = from.zpages().next();
        from.vacated = copied || key.is_none();
        let to = self.page(dst)?;
        to.joining = false;
        let Some(key) = key.filter(|_| copied) else {
            return Ok(());
        };
        *to.buddy(buddy) = Some(key);
        let page = to.id;
        let from = self.page(src)?;
        (from.first, from.last) = (None, None);
        let zpage = some(self.zpages.get_mut(&key), "such zpage")?;
        (zpage.addr, zpage.buddy, zpage.page) = (dst, buddy, page);
        Ok(())
    }

    /// Notes a zpage that was stored.
    pub fn put(&mut self, put: &Put, id: DescId, nid: Nid, bytes: Vec<u8>) -> Result<u32, Trouble> {
        let key = self.keys;
        self.keys += 1;
        let buddy = if put.joined {
            let page = self.page(put.addr)?;
            let buddy = match (page.first, page.last) {
                (None, Some(_)) => Buddy::First,
                (Some(_), None) => Buddy::Last,
                _ => return Err(Trouble("joined a page that is not unbuddied".into())),
            };
            *page.buddy(buddy) = Some(key);
            buddy
        } else if put.refilled {
            let page = self.page(put.addr)?;
            ensure!(
                page.state() == State::Empty && page.nid == nid && page.id == id,
                "{:?} was not empty",
                put.addr
            );
            page.first = Some(key);
            Buddy::First
        } else {
            let page = Page {
                id,
                nid,
                first: Some(key),
                last: None,
                moving: false,
                leaving: false,
                joining: false,
                vacated: false,
            };
            let before = self.pages.insert(put.addr.address(), page);
            ensure!(before.is_none(), "{:?} is in the pool twice", put.addr);
            let more = self.pages_on(nid) / SHARE as usize;
            let (released, missed) = self.demand.entry(nid.0).or_default();
            if *released != 0 {
                *released -= 1;
                *missed += usize::from(*missed < more);
            }
            Buddy::First
        };
        let zpage = Zpage {
            slot: put.slot,
            bytes,
            pins: Vec::new(),
            addr: put.addr,
            buddy,
            page: self.page(put.addr)?.id,
        };
        self.zpages.insert(key, zpage);
        Ok(key)
    }

    /// Forgets a zpage that was freed; says what should have become of its page.
    /// `locked`: somebody has the page lock.
    pub fn free(&mut self, key: u32, locked: bool, freed: Freed) -> Result<(), Trouble> {
        let zpage = some(self.zpages.remove(&key), "such zpage")?;
        let nid = self.page(zpage.addr)?.nid;
        let all = self.pages.len() + self.lost_pages.len();
        let beyond = self.limit.is_some_and(|limit| all > limit);
        let pages = self.pages_on(nid);
        let missed = self.demand.get(&nid.0).map_or(0, |&(_, missed)| missed);
        let kept = self.kept.map_or(0, |kept| {
            kept.max(pages / SHARE as usize) + missed.min(pages / SHARE as usize)
        });
        let enough = beyond || self.empty_on(nid).len() >= kept;
        let stub = self.is_stub(&zpage);
        // The page of one that was re-paired is never released at once.
        let locked = locked || zpage.page != zpage.slot.desc();
        let page = self.page(zpage.addr)?;
        *page.buddy(zpage.buddy) = None;
        let right = match (page.state(), freed) {
            (state, Freed::Forgotten(forgotten)) => {
                let emptied = state == State::Empty;
                stub && forgotten.emptied == emptied && forgotten.surplus == (emptied && enough)
            }
            _ if stub => false,
            (State::Joining, Freed::Moving) => true,
            (State::Moving, Freed::Moving) | (State::Unbuddied, Freed::Kept) => true,
            (State::Empty, Freed::Empty { surplus }) => (locked || !enough) && surplus == enough,
            (State::Empty, Freed::Released(released)) => {
                self.pages.remove(&zpage.addr.address());
                self.demand.entry(nid.0).or_default().0 += usize::from(!beyond);
                !locked && enough && released.page == zpage.addr
            }
            _ => false,
        };
        ensure!(right, "free of a zpage in {:?} said {freed:?}", zpage.addr);
        Ok(())
    }

    fn pages_on(&self, nid: Nid) -> usize {
        let all = self.pages.values().chain(self.lost_pages.values());
        all.filter(|page| page.nid == nid).count()
    }

    /// Notes that pages were released as too many.
    pub fn surplus(&mut self, nid: Nid, pages: usize) {
        self.demand.entry(nid.0).or_default().0 += pages;
    }

    /// Notes that `idle` pages were not needed for some time.
    pub fn idle(&mut self, nid: Nid, idle: usize) {
        let most = self.pages_on(nid) / SHARE as usize;
        let (released, missed) = self.demand.entry(nid.0).or_default();
        (*released, *missed) = (0, most.min(*missed).saturating_sub(idle));
    }

    /// Notes that a page was lost.
    pub fn lose(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        let page = some(self.pages.remove(&addr.address()), "such page")?;
        for key in page.zpages() {
            let zpage = some(self.zpages.remove(&key), "such zpage")?;
            self.lost.insert(key, zpage);
        }
        self.lost_pages.insert(addr.address(), page);
        Ok(())
    }

    /// Whether a lost page is mapped still.
    pub fn lost_is_mapped(&self, page: &Page) -> bool {
        let mut zpages = page.zpages().filter_map(|key| self.lost.get(&key));
        zpages.any(|zpage| !zpage.pins.is_empty())
    }

    /// Forgets a lost zpage that was freed; says what should have become of its descriptor.
    pub fn free_lost(&mut self, key: u32, freed: Freed) -> Result<(), Trouble> {
        let zpage = some(self.lost.remove(&key), "such zpage")?;
        let stub = self.is_stub(&zpage);
        let others = |other: &Zpage| other.page == zpage.page;
        let last = !self.lost.values().any(others);
        let mut pages = self.lost_pages.values();
        let dropped = !pages.any(|page| page.id == zpage.page);
        let gone = stub || last && dropped;
        let right = match freed {
            Freed::Forgotten(forgotten) => gone && !forgotten.emptied,
            Freed::Kept => !gone,
            _ => false,
        };
        ensure!(right, "free of a lost zpage said {freed:?}");
        Ok(())
    }

    /// Notes that a page has moved.
    pub fn moved(&mut self, src: PageAddr, dst: PageAddr, nid: Nid) -> Result<(), Trouble> {
        let mut page = some(self.pages.remove(&src.address()), "such page")?;
        page.moving = false;
        page.nid = nid;
        for key in page.zpages() {
            some(self.zpages.get_mut(&key), "such zpage")?.addr = dst;
        }
        self.pages.insert(dst.address(), page);
        Ok(())
    }

    /// Whether a zpage of the page is mapped.
    pub fn pinned(&self, page: &Page) -> bool {
        page.zpages()
            .filter_map(|key| self.zpages.get(&key))
            .any(|zpage| !zpage.pins.is_empty())
    }

    /// The pieces of a page that must be copied.
    pub fn extents(&self, page: &Page) -> Result<Vec<(usize, usize)>, Trouble> {
        page.zpages()
            .map(|key| {
                let zpage = self.zpage(key)?;
                Ok((zpage.offset(), zpage.bytes.len()))
            })
            .collect()
    }

    /// Compares everything that can be seen of the pool but what the validator sees.
    pub fn compare(&self, pool: &Pool) -> Result<(), Trouble> {
        for (&address, page) in &self.pages {
            let desc = pool.table.descriptor(page.id)?;
            let seen = (
                desc.page().map(PageAddr::address),
                desc.nid(),
                desc.state(),
                Buddy::BOTH.map(|buddy| desc.len(buddy).map(Len::bytes)),
                Buddy::BOTH.map(|buddy| desc.rmap(buddy)),
                desc.pins(&pool.table),
            );
            let both = [page.first, page.last];
            let both = both.map(|key| key.and_then(|key| self.zpages.get(&key)));
            let pins = both.iter().flatten().map(|zpage| zpage.pins.len() as u64);
            let expected = (
                Some(address),
                page.nid,
                Some(page.state()),
                both.map(|zpage| zpage.map(|zpage| zpage.bytes.len())),
                both.map(|zpage| zpage.map(|zpage| zpage.slot)),
                pins.sum(),
            );
            ensure!(seen == expected, "page {seen:?} should be {expected:?}");
            let nid = PageAddr::new(address).and_then(|addr| pool.pages.nid(addr));
            ensure!(nid == Some(page.nid), "{address:#x} is on node {nid:?}");
        }
        for zpage in self.zpages.values() {
            let moving = self.pages.get(&zpage.addr.address());
            let mapped = pool.map(zpage.slot);
            if some(moving, "page of a zpage")?.moving {
                ensure!(
                    mapped == Err(Error::Frozen),
                    "moving {:?}: {mapped:?}",
                    zpage.slot
                );
                continue;
            }
            let mapped = mapped?;
            pool.unmap(zpage.slot)?;
            ensure!(
                mapped.address == zpage.addr.address() + zpage.offset()
                    && zpage.pins.iter().all(|&pin| pin == mapped),
                "{:?} is mapped at {mapped:?}",
                zpage.slot
            );
            let intact = mapped.len.bytes() == zpage.bytes.len()
                && pool
                    .pages
                    .bytes(mapped.address)
                    .is_some_and(|page| page.starts_with(&zpage.bytes));
            ensure!(intact, "the bytes of {:?} have changed", zpage.slot);
        }
        for zpage in self.lost.values() {
            let mapped = pool.map(zpage.slot);
            ensure!(
                mapped == Err(Error::Lost),
                "lost {:?}: {mapped:?}",
                zpage.slot
            );
        }
        self.compare_counters(pool)
    }

    fn compare_counters(&self, pool: &Pool) -> Result<(), Trouble> {
        let books = &pool.books;
        for (nid, node) in (0..).zip(books.nodes()) {
            let on_node = || self.pages.values().filter(|page| page.nid == Nid(nid));
            let seen = (
                node.pages(),
                node.zpages(),
                node.unbuddied_pages(),
                node.empty_pages(),
                node.vacated_pages(),
                node.winnable(),
            );
            let lone = on_node().filter(|page| page.state() == State::Unbuddied);
            let lost = self.lost_pages.values();
            let lost = lost.filter(|page| page.nid == Nid(nid)).count();
            let expected = (
                (on_node().count() + lost) as u64,
                on_node().map(|page| page.zpages().count() as u64).sum(),
                lone.count() as u64,
                self.empty_on(Nid(nid)).len() as u64,
                self.releasable_on(Nid(nid)).1.len() as u64,
                self.winnable(Nid(nid)),
            );
            ensure!(seen == expected, "node {nid}: {seen:?}, not {expected:?}");
        }
        let bytes: usize = self.zpages.values().map(|zpage| zpage.bytes.len()).sum();
        let empty = self.pages.values();
        let empty = empty.filter(|page| {
            use State::{Empty, Leaving, Vacated};
            matches!(page.state(), Empty | Leaving | Vacated)
        });
        let seen = (
            books.pages(),
            books.empty_pages(),
            books.stored_bytes(),
            books.lost_zpages(),
        );
        let expected = (
            (self.pages.len() + self.lost_pages.len()) as u64,
            empty.count() as u64,
            bytes as u64,
            self.lost.len() as u64,
        );
        ensure!(seen == expected, "the pool: {seen:?}, not {expected:?}");
        let without = self.pages.values();
        let without = without.filter(|page| page.zpages().count() == 0).count();
        ensure!(
            self.pages.len() - without <= self.zpages.len(),
            "more pages than zpages"
        );
        Ok(())
    }

    /// The pages that could be won on a node, by the largest zpages first, each beside the
    /// largest that leaves room for it.
    fn winnable(&self, nid: Nid) -> u64 {
        let lone = self.pages.values();
        let lone = lone.filter(|page| page.nid == nid && page.state() == State::Unbuddied);
        let zpages = lone.flat_map(Page::zpages);
        let zpages = zpages.filter_map(|key| self.zpages.get(&key));
        let mut chunks: Vec<_> = zpages.map(Zpage::chunks).collect();
        chunks.sort_unstable();
        let mut won = 0;
        while let Some(large) = chunks.pop() {
            let fits = chunks.iter().rposition(|&other| large + other <= NCHUNKS);
            if let Some(at) = fits {
                chunks.remove(at);
                won += 1;
            }
        }
        won
    }

    /// Whether a piece is one that a move of the page must copy.
    pub fn same(extents: [Option<Extent>; 2], expected: &[(usize, usize)]) -> bool {
        let extents = extents.into_iter().flatten();
        let extents: Vec<_> = extents.map(|e| (e.offset(), e.bytes())).collect();
        extents == expected
    }
}
