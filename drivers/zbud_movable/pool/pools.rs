// SPDX-License-Identifier: GPL-2.0

//! The list of all pools, and the tree of nodes on which they may be.

use super::mems::{Editor, Mems};
use super::pool::{Pool, Resources};
use crate::linux::bindings;
use crate::linux::shrinker::Shrinker;
use crate::zbud::NodeSet;
use core::ops::{Deref, Range};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

/// The list of pools, and the resources that they share.
#[pin_data]
pub(crate) struct Pools {
    resources: Resources,
    mems: Arc<Mems>,
    /// Locked before any pool lock; nothing that a page lock is held for locks it.
    #[pin]
    list: Mutex<List>,
}

struct List {
    pools: KVec<Option<Listed>>,
    /// The children of the root.
    mems: KVec<Option<Arc<Mems>>>,
    editor: Editor,
}

/// A pool that others can find.
struct Listed {
    /// There may have been no memory for it. It goes before the pool ends.
    shrinker: Option<Shrinker<Pool>>,
    pool: Arc<Pool>,
}

impl List {
    fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.iter().flatten().map(|listed| &listed.pool)
    }

    fn find(&mut self, pool: &Arc<Pool>) -> Option<&mut Listed> {
        let mut listed = self.pools.iter_mut().flatten();
        listed.find(|listed| Arc::ptr_eq(&listed.pool, pool))
    }
}

/// A change of the nodes that count for a pool.
pub(crate) struct Change {
    pub(crate) pool: Arc<Pool>,
    pub(crate) from: NodeSet,
    pub(crate) to: NodeSet,
}

/// Nodes for some pools, within those of all; up to date as long as this lives, which
/// is longer than these pools are used.
pub(crate) struct ChildMems {
    mems: Arc<Mems>,
    pools: Arc<Pools>,
}

fn put<T>(slots: &mut KVec<Option<T>>, value: T) -> Result {
    match slots.iter_mut().find(|slot| slot.is_none()) {
        Some(free) => *free = Some(value),
        None => slots.push(Some(value), GFP_KERNEL)?,
    }
    Ok(())
}

fn take<T>(slots: &mut [Option<T>], is_it: impl Fn(&T) -> bool) -> Option<T> {
    let mut slots = slots.iter_mut();
    let slot = slots.find(|slot| slot.as_ref().is_some_and(&is_it))?;
    slot.take()
}

