// SPDX-License-Identifier: GPL-2.0

//! A pool over loom's types, small enough to explore every interleaving.
//!
//! The bytes of a page are two relaxed atomics, one for each buddy (all zpages
//! are half a page long). Relaxed loads may see any value that no
//! happens-before edge rules out, so an edge that the core does not make shows
//! as a wrong byte.

use super::table::Leaves;
use super::{some, Trouble};
use crate::ensure;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicBool, AtomicU32};
use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread::JoinHandle;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use zbud_movable_core::zbud::{
    Books, DescId, Descriptor, Error, Extent, Freed, Len, MappedZpage, Nid, NodeBooks, PageAddr,
    Released, Run, SlotId, SlotIndex, Table, PAGE_SIZE,
};

/// The contents of a page that is not the pool's (any more).
pub const POISON: u32 = 0xa5a5;

/// Turns a thread may wait before alternatives are no longer explored.
const TURNS: u32 = 3;

/// Lets the other threads run, of which one is waited for. Two that wait can take turns for ever.
fn wait(turns: &mut u32) {
    *turns += 1;
    if *turns > TURNS {
        loom::skip_branch();
    }
    loom::thread::yield_now();
}

/// The page lock. Not loom's mutex: that one blocks a thread that is about to
/// *try* it (loom 0.7.2), and sees a deadlock where there is none.
pub struct PageLock(AtomicBool);

/// Has the page lock.
pub struct PageGuard<'p>(&'p PageLock);

impl PageLock {
    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<PageGuard<'_>> {
        let free = self.0.compare_exchange(false, true, Acquire, Relaxed);
        free.is_ok().then(|| PageGuard(self))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> PageGuard<'_> {
        let mut turns = 0_u32;
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            wait(&mut turns);
        }
    }
}

impl Drop for PageGuard<'_> {
    fn drop(&mut self) {
        self.0 .0.store(false, Release);
    }
}

/// The bytes of a zpage. The companion does for loom what
/// `src/zbud/loom_atomics.rs` explains.
struct Bytes {
    value: AtomicU32,
    step: AtomicBool,
}

impl Bytes {
    fn new() -> Self {
        Self {
            value: AtomicU32::new(POISON),
            step: AtomicBool::new(false),
        }
    }

    fn load(&self) -> u32 {
        self.step.swap(true, Relaxed);
        self.value.load(Relaxed)
    }

    fn store(&self, value: u32) {
        self.step.swap(true, Relaxed);
        self.value.store(value, Relaxed);
    }
}

/// A pool page.
pub struct Page {
    /// Its lock.
    pub lock: PageLock,
    cells: [Bytes; 2],
    /// How often the page was added to the pool and released; not loom's, so that
    /// counting is no step of its own.
    added: AtomicUsize,
    releases: AtomicUsize,
}

impl Page {
    /// The bytes of a buddy.
    fn cell(&self, last: bool) -> &Bytes {
        let [first, second] = &self.cells;
        if last {
            second
        } else {
            first
        }
    }

    /// mm's part when a page leaves the pool.
    fn release(&self) {
        for cell in &self.cells {
            cell.store(POISON);
        }
        self.releases.fetch_add(1, SeqCst);
    }
}

/// The pool, on two nodes, with one leaf.
pub struct World {
    /// Its leaves.
    pub table: Leaves,
    /// The books, and the pool lock.
    pub books: Mutex<Books<[NodeBooks; 2]>>,
    /// All pages.
    pub pages: Vec<Page>,
}

/// How a move went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// To the new page.
    Yes,
    /// To the new page, which has no zpage.
    Emptied,
    /// A zpage was mapped.
    Pinned,
    /// The page had moved or gone before, or is being released.
    Stale,
}

/// How a re-pairing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paired {
    /// The zpage is beside another, or was freed.
    Yes,
    /// The same, and the other page has no zpage.
    Emptied,
    /// There was none beside which it could go.
    No,
    /// It was mapped.
    Pinned,
    /// The page had no lone zpage any more.
    Stale,
}

/// Locks, as the kernel's locks do: without poisoning.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// Waits for a thread and what it found.
pub fn join<T>(thread: JoinHandle<Result<T, Trouble>>) -> Result<T, Trouble> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Trouble("a thread panicked".into())))
}

/// SlotIndex a page.
pub fn half_page() -> Result<Len, Trouble> {
    Ok(Len::new(PAGE_SIZE / 2)?)
}

fn nid(page: usize) -> Nid {
    if page % 2 == 0 {
        Nid(0)
    } else {
        Nid(1)
    }
}

