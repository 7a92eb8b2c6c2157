// SPDX-License-Identifier: GPL-2.0

//! All disks, and the class `zbud-control` with which disks are made and removed.

use super::compaction::{self, Gathered};
use super::device::{Context, Disk, OPS};
use super::sysfs::{OnNode, FILES, NODE_FILES};
use crate::control::sysfs::Compact;
use crate::linux::bindings;
use crate::linux::class::{Attribute, Class};
use crate::linux::disk::{Gendisk, Major};
use crate::linux::input;
use crate::linux::kobject::{Dir, Directory, Shown, Value};
use crate::linux::node;
use crate::pool::pool::Pool;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

/// As many disks as can be made at load, and ids that there are (zram's limit).
const MAX_DISKS: u32 = 65_536;

/// A disk that others can find. The directories go before the disk in whose directory they
/// are.
struct Known {
    _nodes: KVec<Dir<OnNode>>,
    disk: Gendisk<Disk>,
}

/// The list of disks, index = id.
#[pin_data]
struct List {
    context: Context,
    /// Whether disks may be made: the module is loaded.
    open: AtomicBool,
    #[pin]
    disks: Mutex<KVec<Option<Known>>>,
    /// After the disks, which are known by it.
    major: Major,
}

impl List {
    /// Makes a disk; returns its id. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENOSPC` when there are too many; `ENOENT` when the kernel has no algorithm.
    ///
    /// # Safety
    ///
    /// Loading the module does not fail any more.
    unsafe fn add(&self) -> Result<u32> {
        let mut disks = self.disks.lock();
        let free = disks.iter().position(Option::is_none);
        let id = u32::try_from(free.unwrap_or(disks.len())).map_err(|_| ENOSPC)?;
        if id >= MAX_DISKS {
            return Err(ENOSPC);
        }
        disks.reserve(1, GFP_KERNEL)?;
        let minor = i32::try_from(id).map_err(|_| ENOSPC)?;
        let device = Disk::new(id, self.context.clone())?;
        // SAFETY: By the safety requirements.
        let disk = unsafe { Gendisk::new(&self.major, minor, device, &OPS, &FILES) }?;
        let known = Some(Known {
            _nodes: nodes_of(&disk)?,
            disk,
        });
        match free.and_then(|free| disks.get_mut(free)) {
            Some(place) => *place = known,
            None => disks.push(known, GFP_KERNEL)?,
        }
        Ok(id)
    }

    /// [`Disk::gather`] of disk `id`, while there is one.
    fn gather(&self, id: usize, first: u64, pool: Option<&Pool>) -> Option<Gathered> {
        // Not longer: disks may come and go.
        let disks = self.disks.lock();
        disks.get(id)?.as_ref()?.disk.device().gather(first, pool)
    }

    /// Removes disk `id`, and frees what it stores. May sleep.
    ///
    /// # Errors
    ///
    /// `ENODEV` when there is none, `EBUSY` when someone has it open.
    fn remove(&self, id: u64) -> Result {
        let mut disks = self.disks.lock();
        let place = usize::try_from(id).ok().and_then(|id| disks.get_mut(id));
        let place = place.ok_or(ENODEV)?;
        place.as_ref().ok_or(ENODEV)?.disk.device().claim()?;
        // With the mutex held: the next disk may have the same name.
        drop(place.take());
        Ok(())
    }
}

impl Compact for List {
    fn compact(&self) -> Result {
        let ids = self.disks.lock().len();
        for id in 0..ids {
            compaction::compact(|first, pool| self.gather(id, first, pool))?;
        }
        Ok(())
    }
}

