// SPDX-License-Identifier: GPL-2.0

//! Does actions to a pool and to the reference, and compares the two.

use super::pages::Holder;
use super::pool::{Pool, Put};
use super::reference::{Page, Reference, Zpage};
use super::{some, Trouble};
use crate::ensure;
use std::collections::BTreeSet;
use zbud_movable_core::zbud::{
    Buddy, Cursor, DescId, Descriptor, Error, Finish, Freed, Leaf, Len, Nid, PageAddr, Repair,
    Repaired, SlotIndex, State, Table, CHUNK_SIZE, PAGE_SIZE,
};

/// The nodes of the pool.
pub const NODES: u16 = 3;

/// `k` and `at` choose one of what there is, modulo its number.
#[derive(Clone, Debug)]
pub enum Action {
    /// Stores `count` zpages of `len` bytes. `full`: their node has no page to spare.
    Store {
        count: usize,
        len: usize,
        nid: u16,
        full: bool,
    },
    /// Frees `count` zpages from the k-th on.
    Free {
        count: usize,
        k: usize,
    },
    Map {
        k: usize,
    },
    Unmap {
        k: usize,
    },
    /// Maps, writes, unmaps.
    Write {
        k: usize,
        seed: u8,
    },
    /// Begins a move of the k-th page and leaves it open.
    Begin {
        k: usize,
        nid: u16,
    },
    /// Ends the k-th open move.
    Finish {
        k: usize,
    },
    /// Ends the k-th open move where it began: the mover could not go on.
    Cancel {
        k: usize,
    },
    /// Moves the k-th page, or all, one after the other.
    Move {
        k: usize,
        nid: u16,
        all: bool,
    },
    /// Takes the k-th page's lock and keeps it.
    Hold {
        k: usize,
    },
    /// Drops the k-th of these locks.
    Unhold {
        k: usize,
    },
    /// The worker, first part: takes up to `at_most` pages without zpages.
    Take {
        nid: u16,
        at_most: usize,
        skip: usize,
    },
    /// The worker, second part: releases the k-th of these, or puts it `back`, as it does
    /// if somebody has the page.
    Work {
        k: usize,
        back: bool,
    },
    /// Keeps none while there are more.
    Limit {
        pages: Option<usize>,
    },
    /// Says that so many pages were released on a node, as they were too many.
    Surplus {
        nid: u16,
        pages: usize,
    },
    /// Asks how many are not needed there.
    Idle {
        nid: u16,
    },
    /// Keeps that many pages without zpages on each node from now on.
    Keep {
        pages: usize,
    },
    /// Begins to move the zpage of the k-th page beside another, on any node.
    BeginRepair {
        k: usize,
        elsewhere: bool,
    },
    /// Ends the k-th of these; it could be `copied` or not.
    FinishRepair {
        k: usize,
        copied: bool,
    },
    /// Re-pairs the k-th page; meanwhile the zpage that moves, or the other, is freed.
    Repair {
        k: usize,
        elsewhere: bool,
        freed: [bool; 2],
        copied: bool,
    },
    /// Re-pairs all that can be; the worker releases the pages that are won.
    Compact {
        elsewhere: bool,
    },
    /// Stores `count` zpages from the k-th on anew that keep leaves of which little is used.
    Gather {
        k: usize,
        count: usize,
    },
    /// The memory of the k-th page breaks.
    Lose {
        k: usize,
    },
    /// The worker drops a lost page, or keeps it, as it does if somebody has the page.
    DropLost {
        back: bool,
    },
    /// Frees the k-th lost zpage, or unmaps it once if it is mapped still.
    FreeLost {
        k: usize,
    },
    /// Adds a leaf that nobody waits for.
    Grow,
    /// Reserves a descriptor.
    Reserve,
    /// Inserts a page with a zpage of `len` bytes under the k-th of those.
    Fill {
        k: usize,
        len: usize,
        nid: u16,
    },
    /// Releases the k-th of those.
    Unreserve {
        k: usize,
    },
    /// Lets zpages be put on the nodes that are set bits only, if there is one.
    Allow {
        nodes: u8,
    },
    /// Looks for all pages of a node, as a request to move them does.
    Walk {
        nid: u16,
    },
    /// Hides the k-th leaf from the next operation.
    Hide {
        k: usize,
    },
    /// Every operation that must be refused, each with the k-th object there is.
    Misuse {
        k: usize,
    },
}

/// A move that has begun.
struct Open {
    id: DescId,
    src: PageAddr,
    dst: PageAddr,
    nid: Nid,
}

/// A re-pairing that has begun.
struct OpenRepair {
    repair: Repair,
    src: PageAddr,
    dst: PageAddr,
}

/// A pool, the reference, and what is going on.
pub struct World {
    pool: Pool,
    reference: Reference,
    moves: Vec<Open>,
    repairs: Vec<OpenRepair>,
    held: Vec<PageAddr>,
    taken: Vec<(DescId, PageAddr)>,
    reserved: Vec<DescId>,
    /// Leaves added though none was needed.
    spare: usize,
    /// Whether an audit goes on beside the actions, instead of one after each.
    auditing: bool,
    seed: u8,
    /// Events, so that a test that never gets there fails.
    pub reached: BTreeSet<&'static str>,
}

