// SPDX-License-Identifier: GPL-2.0

//! The module's own pool, driven by files in debugfs: real data in, the same
//! data out, holes, pins.
//!
//! `data` is like a sparse file: each 4 KiB block that is written is compressed
//! and stored as one zpage, a read decompresses it. Blocks that were not
//! written, or freed, read as zeroes. The other files are triggers.

use crate::bindings;
use crate::compat::user_slice;
use crate::compress::Compressor;
use crate::debugfs::{Entry, Fops};
use crate::error::len_errno;
use crate::handle::Handle;
use crate::input::{self, Input};
use crate::pool::Pool;
use crate::state::State;
use crate::zbud::{Len, PAGE_SIZE};
use kernel::error::from_result;
use kernel::ffi::{c_char, c_int, c_void};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::str::CString;
use kernel::sync::Arc;

const BLOCK: u64 = PAGE_SIZE as u64;
/// Bytes that can be addressed: 2^44, 16 TiB.
const MAX_SIZE: u64 = 1 << 44;

/// One stored block.
struct Block {
    handle: Handle,
    /// Stored as it is: it does not compress to less than a page.
    raw: bool,
    /// How often `pin` has mapped it.
    pins: u32,
}

/// The pool and what is in it. The mutex around it is taken before all else.
pub(crate) struct Data {
    pool: Arc<Pool>,
    blocks: RBTree<u64, Block>,
    /// Bytes up to the end of the last block written.
    size: u64,
    compressor: Compressor,
    plain: KVec<u8>,
}

impl Data {
    fn new(pool: Arc<Pool>) -> Result<Self> {
        Ok(Self {
            pool,
            blocks: RBTree::new(),
            size: 0,
            compressor: Compressor::new()?,
            plain: KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?,
        })
    }

