// SPDX-License-Identifier: GPL-2.0

//! The list of all pools.

use super::mems::{Change, Mems};
use super::pool::{Pool, Resources};
use crate::linux::bindings;
use crate::zbud::NodeSet;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};

/// The list of pools, and the resources that they share.
#[pin_data]
pub(crate) struct Pools {
    resources: Resources,
    /// Locked before any pool lock; nothing that a page lock is held for locks it.
    #[pin]
    list: Mutex<KVec<Option<Arc<Pool>>>>,
}

impl Pools {
    /// No pool yet. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(resources: Resources) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                resources,
                list <- new_mutex!(KVec::new(), "zbud_movable::Pools::list"),
            }),
            GFP_KERNEL,
        )
    }

    /// The resources that all pools share.
    pub(crate) fn resources(&self) -> &Resources {
        &self.resources
    }

    pub(crate) fn mems(&self) -> &Mems {
        &self.resources.mems
    }

    /// Asks for zpages to be placed on `nodes` from now on, `None` for all.
    pub(crate) fn ask_mems(&self, nodes: Option<NodeSet>) -> Change {
        self.mems().ask(nodes, || self.allow())
    }

    /// Nodes have got memory, or lost it.
    pub(crate) fn refresh_mems(&self) {
        self.mems().refresh(|| self.allow());
    }

    fn allow(&self) {
        for pool in self.list.lock().iter().flatten() {
            pool.allow();
        }
    }

    /// Makes a pool. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn add(&self, name: CString) -> Result<Arc<Pool>> {
        let pool = Pool::new(name, self.resources.clone())?;
        let mut list = self.list.lock();
        list.reserve(1, GFP_KERNEL)?;
        // A later change of the nodes finds the pool on the list.
        pool.allow();
        match list.iter_mut().find(|one| one.is_none()) {
            Some(free) => *free = Some(pool.clone()),
            None => list.push(Some(pool.clone()), GFP_KERNEL)?,
        }
        Ok(pool)
    }

    /// Ends a pool whose user has freed all zpages. May sleep.
    pub(crate) fn remove(&self, pool: Arc<Pool>) {
        let is_it = |one: &Arc<Pool>| Arc::ptr_eq(one, &pool);
        let mut list = self.list.lock();
        let found = list.iter_mut().find(|one| one.as_ref().is_some_and(is_it));
        let listed = found.and_then(Option::take);
        drop(list);
        drop(listed);
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
        }
    }

    /// All pools. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn all(&self) -> Result<KVec<Arc<Pool>>> {
        let list = self.list.lock();
        let mut all = KVec::with_capacity(list.len(), GFP_KERNEL)?;
        for pool in list.iter().flatten() {
            all.push(pool.clone(), GFP_KERNEL)?;
        }
        Ok(all)
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
        let pools = list.iter().flatten();
        pools.fold(0, |so_far, pool| with(so_far, pool))
    }
}
