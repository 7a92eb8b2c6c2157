// SPDX-License-Identifier: GPL-2.0

//! The module's own user of a pool: blocks of 4 KiB, each compressed and stored as one
//! zpage.

use crate::disk::compress::{Choice, Streams};
use crate::linux::bindings;
use crate::linux::compat::user_slice;
use crate::linux::{node, task};
use crate::observe::shown_pool::ShownPool;
use crate::pool::pool::Pool;
use crate::pool::zpage::Zpage;
use crate::zbud::PAGE_SIZE;
use core::mem::ManuallyDrop;
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::Arc;

const BLOCK: u64 = PAGE_SIZE as u64;
/// Bytes that can be addressed: 2^44, 16 TiB.
pub(crate) const MAX_SIZE: u64 = 1 << 44;

/// A zpage, and the pool that it is of.
///
/// # Invariants
///
/// `raw` is a zpage of the pool, which is freed by nobody else.
struct Owned {
    pool: Arc<Pool>,
    raw: u64,
}

impl Owned {
    fn zpage(&self) -> Result<ManuallyDrop<Zpage<'_>>> {
        // SAFETY: By the type invariant; the result is not dropped.
        let zpage = unsafe { Zpage::from_raw(self.pool.as_arc_borrow(), self.raw) };
        Ok(ManuallyDrop::new(zpage.ok_or(EIO)?))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; dropped here only.
        drop(unsafe { Zpage::from_raw(self.pool.as_arc_borrow(), self.raw) });
    }
}

/// One stored block.
struct Block {
    zpage: Owned,
    /// Stored as it is: it does not compress to less than a page.
    raw: bool,
    /// How often `pin` has pinned the zpage.
    pins: u32,
}

/// A pool and the blocks in it.
pub(crate) struct Data {
    /// Before the pool, as they are dropped in this order.
    blocks: RBTree<u64, Block>,
    pool: ShownPool,
    /// Bytes up to the end of the last block written.
    size: u64,
    streams: Streams,
    /// A page.
    plain: KVec<u8>,
}

impl Data {
    /// No block. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel cannot compress, `ENOMEM`.
    pub(crate) fn new(pool: ShownPool) -> Result<Self> {
        Ok(Self {
            blocks: RBTree::new(),
            pool,
            size: 0,
            // The mutex around the data lets in one task at a time.
            streams: Streams::new(Choice::new()?, 1)?,
            plain: KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?,
        })
    }

    /// Bytes up to the end of the last block written.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Compresses `plain` and stores it as block `index`.
    fn store(&mut self, index: u64) -> Result {
        if self.blocks.get(&index).is_some_and(|block| block.pins != 0) {
            return Err(EBUSY);
        }
        let mut stream = self.streams.get()?;
        // SAFETY: `plain` is a page.
        let compressed = unsafe { stream.compress(self.plain.as_ptr()) }?;
        let raw = compressed.len() >= PAGE_SIZE;
        let bytes = if raw { &self.plain } else { compressed };
        let pool = self.pool.as_arc_borrow();
        let gfp = bindings::ZBM_GFP_PAGE;
        // SAFETY: The bytes of a slice.
        let zpage = unsafe { Zpage::new(pool, bytes.as_ptr(), bytes.len(), gfp, node::local()) }?;
        let block = Block {
            // INVARIANT: New, and nobody else's.
            zpage: Owned {
                pool: Arc::clone(&self.pool),
                raw: zpage.into_raw(),
            },
            raw,
            pins: 0,
        };
        // An old block is dropped, and its zpage freed.
        self.blocks
            .try_create_and_insert(index, block, GFP_KERNEL)
            .map(drop)
    }

    /// Gets block `index` into `plain`.
    fn load(&mut self, index: u64) -> Result {
        let Some(block) = self.blocks.get(&index) else {
            self.plain.fill(0);
            return Ok(());
        };
        let zpage = block.zpage.zpage()?;
        let bytes = zpage.map()?;
        if !block.raw {
            // SAFETY: `plain` is a page.
            return unsafe { self.streams.decompress(&bytes, self.plain.as_mut_ptr()) };
        }
        if bytes.len() != self.plain.len() {
            return Err(EIO);
        }
        self.plain.copy_from_slice(&bytes);
        Ok(())
    }

