// SPDX-License-Identifier: GPL-2.0

//! Disks, and their files in `/sys/block/<name>/`.

use super::attribute_group::AttributeGroup;
use super::bindings;
use super::bio::Bio;
use super::kobject::{read, write, Directory, Parent};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::error::{from_err_ptr, from_result, to_result};
use kernel::ffi::{c_char, c_int, c_ulong};
use kernel::prelude::*;
use kernel::sync::Arc;

/// What serves a disk.
pub(crate) trait BlockDevice: Directory {
    /// Where the disk is to be found.
    fn link(&self) -> &Link;

    /// Someone opens it; the lock under which disks are opened is held. `write`: not to read
    /// only.
    fn open(&self, write: bool) -> Result;

    /// Serves a request. May sleep.
    ///
    /// # Safety
    ///
    /// Someone has the disk open until the request has ended.
    unsafe fn submit(&self, bio: Bio);

    /// Swap does not need block `block` any more. Called under spinlocks.
    ///
    /// # Safety
    ///
    /// Someone has the disk open.
    unsafe fn free_block(&self, block: u64);
}

/// The operations of disks over a `D`. In a static, as C keeps a pointer to it.
pub(crate) struct Ops<D>(bindings::block_device_operations, PhantomData<fn(&D)>);

// SAFETY: Never changed; holds pointers to functions and to the module only.
unsafe impl<D> Sync for Ops<D> {}

impl<D: BlockDevice> Ops<D> {
    pub(crate) const fn new() -> Self {
        let ops = bindings::block_device_operations {
            owner: bindings::this_module(),
            open: Some(open::<D>),
            submit_bio: Some(submit_bio::<D>),
            swap_slot_free_notify: Some(swap_slot_free_notify::<D>),
            ..bindings::block_device_operations::empty()
        };
        Self(ops, PhantomData)
    }
}

/// A file of a disk that a `D` serves; in a static, as sysfs keeps a pointer to it.
#[repr(C)]
pub(crate) struct Attribute<D: BlockDevice> {
    attr: bindings::zbm_device_attribute,
    file: D::File,
}

// SAFETY: Never changed; the pointers in `attr` are to static strings and functions.
unsafe impl<D: BlockDevice> Sync for Attribute<D> {}

impl<D: BlockDevice> Attribute<D> {
    pub(crate) const fn new(name: &'static core::ffi::CStr, mode: u16, file: D::File) -> Self {
        let mut attr = bindings::zbm_device_attribute::empty();
        attr.attr.name = name.as_ptr().cast();
        attr.attr.mode = mode;
        attr.show = Some(show::<D>);
        attr.store = Some(store::<D>);
        Self { attr, file }
    }
}

/// A disk; gone when dropped, which waits for those that use its files.
///
/// # Invariants
///
/// A disk whose private data is `device`, and which was added unless `new` is running.
pub(crate) struct Gendisk<D: BlockDevice> {
    disk: NonNull<bindings::gendisk>,
    device: Arc<D>,
    _files: AttributeGroup,
}

// SAFETY: A disk may be used and removed by any thread; the group has pointers to
// statics and to itself only.
unsafe impl<D: BlockDevice> Send for Gendisk<D> {}
// SAFETY: As above.
unsafe impl<D: BlockDevice> Sync for Gendisk<D> {}

/// The lock under which a disk is opened and closed, held.
pub(crate) struct Opening<'d>(NonNull<bindings::gendisk>, PhantomData<&'d ()>);

impl Opening<'_> {
    /// Whether someone has the disk open.
    pub(crate) fn is_open(&self) -> bool {
        // SAFETY: A live disk, and its lock is held.
        unsafe { bindings::zbm_disk_openers(self.0.as_ptr()) != 0 }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by `Link::lock_opening`.
        unsafe { bindings::zbm_disk_unlock_open(self.0.as_ptr()) };
    }
}