/// Several leaves, and pages of all of them on the lists, some of them empty.
pub fn some_leaves() -> Vec<Action> {
    let stores = [PAGE_SIZE / 2 + 1, PAGE_SIZE, PAGE_SIZE - 2 * CHUNK_SIZE];
    let stores = stores.into_iter().zip(0..);
    let stores = stores.map(|(len, nid)| Action::Store {
        count: 70,
        len,
        nid,
        full: false,
    });
    // Some with two zpages.
    let pairs = [Action::Store {
        count: 30,
        len: 2 * CHUNK_SIZE,
        nid: 2,
        full: false,
    }];
    let frees = [10, 90, 170].map(|k| Action::Free { count: 8, k });
    let keep = [Action::Keep { pages: 60 }];
    let stores = keep.into_iter().chain(stores).chain(pairs);
    stores.chain(frees).collect()
}

fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0_u8..=250)
        .cycle()
        .map(|byte| byte.wrapping_mul(7) ^ seed)
        .take(len)
        .collect()
}

/// Takes the k-th element out.
fn pick<T>(from: &mut Vec<T>, k: usize) -> Option<T> {
    let k = k.checked_rem(from.len())?;
    Some(from.swap_remove(k))
}

impl World {
    /// An empty pool.
    pub fn new() -> Self {
        Self {
            pool: Pool::new(NODES),
            reference: Reference::default(),
            moves: Vec::new(),
            repairs: Vec::new(),
            held: Vec::new(),
            taken: Vec::new(),
            reserved: Vec::new(),
            spare: 0,
            auditing: false,
            seed: 0,
            reached: BTreeSet::new(),
        }
    }

    /// An empty pool on which an audit goes on all the time, a step for each action.
    pub fn audited() -> Self {
        let mut world = Self::new();
        world.pool.books.begin_audit();
        world.auditing = true;
        world
    }

    fn verify(&mut self) -> Result<(), Trouble> {
        let Pool { books, table, .. } = &mut self.pool;
        if !self.auditing {
            return Ok(books.verify(table)?);
        }
        if let Some(result) = books.audit(table) {
            result?;
            self.reached.insert("an audit has ended");
            books.begin_audit();
        }
        Ok(())
    }

    /// The operations that were refused because a leaf was hidden.
    pub fn refused(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.pool.refused.iter().copied()
    }

    fn key(&self, k: usize) -> Option<u32> {
        let k = k.checked_rem(self.reference.zpages.len())?;
        self.reference.zpages.keys().nth(k).copied()
    }

    fn addr(&self, k: usize) -> Option<PageAddr> {
        let k = k.checked_rem(self.reference.pages.len())?;
        PageAddr::new(self.reference.pages.keys().nth(k).copied()?)
    }

    fn zpage(&mut self, key: u32) -> Result<&mut Zpage, Trouble> {
        some(self.reference.zpages.get_mut(&key), "such zpage")
    }

    /// Whether a map would wait for a move.
    fn frozen(&mut self, key: u32) -> Result<bool, Trouble> {
        let addr = self.zpage(key)?.addr;
        Ok(self.reference.page(addr)?.moving)
    }

    /// Does one action and compares everything.
    pub fn apply(&mut self, action: &Action) -> Result<(), Trouble> {
        let leaves = self.pool.table.present().count();
        self.act(action)?;
        if self.pool.table.present().count() < leaves {
            self.reached.insert("a leaf was released");
        }
        self.verify()?;
        self.reference.compare(&self.pool)
    }