impl World {
    /// An empty pool and this many pool pages; even ones are on node 0, odd
    /// ones on node 1.
    pub fn new(pages: usize) -> Result<Arc<Self>, Trouble> {
        let world = Self {
            table: Leaves::new(1, 1),
            books: Mutex::new(Books::new([NodeBooks::new(), NodeBooks::new()])),
            pages: (0..pages)
                .map(|_| Page {
                    lock: PageLock(AtomicBool::new(false)),
                    cells: [Bytes::new(), Bytes::new()],
                    added: AtomicUsize::new(0),
                    releases: AtomicUsize::new(0),
                })
                .collect(),
        };
        let number = some(world.table.grow(), "room for a leaf")?;
        lock(&world.books).add_leaf(&world.table, number)?;
        Ok(Arc::new(world))
    }

    /// A pool page.
    pub fn page(&self, page: usize) -> Result<&Page, Trouble> {
        some(self.pages.get(page), "pool page")
    }

    /// The name of a pool page.
    pub fn addr(page: usize) -> Result<PageAddr, Trouble> {
        some(PageAddr::new((page + 1) * PAGE_SIZE), "address")
    }

    fn page_of(&self, address: usize) -> Result<&Page, Trouble> {
        let page = some((address / PAGE_SIZE).checked_sub(1), "page 0")?;
        self.page(page)
    }

    fn owner(&self, slot: SlotId) -> Result<&Descriptor, Trouble> {
        Ok(self.table.descriptor(slot.desc())?)
    }

    /// What a process sees of a page, as the fault shows it: each half, `None` if that was
    /// wiped. `None` if the page cannot be shown now.
    pub fn show(&self, id: DescId, page: usize) -> Result<Option<[Option<u32>; 2]>, Trouble> {
        let its = self.page(page)?;
        let _lock = its.lock.lock();
        let Some(gaps) = lock(&self.books).gaps(&self.table, id, Self::addr(page)?)? else {
            return Ok(None);
        };
        let seen = [false, true].map(|last| {
            let half = if last { PAGE_SIZE / 2 } else { 0 };
            let wiped = gaps.iter().any(|gap| gap.contains(&half));
            (!wiped).then(|| its.cell(last).load())
        });
        ensure!(!seen.contains(&Some(POISON)), "what was there before");
        Ok(Some(seen))
    }

    /// Puts a new zpage into a page of its own, and writes it.
    pub fn insert(&self, page: usize, value: u32) -> Result<SlotId, Trouble> {
        let slot = self.insert_fresh(page)?;
        self.write(slot, value)?;
        Ok(slot)
    }

    /// Puts a new zpage into a page of its own.
    pub fn insert_fresh(&self, page: usize) -> Result<SlotId, Trouble> {
        let its = self.page(page)?;
        let _lock = its.lock.lock();
        let (addr, len) = (Self::addr(page)?, half_page()?);
        let slot = {
            let mut books = lock(&self.books);
            let id = books.reserve(&self.table)?;
            books.insert(&self.table, id, addr, nid(page), len)?.slot
        };
        its.added.fetch_add(1, SeqCst);
        Ok(slot)
    }

    /// Puts a new zpage beside another, if there is a lone one.
    pub fn pair(&self, value: u32) -> Result<Option<SlotId>, Trouble> {
        let slot = {
            let mut books = lock(&self.books);
            let (table, len) = (&self.table, half_page()?);
            let stored = match books.pair(table, Nid(0), len)? {
                None => books.pair_elsewhere(table, Nid(0), len)?,
                stored => stored,
            };
            stored.map(|stored| stored.slot)
        };
        if let Some(slot) = slot {
            self.write(slot, value)?;
        }
        Ok(slot)
    }

    /// Puts a new zpage into a page without zpages, if there is one.
    pub fn refill(&self, value: u32) -> Result<Option<SlotId>, Trouble> {
        let slot = {
            let mut books = lock(&self.books);
            let (table, len) = (&self.table, half_page()?);
            let stored = match books.refill(table, Nid(0), len)? {
                None => books.refill_elsewhere(table, Nid(0), len)?,
                stored => stored,
            };
            stored.map(|stored| stored.slot)
        };
        if let Some(slot) = slot {
            self.write(slot, value)?;
        }
        Ok(slot)
    }

    /// Maps as the module does: waits while the zpage is frozen.
    pub fn map(&self, owner: &Descriptor, index: SlotIndex) -> Result<MappedZpage, Error> {
        let mut turns = 0;
        loop {
            match owner.map(&self.table, index) {
                Err(Error::Frozen) => wait(&mut turns),
                done => return done,
            }
        }
    }

    /// Writes a zpage that is mapped.
    pub fn write_mapped(&self, mapped: &MappedZpage, value: u32) -> Result<(), Trouble> {
        let last = mapped.address % PAGE_SIZE != 0;
        self.page_of(mapped.address)?.cell(last).store(value);
        Ok(())
    }

