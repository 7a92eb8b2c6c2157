// SPDX-License-Identifier: GPL-2.0

//! A disk: what the block layer asks of it, and how it begins and ends. `sysfs.rs` has its
//! files.

use super::compaction::{self, Gathered};
use super::compress::Choice;
use super::knobs::Knobs;
use super::pins;
use super::store::Store;
use super::triggers;
use crate::control::requests::Requests;
use crate::linux::bindings;
use crate::linux::bio::{Bio, Op, Segment};
use crate::linux::debugfs::Entry;
use crate::linux::disk::{BlockDevice, Link, Ops};
use crate::linux::page::NewPage;
use crate::linux::task;
use crate::observe::debugfs::Tree;
use crate::observe::shown_pool::ShownPool;
use crate::pool::mems::Mems;
use crate::pool::pool::Pool;
use crate::pool::pools::{ChildMems, Pools};
use crate::zbud::{NodeSet, PAGE_SHIFT, PAGE_SIZE};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

/// What disks are made of.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) pools: Arc<Pools>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) tree: Arc<Tree>,
}

/// An initialised disk; the files in debugfs go before the store.
struct Active {
    triggers: Option<Entry>,
    store: KBox<Store>,
}

impl Drop for Active {
    fn drop(&mut self) {
        // Nobody pins a block from now on.
        self.triggers = None;
        if let Err(error) = pins::unpin_all(&self.store) {
            pr_err!("a block could not be unpinned ({error:?})\n");
        }
    }
}

/// What changes under the disk's mutex.
pub(super) struct State {
    pub(super) choice: Choice,
    active: Option<Active>,
}

impl State {
    /// What the disk stores, when it is initialised.
    pub(super) fn store(&self) -> Option<&Store> {
        self.active.as_ref().map(|active| &*active.store)
    }
}

/// A disk.
///
/// # Invariants
///
/// `store` is null, or points to the store in `state`, and changes only while nobody has the
/// disk open, or to one that nobody can have used before.
#[pin_data]
pub(crate) struct Disk {
    name: CString,
    context: Context,
    link: Link,
    /// Being reset, or removed: nobody may open it. Changes under the lock of openings.
    claimed: AtomicBool,
    pub(super) knobs: Arc<Knobs>,
    #[pin]
    pub(super) state: Mutex<State>,
    /// Where its pool's pages may be; after the pool, which is in the state.
    mems: ChildMems,
    /// For those who have the disk open.
    store: AtomicPtr<Store>,
}

/// The operations of all disks.
pub(super) static OPS: Ops<Disk> = Ops::new();

impl Disk {
    /// Without capacity. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel has no algorithm, `ENOMEM`.
    pub(super) fn new(id: u32, context: Context) -> Result<Arc<Self>> {
        let state = State {
            choice: Choice::new()?,
            active: None,
        };
        let name = CString::try_from_fmt(format_args!("zbud{id}"))?;
        let knobs = Arc::new(Knobs::new(), GFP_KERNEL)?;
        let mems = Pools::child_mems(&context.pools)?;
        Arc::pin_init(
            pin_init!(Self {
                name,
                context,
                link: Link::new(),
                claimed: AtomicBool::new(false),
                knobs,
                state <- new_mutex!(state, "zbud_movable::Disk::state"),
                mems,
                store: AtomicPtr::new(core::ptr::null_mut()),
            }),
            GFP_KERNEL,
        )
    }

    /// Gives the disk its size, in bytes. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for 0 and more than the kernel can address, `EBUSY` when it has one,
    /// `ENOMEM`.
    pub(super) fn initialise(&self, bytes: u64) -> Result {
        let blocks = bytes.div_ceil(PAGE_SIZE as u64);
        if blocks == 0 || blocks > i64::MAX as u64 >> PAGE_SHIFT {
            return Err(EINVAL);
        }
        let mut state = self.state.lock();
        if state.active.is_some() {
            return Err(EBUSY);
        }
        let Context { pools, tree, .. } = &self.context;
        let pool = ShownPool::new(self.name.to_cstring()?, pools, tree, self.mems.clone())?;
        let store = Store::new(blocks, state.choice, self.knobs.clone(), pool)?;
        let store = KBox::new(store, GFP_KERNEL)?;
        // INVARIANT: The disk had no capacity: nobody has used a store of it.
        self.store
            .store(core::ptr::from_ref(&*store).cast_mut(), Ordering::Release);
        state.active = Some(Active {
            // SAFETY: The files go before the store.
            triggers: Some(unsafe { triggers::show(tree, &self.name, &store) }),
            store,
        });
        self.link.set_pages(blocks)
    }

    /// The nodes on which its pages may be.
    pub(super) fn mems(&self) -> &Mems {
        &self.mems
    }

    /// Asks for its pages to be placed on `nodes` from now on, `None` for all, and moves
    /// those that are there, if the administrator wants that. Sleeps.
    ///
    /// # Errors
    ///
    /// As [`Requests::ask_mems`].
    pub(super) fn ask_mems(&self, nodes: Option<NodeSet>) -> Result {
        self.context.requests.ask_mems(&self.mems, nodes)
    }

    /// Takes the disk away from those who would open it; it stays so until
    /// [`Disk::unclaim`].
    ///
    /// # Errors
    ///
    /// `EBUSY` when someone has it open, or has claimed it.
    pub(super) fn claim(&self) -> Result {
        let opening = self.link.lock_opening()?;
        if opening.is_open() || self.claimed.load(Ordering::Relaxed) {
            return Err(EBUSY);
        }
        self.claimed.store(true, Ordering::Relaxed);
        drop(opening);
        Ok(())
    }