    fn act(&mut self, action: &Action) -> Result<(), Trouble> {
        match *action {
            Action::Store {
                count,
                len,
                nid,
                full,
            } => {
                (0..count).try_for_each(|_| self.store(len, Nid(nid), full))?;
            }
            Action::Free { count, k } => {
                for _ in 0..count {
                    match self.key(k) {
                        Some(key) => self.free(key)?,
                        None => break,
                    }
                }
            }
            Action::Map { k } => self.map(k)?,
            Action::Unmap { k } => self.unmap(k)?,
            Action::Write { k, seed } => {
                if let Some(key) = self.key(k).filter(|&key| self.frozen(key) == Ok(false)) {
                    let zpage = some(self.reference.zpages.get_mut(&key), "such zpage")?;
                    zpage.bytes = pattern(seed, zpage.bytes.len());
                    self.pool.write(zpage.slot, &zpage.bytes)?;
                }
            }
            Action::Begin { k, nid } => {
                if let Some(addr) = self.addr(k) {
                    self.begin(addr, Nid(nid))?;
                }
            }
            Action::Finish { k } => {
                if let Some(open) = pick(&mut self.moves, k) {
                    self.finish(&open)?;
                }
            }
            Action::Cancel { k } => {
                if let Some(open) = pick(&mut self.moves, k) {
                    self.cancel(&open)?;
                }
            }
            Action::Move { k, nid, all } => {
                let mut addrs: Vec<_> = self.addr(k).into_iter().collect();
                if all {
                    let pages = self.reference.pages.keys();
                    addrs = pages
                        .filter_map(|&address| PageAddr::new(address))
                        .collect();
                }
                for addr in addrs {
                    if self.begin(addr, Nid(nid))? {
                        let open = some(self.moves.pop(), "open move")?;
                        self.finish(&open)?;
                    }
                }
            }
            Action::Hold { k } => {
                if let Some(addr) = self.addr(k) {
                    if self.pool.pages.try_lock(addr, Holder::Someone) {
                        self.held.push(addr);
                    }
                }
            }
            Action::Unhold { k } => {
                if let Some(addr) = pick(&mut self.held, k) {
                    self.pool.pages.unlock(addr)?;
                }
            }
            Action::Take { nid, at_most, skip } => self.take(Nid(nid), at_most, skip)?,
            Action::Work { k, back } => self.work(k, back)?,
            Action::Surplus { nid, pages } => {
                self.reference.surplus(Nid(nid), pages);
                self.pool.books.note_surplus(Nid(nid), pages as u64);
            }
            Action::Idle { nid } => {
                let idle = self.pool.books.take_idle(Nid(nid));
                self.reference.idle(Nid(nid), idle as usize);
            }
            Action::Keep { pages } => {
                self.reference.kept = Some(pages);
                self.pool.books.keep(pages as u64);
            }
            Action::Limit { pages } => {
                self.reference.limit = pages;
                let limit = pages.map_or(u64::MAX, |pages| pages as u64);
                self.pool.books.limit(limit);
            }
            Action::BeginRepair { k, elsewhere } => {
                if let Some(addr) = self.addr(k) {
                    self.begin_repair(addr, elsewhere)?;
                }
            }
            Action::FinishRepair { k, copied } => {
                if let Some(open) = pick(&mut self.repairs, k) {
                    self.finish_repair(&open, copied)?;
                }
            }
            Action::Repair {
                k,
                elsewhere,
                freed,
                copied,
            } => {
                let open = self.repairs.len();
                if let Some(addr) = self.addr(k) {
                    self.begin_repair(addr, elsewhere)?;
                }
                for open in self.repairs.split_off(open) {
                    for (addr, freed) in [open.src, open.dst].into_iter().zip(freed) {
                        let key = self.reference.page(addr)?.zpages().next();
                        if let Some(key) = key.filter(|_| freed) {
                            self.free(key)?;
                        }
                    }
                    self.finish_repair(&open, copied)?;
                }
            }
            Action::Compact { elsewhere } => {
                let pages = self.reference.pages.keys();
                let pages: Vec<_> = pages.filter_map(|&page| PageAddr::new(page)).collect();
                let open = self.repairs.len();
                for addr in pages {
                    self.begin_repair(addr, elsewhere)?;
                    for open in self.repairs.split_off(open) {
                        self.finish_repair(&open, true)?;
                    }
                }
                let taken = self.taken.len();
                for nid in (0..NODES).map(Nid) {
                    while !self.reference.releasable_on(nid).1.is_empty() {
                        self.take(nid, usize::MAX, 0)?;
                    }
                }
                while self.taken.len() > taken {
                    self.work(self.taken.len() - 1, false)?;
                }
            }
            Action::Gather { k, count } => {
                for k in k..k.saturating_add(count) {
                    if let Some(key) = self.key(k) {
                        self.gather(key)?;
                    }
                }
            }
            Action::Lose { k } => {
                if let Some(addr) = self.addr(k) {
                    self.lose(addr)?;
                }
            }
            Action::DropLost { back } => self.drop_lost(back)?,
            Action::FreeLost { k } => {
                if let Some(k) = k.checked_rem(self.reference.lost.len()) {
                    let key = self.reference.lost.keys().nth(k).copied();
                    self.free_lost(some(key, "lost zpage")?)?;
                }
            }
            Action::Grow => {
                if self.pool.table.present().count() < 32 {
                    self.spare += 1;
                    self.pool.grow()?;
                }
            }
            Action::Reserve => {
                if self.reserved.len() < 100 {
                    let id = self.pool.reserve()?;
                    ensure!(!self.reserved.contains(&id), "{id:?} was reserved twice");
                    self.reserved.push(id);
                }
            }
            Action::Fill { k, len, nid } => {
                if let Some(id) = pick(&mut self.reserved, k) {
                    let put = self.pool.fill(id, Nid(nid), Len::new(len)?)?;
                    self.put(&put, len, Nid(nid))?;
                    self.reached.insert("a reserved descriptor got its page");
                }
            }
            Action::Unreserve { k } => {
                if let Some(id) = pick(&mut self.reserved, k) {
                    self.pool.unreserve(id)?;
                }
            }
            Action::Allow { nodes } => {
                let bit = |nid: &Nid| (nodes >> nid.0) & 1 != 0;
                let allowed: Vec<_> = (0..NODES).map(Nid).filter(bit).collect();
                // As far from each other as their numbers.
                let home = |nid: Nid| {
                    let nearest = allowed.iter().min_by_key(|to| to.0.abs_diff(nid.0));
                    nearest.map_or(nid, |&nearest| nearest)
                };
                let nodes = (0..NODES).map(Nid);
                self.reference.homes = nodes.map(|nid| (nid.0, home(nid))).collect();
                self.pool.books.allow(home);
            }
            Action::Walk { nid } => self.walk(Nid(nid))?,
            Action::Hide { k } => {
                let mut present = self.pool.table.present().map(Leaf::number).collect();
                self.pool.hidden = pick(&mut present, k);
            }
            Action::Misuse { k } => self.misuse(k)?,
        }
        Ok(())
    }

