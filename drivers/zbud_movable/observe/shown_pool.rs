// SPDX-License-Identifier: GPL-2.0

//! A pool in use: on the list of pools, and shown in debugfs.

use super::debugfs::Tree;
use crate::linux::debugfs::Entry;
use crate::pool::mems::Mems;
use crate::pool::pool::Pool;
use crate::pool::pools::Pools;
use core::ops::Deref;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::Arc;

/// A pool; it ends when this is dropped, for which its user has freed all zpages.
pub(crate) struct ShownPool {
    dir: Option<Entry>,
    pool: Arc<Pool>,
    pools: Arc<Pools>,
}

impl ShownPool {
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        name: CString,
        pools: &Arc<Pools>,
        tree: &Tree,
        mems: Arc<Mems>,
    ) -> Result<Self> {
        let pool = pools.add(name, mems)?;
        Ok(Self {
            // SAFETY: `drop` removes the directory before it drops the pool.
            dir: Some(unsafe { tree.add(&pool) }),
            pool,
            pools: pools.clone(),
        })
    }
}

impl Deref for ShownPool {
    type Target = Arc<Pool>;

    #[inline]
    fn deref(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for ShownPool {
    fn drop(&mut self) {
        // Waits for readers of the pool's files.
        self.dir = None;
        self.pools.remove(self.pool.clone());
    }
}