    /// Writes from the user at `pos`; returns the number of bytes written.
    pub(crate) fn write(&mut self, from: usize, len: usize, pos: u64) -> Result<usize> {
        let end = pos.checked_add(len as u64).ok_or(EFBIG)?;
        if end > MAX_SIZE {
            return Err(EFBIG);
        }
        let mut reader = user_slice(from, len).reader();
        let mut done = 0_usize;
        for (index, range) in pieces(pos, len) {
            let bytes = range.len();
            let stored = (|| {
                if bytes < PAGE_SIZE {
                    self.load(index)?;
                }
                reader.read_slice(self.plain.get_mut(range).ok_or(EIO)?)?;
                self.store(index)
            })();
            match stored {
                Ok(()) => done = done.saturating_add(bytes),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.size = self.size.max(pos.saturating_add(done as u64));
            if pause() {
                break;
            }
        }
        Ok(done)
    }

    /// Reads to the user from `pos`; returns the number of bytes read.
    pub(crate) fn read(&mut self, to: usize, len: usize, pos: u64) -> Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(pos)).unwrap_or(usize::MAX);
        let mut writer = user_slice(to, len).writer();
        let mut done = 0_usize;
        for (index, range) in pieces(pos, len.min(left)) {
            self.load(index)?;
            let bytes = self.plain.get(range).ok_or(EIO)?;
            writer.write_slice(bytes)?;
            done = done.saturating_add(bytes.len());
            if pause() {
                break;
            }
        }
        Ok(done)
    }

    /// Frees the blocks of which `chosen` says so. A pinned one among them:
    /// `EBUSY`, and nothing is freed.
    pub(crate) fn free(&mut self, chosen: impl Fn(u64) -> bool) -> Result {
        if self
            .blocks
            .iter()
            .any(|(&index, block)| block.pins != 0 && chosen(index))
        {
            return Err(EBUSY);
        }
        let mut from = Some(0_u64);
        while let Some(index) = from.and_then(|from| self.next_block(from)) {
            if chosen(index) {
                drop(self.blocks.remove(&index));
            }
            from = index.checked_add(1);
            task::cond_resched();
        }
        Ok(())
    }

    /// The first stored block from `from` on.
    fn next_block(&mut self, from: u64) -> Option<u64> {
        Some(*self.blocks.cursor_lower_bound(&from)?.current().0)
    }

    /// Frees all blocks. A pinned one among them: `EBUSY`, and nothing is freed.
    pub(crate) fn drop_all(&mut self) -> Result {
        self.free(|_| true)?;
        self.size = 0;
        Ok(())
    }

    /// Pins each block of `first..first + count`, all or none.
    pub(crate) fn pin(&mut self, first: u64, count: u64) -> Result {
        let end = first.checked_add(count).ok_or(ERANGE)?;
        if end > MAX_SIZE / BLOCK {
            return Err(ERANGE);
        }
        for index in first..end {
            if let Err(error) = self.pin_one(index) {
                (first..index).try_for_each(|index| self.unpin_one(index))?;
                return Err(error);
            }
            task::cond_resched();
        }
        Ok(())
    }

    fn pin_one(&mut self, index: u64) -> Result {
        let block = self.blocks.get_mut(&index).ok_or(ENOENT)?;
        let pins = block.pins.checked_add(1).ok_or(EBUSY)?;
        block.zpage.zpage()?.pin()?;
        block.pins = pins;
        Ok(())
    }

    fn unpin_one(&mut self, index: u64) -> Result {
        let block = self.blocks.get_mut(&index).ok_or(ENOENT)?;
        block.pins = block.pins.checked_sub(1).ok_or(EINVAL)?;
        // SAFETY: Pinned by `pin_one`, which `pins` counts.
        unsafe { block.zpage.zpage()?.unpin() }
    }

    /// Unpins each block of `first..first + count` once; nothing if one of them
    /// is not pinned.
    pub(crate) fn unpin(&mut self, first: u64, count: u64) -> Result {
        let end = first.checked_add(count).ok_or(ERANGE)?;
        if end > MAX_SIZE / BLOCK {
            return Err(ERANGE);
        }
        for index in first..end {
            let block = self.blocks.get(&index).ok_or(ENOENT)?;
            if block.pins == 0 {
                return Err(EINVAL);
            }
            task::cond_resched();
        }
        (first..end).try_for_each(|index| self.unpin_one(index))
    }

    /// Undoes all pins.
    pub(crate) fn unpin_all(&mut self) -> Result {
        for block in self.blocks.values_mut() {
            for _ in 0..core::mem::take(&mut block.pins) {
                // SAFETY: Pinned by `pin_one`, which `pins` counted.
                unsafe { block.zpage.zpage()?.unpin() }?;
            }
        }
        Ok(())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // Does not fail: all pins are the data's own.
        if let Err(error) = self.unpin_all().and_then(|()| self.drop_all()) {
            pr_err!("data: could not be emptied ({error:?})\n");
        }
    }
}

/// Splits `len` bytes at `pos` at the borders of blocks: each block's number,
/// and where in the block. Positions stay below [`MAX_SIZE`].
fn pieces(pos: u64, len: usize) -> impl Iterator<Item = (u64, core::ops::Range<usize>)> {
    let (mut pos, mut left) = (pos, len);
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        // CAST: below the block size.
        let start = (pos % BLOCK) as usize;
        let end = start.saturating_add(left).min(PAGE_SIZE);
        let index = pos / BLOCK;
        pos = index.saturating_add(1).saturating_mul(BLOCK);
        left = left.saturating_sub(end.saturating_sub(start));
        Some((index, start..end))
    })
}

/// Between two blocks: lets others run; says whether a signal is pending.
fn pause() -> bool {
    task::cond_resched();
    kernel::current!().signal_pending()
}