    fn walk(&mut self, nid: Nid) -> Result<(), Trouble> {
        let (books, table) = (&self.pool.books, &self.pool.table);
        let (mut found, mut moving) = (BTreeSet::new(), 0);
        let mut cursor = Cursor::start();
        loop {
            let (leaf, mut last) = (cursor.leaf(), None);
            while let Some((id, addr)) = books.next_page_on(table, &mut cursor, nid) {
                let further = id.leaf() == leaf && last < Some(id.offset());
                ensure!(further && cursor.leaf() == leaf, "{id:?} again");
                match addr {
                    Some(addr) => ensure!(found.insert(addr.address()), "{addr:?} twice"),
                    None => moving += 1,
                }
                last = Some(id.offset());
            }
            if !cursor.next_leaf(table) {
                break;
            }
        }
        let expected = self.reference.movable_on(nid);
        let moves = self.reference.moving_on(nid);
        ensure!(moving == moves, "{moving} being moved, {moves} are");
        if moving != 0 {
            self.reached
                .insert("a walk met a page that was being moved");
        }
        ensure!(found == expected, "{found:?} found, {expected:?} are there");
        Ok(())
    }

    fn store(&mut self, len: usize, nid: Nid, full: bool) -> Result<(), Trouble> {
        let len = Len::new(len)?;
        let reference = &self.reference;
        let home = reference.home(nid);
        let elsewhere = || reference.elsewhere(home, NODES).filter(|_| full);
        let first_empty = || {
            let empty = elsewhere().map(|nid| reference.empty_on(nid));
            let mut empty = empty.filter(|pages| !pages.is_empty());
            empty.next().unwrap_or_default()
        };
        // The ways to store it, in order, and the pages to which each leads.
        let ways = [
            (true, reference.best_fit([home].into_iter(), len.chunks())),
            (false, reference.empty_on(home)),
            (true, reference.best_fit(elsewhere(), len.chunks())),
            (false, first_empty()),
        ];
        let mut ways = ways.into_iter().enumerate();
        let way = ways.find(|(_, (_, pages))| !pages.is_empty());
        let put = self.pool.store_while(full, nid, len)?;
        let right = match &way {
            None => !put.joined && !put.refilled,
            Some((_, (joins, pages))) => {
                put.joined == *joins && put.refilled != *joins && pages.contains(&put.addr)
            }
        };
        ensure!(right, "{len:?} went to {:?}, not {way:?}", put.addr);
        match way {
            Some((1, _)) => self.reached.insert("an empty page was filled again"),
            Some((2, _)) => self.reached.insert("a zpage went elsewhere"),
            Some((3, _)) => self.reached.insert("an empty page elsewhere was filled"),
            _ => false,
        };
        let nid = some(self.pool.pages.nid(put.addr), "node")?;
        ensure!(way.is_some() || nid == home, "a new page on {nid:?}");
        self.put(&put, len.bytes(), nid)
    }

    /// Fills a zpage that was stored, and notes it.
    fn put(&mut self, put: &Put, len: usize, nid: Nid) -> Result<(), Trouble> {
        self.seed = self.seed.wrapping_add(1);
        let bytes = pattern(self.seed, len);
        self.pool.write(put.slot, &bytes)?;
        let id = put.slot.desc();
        self.reference.put(put, id, nid, bytes)?;
        Ok(())
    }

    fn free(&mut self, key: u32) -> Result<(), Trouble> {
        let zpage = self.zpage(key)?.clone();
        let locked = self.pool.pages.holder(zpage.addr).is_some();
        let joining = self.reference.page(zpage.addr)?.joining;
        if zpage.pins.is_empty() {
            let freed = self.pool.free(zpage.slot)??;
            self.reached.insert(match freed {
                Freed::Kept => "Kept",
                Freed::Moving if joining => "a page that is joined lost its own",
                Freed::Moving => "Moving",
                Freed::Released(_) => "Released",
                Freed::Empty { .. } => "Empty",
                Freed::Forgotten(forgotten) if forgotten.emptied => "a stub went with the last",
                Freed::Forgotten(_) => "a stub went",
            });
            return self.reference.free(key, locked, freed);
        }
        let before = self.pool.picture();
        let refused = self.pool.free(zpage.slot)?.err();
        ensure!(refused == Some(Error::Pinned), "freed though mapped");
        ensure!(
            before == self.pool.picture(),
            "a refused free did something"
        );
        self.reached.insert("a free found a mapped zpage");
        Ok(())
    }