    /// Compresses what is in `plain` and stores it as block `index`.
    fn store(&mut self, index: u64) -> Result {
        if self.blocks.get(&index).is_some_and(|block| block.pins != 0) {
            return Err(EBUSY);
        }
        let compressed = self.compressor.compress(&self.plain)?;
        let raw = compressed.is_none();
        let bytes = compressed.unwrap_or(&self.plain);
        let len = Len::new(bytes.len()).map_err(len_errno)?;
        let handle = Pool::alloc(self.pool.as_arc_borrow(), len, bindings::ZBM_GFP_PAGE)?;
        // SAFETY: Just allocated, and freed by nobody else.
        let mapped = unsafe { self.pool.map(handle) }?;
        // SAFETY: The zpage is `len` bytes long, and mapped; nobody else knows it.
        unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                mapped.address as *mut u8,
                mapped.len.bytes().min(bytes.len()),
            );
        }
        // SAFETY: Mapped above.
        unsafe { self.pool.unmap(handle) }?;
        let block = Block {
            handle,
            raw,
            pins: 0,
        };
        match self.blocks.try_create_and_insert(index, block, GFP_KERNEL) {
            Ok(Some(old)) => self.free_block(&old.to_key_value().1),
            Ok(None) => Ok(()),
            Err(error) => {
                // SAFETY: Allocated above and known to nobody.
                unsafe { Pool::free(self.pool.as_arc_borrow(), handle) }?;
                Err(error)
            }
        }
    }

    /// Gets block `index` into `plain`.
    fn load(&mut self, index: u64) -> Result {
        let Some(block) = self.blocks.get(&index) else {
            self.plain.fill(0);
            return Ok(());
        };
        // SAFETY: In the tree, so not freed; the mutex is held until `unmap`.
        let mapped = unsafe { self.pool.map(block.handle) }?;
        // SAFETY: Mapped: the bytes are there, and nobody writes to them.
        let bytes =
            unsafe { core::slice::from_raw_parts(mapped.address as *const u8, mapped.len.bytes()) };
        let loaded = if block.raw {
            if bytes.len() == self.plain.len() {
                self.plain.copy_from_slice(bytes);
                Ok(())
            } else {
                Err(EIO)
            }
        } else {
            self.compressor.decompress(bytes, &mut self.plain)
        };
        // SAFETY: Mapped above.
        unsafe { self.pool.unmap(block.handle) }?;
        loaded
    }

    fn free_block(&self, block: &Block) -> Result {
        // SAFETY: The block was taken out of the tree, so it is freed once.
        unsafe { Pool::free(self.pool.as_arc_borrow(), block.handle) }
    }

    /// Writes from the user at `pos`; returns the number of bytes written.
    fn write(&mut self, from: usize, len: usize, pos: u64) -> Result<usize> {
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
    fn read(&mut self, to: usize, len: usize, pos: u64) -> Result<usize> {
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
    fn free(&mut self, chosen: impl Fn(u64) -> bool) -> Result {
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
                if let Some(block) = self.blocks.remove(&index) {
                    self.free_block(&block)?;
                }
            }
            from = index.checked_add(1);
            crate::page::cond_resched();
        }
        Ok(())
    }

    /// The first stored block from `from` on.
    fn next_block(&mut self, from: u64) -> Option<u64> {
        Some(*self.blocks.cursor_lower_bound(&from)?.current().0)
    }

    fn drop_all(&mut self) -> Result {
        self.free(|_| true)?;
        self.size = 0;
        Ok(())
    }

    /// Maps each block of `first..first + count`, all or none.
    fn pin(&mut self, first: u64, count: u64) -> Result {
        let end = first.checked_add(count).ok_or(ERANGE)?;
        if end > MAX_SIZE / BLOCK {
            return Err(ERANGE);
        }
        for index in first..end {
            if let Err(error) = self.pin_one(index) {
                (first..index).try_for_each(|index| self.unpin_one(index))?;
                return Err(error);
            }
            crate::page::cond_resched();
        }
        Ok(())
    }

    fn pin_one(&mut self, index: u64) -> Result {
        let block = self.blocks.get_mut(&index).ok_or(ENOENT)?;
        let pins = block.pins.checked_add(1).ok_or(EBUSY)?;
        // SAFETY: In the tree, so not freed, and pinned blocks are never freed.
        unsafe { self.pool.map(block.handle) }?;
        block.pins = pins;
        Ok(())
    }

    fn unpin_one(&mut self, index: u64) -> Result {
        let block = self.blocks.get_mut(&index).ok_or(ENOENT)?;
        block.pins = block.pins.checked_sub(1).ok_or(EINVAL)?;
        // SAFETY: Mapped by `pin_one`.
        unsafe { self.pool.unmap(block.handle) }
    }

    /// Unmaps each block of `first..first + count` once; nothing if one of them
    /// is not pinned.
    fn unpin(&mut self, first: u64, count: u64) -> Result {
        let end = first.checked_add(count).ok_or(ERANGE)?;
        if end > MAX_SIZE / BLOCK {
            return Err(ERANGE);
        }
        for index in first..end {
            let block = self.blocks.get(&index).ok_or(ENOENT)?;
            if block.pins == 0 {
                return Err(EINVAL);
            }
            crate::page::cond_resched();
        }
        (first..end).try_for_each(|index| self.unpin_one(index))
    }

    fn unpin_all(&mut self) -> Result {
        for block in self.blocks.values_mut() {
            for _ in 0..core::mem::take(&mut block.pins) {
                // SAFETY: Mapped by `pin_one`.
                unsafe { self.pool.unmap(block.handle) }?;
            }
        }
        Ok(())
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

/// Between two blocks: lets others run; says whether a signal wants us to stop.
fn pause() -> bool {
    crate::page::cond_resched();
    kernel::current!().signal_pending()
}

/// Calls `act` on the data under its mutex.
fn with<R>(act: impl FnOnce(&mut Data) -> Result<R>) -> Result<R> {
    let state = State::get().ok_or(ENODEV)?;
    let data: &mut Option<Data> = &mut state.data().lock();
    act(data.as_mut().ok_or(ENODEV)?)
}

/// What a trigger does; the number is the private data of its inode.
#[derive(Clone, Copy)]
enum Trigger {
    /// `N`: frees every N-th block, the last of each N.
    FreeEvery = 0,
    /// `BLOCK [COUNT]`: maps COUNT blocks from BLOCK on; a page with a mapped
    /// zpage does not move.
    Pin = 1,
    /// `BLOCK [COUNT]` or `all`: unmaps them again.
    Unpin = 2,
    /// `1`: frees all blocks.
    Drop = 3,
}

impl Trigger {
    const ALL: [(Self, &'static CStr); 4] = [
        (Self::FreeEvery, kernel::c_str!("free_every")),
        (Self::Pin, kernel::c_str!("pin")),
        (Self::Unpin, kernel::c_str!("unpin")),
        (Self::Drop, kernel::c_str!("drop")),
    ];

    fn pull(self, data: &mut Data, input: &Input) -> Result {
        let [Some(first), second] = input.words::<2>()? else {
            return Err(EINVAL);
        };
        match (self, first, second) {
            (Self::FreeEvery, n, None) => {
                let n = input::number(n)?;
                if n == 0 {
                    return Err(EINVAL);
                }
                data.free(|index| index.checked_rem(n) == n.checked_sub(1))
            }
            (Self::Drop, "1", None) => data.drop_all(),
            (Self::Unpin, "all", None) => data.unpin_all(),
            (Self::Pin | Self::Unpin, first, count) => {
                let first = input::number(first)?;
                let count = count.map_or(Ok(1), input::number)?;
                if count == 0 {
                    return Err(EINVAL);
                }
                match self {
                    Self::Pin => data.pin(first, count),
                    _ => data.unpin(first, count),
                }
            }
            _ => Err(EINVAL),
        }
    }
}

/// The files; removed when dropped, and the pool with them.
pub(crate) struct Files {
    files: KVec<Entry>,
    /// What the files do. An open file uses it until it is closed.
    _fops: KBox<[Fops; 2]>,
}

impl Files {
    /// Makes the pool `data` and shows its files.
    pub(crate) fn new(state: &State) -> Result<Self> {
        let fops = KBox::new(
            [
                Fops::new(bindings::file_operations {
                    open: Some(open),
                    read: Some(read),
                    write: Some(write),
                    llseek: Some(seek),
                    ..Default::default()
                }),
                Fops::new(bindings::file_operations {
                    write: Some(pull),
                    ..Default::default()
                }),
            ],
            GFP_KERNEL,
        )?;
        // Before there is a file: who opens it keeps the module, not what failed.
        let files = KVec::with_capacity(1 + Trigger::ALL.len(), GFP_KERNEL)?;
        let pool = state.add_pool(CString::try_from_fmt(format_args!("data"))?)?;
        match Data::new(pool.clone()) {
            Ok(data) => *state.data().lock() = Some(data),
            Err(error) => {
                state.remove_pool(pool);
                return Err(error);
            }
        }
        // From here on dropping it undoes everything.
        let mut this = Self { files, _fops: fops };
        let root = state.debugfs().root();
        let [data, trigger] = &*this._fops;
        // SAFETY: No data is behind the file. The operations are in a box that goes
        // with the module, which open files keep: nothing fails from here on.
        let file = unsafe { root.file(kernel::c_str!("data"), 0o600, core::ptr::null_mut(), data) };
        this.files.push(file, GFP_KERNEL)?;
        for (action, name) in Trigger::ALL {
            // SAFETY: As above; the data is a number.
            let file = unsafe { root.file(name, 0o200, action as usize as *mut c_void, trigger) };
            this.files.push(file, GFP_KERNEL)?;
        }
        Ok(this)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Waits until nobody is in them.
        self.files = KVec::new();
        let Some(state) = State::get() else {
            return;
        };
        let data = state.data().lock().take();
        let Some(mut data) = data else {
            return;
        };
        // Neither fails: all pins are the data's own, and they go first.
        if let Err(error) = data.unpin_all().and_then(|()| data.drop_all()) {
            pr_err!("data: could not be emptied ({error:?})\n");
        }
        state.remove_pool(data.pool.clone());
    }
}

/// `O_TRUNC` empties the file, as it would any other.
///
/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is being opened by us alone.
    let truncate = unsafe { (*file).f_flags } & bindings::ZBM_O_TRUNC != 0;
    from_result(|| {
        if truncate {
            with(Data::drop_all)?;
        }
        with(|data| {
            // SAFETY: The file is open.
            unsafe { show_size(file, data) };
            Ok(0)
        })
    })
}

/// Lets whoever has the file open see the size, so that `cmp` can compare it.
///
/// # Safety
///
/// `file` is open; the mutex around `data` is held.
unsafe fn show_size(file: *mut bindings::file, data: &Data) {
    // SAFETY: By the safety requirements; the mutex makes us the only writer.
    // CAST: at most MAX_SIZE.
    unsafe { bindings::zbm_i_size_write(bindings::zbm_file_inode(file), data.size as i64) };
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn read(
    _: *mut bindings::file,
    to: *mut c_char,
    len: usize,
    pos: *mut i64,
) -> isize {
    // SAFETY: The VFS gives a valid position.
    let pos = unsafe { &mut *pos };
    from_result(|| {
        let start = u64::try_from(*pos).map_err(|_| EINVAL)?;
        let done = with(|data| data.read(to as usize, len, start))?;
        // CAST: a position and a length below MAX_SIZE.
        *pos = pos.saturating_add(done as i64);
        Ok(done as isize)
    })
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn write(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    pos: *mut i64,
) -> isize {
    // SAFETY: The VFS gives a valid position.
    let pos = unsafe { &mut *pos };
    // SAFETY: The file is open.
    let append = unsafe { (*file).f_flags } & bindings::ZBM_O_APPEND != 0;
    from_result(|| {
        let (done, end) = with(|data| {
            let start = match append {
                true => data.size,
                false => u64::try_from(*pos).map_err(|_| EINVAL)?,
            };
            let done = data.write(from as usize, len, start)?;
            // SAFETY: The file is open.
            unsafe { show_size(file, data) };
            Ok((done, start.saturating_add(done as u64)))
        })?;
        // CAST: at most MAX_SIZE.
        *pos = end as i64;
        Ok(done as isize)
    })
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn seek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    let Ok(size) = with(|data| Ok(data.size)) else {
        return i64::from(ENODEV.to_errno());
    };
    // SAFETY: The file is open. CAST: at most MAX_SIZE.
    unsafe {
        bindings::generic_file_llseek_size(file, offset, whence, MAX_SIZE as i64, size as i64)
    }
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn pull(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    _: *mut i64,
) -> isize {
    // SAFETY: The file is open, so it has an inode; the number was put there
    // by `Files::new`.
    let which = unsafe { (*bindings::zbm_file_inode(file)).i_private } as usize;
    from_result(|| {
        let (trigger, _) = Trigger::ALL
            .into_iter()
            .find(|&(trigger, _)| trigger as usize == which)
            .ok_or(EINVAL)?;
        let input = Input::read(from as usize, len)?;
        with(|data| trigger.pull(data, &input))?;
        // CAST: at most 64.
        Ok(len as isize)
    })
}
