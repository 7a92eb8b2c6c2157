// SPDX-License-Identifier: GPL-2.0

//! Winning memory back from a disk: first what keeps leaves of which little is used is stored anew,
//! then what is alone in its page goes beside another.

use crate::linux::task;
use crate::pool::pool::Pool;
use kernel::prelude::*;
use kernel::sync::Arc;

/// By so many pages the pool may grow before it is re-paired, or a [`SHARE`]th: of two zpages that
/// share a page each is stored anew in a page of its own.
const GROWTH: u64 = 64;
const SHARE: u64 = 16;

/// Some blocks of a disk were gathered.
pub(super) struct Gathered {
    /// The pool that has their zpages.
    pub(super) pool: Arc<Pool>,
    /// Pages that it had before.
    pub(super) pages: u64,
    /// The block at which to go on; `None` at the end.
    pub(super) next: Option<u64>,
}

/// Calls `gather` with the first block, then with that at which to go on and the pool that it is
/// about. Returns whether there was anything: it gives `None` when the disk stores nothing, or no
/// more in that pool. Sleeps.
///
/// # Errors
///
/// `EINTR` after a fatal signal.
pub(super) fn compact(gather: impl Fn(u64, Option<&Pool>) -> Option<Gathered>) -> Result<bool> {
    let (mut first, mut last, mut before) = (0, None::<Arc<Pool>>, None);
    while let Some(Gathered { pool, pages, next }) = gather(first, last.as_deref()) {
        let began: u64 = *before.get_or_insert(pages);
        let most = began.saturating_add(GROWTH.max(began / SHARE));
        if pool.pages() > most {
            pool.release_unused();
        }
        if next.is_none() || pool.pages() > most {
            pool.compact()?;
            before = None;
        }
        let Some(next) = next else {
            return Ok(true);
        };
        first = next;
        last = Some(pool);
        task::cond_resched_killable()?;
    }
    Ok(last.is_some())
}