    /// As the owner of a zpage does who can give it another name.
    fn gather(&mut self, key: u32) -> Result<(), Trouble> {
        let zpage = self.zpage(key)?.clone();
        if self.frozen(key)? || !zpage.pins.is_empty() {
            return Ok(());
        }
        let left = [zpage.slot.desc().leaf(), zpage.page.leaf()];
        let nid = self.reference.page(zpage.addr)?.nid;
        let home = self.reference.home(nid);
        let len = Len::new(zpage.bytes.len())?;
        let Some(put) = self.pool.gather(zpage.slot, len)? else {
            return Ok(());
        };
        let id = put.slot.desc();
        ensure!(!left.iter().all(|&leaf| leaf == id.leaf()), "{id:?} again");
        let nid = some(self.pool.pages.nid(put.addr), "node")?;
        ensure!(nid == home, "gathered on {nid:?}, not {home:?}");
        self.pool.write(put.slot, &zpage.bytes)?;
        self.reference.put(&put, id, nid, zpage.bytes)?;
        self.reached.insert("a zpage was gathered");
        self.free(key)
    }

    fn map(&mut self, k: usize) -> Result<(), Trouble> {
        let Some(key) = self.key(k) else {
            return Ok(());
        };
        let frozen = self.frozen(key)?;
        let zpage = some(self.reference.zpages.get_mut(&key), "such zpage")?;
        let mapped = self.pool.map(zpage.slot);
        if frozen {
            ensure!(mapped == Err(Error::Frozen), "mapped a frozen one");
            self.reached.insert("a map found a frozen zpage");
            return Ok(());
        }
        zpage.pins.push(mapped?);
        Ok(())
    }

    fn unmap(&mut self, k: usize) -> Result<(), Trouble> {
        let mapped = |(&key, zpage): (&u32, &Zpage)| (!zpage.pins.is_empty()).then_some(key);
        let mut mapped: Vec<u32> = self.reference.zpages.iter().filter_map(mapped).collect();
        if let Some(key) = pick(&mut mapped, k) {
            let slot = self.zpage(key)?.slot;
            self.zpage(key)?.pins.pop();
            self.pool.unmap(slot)?;
        }
        Ok(())
    }

    /// Begins a move of a page; true when there is something to finish.
    fn begin(&mut self, src: PageAddr, nid: Nid) -> Result<bool, Trouble> {
        match self.pool.pages.holder(src) {
            None => {
                let locked = self.pool.pages.try_lock(src, Holder::Mover);
                ensure!(locked, "{src:?} is locked");
            }
            // It was the mover that had the lock.
            Some(Holder::Someone) => {
                self.held.retain(|&held| held != src);
                self.pool.pages.hand_over(src, Holder::Mover)?;
            }
            Some(_) => return Ok(false),
        }
        let dst = self.pool.pages.alloc(nid)?;
        let locked = self.pool.pages.try_lock(dst, Holder::Mover);
        ensure!(locked, "a new page is locked");

        let page = self.reference.page(src)?.clone();
        let pinned = self.reference.pinned(&page);
        let can = self.pool.books.can_move(&self.pool.table, page.id, src);
        let movable = !pinned && page.movable();
        let expected = if page.movable() {
            Ok(movable)
        } else {
            Err(Error::Stale)
        };
        ensure!(can == expected, "can_move({src:?}) says {can:?}");
        let before = self.pool.picture();
        match self.pool.begin(page.id, src, dst, nid)? {
            Ok(extents) => {
                let expected = self.reference.extents(&page)?;
                ensure!(
                    movable && Reference::same(extents, &expected),
                    "{src:?}: would copy {extents:?}, not {expected:?}, pinned: {pinned}"
                );
                if page.state() == State::Empty {
                    self.reached.insert("an empty page moved");
                }
                self.reference.page(src)?.moving = true;
                let id = page.id;
                self.moves.push(Open { id, src, dst, nid });
                return Ok(true);
            }
            Err(error) => {
                let right = if page.movable() {
                    Error::Pinned
                } else {
                    Error::Stale
                };
                ensure!(!movable && error == right, "begin_move says {error:?}");
                ensure!(
                    before == self.pool.picture(),
                    "a refused move did something"
                );
                self.pool.pages.unlock(src)?;
                self.reached.insert(match page.state() {
                    State::Moving => "a move found a page whose zpage was being moved",
                    State::Joining => "a move found a page that was being joined",
                    State::Vacated => "a move found a vacated page",
                    State::Leaving => "a move found a page that was leaving",
                    _ => "a move found a mapped zpage",
                });
            }
        }
        self.pool.drop_target(dst)?;
        Ok(false)
    }

    fn finish(&mut self, open: &Open) -> Result<(), Trouble> {
        let page = self.reference.page(open.src)?.clone();
        let finished = self.pool.finish(open.id, open.src, open.dst, open.nid)?;
        let emptied = self.finished_right(&page, finished)?;
        self.reached.insert(match emptied {
            true => "a move ended without zpages",
            false => "a page moved",
        });
        if page.nid != open.nid {
            self.reached.insert("a page moved to another node");
        }
        self.reference.moved(open.src, open.dst, open.nid)
    }

    fn cancel(&mut self, open: &Open) -> Result<(), Trouble> {
        let page = self.reference.page(open.src)?.clone();
        let finished = self.pool.cancel(open.id, open.src, open.dst, page.nid)?;
        let emptied = self.finished_right(&page, finished)?;
        self.reached.insert(match emptied {
            true => "a move was cancelled without zpages",
            false => "a move was cancelled",
        });
        self.reference.page(open.src)?.moving = false;
        Ok(())
    }

