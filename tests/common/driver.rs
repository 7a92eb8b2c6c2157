// SPDX-License-Identifier: GPL-2.0

//! Does actions to a pool and to the reference, and compares what they say.

use super::host::Holder;
use super::pool::{Pool, Put};
use super::reference::{Page, Reference, Zpage};
use super::{some, Trouble};
use crate::ensure;
use std::collections::BTreeSet;
use zbud_movable_core::zbud::{
    DescId, Error, Finish, Frame, Freed, Half, Len, Nid, State, Table, PAGE_SIZE,
};

/// The nodes of the pool.
pub const NODES: u16 = 3;

/// `k` and `at` choose one of what there is, modulo its number.
#[derive(Clone, Debug)]
pub enum Action {
    /// Stores `count` zpages of `len` bytes.
    Store {
        count: usize,
        len: usize,
        nid: u16,
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
    /// Lets the k-th lock so taken go.
    Unhold {
        k: usize,
    },
    /// The worker, first half: looks for a page of which it will want the lock.
    Look,
    /// The worker, second half.
    Work {
        k: usize,
    },
    /// A leaf that nobody waits for.
    Grow,
    /// Reserves a descriptor.
    Reserve,
    /// Inserts a page with a zpage of `len` bytes under the k-th of those.
    Fill {
        k: usize,
        len: usize,
        nid: u16,
    },
    /// Gives the k-th of those back.
    Unreserve {
        k: usize,
    },
    /// Lets zpages be put on the nodes that are set bits only.
    Allow {
        nodes: u8,
    },
    /// Looks for all pages of a node, as one who wants to move them does.
    Walk {
        nid: u16,
    },
    /// Everything that must be refused, with the k-th of everything.
    Misuse {
        k: usize,
    },
}

/// A move that has begun.
struct Open {
    id: DescId,
    src: Frame,
    dst: Frame,
    nid: Nid,
}

/// A pool, the reference, and what is going on.
pub struct World {
    pool: Pool,
    reference: Reference,
    moves: Vec<Open>,
    held: Vec<Frame>,
    looked: Vec<(DescId, Frame)>,
    reserved: Vec<DescId>,
    /// Leaves added though none was needed.
    spare: usize,
    seed: u8,
    /// What happened, so that a test that never gets there fails.
    pub reached: BTreeSet<&'static str>,
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
            held: Vec::new(),
            looked: Vec::new(),
            reserved: Vec::new(),
            spare: 0,
            seed: 0,
            reached: BTreeSet::new(),
        }
    }

    fn key(&self, k: usize) -> Option<u32> {
        let k = k.checked_rem(self.reference.zpages.len())?;
        self.reference.zpages.keys().nth(k).copied()
    }

    fn frame(&self, k: usize) -> Option<Frame> {
        let k = k.checked_rem(self.reference.pages.len())?;
        Frame::new(self.reference.pages.keys().nth(k).copied()?)
    }

    fn zpage(&mut self, key: u32) -> Result<&mut Zpage, Trouble> {
        some(self.reference.zpages.get_mut(&key), "such zpage")
    }

    /// Whether a map would wait for a move.
    fn frozen(&mut self, key: u32) -> Result<bool, Trouble> {
        let frame = self.zpage(key)?.frame;
        Ok(self.reference.page(frame)?.moving)
    }

    /// Does one action and compares everything.
    pub fn apply(&mut self, action: &Action) -> Result<(), Trouble> {
        let leaves = self.pool.table.present().count();
        self.act(action)?;
        if self.pool.table.present().count() < leaves {
            self.reached.insert("a leaf was given back");
        }
        self.reference.compare(&self.pool)
    }

    fn act(&mut self, action: &Action) -> Result<(), Trouble> {
        match *action {
            Action::Store { count, len, nid } => {
                (0..count).try_for_each(|_| self.store(len, Nid(nid)))?;
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
                if let Some(frame) = self.frame(k) {
                    self.begin(frame, Nid(nid))?;
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
                let mut frames: Vec<_> = self.frame(k).into_iter().collect();
                if all {
                    let pages = self.reference.pages.keys();
                    frames = pages.filter_map(|&address| Frame::new(address)).collect();
                }
                for frame in frames {
                    if self.begin(frame, Nid(nid))? {
                        let open = some(self.moves.pop(), "open move")?;
                        self.finish(&open)?;
                    }
                }
            }
            Action::Hold { k } => {
                if let Some(frame) = self.frame(k) {
                    if self.pool.host.try_lock(frame, Holder::Someone) {
                        self.held.push(frame);
                    }
                }
            }
            Action::Unhold { k } => {
                if let Some(frame) = pick(&mut self.held, k) {
                    self.pool.host.unlock(frame)?;
                }
            }
            Action::Look => {
                if let Some((id, frame)) = self.pool.lists.deferred(&self.pool.table) {
                    self.pool.host.get(frame)?;
                    self.looked.push((id, frame));
                }
            }
            Action::Work { k } => self.work(k)?,
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
                let allowed = (0..NODES).map(Nid).filter(bit).collect();
                self.pool.lists.allow(&allowed);
                self.reference.allowed = Some(allowed);
            }
            Action::Walk { nid } => self.walk(Nid(nid))?,
            Action::Misuse { k } => self.misuse(k)?,
        }
        Ok(())
    }

    fn walk(&mut self, nid: Nid) -> Result<(), Trouble> {
        let (lists, table) = (&self.pool.lists, &self.pool.table);
        let (mut found, mut moving) = (BTreeSet::new(), 0);
        for leaf in 0..table.leaves() {
            let mut offset = 0;
            while let Some((id, frame)) = lists.page_on(table, leaf, offset, nid) {
                ensure!(id.leaf() == leaf && id.offset() >= offset, "{id:?} again");
                match frame {
                    Some(frame) => ensure!(found.insert(frame.address()), "{frame:?} twice"),
                    None => moving += 1,
                }
                offset = id.offset() + 1;
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

    fn store(&mut self, len: usize, nid: Nid) -> Result<(), Trouble> {
        let len = Len::new(len)?;
        let fit = self.reference.best_fit(nid, NODES, len.chunks());
        let put = self.pool.store(nid, len)?;
        ensure!(
            put.joined != fit.is_empty() && (!put.joined || fit.contains(&put.frame)),
            "{len:?} went to {:?}, best are {fit:?}",
            put.frame
        );
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
        let locked = self.pool.host.holder(zpage.frame).is_some();
        if zpage.pins.is_empty() {
            let freed = self.pool.free(zpage.slot)??;
            self.reached.insert(match freed {
                Freed::Kept => "Kept",
                Freed::Moving => "Moving",
                Freed::Released(_) => "Released",
                Freed::Deferred => "Deferred",
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
        self.reached.insert("a free found a mapping");
        Ok(())
    }

    fn map(&mut self, k: usize) -> Result<(), Trouble> {
        let Some(key) = self.key(k).filter(|&key| self.frozen(key) == Ok(false)) else {
            return Ok(());
        };
        let zpage = some(self.reference.zpages.get_mut(&key), "such zpage")?;
        zpage.pins.push(self.pool.map(zpage.slot)?);
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
    fn begin(&mut self, src: Frame, nid: Nid) -> Result<bool, Trouble> {
        match self.pool.host.holder(src) {
            None => {
                let locked = self.pool.host.try_lock(src, Holder::Mover);
                ensure!(locked, "{src:?} is locked");
            }
            // Who had the lock was the mover all the time.
            Some(Holder::Someone) => {
                self.held.retain(|&held| held != src);
                self.pool.host.hand_over(src, Holder::Mover)?;
            }
            Some(_) => return Ok(false),
        }
        let dst = self.pool.host.alloc(nid)?;
        let locked = self.pool.host.try_lock(dst, Holder::Mover);
        ensure!(locked, "a new page is locked");

        let page = self.reference.page(src)?.clone();
        let pinned = self.reference.pinned(&page);
        let can = self.pool.lists.can_move(&self.pool.table, page.id, src);
        let movable = !pinned && !page.empty();
        let expected = if page.empty() {
            Err(Error::Stale)
        } else {
            Ok(movable)
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
                self.reference.page(src)?.moving = true;
                let id = page.id;
                self.moves.push(Open { id, src, dst, nid });
                return Ok(true);
            }
            Err(error) => {
                let right = if pinned { Error::Pinned } else { Error::Stale };
                ensure!(!movable && error == right, "begin_move says {error:?}");
                ensure!(
                    before == self.pool.picture(),
                    "a refused move did something"
                );
                self.pool.host.unlock(src)?;
                self.reached.insert(if pinned {
                    "a move found a mapping"
                } else {
                    "a move found a page without zpages"
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

    fn work(&mut self, k: usize) -> Result<(), Trouble> {
        let Some(k) = k.checked_rem(self.looked.len()) else {
            return Ok(());
        };
        let (id, frame) = *some(self.looked.get(k), "page to work on")?;
        if !self.pool.host.try_lock(frame, Holder::Pool) {
            return Ok(()); // It would wait.
        }
        self.looked.swap_remove(k);
        let page = self.reference.pages.get(&frame.address());
        let waits = page.is_some_and(|page| page.empty() && page.id == id);
        match self.pool.lists.release(&self.pool.table, id, frame) {
            Ok(released) => {
                ensure!(waits && released.frame == frame, "{frame:?} did not wait");
                self.reference.pages.remove(&frame.address());
                self.pool.gone(released)?;
                self.reached.insert("the worker gave a page back");
            }
            Err(error) => {
                ensure!(!waits && error == Error::Stale, "the worker got {error:?}");
                self.pool.host.unlock(frame)?;
                self.reached.insert("the worker came late");
            }
        }
        self.pool.host.put(frame)
    }

    /// What must be refused and change nothing.
    fn misuse(&mut self, k: usize) -> Result<(), Trouble> {
        let before = self.pool.picture();
        let pool = &mut self.pool;
        let (table, lists) = (&pool.table, &mut pool.lists);
        let nowhere = some(Frame::new(0x7fff_f000), "frame")?;
        let len = Len::new(1 + k % PAGE_SIZE)?;
        let mut seen = vec![
            (
                lists.insert(table, nowhere, Nid(NODES), len).err(),
                Error::BadNode,
            ),
            (
                lists
                    .begin_move(table, some(DescId::new(63, 0), "name")?, nowhere, Nid(0))
                    .err(),
                Error::Stale,
            ),
        ];
        let unreserved = self.reference.pages.values().map(|page| page.id).next();
        if let Some(id) = unreserved {
            let fill = lists.insert_reserved(table, id, nowhere, Nid(0), len).err();
            seen.push((fill, Error::Stale));
            seen.push((lists.unreserve(table, id).err(), Error::Stale));
        }
        if let Some(&id) = self.reserved.first() {
            let fill = lists.insert_reserved(table, id, nowhere, Nid(NODES), len);
            let begin = lists.begin_move(table, id, nowhere, Nid(0));
            seen.push((fill.err(), Error::BadNode));
            seen.push((begin.err(), Error::Stale));
        }
        let used = self.reference.pages.iter();
        if let Some((&address, page)) = used.clone().nth(k % used.len().max(1)) {
            let frame = some(Frame::new(address), "frame")?;
            let bad = lists.begin_move(table, page.id, frame, Nid(NODES));
            let wrong = lists.begin_move(table, page.id, nowhere, Nid(0));
            let can = lists.can_move(table, page.id, nowhere);
            let wrong_release = lists.release(table, page.id, nowhere);
            seen.extend([
                (bad.err(), Error::BadNode),
                (wrong.err(), Error::Stale),
                (can.err(), Error::Stale),
                (wrong_release.err(), Error::Stale),
            ]);
            if page.moving {
                let again = lists.begin_move(table, page.id, frame, Nid(0));
                let bad = lists.finish_move(table, page.id, nowhere, Nid(NODES));
                seen.push((again.err(), Error::Stale));
                seen.push((bad.err(), Error::BadNode));
            } else {
                let finish = lists.finish_move(table, page.id, nowhere, Nid(0));
                seen.push((finish.err(), Error::Stale));
            }
            if !page.empty() {
                let release = lists.release(table, page.id, frame);
                seen.push((release.err(), Error::Stale));
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
        if let Some((id, half)) = pick(&mut unused, k) {
            seen.extend(self.misuse_slot(id, half)?);
        }
        let wrong = seen.iter().find(|(seen, wanted)| *seen != Some(*wanted));
        ensure!(wrong.is_none(), "misuse said {wrong:?}");
        ensure!(before == self.pool.picture(), "misuse did something");
        Ok(())
    }

    fn misuse_slot(
        &mut self,
        id: DescId,
        half: Half,
    ) -> Result<[(Option<Error>, Error); 3], Trouble> {
        let pool = &mut self.pool;
        let home = pool.table.descriptor(id)?;
        let free = pool.lists.free(&pool.table, home, half, |_| true);
        Ok([
            (free.err(), Error::BadHandle),
            (home.map(&pool.table, half).err(), Error::BadHandle),
            (home.slot(half).unpin().err(), Error::NotPinned),
        ])
    }

    /// Everything ends, nothing is left.
    pub fn end(&mut self) -> Result<(), Trouble> {
        while let Some(open) = self.moves.pop() {
            self.finish(&open)?;
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
        while let Some(frame) = self.held.pop() {
            self.pool.host.unlock(frame)?;
        }
        loop {
            self.apply(&Action::Look)?;
            if self.looked.is_empty() {
                break;
            }
            self.work(0)?;
        }
        self.reference.compare(&self.pool)?;
        let (lists, host) = (&self.pool.lists, &self.pool.host);
        ensure!(lists.pages() == 0, "{} pages are left", lists.pages());
        ensure!(lists.stored_bytes() == 0, "bytes are left");
        ensure!(
            host.allocated() == 0,
            "{} host pages leak",
            host.allocated()
        );
        let present = self.pool.table.present().count();
        ensure!(present <= 1 + self.spare, "{present} leaves are left");
        let used = self
            .pool
            .table
            .present()
            .flat_map(|leaf| leaf.descriptors());
        let used = used.filter(|(_, desc)| desc.state() != Some(State::Free));
        ensure!(used.count() == 0, "descriptors are left");
        Ok(())
    }
}
