// SPDX-License-Identifier: GPL-2.0

//! What a disk stores: blocks of a page, each a zpage, a word, or nothing.

use super::compress::{Choice, Streams};
use super::knobs::Knobs;
use super::pin_tree::Pins;
use super::stats::Stats;
use crate::linux::bindings;
use crate::linux::task;
use crate::linux::zeroed::ZeroedSlice;
use crate::observe::shown_pool::ShownPool;
use crate::pool::pool::Pool;
use crate::pool::zpage::Zpage;
use crate::zbud::{Block, BlockState, BlockValue, Content, Locked, Nid, Unlocked, PAGE_SIZE};
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// How often a lock is tried before its holder is waited for.
const SPINS: u32 = 100;
const WORDS: usize = PAGE_SIZE / core::mem::size_of::<u64>();

/// The blocks of a disk, and the pool that has their zpages.
pub(super) struct Store {
    states: ZeroedSlice<BlockState>,
    values: ZeroedSlice<BlockValue>,
    streams: Streams,
    knobs: Arc<Knobs>,
    pub(super) stats: Stats,
    pub(super) pins: Pins,
    pool: ShownPool,
}

/// A locked block; unlocked when dropped, and emptied before if it was freed meanwhile.
pub(super) struct Guard<'s> {
    store: &'s Store,
    pub(super) locked: Locked<'s>,
}

impl Guard<'_> {
    pub(super) fn content(&self) -> Content {
        self.locked.content()
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.locked.is_pinned()
    }

    pub(super) fn set_pinned(&mut self, pinned: bool) {
        self.locked.set_pinned(pinned);
    }

    /// Puts `content` in the place of what the block holds, which is freed.
    pub(super) fn set(&mut self, content: Content) {
        let old = (self.locked.content(), self.locked.is_pinned());
        self.locked.set(content);
        // SAFETY: The block held it, and does not any more.
        unsafe { self.store.release(old.0, old.1) };
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        while self.locked.unlock() == Unlocked::Freed {
            self.set(Content::Empty);
        }
    }
}