    /// Whether it ended without zpages.
    fn finished_right(&self, page: &Page, finished: Finish) -> Result<bool, Trouble> {
        let right = Finish {
            from: page.nid,
            emptied: page.zpages().count() == 0,
        };
        ensure!(finished == right, "said {finished:?}, not {right:?}");
        Ok(right.emptied)
    }

    /// Begins to move the zpage of a page beside another.
    fn begin_repair(&mut self, src: PageAddr, elsewhere: bool) -> Result<(), Trouble> {
        let page = self.reference.page(src)?.clone();
        let partners = self.reference.partners(src, elsewhere, NODES)?;
        let pinned = self.reference.pinned(&page);
        let before = self.pool.picture();
        let begun = self.pool.begin_repair(page.id, elsewhere)?;
        let Ok(Some(repair)) = begun else {
            let (right, what) = match partners {
                None => (Err(Error::Stale), "a re-pairing of no lone zpage"),
                Some(partners) if partners.is_empty() => (Ok(None), "nothing to re-pair with"),
                Some(_) => (Err(Error::Pinned), "a re-pairing of a mapped zpage"),
            };
            ensure!(begun == right, "{begun:?}, not {right:?}");
            ensure!(pinned || begun != Err(Error::Pinned), "not pinned");
            ensure!(before == self.pool.picture(), "a refusal did something");
            self.reached.insert(what);
            return Ok(());
        };
        let (dst, at) = repair.to;
        let partners = some(partners, "zpage to re-pair")?;
        ensure!(
            !pinned && partners.contains(&dst),
            "{dst:?} of {partners:?}"
        );
        let other = self.reference.page(dst)?;
        ensure!(repair.dst == other.id, "{:?} is at {dst:?}", repair.dst);
        let buddy = if other.first.is_some() {
            Buddy::Last
        } else {
            Buddy::First
        };
        if other.nid != page.nid {
            self.reached.insert("a re-pairing to another node");
        }
        if self.reference.home(page.nid) != page.nid {
            self.reached
                .insert("a re-pairing where zpages do not come to");
        }
        let key = some(page.zpages().next(), "zpage")?;
        let zpage = self.zpage(key)?.clone();
        let len = Len::new(zpage.bytes.len())?;
        let right = repair.from == (src, len.extent(zpage.buddy)) && at == len.extent(buddy);
        ensure!(right, "{repair:?} of {zpage:?} as {buddy:?}");
        self.reference.page(src)?.moving = true;
        self.reference.page(dst)?.joining = true;
        self.repairs.push(OpenRepair { repair, src, dst });
        Ok(())
    }

    fn finish_repair(&mut self, open: &OpenRepair, copied: bool) -> Result<(), Trouble> {
        let there = |page: &Page| page.zpages().next();
        let frozen = there(self.reference.page(open.src)?);
        let other = there(self.reference.page(open.dst)?);
        let repaired = self.pool.finish_repair(&open.repair, copied)?;
        let joins = frozen.filter(|_| copied);
        let right = Repaired {
            moved: joins.is_some(),
            won: copied || frozen.is_none(),
            emptied: joins.or(other).is_none(),
        };
        ensure!(repaired == right, "said {repaired:?}, not {right:?}");
        self.reached.insert(match (frozen, copied, other) {
            (Some(_), true, Some(_)) => "a zpage was re-paired",
            (Some(_), true, None) => "a zpage was re-paired with none",
            (Some(_), false, Some(_)) => "a re-pairing was undone",
            (Some(_), false, None) => "a re-pairing with none was undone",
            (None, _, Some(_)) => "a zpage was freed while it was re-paired",
            (None, _, None) => "both zpages were freed",
        });
        // It takes no whole page.
        let buddy = match open.repair.to.1.offset() {
            0 => Buddy::First,
            _ => Buddy::Last,
        };
        self.reference.repaired(open.src, open.dst, buddy, copied)?;
        let again = self
            .pool
            .books
            .finish_repair(&self.pool.table, &open.repair, copied);
        ensure!(again == Err(Error::Stale), "ended twice: {again:?}");
        Ok(())
    }

    fn take(&mut self, nid: Nid, at_most: usize, skip: usize) -> Result<(), Trouble> {
        let (empty, vacated) = self.reference.releasable_on(nid);
        let Some(run) = self.pool.take_empty_after(nid, at_most, skip)? else {
            ensure!(
                empty <= skip || at_most == 0,
                "{empty} empty pages, none taken"
            );
            return Ok(());
        };
        ensure!(
            (1..=at_most.min(empty)).contains(&run.len()) && run.ids().count() == run.len(),
            "{run:?} taken, {at_most} of {empty} wanted"
        );
        if run.len() > 1 {
            self.reached.insert("a run was taken");
        }
        let taken = run
            .ids()
            .filter_map(|id| self.pool.table.descriptor(id).ok()?.page());
        let first = taken.into_iter().any(|page| vacated.contains(&page));
        ensure!(
            first || skip != 0 || vacated.is_empty(),
            "{run:?} has no vacated page"
        );
        for id in run.ids() {
            let addr = some(self.pool.table.descriptor(id)?.page(), "page")?;
            let page = self.reference.page(addr)?;
            ensure!(page.id == id && page.nid == nid, "{page:?}, not {id:?}");
            page.leaving = true;
            self.pool.pages.get(addr)?;
            self.taken.push((id, addr));
        }
        Ok(())
    }