    /// Lets others open the disk again.
    pub(super) fn unclaim(&self) {
        if let Ok(_opening) = self.link.lock_opening() {
            self.claimed.store(false, Ordering::Relaxed);
        }
    }

    /// Frees all that the disk stores, and makes it as it was at first. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` when someone has it open.
    pub(super) fn reset(&self) -> Result {
        self.claim()?;
        let done = self.reset_claimed();
        self.unclaim();
        done
    }

    fn reset_claimed(&self) -> Result {
        // What is cached of it is written, and thereby forgotten.
        self.link.sync()?;
        let choice = Choice::new()?;
        let mut state = self.state.lock();
        self.link.set_pages(0)?;
        self.link.clear_statistics()?;
        // INVARIANT: Claimed: nobody has the disk open.
        self.store.store(core::ptr::null_mut(), Ordering::Release);
        let active = state.active.take();
        state.choice = choice;
        self.knobs.reset();
        self.context.pools.ask_mems(&self.mems, None);
        // With the mutex held: the next pool of the disk has the same name.
        drop(active);
        drop(state);
        Ok(())
    }

    /// Wins back what it can of the memory that the disk's pool takes. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the disk has no size; `EINTR` after a fatal signal, what was won until then
    /// is.
    pub(super) fn compact(&self) -> Result {
        match compaction::compact(|first, pool| self.gather(first, pool))? {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// [`Store::gather`], of what the disk stores at the moment: not if that is in another pool
    /// than `pool`, or is about to go.
    pub(super) fn gather(&self, first: u64, pool: Option<&Pool>) -> Option<Gathered> {
        // Only so that who has claimed it need not wait for all of it: the lock keeps the store.
        if self.claimed.load(Ordering::Relaxed) {
            return None;
        }
        // Not longer: this takes its time, and a reset need not wait.
        let state = self.state.lock();
        let store = state.store()?;
        let its: Arc<Pool> = store.pool().into();
        if pool.is_some_and(|pool| !core::ptr::eq(pool, &*its)) {
            return None;
        }
        Some(Gathered {
            pages: its.pages(),
            next: store.gather(first),
            pool: its,
        })
    }

    fn served(&self, store: &Store, bio: &Bio) -> Result {
        match bio.op() {
            Some(Op::Read) => bio
                .segments()
                .try_for_each(|segment| read(store, &segment))
                .inspect_err(|_| store.stats.failed_reads.inc()),
            Some(Op::Write) => bio
                .segments()
                .try_for_each(|segment| write(store, &segment))
                .inspect_err(|_| store.stats.failed_writes.inc()),
            Some(Op::Zero) => bio.whole_blocks().try_for_each(|block| {
                task::cond_resched();
                store.discard(block)
            }),
            None => Err(EIO),
        }
    }
}

fn read(store: &Store, segment: &Segment<'_>) -> Result {
    if segment.is_whole() {
        // SAFETY: A whole page of the request's.
        unsafe { store.read(segment.block(), segment.address()) }?;
    } else {
        let (_page, at) = bounce(segment)?;
        let range = segment.range();
        // SAFETY: The page is ours; the segment is as long as its range, which is in a page.
        unsafe {
            store.read(segment.block(), at)?;
            core::ptr::copy_nonoverlapping(at.add(range.start), segment.address(), range.len());
        }
    }
    segment.flush();
    Ok(())
}

fn write(store: &Store, segment: &Segment<'_>) -> Result {
    if segment.is_whole() {
        // SAFETY: A whole page of the request's.
        return unsafe { store.write(segment.block(), segment.address(), segment.nid()) };
    }
    let (_page, at) = bounce(segment)?;
    let range = segment.range();
    // SAFETY: As in `read`.
    unsafe {
        store.read(segment.block(), at)?;
        core::ptr::copy_nonoverlapping(segment.address(), at.add(range.start), range.len());
        store.write(segment.block(), at, segment.nid())
    }
}

/// A page for a part of a block, and where it is.
fn bounce(segment: &Segment<'_>) -> Result<(NewPage, *mut u8)> {
    let gfp = bindings::ZBM_GFP_DISK & !bindings::ZBM_GFP_ZONE_BITS;
    let page = NewPage::alloc_near(gfp, segment.nid(), None).ok_or(ENOMEM)?;
    let address = page.page().address().ok_or(ENOMEM)?.address() as *mut u8;
    Ok((page, address))
}

impl BlockDevice for Disk {
    fn link(&self) -> &Link {
        &self.link
    }

    /// Hibernation opens the swap area anew that its image goes to. What it writes here is
    /// lost when the machine powers off, and all that was in memory with it.
    fn open(&self, write: bool) -> Result {
        if self.claimed.load(Ordering::Relaxed) {
            return Err(EBUSY);
        }
        // Nobody else runs then, and the task that hibernates opens no disk for itself.
        if write && task::froze_processes() {
            pr_err!(
                "{}: hibernation refused: this disk is lost at power-off, its image needs another swap area\n",
                &*self.name
            );
            return Err(EPERM);
        }
        Ok(())
    }

    unsafe fn submit(&self, bio: Bio) {
        // SAFETY: By the type invariant: someone has the disk open.
        let store = unsafe { self.store.load(Ordering::Acquire).as_ref() };
        let result = store.map_or(Err(EIO), |store| self.served(store, &bio));
        bio.end(result);
    }

    unsafe fn free_block(&self, block: u64) {
        // SAFETY: By the type invariant: someone has the disk open.
        if let Some(store) = unsafe { self.store.load(Ordering::Acquire).as_ref() } {
            store.free(block);
        }
    }
}
