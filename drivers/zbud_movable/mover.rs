// SPDX-License-Identifier: GPL-2.0

//! The seam between pools and the host: how the host learns of pool pages, and
//! by which callbacks it moves them. One mover serves all pools, from load to
//! unload.
//!
//! | mover                          | pool pages are                        | moved by                                   |
//! | ------------------------------ | ------------------------------------- | ------------------------------------------ |
//! | [`movable_ops`](crate::movable_ops) | pages with `struct movable_operations` | compaction, offline, CMA, soft offline |
//! | [`mapping`](crate::mapping)    | folios in the page cache of an inode  | the same, and migrate_pages(2) and its kin |
//!
//! Whichever it is, a move itself is [`Pool::move_page`], also when it is asked for
//! by hand ([`Mover::relocate`]).

use crate::bindings;
use crate::mapping::{self, Mapping};
use crate::movable_ops::{self, Registration};
use crate::page::LockedPage;
use crate::pool::Pool;
use crate::zbud::DescId;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};

/// The mover at work.
pub(crate) enum Mover {
    /// `struct movable_operations`.
    MovableOps(#[allow(dead_code)] Registration),
    /// The page cache.
    Mapping(Mapping),
}

impl Mover {
    /// The mover that the module parameter `mover` asks for. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a name that is none; `EBUSY` when the kernel does not grant
    /// movable operations, and they were asked for.
    pub(crate) fn choose() -> Result<Arc<Self>> {
        // SAFETY: The parameter is a C string and does not change: 0444.
        let wanted = unsafe { CStr::from_char_ptr(bindings::zbm_param_mover().cast()) };
        let mover = match wanted.to_str()? {
            "auto" => match Registration::new() {
                Ok(granted) => Self::MovableOps(granted),
                Err(error) => {
                    pr_info!(
                        "no movable operations for this module ({:?}): pages go into the page cache\n",
                        error
                    );
                    Self::Mapping(Mapping::new()?)
                }
            },
            "movable_ops" => Self::MovableOps(Registration::new().inspect_err(|error| {
                pr_err!("no movable operations for this module ({:?})\n", error)
            })?),
            "mapping" => Self::Mapping(Mapping::new()?),
            _ => {
                pr_err!("mover: auto, movable_ops or mapping\n");
                return Err(EINVAL);
            }
        };
        pr_info!("mover: {}\n", mover.name());
        Ok(Arc::new(mover, GFP_KERNEL)?)
    }

    /// Moves page `src` with descriptor `id` of `pool` to the new page `dst`, as the
    /// host would. May sleep. Afterwards the pages are unlocked; the one that is not
    /// the pool's is given back.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::move_page`]; `EBUSY` when the host is about to move it, `EIO`
    /// when its memory is broken.
    pub(crate) fn relocate(
        &self,
        pool: ArcBorrow<'_, Pool>,
        id: DescId,
        src: LockedPage,
        dst: LockedPage,
    ) -> Result {
        if src.page().is_poisoned() {
            return Err(EIO);
        }
        match self {
            Self::MovableOps(_) => movable_ops::relocate(pool, id, src, dst),
            Self::Mapping(_) => mapping::relocate(pool, id, src, dst),
        }
    }

    /// Its name, as the parameter has it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::MovableOps(_) => "movable_ops",
            Self::Mapping(_) => "mapping",
        }
    }

    /// The page cache, if it is the mover.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match self {
            Self::MovableOps(_) => None,
            Self::Mapping(mapping) => Some(mapping),
        }
    }
}