    fn work(&mut self, k: usize, back: bool) -> Result<(), Trouble> {
        let Some((id, addr)) = pick(&mut self.taken, k) else {
            return Ok(());
        };
        if !back && self.pool.pages.try_lock(addr, Holder::Pool) {
            self.pool.release(id, addr)?;
            self.reference.pages.remove(&addr.address());
            self.reached.insert("the worker released a page");
            let left = self.pool.table.even_hidden(id).and_then(Descriptor::state);
            let stub = left == Some(State::Stub);
            ensure!(stub == self.reference.keeps(id), "{id:?} became {left:?}");
            if stub {
                self.reached.insert("the worker left a stub");
            }
        } else {
            self.pool.put_back(id)?;
            let vacated = self.reference.keeps(id);
            let page = self.reference.page(addr)?;
            (page.leaving, page.vacated) = (false, vacated);
            self.reached.insert(match vacated {
                true => "the worker put a vacated page back",
                false => "the worker put a page back",
            });
        }
        self.pool.pages.put(addr)
    }

    fn lose(&mut self, addr: PageAddr) -> Result<(), Trouble> {
        let page = self.reference.page(addr)?.clone();
        let before = self.pool.picture();
        match self.pool.lose(page.id, addr)? {
            Ok(()) => {
                ensure!(page.movable(), "lost {page:?}");
                self.reference.lose(addr)?;
                self.reached.insert("a page was lost");
            }
            Err(error) => {
                let busy = !page.movable();
                ensure!(busy && error == Error::Stale, "lose says {error:?}");
                ensure!(before == self.pool.picture(), "a refusal did something");
                self.reached.insert("a page could not be lost");
            }
        }
        Ok(())
    }

    fn drop_lost(&mut self, back: bool) -> Result<(), Trouble> {
        let pages = &self.reference.lost_pages;
        let hidden = self.pool.hidden;
        let Some((id, addr)) = self.pool.take_lost(0)? else {
            let mapped = |page| self.reference.lost_is_mapped(page);
            ensure!(pages.values().all(mapped), "a lost page was not taken");
            return Ok(());
        };
        let page = some(pages.get(&addr.address()), "lost page")?;
        ensure!(page.id == id, "{page:?}, not {id:?}");
        ensure!(!self.reference.lost_is_mapped(page), "{page:?} is mapped");
        self.pool.hidden = hidden;
        if self.auditing {
            // One that sees the page neither on its list nor gone.
            self.pool.books.begin_audit();
        }
        if !back && self.pool.pages.try_lock(addr, Holder::Pool) {
            self.pool.forget(id, addr)?;
            self.reference.lost_pages.remove(&addr.address());
            self.reached.insert("a lost page was dropped");
        } else {
            self.pool.keep_lost(id)?;
            self.reached.insert("a lost page was kept");
        }
        Ok(())
    }

    fn free_lost(&mut self, key: u32) -> Result<(), Trouble> {
        let zpage = some(self.reference.lost.get_mut(&key), "lost zpage")?;
        let slot = zpage.slot;
        if zpage.pins.pop().is_some() {
            let refused = self.pool.free(slot)?.err();
            ensure!(refused == Some(Error::Pinned), "freed though mapped");
            self.pool.unmap(slot)?;
            self.reached.insert("a lost zpage was mapped still");
            return Ok(());
        }
        let freed = self.pool.free(slot)??;
        if let Freed::Forgotten(_) = freed {
            self.reached.insert("Forgotten");
        }
        self.reference.free_lost(key, freed)
    }