/// What a device needs of its disk: set once, when the disk is there, and before anybody
/// else can find the device.
///
/// # Invariants
///
/// Null, or a disk that is there as long as the device is used.
pub(crate) struct Link(AtomicPtr<bindings::gendisk>);

impl Link {
    /// To no disk yet.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    fn disk(&self) -> Result<NonNull<bindings::gendisk>> {
        NonNull::new(self.0.load(Ordering::Acquire)).ok_or(ENODEV)
    }

    /// Holds off all that open the disk or close it. May sleep.
    pub(crate) fn lock_opening(&self) -> Result<Opening<'_>> {
        let disk = self.disk()?;
        // SAFETY: A live disk by the type invariant.
        unsafe { bindings::zbm_disk_lock_open(disk.as_ptr()) };
        Ok(Opening(disk, PhantomData))
    }

    /// Writes what is cached of the disk to it. May sleep.
    pub(crate) fn sync(&self) -> Result {
        // SAFETY: A live disk by the type invariant.
        unsafe { bindings::zbm_disk_sync(self.disk()?.as_ptr()) };
        Ok(())
    }

    /// Makes the disk `pages` pages large. May sleep.
    pub(crate) fn set_pages(&self, pages: u64) -> Result {
        // SAFETY: A live disk by the type invariant.
        unsafe { bindings::zbm_disk_set_pages(self.disk()?.as_ptr(), pages) };
        Ok(())
    }

    /// Begins anew with the block layer's figures in the disk's file `stat`.
    pub(crate) fn clear_statistics(&self) -> Result {
        // SAFETY: A live disk by the type invariant.
        unsafe { bindings::zbm_disk_clear_stat(self.disk()?.as_ptr()) };
        Ok(())
    }
}

/// The number under which the disks of the module are known; given back when dropped.
pub(crate) struct Major(c_int);

const MAJOR_NAME: &core::ffi::CStr = c"zbud";

impl Major {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` when there is none left, `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: A static C string.
        let major = unsafe { bindings::zbm_register_blkdev(MAJOR_NAME.as_ptr().cast()) };
        if major < 0 {
            return Err(Error::from_errno(major));
        }
        Ok(Self(major))
    }
}

impl Drop for Major {
    fn drop(&mut self) {
        // CAST: a major number is positive.
        // SAFETY: Registered by `new` under that name.
        unsafe { bindings::unregister_blkdev(self.0 as u32, MAJOR_NAME.as_ptr().cast()) };
    }
}

impl<D: BlockDevice> Gendisk<D> {
    /// The disk `zbud<minor>`, with `files` in its directory, and without capacity. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EEXIST`.
    ///
    /// # Safety
    ///
    /// Loading the module does not fail after this: a process may have the disk open from
    /// then on, which keeps the module, but not one that fails to load.
    pub(crate) unsafe fn new(
        major: &Major,
        minor: c_int,
        device: Arc<D>,
        ops: &'static Ops<D>,
        files: &[&'static Attribute<D>],
    ) -> Result<Self> {
        let mut files = AttributeGroup::new(files.iter().map(|file| &file.attr.attr))?;
        // SAFETY: The operations are static; the device is there until `drop` has removed
        // the disk.
        let disk = from_err_ptr(unsafe {
            let data = core::ptr::from_ref(&*device).cast_mut().cast();
            bindings::zbm_disk_alloc(&ops.0, major.0, minor, data)
        })?;
        let disk = NonNull::new(disk).ok_or(ENOMEM)?;
        // INVARIANT: `drop` removes the disk before it drops the device.
        device.link().0.store(disk.as_ptr(), Ordering::Release);
        // SAFETY: A new disk; the groups stay where they are until it is gone.
        let added = to_result(unsafe { bindings::zbm_disk_add(disk.as_ptr(), files.as_groups()) });
        if let Err(error) = added {
            device
                .link()
                .0
                .store(core::ptr::null_mut(), Ordering::Release);
            // SAFETY: Not added.
            unsafe { bindings::put_disk(disk.as_ptr()) };
            return Err(error);
        }
        Ok(Self {
            disk,
            device,
            _files: files,
        })
    }

    pub(crate) fn device(&self) -> &Arc<D> {
        &self.device
    }

    /// Its directory in sysfs.
    pub(crate) fn parent(&self) -> Result<Parent<'_>> {
        // SAFETY: A live disk by the type invariant.
        let kobj = NonNull::new(unsafe { bindings::zbm_disk_kobj(self.disk.as_ptr()) });
        // SAFETY: The kobject lives as long as the disk.
        Ok(unsafe { Parent::of(kobj.ok_or(ENODEV)?) })
    }
}