    /// Maps, does something with the bytes, unmaps.
    fn with<R>(&self, slot: SlotId, act: impl FnOnce(&Bytes) -> R) -> Result<R, Trouble> {
        let owner = self.owner(slot)?;
        let mapped = self.map(owner, slot.index())?;
        let last = mapped.address % PAGE_SIZE != 0;
        let result = act(self.page_of(mapped.address)?.cell(last));
        owner.slot(slot.index()).unpin()?;
        Ok(result)
    }

    /// Maps, reads, unmaps.
    pub fn read(&self, slot: SlotId) -> Result<u32, Trouble> {
        self.with(slot, |cell| cell.load())
    }

    /// Maps, writes, unmaps.
    pub fn write(&self, slot: SlotId, value: u32) -> Result<(), Trouble> {
        self.with(slot, |cell| cell.store(value))
    }

    fn gone(&self, released: Released) -> Result<(), Trouble> {
        self.page_of(released.page.address())?.release();
        Ok(())
    }

    /// Moves a page, as the migrate callback does.
    pub fn move_page(&self, id: DescId, src: usize, dst: usize) -> Result<Moved, Trouble> {
        let (from, to) = (self.page(src)?, self.page(dst)?);
        let _from = from.lock.lock();
        let _to = to.lock.lock();
        let begun = lock(&self.books).begin_move(&self.table, id, Self::addr(src)?, nid(dst));
        let extents = match begun {
            Ok(extents) => extents,
            Err(Error::Pinned) => return Ok(Moved::Pinned),
            Err(Error::Stale) => return Ok(Moved::Stale),
            Err(error) => return Err(error.into()),
        };
        for extent in extents.into_iter().flatten() {
            let last = extent.offset() != 0;
            to.cell(last).store(from.cell(last).load());
        }
        let finished =
            lock(&self.books).finish_move(&self.table, id, Self::addr(dst)?, nid(dst))?;
        to.added.fetch_add(1, SeqCst);
        from.release();
        Ok(match finished.emptied {
            false => Moved::Yes,
            true => Moved::Emptied,
        })
    }

    /// Moves the zpage of a page beside another, as `compact` does.
    pub fn repair(&self, id: DescId) -> Result<Paired, Trouble> {
        let begun = lock(&self.books).begin_repair(&self.table, id, false);
        let repair = match begun {
            Ok(Some(repair)) => repair,
            Ok(None) => return Ok(Paired::No),
            Err(Error::Pinned) => return Ok(Paired::Pinned),
            Err(Error::Stale) => return Ok(Paired::Stale),
            Err(error) => return Err(error.into()),
        };
        let cell = |(page, extent): (PageAddr, Extent)| {
            let page = self.page_of(page.address())?;
            Ok::<_, Trouble>(page.cell(extent.offset() != 0))
        };
        cell(repair.to)?.store(cell(repair.from)?.load());
        let repaired = lock(&self.books).finish_repair(&self.table, &repair, true)?;
        ensure!(repaired.won, "{repaired:?}");
        Ok(match repaired.emptied {
            false => Paired::Yes,
            true => Paired::Emptied,
        })
    }

    /// Frees a zpage; what the last user wrote must be seen by then.
    pub fn free(&self, slot: SlotId) -> Result<Result<Freed, Error>, Trouble> {
        self.free_seeing(slot, None)
    }

    /// The same; if the page goes with it, `value` must be in it: nothing that
    /// a user did may come later.
    pub fn free_seeing(
        &self,
        slot: SlotId,
        value: Option<u32>,
    ) -> Result<Result<Freed, Error>, Trouble> {
        let owner = self.owner(slot)?;
        let mut p = None;
        let freed = lock(&self.books).free(&self.table, owner, slot.index(), |addr| {
            let page = self.page_of(addr.address()).ok();
            p = page.and_then(|page| page.lock.try_lock());
            p.is_some()
        });
        if let Ok(Freed::Released(released)) = freed {
            if let Some(value) = value {
                let page = self.page_of(released.page.address())?;
                let seen = page.cell(false).load();
                ensure!(
                    seen == value,
                    "freed before {value:#x} was there: {seen:#x}"
                );
            }
            self.gone(released)?;
        }
        Ok(freed)
    }

