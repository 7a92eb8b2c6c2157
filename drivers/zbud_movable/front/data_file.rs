// SPDX-License-Identifier: GPL-2.0

//! The module's own pool as files in debugfs: real data in, the same data out, holes,
//! pins.
//!
//! `data` is like a sparse file; blocks that were not written, or freed, read as zeroes.
//! The other files are triggers.

use super::data::{Data, MAX_SIZE};
use crate::linux::bindings;
use crate::linux::debugfs::{behind, Entry, Fops};
use crate::linux::input;
use crate::linux::trigger::{trigger, Trigger};
use crate::observe::debugfs::Tree;
use crate::observe::shown_pool::ShownPool;
use crate::pool::pools::Pools;
use kernel::error::from_result;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

static DATA: Fops<Mutex<Data>> = Fops::new(bindings::file_operations {
    open: Some(open),
    read: Some(read),
    write: Some(write),
    llseek: Some(seek),
    ..bindings::file_operations::empty()
});

/// `N`: frees every N-th block, the last of each N.
struct FreeEvery;

impl Trigger<Mutex<Data>> for FreeEvery {
    fn pull(data: &Mutex<Data>, n: &str, second: Option<&str>) -> Result {
        let n = input::number(n)?;
        if n == 0 || second.is_some() {
            return Err(EINVAL);
        }
        data.lock()
            .free(|index| index.checked_rem(n) == n.checked_sub(1))
    }
}

/// `BLOCK [COUNT]`: maps COUNT blocks from BLOCK on; a page with a mapped zpage does
/// not move.
struct Pin;

impl Trigger<Mutex<Data>> for Pin {
    fn pull(data: &Mutex<Data>, first: &str, count: Option<&str>) -> Result {
        let (first, count) = input::range(first, count)?;
        data.lock().pin(first, count)
    }
}

/// `BLOCK [COUNT]` or `all`: unmaps them again.
struct Unpin;

impl Trigger<Mutex<Data>> for Unpin {
    fn pull(data: &Mutex<Data>, first: &str, count: Option<&str>) -> Result {
        if (first, count) == ("all", None) {
            return data.lock().unpin_all();
        }
        let (first, count) = input::range(first, count)?;
        data.lock().unpin(first, count)
    }
}

/// `1`: frees all blocks.
struct DropAll;

impl Trigger<Mutex<Data>> for DropAll {
    fn pull(data: &Mutex<Data>, first: &str, second: Option<&str>) -> Result {
        if (first, second) != ("1", None) {
            return Err(EINVAL);
        }
        data.lock().drop_all()
    }
}

static FREE_EVERY: Fops<Mutex<Data>> = trigger::<_, FreeEvery>();
static PIN: Fops<Mutex<Data>> = trigger::<_, Pin>();
static UNPIN: Fops<Mutex<Data>> = trigger::<_, Unpin>();
static DROP: Fops<Mutex<Data>> = trigger::<_, DropAll>();

/// The files, and the pool behind them; gone when dropped, the files first.
pub(crate) struct Files {
    _files: [Entry; 5],
    _data: core::pin::Pin<KBox<Mutex<Data>>>,
}

impl Files {
    /// Makes the pool `data` and shows its files. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel cannot compress, `ENOMEM`.
    pub(crate) fn new(pools: &Arc<Pools>, tree: &Tree) -> Result<Self> {
        let name = CString::try_from_fmt(format_args!("data"))?;
        let data = Data::new(ShownPool::new(name, pools, tree, pools.mems().clone())?)?;
        let data = KBox::pin_init(new_mutex!(data, "zbud_movable::Files::data"), GFP_KERNEL)?;
        let file = |name: &CStr, mode, fops: &'static Fops<Mutex<Data>>| {
            // SAFETY: The data goes after the files.
            unsafe { tree.root().file(name, mode, &*data, fops) }
        };
        let files = [
            file(kernel::c_str!("data"), 0o600, &DATA),
            file(kernel::c_str!("free_every"), 0o200, &FREE_EVERY),
            file(kernel::c_str!("pin"), 0o200, &PIN),
            file(kernel::c_str!("unpin"), 0o200, &UNPIN),
            file(kernel::c_str!("drop"), 0o200, &DROP),
        ];
        Ok(Self {
            _files: files,
            _data: data,
        })
    }
}

/// The data behind a file.
///
/// # Safety
///
/// `file` is one of those of [`Files`], and one of its operations is running for `'a`.
unsafe fn data<'a>(file: *const bindings::file) -> &'a Mutex<Data> {
    // SAFETY: An open file has an inode; the rest by the safety requirements.
    unsafe { behind(bindings::zbm_file_inode(file)) }
}

/// `O_TRUNC` empties the file, as it would any other.
///
/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn open(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The file is being opened by us alone.
    let (truncate, data) = unsafe { ((*file).f_flags & bindings::ZBM_O_TRUNC != 0, data(file)) };
    from_result(|| {
        let mut data = data.lock();
        if truncate {
            data.drop_all()?;
        }
        // SAFETY: The file is open.
        unsafe { show_size(file, &data) };
        Ok(0)
    })
}

/// Shows the size in the inode, so that `cmp` can compare it.
///
/// # Safety
///
/// `file` is open; the mutex around `data` is held.
unsafe fn show_size(file: *mut bindings::file, data: &Data) {
    // SAFETY: By the safety requirements; the mutex makes us the only writer.
    // CAST: at most MAX_SIZE.
    unsafe { bindings::zbm_i_size_write(bindings::zbm_file_inode(file), data.size() as i64) };
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn read(
    file: *mut bindings::file,
    to: *mut c_char,
    len: usize,
    pos: *mut i64,
) -> isize {
    // SAFETY: The VFS gives a valid position; the file is open.
    let (pos, data) = unsafe { (&mut *pos, data(file)) };
    from_result(|| {
        let start = u64::try_from(*pos).map_err(|_| EINVAL)?;
        let done = data.lock().read(to as usize, len, start)?;
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
    // SAFETY: The VFS gives a valid position; the file is open.
    let (pos, append, data) = unsafe {
        let append = (*file).f_flags & bindings::ZBM_O_APPEND != 0;
        (&mut *pos, append, data(file))
    };
    from_result(|| {
        let mut data = data.lock();
        let start = match append {
            true => data.size(),
            false => u64::try_from(*pos).map_err(|_| EINVAL)?,
        };
        let done = data.write(from as usize, len, start)?;
        // SAFETY: The file is open.
        unsafe { show_size(file, &data) };
        let end = start.saturating_add(done as u64);
        // CAST: at most MAX_SIZE.
        *pos = end as i64;
        Ok(done as isize)
    })
}

/// # Safety
///
/// Called by the VFS only, for a file of ours that is open.
unsafe extern "C" fn seek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    // SAFETY: The file is open.
    let size = unsafe { data(file) }.lock().size();
    // SAFETY: The file is open. CAST: at most MAX_SIZE.
    unsafe {
        bindings::generic_file_llseek_size(file, offset, whence, MAX_SIZE as i64, size as i64)
    }
}