impl<D: BlockDevice> Drop for Gendisk<D> {
    fn drop(&mut self) {
        // SAFETY: Added by the type invariant. This waits for the users of its files, and
        // for requests.
        unsafe {
            bindings::del_gendisk(self.disk.as_ptr());
            self.device
                .link()
                .0
                .store(core::ptr::null_mut(), Ordering::Release);
            bindings::put_disk(self.disk.as_ptr());
        }
    }
}

/// # Safety
///
/// Called by the block layer only, for a disk of a `D`.
unsafe extern "C" fn open<D: BlockDevice>(
    disk: *mut bindings::gendisk,
    mode: bindings::blk_mode_t,
) -> c_int {
    // SAFETY: The private data is a `D`, which the disk keeps.
    let device = unsafe { &*bindings::zbm_disk_data(disk).cast::<D>() };
    let write = mode & bindings::ZBM_BLK_OPEN_WRITE != 0;
    from_result(|| device.open(write).map(|()| 0))
}

/// # Safety
///
/// Called by the block layer only, for a disk of a `D`.
unsafe extern "C" fn submit_bio<D: BlockDevice>(bio: *mut bindings::bio) {
    // SAFETY: The private data of its disk is a `D`, which the disk keeps.
    let device = unsafe { &*bindings::zbm_bio_disk_data(bio).cast::<D>() };
    // SAFETY: The block layer gives a valid request, and leaves it to us; who submits to a
    // disk has it open.
    unsafe { device.submit(Bio::begin(NonNull::new_unchecked(bio))) };
}

/// # Safety
///
/// Called by mm only, for a disk of a `D` that is swapped on.
unsafe extern "C" fn swap_slot_free_notify<D: BlockDevice>(
    disk: *mut bindings::block_device,
    page: c_ulong,
) {
    // SAFETY: The private data is a `D`, which the disk keeps; swap has the disk open.
    unsafe {
        let device = &*bindings::zbm_disk_data_of_bdev(disk).cast::<D>();
        device.free_block(page as u64);
    }
}

/// # Safety
///
/// Called by sysfs only, for an [`Attribute<D>`] of a disk of a `D`.
unsafe extern "C" fn show<D: BlockDevice>(
    dev: *mut bindings::device,
    attr: *mut bindings::device_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: The device is a disk whose private data is a `D`; the attribute is the first
    // field of an `Attribute<D>`; sysfs keeps both while it is here, and gives a page.
    unsafe {
        let device = &*bindings::zbm_disk_data_of_dev(dev).cast::<D>();
        read(device, &(*attr.cast::<Attribute<D>>()).file, buf)
    }
}

/// # Safety
///
/// Called by sysfs only, for an [`Attribute<D>`] of a disk of a `D`.
unsafe extern "C" fn store<D: BlockDevice>(
    dev: *mut bindings::device,
    attr: *mut bindings::device_attribute,
    buf: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: As in `show`; sysfs gives `count` bytes.
    unsafe {
        let device = &*bindings::zbm_disk_data_of_dev(dev).cast::<D>();
        write(device, &(*attr.cast::<Attribute<D>>()).file, buf, count)
    }
}