/// The directories of the nodes.
fn nodes_of(disk: &Gendisk<Disk>) -> Result<KVec<Dir<OnNode>>> {
    let mut nodes = KVec::new();
    for nid in node::possible() {
        let name = CString::try_from_fmt(format_args!("node{}", nid.0))?;
        let on_node = OnNode {
            disk: disk.device().clone(),
            nid,
        };
        let dir = Dir::new(&name, disk.parent()?, on_node, &NODE_FILES)?;
        nodes.push(dir, GFP_KERNEL)?;
    }
    Ok(nodes)
}

/// A file of the class.
enum File {
    HotAdd,
    HotRemove,
}

/// The class's directory.
struct Control(Arc<List>);

static HOT_ADD: Attribute<Control> = Attribute::new(c"hot_add", 0o400, File::HotAdd);
static HOT_REMOVE: Attribute<Control> = Attribute::new(c"hot_remove", 0o200, File::HotRemove);

impl Directory for Control {
    type File = File;

    /// Reading `hot_add` makes a disk, as with zram.
    fn show(&self, file: &File, value: Value<'_>) -> Result<Shown> {
        match file {
            File::HotAdd if self.0.open.load(Ordering::Acquire) => {
                // SAFETY: The module is loaded.
                Ok(value.number(u64::from(unsafe { self.0.add() }?)))
            }
            File::HotAdd => Err(ENODEV),
            File::HotRemove => Err(EIO),
        }
    }

    fn store(&self, file: &File, bytes: &[u8]) -> Result {
        match (file, input::words::<1>(bytes)?) {
            (File::HotRemove, [Some(id)]) => self.0.remove(input::number(id)?),
            (File::HotRemove, _) => Err(EINVAL),
            (File::HotAdd, _) => Err(EIO),
        }
    }
}

/// The disks; gone when dropped.
pub(crate) struct Disks {
    /// Before the list: nobody makes a disk then.
    _class: Class<Control>,
    list: Owned,
}

/// The list, which others may have as well, but without disks once this is gone.
struct Owned(Arc<List>);

impl Drop for Owned {
    fn drop(&mut self) {
        let mut disks = self.0.disks.lock();
        for known in disks.iter().flatten() {
            // So that who compacts the disk, for whom its removal waits, ends soon. Fails only while
            // a reset has claimed it: an open disk keeps the module.
            let _ = known.disk.device().claim();
        }
        drop(core::mem::replace(&mut *disks, KVec::new()));
    }
}

impl Disks {
    /// No disk yet, and none can be made. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the module parameter `num_devices` is too large; `EBUSY`, `ENOMEM`.
    pub(crate) fn new(context: Context) -> Result<Self> {
        if num_devices() > MAX_DISKS {
            pr_err!("num_devices: at most {MAX_DISKS}\n");
            return Err(EINVAL);
        }
        let major = Major::new()?;
        let list = pin_init!(List {
            context,
            open: AtomicBool::new(false),
            disks <- new_mutex!(KVec::new(), "zbud_movable::Disks"),
            major,
        });
        let list = Arc::pin_init(list, GFP_KERNEL)?;
        let files = [&HOT_ADD, &HOT_REMOVE];
        Ok(Self {
            _class: Class::new(c"zbud-control", Control(list.clone()), &files)?,
            list: Owned(list),
        })
    }

    /// The owners of what the disks store.
    pub(crate) fn owners(&self) -> Arc<dyn Compact> {
        self.list.0.clone()
    }

    /// Makes as many disks as the module parameter says, or memory allows, and lets others
    /// make more. May sleep.
    ///
    /// # Safety
    ///
    /// Loading the module does not fail any more.
    pub(crate) unsafe fn open(&self) {
        for _ in 0..num_devices() {
            // SAFETY: By the safety requirements.
            if let Err(error) = unsafe { self.list.0.add() } {
                pr_err!("a disk could not be made: {error:?}\n");
                break;
            }
        }
        self.list.0.open.store(true, Ordering::Release);
    }
}

fn num_devices() -> u32 {
    // SAFETY: Reads a variable that does not change: 0444.
    unsafe { bindings::zbm_param_num_devices() }
}
