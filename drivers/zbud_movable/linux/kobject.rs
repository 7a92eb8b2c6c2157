// SPDX-License-Identifier: GPL-2.0

//! Directories in sysfs, and their files: one value each.

use super::bindings;
use super::node_list;
use super::task;
use crate::zbud::{NodeSet, PAGE_SIZE};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::error::{from_result, to_result};
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;

/// Reads and writes the files of a directory.
pub(crate) trait Directory: Send + Sync + 'static {
    /// Tells one file from another.
    type File: Sync + 'static;

    /// Reads a file.
    fn show(&self, file: &Self::File, value: Value<'_>) -> Result<Shown>;

    /// Writes a file. `bytes` is less than a page.
    fn store(&self, file: &Self::File, bytes: &[u8]) -> Result;
}

/// The page that sysfs gives for a file's value, during `'a`.
pub(crate) struct Value<'a>(*mut c_char, PhantomData<&'a mut ()>);

/// A value that was written, by its length.
pub(crate) struct Shown(c_int);

/// Bytes as everybody may read them. Exact, a file that says how much the data of all
/// compress to would tell of one page of somebody else's, too, when that is swapped out.
pub(crate) fn whole_pages(bytes: u64) -> u64 {
    // CAST: fits.
    let page = PAGE_SIZE as u64;
    bytes.div_ceil(page).saturating_mul(page)
}

impl Value<'_> {
    pub(crate) fn number(self, number: u64) -> Shown {
        // SAFETY: sysfs_emit wants the page that sysfs gave.
        Shown(unsafe { bindings::sysfs_emit(self.0, c"%llu\n".as_ptr().cast(), number) })
    }

    /// `text` is short.
    pub(crate) fn text(self, text: &str) -> Shown {
        // CAST: sysfs_emit cuts off what is longer than a page.
        let len = text.len().min(PAGE_SIZE) as c_int;
        // SAFETY: As above; the text is at least as long as said.
        Shown(unsafe {
            bindings::sysfs_emit(self.0, c"%.*s\n".as_ptr().cast(), len, text.as_ptr())
        })
    }

    pub(crate) fn nodes(self, nodes: &NodeSet) -> Shown {
        // SAFETY: As above.
        Shown(unsafe { node_list::emit(self.0, nodes) })
    }
}

/// A file; in a static, as sysfs keeps a pointer to it.
#[repr(C)]
pub(crate) struct Attribute<F> {
    attr: bindings::attribute,
    file: F,
}

// SAFETY: Never changed; the pointers in `attr` are to static strings.
unsafe impl<F: Sync> Sync for Attribute<F> {}

impl<F> Attribute<F> {
    pub(crate) const fn new(name: &'static core::ffi::CStr, mode: u16, file: F) -> Self {
        let mut attr = bindings::attribute::empty();
        attr.name = name.as_ptr().cast();
        attr.mode = mode;
        Self { attr, file }
    }
}

/// A kobject and its directory.
#[repr(C)]
struct Object<D> {
    /// Changed by C.
    kobj: UnsafeCell<bindings::kobject>,
    directory: D,
    released: AtomicBool,
}

impl<D: Directory> Object<D> {
    const OPS: &'static bindings::sysfs_ops = &bindings::sysfs_ops {
        show: Some(Self::show),
        store: Some(Self::store),
    };
    const TYPE: &'static bindings::kobj_type = &bindings::kobj_type {
        release: Some(Self::release),
        sysfs_ops: Self::OPS,
        ..bindings::kobj_type::empty()
    };

    /// # Safety
    ///
    /// Called when the kobject's last reference is dropped, or later, with
    /// CONFIG_DEBUG_KOBJECT_RELEASE.
    unsafe extern "C" fn release(kobj: *mut bindings::kobject) {
        // SAFETY: The kobject is the first field of an `Object`, which `Dir::drop` keeps
        // until this has been said.
        unsafe { &(*kobj.cast::<Self>()).released }.store(true, Ordering::Release);
    }

    /// # Safety
    ///
    /// Called by sysfs only, for a file of a [`Dir<D>`].
    unsafe extern "C" fn show(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: Kobject and attribute are the first fields of an `Object` and an
        // `Attribute`, by `Dir::new`; sysfs keeps both while it is here. `buf` is valid.
        unsafe {
            let file = &(*attr.cast::<Attribute<D::File>>()).file;
            read(&(*kobj.cast::<Self>()).directory, file, buf)
        }
    }

    /// # Safety
    ///
    /// Called by sysfs only, for a file of a [`Dir<D>`].
    unsafe extern "C" fn store(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: As in `show`; sysfs gives `count` bytes.
        unsafe {
            let file = &(*attr.cast::<Attribute<D::File>>()).file;
            write(&(*kobj.cast::<Self>()).directory, file, buf, count)
        }
    }
}