    /// Operations that must be refused and change nothing.
    fn misuse(&mut self, k: usize) -> Result<(), Trouble> {
        let before = self.pool.picture();
        let pool = &mut self.pool;
        let (table, books) = (&pool.table, &mut pool.books);
        let nowhere = some(PageAddr::new(0x7fff_f000), "address")?;
        let nobody = some(DescId::new(63, 0), "name")?;
        let len = Len::new(1 + k % PAGE_SIZE)?;
        let mut seen = vec![
            (
                books.take_empty(table, Nid(NODES), 1, 0).err(),
                Error::BadNode,
            ),
            (books.release(table, nobody).err(), Error::Stale),
            (books.put_back(table, nobody).err(), Error::Stale),
            (books.begin_repair(table, nobody, true).err(), Error::Stale),
            (
                books.insert(table, nobody, nowhere, Nid(NODES), len).err(),
                Error::BadNode,
            ),
            (
                books.begin_move(table, nobody, nowhere, Nid(0)).err(),
                Error::Stale,
            ),
        ];
        let unreserved = self.reference.pages.values().map(|page| page.id).next();
        if let Some(id) = unreserved {
            let fill = books.insert(table, id, nowhere, Nid(0), len).err();
            seen.push((fill, Error::Stale));
            seen.push((books.unreserve(table, id).err(), Error::Stale));
        }
        if let Some(&id) = self.reserved.first() {
            let fill = books.insert(table, id, nowhere, Nid(NODES), len);
            let begin = books.begin_move(table, id, nowhere, Nid(0));
            seen.push((fill.err(), Error::BadNode));
            seen.push((begin.err(), Error::Stale));
        }
        let used = self.reference.pages.iter();
        if let Some((&address, page)) = used.clone().nth(k % used.len().max(1)) {
            let addr = some(PageAddr::new(address), "address")?;
            let bad = books.begin_move(table, page.id, addr, Nid(NODES));
            let wrong_lose = books.lose(table, page.id, nowhere);
            let forget = books.forget(table, page.id);
            let keep = books.keep_lost(table, page.id);
            seen.push((wrong_lose.err(), Error::Stale));
            seen.push((forget.err(), Error::Stale));
            seen.push((keep.err(), Error::Stale));
            let wrong = books.begin_move(table, page.id, nowhere, Nid(0));
            let can = books.can_move(table, page.id, nowhere);
            seen.extend([
                (bad.err(), Error::BadNode),
                (wrong.err(), Error::Stale),
                (can.err(), Error::Stale),
            ]);
            if page.moving {
                let again = books.begin_move(table, page.id, addr, Nid(0));
                let bad = books.finish_move(table, page.id, nowhere, Nid(NODES));
                seen.push((again.err(), Error::Stale));
                seen.push((bad.err(), Error::BadNode));
            } else {
                let finish = books.finish_move(table, page.id, nowhere, Nid(0));
                seen.push((finish.err(), Error::Stale));
            }
            if page.state() != State::Leaving {
                seen.push((books.release(table, page.id).err(), Error::Stale));
                seen.push((books.put_back(table, page.id).err(), Error::Stale));
            }
        }
        if let Some(key) = self.key(k) {
            let zpage = self.zpage(key)?.clone();
            if zpage.pins.is_empty() {
                let unmap = self.pool.unmap(zpage.slot);
                seen.push((unmap.err(), Error::NotPinned));
            }
        }
        let mut unused = self.pool.free_slots();
        if let Some((id, index)) = pick(&mut unused, k) {
            seen.extend(self.misuse_slot(id, index)?);
        }
        let wrong = seen.iter().find(|(seen, wanted)| *seen != Some(*wanted));
        ensure!(wrong.is_none(), "misuse said {wrong:?}");
        ensure!(before == self.pool.picture(), "misuse did something");
        Ok(())
    }

    fn misuse_slot(
        &mut self,
        id: DescId,
        index: SlotIndex,
    ) -> Result<[(Option<Error>, Error); 3], Trouble> {
        let pool = &mut self.pool;
        let owner = pool.table.descriptor(id)?;
        let free = pool.books.free(&pool.table, owner, index, |_| true);
        Ok([
            (free.err(), Error::BadHandle),
            (owner.map(&pool.table, index).err(), Error::BadHandle),
            (owner.slot(index).unpin().err(), Error::NotPinned),
        ])
    }

    /// Everything ends, nothing is left.
    pub fn end(&mut self) -> Result<(), Trouble> {
        while let Some(open) = self.moves.pop() {
            self.finish(&open)?;
        }
        while let Some(open) = self.repairs.pop() {
            self.finish_repair(&open, true)?;
        }
        while let Some(id) = self.reserved.pop() {
            self.pool.unreserve(id)?;
        }
        let keys: Vec<u32> = self.reference.zpages.keys().copied().collect();
        for key in keys {
            let zpage = self.zpage(key)?.clone();
            zpage
                .pins
                .iter()
                .try_for_each(|_| self.pool.unmap(zpage.slot))?;
            self.zpage(key)?.pins.clear();
            let intact = self.pool.holds(zpage.slot, &zpage.bytes)?;
            ensure!(intact, "the bytes of {:?} have changed", zpage.slot);
            self.free(key)?;
        }
        while let Some(addr) = self.held.pop() {
            self.pool.pages.unlock(addr)?;
        }
        while let Some((&key, _)) = self.reference.lost.iter().next() {
            self.free_lost(key)?;
        }
        while !self.reference.lost_pages.is_empty() {
            self.drop_lost(false)?;
        }
        while !self.taken.is_empty() {
            self.work(0, false)?;
        }
        for nid in (0..NODES).map(Nid) {
            while self.reference.releasable_on(nid).0 != 0 {
                self.take(nid, usize::MAX, 0)?;
            }
        }
        while !self.taken.is_empty() {
            self.work(0, false)?;
        }
        self.auditing = false;
        self.verify()?;
        self.reference.compare(&self.pool)?;
        let (books, pages) = (&self.pool.books, &self.pool.pages);
        ensure!(books.pages() == 0, "{} pages are left", books.pages());
        ensure!(books.stored_bytes() == 0, "bytes are left");
        ensure!(pages.allocated() == 0, "{} pages leak", pages.allocated());
        let present = self.pool.table.present().count();
        ensure!(present <= 1 + self.spare, "{present} leaves are left");
        let used = self.pool.table.descriptors();
        let used = used.filter(|(_, desc)| desc.state() != Some(State::Free));
        ensure!(used.count() == 0, "descriptors are left");
        Ok(())
    }
}