    /// The worker: takes the pages of some node that have no zpage, if there are any, and
    /// releases them once it has their page locks. Returns how many.
    pub fn work(&self) -> Result<usize, Trouble> {
        let taken = || -> Result<Option<Run>, Trouble> {
            let mut books = lock(&self.books);
            match books.take_empty(&self.table, Nid(0), usize::MAX, 0)? {
                None => Ok(books.take_empty(&self.table, Nid(1), usize::MAX, 0)?),
                run => Ok(run),
            }
        };
        let Some(run) = taken()? else {
            return Ok(0);
        };
        for id in run.ids() {
            // Nobody else changes it now.
            let addr = some(self.table.descriptor(id)?.page(), "page")?;
            let page = self.page_of(addr.address())?;
            let _lock = page.lock.lock();
            page.release();
            let _ = lock(&self.books).release(&self.table, id)?;
        }
        Ok(run.len())
    }

    /// Loses a page, as when its memory breaks. False when it is being moved, or is the pool's
    /// no more.
    pub fn lose(&self, id: DescId, page: usize) -> Result<bool, Trouble> {
        match lock(&self.books).lose(&self.table, id, Self::addr(page)?) {
            Ok(()) => Ok(true),
            Err(Error::Stale) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The worker: drops a lost page that nobody has mapped. Returns whether there was one.
    pub fn drop_lost(&self) -> Result<bool, Trouble> {
        self.drop_lost_seeing(None)
    }

    /// The same; `value` must be in it: nothing that a user did may come later.
    pub fn drop_lost_seeing(&self, value: Option<u32>) -> Result<bool, Trouble> {
        let taken = lock(&self.books).take_lost(&self.table, 0)?;
        let Some((id, addr)) = taken else {
            return Ok(false);
        };
        let page = self.page_of(addr.address())?;
        let _lock = page.lock.lock();
        if let Some(value) = value {
            let seen = page.cell(false).load();
            ensure!(
                seen == value,
                "dropped before {value:#x} was there: {seen:#x}"
            );
        }
        // From here on nobody may look at it.
        page.release();
        let _leaf = lock(&self.books).forget(&self.table, id)?;
        Ok(true)
    }

    /// Maps, reads, unmaps; `None` when it is lost.
    pub fn try_read(&self, slot: SlotId) -> Result<Option<u32>, Trouble> {
        match self.read(slot) {
            Err(trouble) if trouble == Error::Lost.into() => Ok(None),
            read => read.map(Some),
        }
    }

    /// The end of a run: the worker finishes, all is consistent, and this many
    /// pages are the pool's, as it counts them and as the pages do.
    pub fn settle(&self, pages: usize) -> Result<(), Trouble> {
        while self.work()? != 0 || self.drop_lost()? {}
        let mut books = lock(&self.books);
        books.verify(&self.table)?;
        let counted = books.pages();
        ensure!(counted == pages as u64, "{counted} pages, not {pages}");
        let sum = |count: fn(&Page) -> &AtomicUsize| -> usize {
            self.pages.iter().map(|page| count(page).load(SeqCst)).sum()
        };
        let (added, releases) = (sum(|page| &page.added), sum(|page| &page.releases));
        ensure!(
            added == releases + pages,
            "{added} pages added, {releases} released, {pages} should be there"
        );
        let once = self.pages.iter().all(|page| {
            let left = page
                .added
                .load(SeqCst)
                .checked_sub(page.releases.load(SeqCst));
            left.is_some_and(|left| left <= 1)
        });
        ensure!(once, "a page was released twice, or added twice");
        Ok(())
    }
}

/// The outcomes of the runs of one model, so that a model that never reaches what
/// it is about fails. Not loom's: it lasts over all runs.
#[derive(Default)]
pub struct Seen(std::sync::Mutex<std::collections::BTreeMap<String, usize>>);

impl Seen {
    /// Notes an outcome.
    pub fn note(&self, outcome: impl std::fmt::Debug) {
        if let Ok(mut seen) = self.0.lock() {
            let count = seen.entry(format!("{outcome:?}")).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Checks that just these outcomes were seen.
    pub fn all(&self, expected: &[&str]) -> Result<(), Trouble> {
        let seen = self.0.lock().map(|seen| seen.clone()).unwrap_or_default();
        println!("outcomes: {seen:?}");
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        ensure!(
            seen.keys().map(String::as_str).eq(expected.iter().copied()),
            "the runs came to {seen:?}, not to {expected:?}"
        );
        Ok(())
    }
}

/// Explores all interleavings with at most `preemptions` preemptions
/// (`LOOM_MAX_PREEMPTIONS` overrides), and checks what they came to.
pub fn explore(
    preemptions: usize,
    outcomes: &[&str],
    run: impl Fn(&Seen) -> Result<(), Trouble> + Send + Sync + 'static,
) -> Result<(), Trouble> {
    let seen = std::sync::Arc::new(Seen::default());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 20_000;
    let noted = seen.clone();
    builder.check(move || assert_eq!(run(&noted), Ok(())));
    seen.all(outcomes)
}