impl Pools {
    /// No pool yet. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(resources: Resources) -> Result<Arc<Self>> {
        let (mems, editor) = Mems::root()?;
        let list = List {
            pools: KVec::new(),
            mems: KVec::new(),
            editor,
        };
        Arc::pin_init(
            pin_init!(Self {
                resources,
                mems,
                list <- new_mutex!(list, "zbud_movable::Pools::list"),
            }),
            GFP_KERNEL,
        )
    }

    /// The resources that all pools share.
    pub(crate) fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The nodes for all pools, the root of the tree.
    pub(crate) fn mems(&self) -> &Arc<Mems> {
        &self.mems
    }

    /// Nodes for some pools, within those for all: at first the same. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn child_mems(this: &Arc<Self>) -> Result<ChildMems> {
        let mut list = this.list.lock();
        let mems = Mems::child(this.mems.clone(), &mut list.editor)?;
        put(&mut list.mems, mems.clone())?;
        Ok(ChildMems {
            mems,
            pools: this.clone(),
        })
    }

    /// Asks for the zpages of the pools that have `mems`, the root or a child, to be
    /// placed on `nodes` from now on, `None` for all. May sleep.
    pub(crate) fn ask_mems(&self, mems: &Mems, nodes: Option<NodeSet>) {
        self.ask(&mut self.list.lock(), mems, nodes);
    }

    /// The same; returns the pools whose nodes these are, or are within these. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then nothing has changed.
    pub(crate) fn change_mems(&self, mems: &Mems, nodes: Option<NodeSet>) -> Result<KVec<Change>> {
        let mut list = self.list.lock();
        let mut changes = KVec::with_capacity(list.pools.len(), GFP_KERNEL)?;
        let pools = list.pools();
        for pool in pools.filter(|pool| pool.mems().is_within(mems)) {
            let from = pool.mems().effective();
            let (pool, to) = (pool.clone(), from);
            changes.push(Change { pool, from, to }, GFP_KERNEL)?;
        }
        self.ask(&mut list, mems, nodes);
        for change in &mut changes {
            change.to = change.pool.mems().effective();
        }
        Ok(changes)
    }

    fn ask(&self, list: &mut List, mems: &Mems, nodes: Option<NodeSet>) {
        mems.ask(nodes, &mut list.editor);
        self.refresh(list);
    }

    /// Nodes have got memory, or lost it. May sleep.
    pub(crate) fn refresh_mems(&self) {
        self.refresh(&mut self.list.lock());
    }

    /// From the root to the pools.
    fn refresh(&self, list: &mut List) {
        self.mems.refresh(&mut list.editor);
        for mems in list.mems.iter().flatten() {
            mems.refresh(&mut list.editor);
        }
        for pool in list.pools() {
            pool.allow();
        }
    }

    /// Makes a pool whose zpages are placed as `mems`, the root or a child, says. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn add(&self, name: CString, mems: Arc<Mems>) -> Result<Arc<Pool>> {
        let pool = Pool::new(name, self.resources.clone(), mems)?;
        let shrinker = Shrinker::new(pool.clone(), pool.name());
        let listed = Listed {
            shrinker: None,
            pool: pool.clone(),
        };
        // Unlocked before the shrinker goes, which waits, if there is no memory.
        let mut list = self.list.lock();
        put(&mut list.pools, listed)?;
        if let Some(listed) = list.find(&pool) {
            listed.shrinker = shrinker;
        }
        // A later change of the nodes finds the pool on the list.
        pool.allow();
        Ok(pool)
    }

    /// Ends a pool whose user has freed all zpages. It is on the list as long as it has pages, of
    /// which one may break or go offline. May sleep.
    pub(crate) fn remove(&self, pool: Arc<Pool>) {
        // Nobody asks it for anything from now on.
        let mut list = self.list.lock();
        let shrinker = list.find(&pool).and_then(|listed| listed.shrinker.take());
        drop(list);
        drop(shrinker);
        if pool.drain().is_err() {
            pr_err!(
                "{}: destroyed with zpages in it; the pool stays\n",
                pool.name()
            );
            // Its pages stay movable by us: keep them, and the code they need.
            // SAFETY: The module is there: its code is running. If it is being unloaded,
            // which no pool with zpages of others can be, this does not stop it.
            unsafe { bindings::__module_get(bindings::this_module()) };
            core::mem::forget(pool);
            return;
        }
        let mut list = self.list.lock();
        let listed = take(&mut list.pools, |listed| Arc::ptr_eq(&listed.pool, &pool));
        drop(list);
        drop(listed);
    }

    /// All pools. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn all(&self) -> Result<KVec<Arc<Pool>>> {
        let list = self.list.lock();
        let mut all = KVec::with_capacity(list.pools.len(), GFP_KERNEL)?;
        for pool in list.pools() {
            all.push(pool.clone(), GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// Calls `act` with one pool after the other, without the list locked: it may wait, and for
    /// others who lock it. A pool that comes meanwhile may be left out.
    ///
    /// # Errors
    ///
    /// The first of `act`, which ends it.
    pub(crate) fn each(&self, mut act: impl FnMut(&Pool) -> Result) -> Result {
        for index in 0.. {
            let list = self.list.lock();
            let Some(listed) = list.pools.get(index) else {
                break;
            };
            let pool = listed.as_ref().map(|listed| listed.pool.clone());
            drop(list);
            if let Some(pool) = pool {
                act(&pool)?;
            }
        }
        Ok(())
    }

    /// Takes all pages in the page frames `pfns` out of use whose memory is broken. May sleep.
    pub(crate) fn lose_broken(&self, pfns: &Range<usize>) {
        // Never fails.
        let _ = self.each(|pool| {
            pool.lose_broken(pfns);
            Ok(())
        });
    }

    /// [`Pool::clear_of_broken`], for all pools.
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn clear_of_broken(&self, pfns: &Range<usize>, ticks: u32) -> Result {
        self.each(|pool| pool.clear_of_broken(pfns, ticks))
    }

    /// Sums over all pools. May sleep.
    pub(crate) fn sum(&self, of: impl Fn(&Pool) -> u64) -> u64 {
        self.fold(|sum, pool| sum.wrapping_add(of(pool)))
    }

    /// The greatest over all pools. May sleep.
    pub(crate) fn max(&self, of: impl Fn(&Pool) -> u64) -> u64 {
        self.fold(|max, pool| max.max(of(pool)))
    }

    fn fold(&self, with: impl Fn(u64, &Pool) -> u64) -> u64 {
        let list = self.list.lock();
        let pools = list.pools();
        pools.fold(0, |so_far, pool| with(so_far, pool))
    }
}

impl Deref for ChildMems {
    type Target = Arc<Mems>;

    fn deref(&self) -> &Arc<Mems> {
        &self.mems
    }
}

impl Drop for ChildMems {
    fn drop(&mut self) {
        let mut list = self.pools.list.lock();
        let listed = take(&mut list.mems, |mems| Arc::ptr_eq(mems, &self.mems));
        drop(list);
        drop(listed);
    }
}