/// Reads `file` for sysfs.
///
/// # Safety
///
/// `buf` is the page that sysfs gives for the value.
pub(super) unsafe fn read<D: Directory>(directory: &D, file: &D::File, buf: *mut c_char) -> isize {
    let value = Value(buf, PhantomData);
    from_result(|| directory.show(file, value).map(|shown| shown.0 as isize))
}

/// Writes `file` for sysfs.
///
/// # Safety
///
/// `buf` has `count` bytes, which nobody changes meanwhile.
pub(super) unsafe fn write<D: Directory>(
    directory: &D,
    file: &D::File,
    buf: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let bytes = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
    from_result(|| {
        // sysfs passes the first page of a longer write only.
        if bytes.len() >= PAGE_SIZE {
            return Err(EINVAL);
        }
        directory.store(file, bytes)?;
        // CAST: less than a page.
        Ok(count as isize)
    })
}

/// A directory, there during `'a`, in which [`Dir`]s can be made.
pub(crate) struct Parent<'a>(NonNull<bindings::kobject>, PhantomData<&'a ()>);

impl Parent<'_> {
    /// # Safety
    ///
    /// `kobj` is that of a directory which is there for the lifetime that the caller says.
    pub(super) unsafe fn of(kobj: NonNull<bindings::kobject>) -> Self {
        Self(kobj, PhantomData)
    }
}

impl Parent<'static> {
    /// `/sys/kernel`.
    pub(crate) fn kernel() -> Result<Self> {
        // SAFETY: Set at boot, never changed; valid for ever.
        let kernel = NonNull::new(unsafe { bindings::kernel_kobj });
        Ok(Self(kernel.ok_or(ENODEV)?, PhantomData))
    }
}

/// A directory; removed, with its files, when dropped. Removal waits for those that
/// are reading or writing.
///
/// # Invariants
///
/// An initialised kobject in an `Object<D>` from `KBox::into_raw`, which is owned, and so
/// is one reference on the kobject.
pub(crate) struct Dir<D: Directory>(NonNull<Object<D>>);

// SAFETY: Kobjects may be used by any thread, and so may a `Directory`.
unsafe impl<D: Directory> Send for Dir<D> {}
// SAFETY: As above.
unsafe impl<D: Directory> Sync for Dir<D> {}

impl<D: Directory> Dir<D> {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EEXIST`.
    pub(crate) fn new(
        name: &CStr,
        parent: Parent<'_>,
        directory: D,
        files: &[&'static Attribute<D::File>],
    ) -> Result<Self> {
        let object = Object {
            kobj: UnsafeCell::new(bindings::kobject::empty()),
            directory,
            released: AtomicBool::new(false),
        };
        let object = KBox::into_raw(KBox::new(object, GFP_KERNEL)?);
        // SAFETY: The kobject is zeroed and stays where it is until it is released; type
        // and format are static, the parent is live, the name a C string.
        let result = unsafe {
            bindings::kobject_init_and_add(
                object.cast(),
                core::ptr::from_ref(Object::<D>::TYPE).cast(),
                parent.0.as_ptr(),
                c"%s".as_ptr().cast(),
                name.as_char_ptr(),
            )
        };
        // SAFETY: A box is never null.
        // INVARIANT: Initialised, also when it could not be added.
        let dir = Self(unsafe { NonNull::new_unchecked(object) });
        to_result(result)?;
        for file in files {
            // SAFETY: The directory is live, the attribute static.
            to_result(unsafe {
                let attr = core::ptr::from_ref(*file).cast();
                bindings::sysfs_create_file_ns(dir.0.as_ptr().cast(), attr, core::ptr::null())
            })?;
        }
        Ok(dir)
    }

    /// To make directories in it.
    pub(crate) fn parent(&self) -> Parent<'_> {
        Parent(self.0.cast(), PhantomData)
    }
}

impl<D: Directory> Drop for Dir<D> {
    fn drop(&mut self) {
        let object = self.0.as_ptr();
        // SAFETY: Live by the type invariant; the directory and its files go first, then
        // the reference.
        unsafe {
            bindings::kobject_del(object.cast());
            bindings::kobject_put(object.cast());
        }
        // SAFETY: Owned by the type invariant.
        let released = unsafe { &(*object).released };
        // At once, but for CONFIG_DEBUG_KOBJECT_RELEASE.
        while !released.load(Ordering::Acquire) {
            task::short_sleep();
        }
        // SAFETY: From `KBox::into_raw` by the type invariant, and freed here only: the
        // kobject has been released.
        drop(unsafe { KBox::from_raw(object) });
    }
}