impl Store {
    /// `blocks` empty blocks. May sleep; what storing needs besides pages of the pool is
    /// allocated now.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(
        blocks: u64,
        choice: Choice,
        knobs: Arc<Knobs>,
        pool: ShownPool,
    ) -> Result<Self> {
        let len = usize::try_from(blocks).map_err(|_| ENOMEM)?;
        pool.set_limit(knobs.limit());
        Ok(Self {
            states: ZeroedSlice::new(len)?,
            values: ZeroedSlice::new(len)?,
            streams: Streams::new(choice, task::cpus())?,
            knobs,
            stats: Stats::default(),
            pins: Pins::new()?,
            pool,
        })
    }

    pub(super) fn blocks(&self) -> u64 {
        self.states.len() as u64
    }

    /// `mem_limit` is another.
    pub(super) fn limit_has_changed(&self) {
        self.pool.set_limit(self.knobs.limit());
    }

    pub(super) fn pool(&self) -> ArcBorrow<'_, Pool> {
        self.pool.as_arc_borrow()
    }

    pub(super) fn block(&self, index: u64) -> Result<Block<'_>> {
        let index = usize::try_from(index).map_err(|_| EIO)?;
        let (state, value) = (self.states.get(index), self.values.get(index));
        Ok(Block::new(state.ok_or(EIO)?, value.ok_or(EIO)?))
    }

    /// Locks a block. Sleeps while another task has it.
    ///
    /// # Errors
    ///
    /// `EIO` beyond the end.
    pub(super) fn lock(&self, index: u64) -> Result<Guard<'_>> {
        let block = self.block(index)?;
        loop {
            for _ in 0..SPINS {
                if let Some(locked) = block.try_lock() {
                    return Ok(self.guard(locked));
                }
                core::hint::spin_loop();
            }
            task::short_sleep();
        }
    }

    pub(super) fn guard<'s>(&'s self, locked: Locked<'s>) -> Guard<'s> {
        Guard {
            store: self,
            locked,
        }
    }

    /// The zpage of that name, for a look at it.
    ///
    /// # Safety
    ///
    /// A block holds it, or a pin, and does so as long as the result is used.
    pub(super) unsafe fn zpage(&self, raw: u64) -> Result<ManuallyDrop<Zpage<'_>>> {
        // SAFETY: By the safety requirements; it is not dropped.
        let zpage = unsafe { Zpage::from_raw(self.pool(), raw) };
        Ok(ManuallyDrop::new(zpage.ok_or(EIO)?))
    }

    /// Frees what a block held, unless it is someone else's as well.
    ///
    /// # Safety
    ///
    /// It is held by no block any more.
    unsafe fn release(&self, content: Content, pinned: bool) {
        let raw = match content {
            Content::Empty => return,
            Content::Filled(_) => {
                self.stats.same.dec();
                return;
            }
            Content::Zpage(raw) => raw,
            Content::Large(raw) => {
                self.stats.large.dec();
                raw
            }
            Content::Raw(raw) => {
                self.stats.raw.dec();
                raw
            }
        };
        if !pinned {
            // SAFETY: By the safety requirements, and nobody has pinned it.
            drop(unsafe { Zpage::from_raw(self.pool(), raw) });
        }
    }

    /// Puts a page into a block.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when there is no memory, or the limit is reached; `ENOSPC` when no more
    /// pages may be stored as they are. The block is as before.
    ///
    /// # Safety
    ///
    /// `page` may be read, though others may write to it; it is on node `nid`.
    pub(super) unsafe fn write(&self, index: u64, page: *const u8, nid: Nid) -> Result {
        // SAFETY: By the safety requirements.
        let content = match unsafe { word_of(page) } {
            Some(word) => {
                self.stats.same.inc();
                Content::Filled(word)
            }
            // SAFETY: By the safety requirements.
            None => unsafe { self.compress(page, nid) }?,
        };
        match self.lock(index) {
            Ok(mut guard) => {
                guard.set(content);
                Ok(())
            }
            Err(error) => {
                // SAFETY: No block has got it.
                unsafe { self.release(content, false) };
                Err(error)
            }
        }
    }

    /// Stores a page in the pool.
    ///
    /// # Safety
    ///
    /// As [`Store::write`].
    unsafe fn compress(&self, page: *const u8, nid: Nid) -> Result<Content> {
        let mut stream = self.streams.get()?;
        // SAFETY: By the safety requirements.
        let bytes = unsafe { stream.compress(page) }?;
        if bytes.len() > self.knobs.raw_threshold.load(Ordering::Relaxed) {
            drop(stream);
            // SAFETY: By the safety requirements.
            return unsafe { self.store_raw(page, nid) };
        }
        let len = bytes.len();
        // SAFETY: The bytes are the stream's, which is locked.
        let zpage = unsafe { self.store(bytes.as_ptr(), len, nid) }?;
        // Others want it, and this may wait.
        drop(stream);
        let zpage = self.within_limit(zpage)?;
        if len <= PAGE_SIZE / 2 {
            return Ok(Content::Zpage(zpage.into_raw()));
        }
        self.stats.large.inc();
        Ok(Content::Large(zpage.into_raw()))
    }

    /// Stores a page as it is.
    ///
    /// # Safety
    ///
    /// As [`Store::write`].
    unsafe fn store_raw(&self, page: *const u8, nid: Nid) -> Result<Content> {
        let limit = self.knobs.raw_limit.load(Ordering::Relaxed);
        if !self.stats.raw.inc_below(limit) {
            return Err(ENOSPC);
        }
        // SAFETY: By the safety requirements.
        let zpage = unsafe { self.store(page, PAGE_SIZE, nid) };
        let zpage = zpage.and_then(|zpage| self.within_limit(zpage));
        let zpage = zpage.inspect_err(|_| self.stats.raw.dec())?;
        self.stats.raw_since.inc();
        Ok(Content::Raw(zpage.into_raw()))
    }

    /// # Safety
    ///
    /// `bytes` may be read, though others may write there.
    unsafe fn store(&self, bytes: *const u8, len: usize, nid: Nid) -> Result<Zpage<'_>> {
        let gfp = bindings::ZBM_GFP_DISK;
        // SAFETY: By the safety requirements.
        unsafe { Zpage::new(self.pool(), bytes, len, gfp, nid) }
    }

    /// Gives `zpage` back unless the pool has become larger than it may be. May sleep.
    fn within_limit<'s>(&'s self, zpage: Zpage<'s>) -> Result<Zpage<'s>> {
        let pool = &*self.pool;
        let limit = self.knobs.limit();
        if pool.pages() > limit && !pool.comes_down_to(limit) {
            return Err(ENOMEM);
        }
        self.stats.pages_max.raise(pool.pages());
        Ok(zpage)
    }

    /// Gets a block into a page.
    ///
    /// # Errors
    ///
    /// `EIO` when what is stored cannot be decompressed.
    ///
    /// # Safety
    ///
    /// `page` may be written.
    pub(super) unsafe fn read(&self, index: u64, page: *mut u8) -> Result {
        let guard = self.lock(index)?;
        let raw = match guard.content() {
            Content::Empty => {
                // SAFETY: By the safety requirements.
                unsafe { core::ptr::write_bytes(page, 0, PAGE_SIZE) };
                return Ok(());
            }
            Content::Filled(word) => {
                // SAFETY: By the safety requirements.
                unsafe { fill(page, word) };
                return Ok(());
            }
            Content::Zpage(raw) | Content::Large(raw) | Content::Raw(raw) => raw,
        };
        // SAFETY: The block holds it, and is locked.
        let zpage = unsafe { self.zpage(raw) }?;
        let bytes = zpage.map()?;
        match guard.content() {
            Content::Raw(_) if bytes.len() == PAGE_SIZE => {
                // SAFETY: By the safety requirements; that long.
                unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), page, PAGE_SIZE) };
                Ok(())
            }
            // SAFETY: By the safety requirements.
            _ => unsafe { self.streams.decompress(&bytes, page) },
        }
    }

    /// Empties a block.
    ///
    /// # Errors
    ///
    /// `EIO` beyond the end.
    pub(super) fn clear(&self, index: u64) -> Result {
        self.lock(index)?.set(Content::Empty);
        Ok(())
    }

    /// Empties a block that is discarded. Counted as zram does, whatever the block held.
    ///
    /// # Errors
    ///
    /// `EIO` beyond the end.
    pub(super) fn discard(&self, index: u64) -> Result {
        self.clear(index)?;
        self.stats.notify_free.inc();
        Ok(())
    }

    /// Empties a block that swap has freed, or leaves that to the one who has it locked.
    /// Does not sleep.
    pub(super) fn free(&self, index: u64) {
        self.stats.notify_free.inc();
        if let Some(locked) = self.block(index).ok().and_then(Block::free) {
            self.guard(locked).set(Content::Empty);
        }
    }

    /// Empties each block that is `chosen`.
    pub(super) fn clear_all(&self, chosen: impl Fn(u64) -> bool) -> Result {
        for index in (0..self.blocks()).filter(|&index| chosen(index)) {
            self.clear(index)?;
            task::cond_resched();
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Does not fail: the blocks are there.
        if let Err(error) = self.clear_all(|_| true) {
            pr_err!("{}: could not be emptied ({error:?})\n", self.pool.name());
        }
    }
}

/// The word that a page is filled with.
///
/// # Safety
///
/// `page` is a page that may be read, though others may write to it.
unsafe fn word_of(page: *const u8) -> Option<u64> {
    let words = page.cast::<u64>();
    // SAFETY: Within the page, which is aligned. Volatile, as others may write.
    let word = |index: usize| unsafe { words.add(index).read_volatile() };
    let first = word(0);
    // Many pages begin like others, and end otherwise.
    if word(WORDS - 1) != first || (1..WORDS - 1).any(|index| word(index) != first) {
        return None;
    }
    Some(first)
}

/// Fills a page with a word.
///
/// # Safety
///
/// `page` is a page that may be written.
unsafe fn fill(page: *mut u8, word: u64) {
    let words = page.cast::<u64>();
    for index in 0..WORDS {
        // SAFETY: Within the page, which is aligned.
        unsafe { words.add(index).write(word) };
    }
}
