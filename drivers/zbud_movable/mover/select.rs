// SPDX-License-Identifier: GPL-2.0

//! The module parameter `mover`.

use super::movable_ops::MovableOps;
use super::page_cache::PageCache;
use crate::linux::bindings;
use crate::pool::pool::Pool;
use crate::pool::seam::Mover;
use kernel::prelude::*;
use kernel::sync::Arc;

/// The mover at work; if it is the page cache, that as well, for the device.
pub(crate) struct Selected {
    pub(crate) mover: Arc<dyn Mover<Pool>>,
    pub(crate) page_cache: Option<Arc<PageCache>>,
}

impl Selected {
    /// The mover that the module parameter `mover` asks for. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an unknown name; `EBUSY` when the kernel does not grant
    /// movable operations, and they were asked for; `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The parameter is a C string and does not change: 0444.
        let wanted = unsafe { CStr::from_char_ptr(bindings::zbm_param_mover().cast()) };
        let selected = match wanted.to_str()? {
            "auto" => Self::movable_ops().or_else(|error| {
                // Only the kernel's refusal is a reason to take the other.
                if error != EBUSY {
                    return Err(error);
                }
                pr_info!(
                    "no movable operations for this module ({error:?}): pages go into the page cache\n"
                );
                Self::page_cache()
            }),
            "movable_ops" => Self::movable_ops().inspect_err(|error| {
                pr_err!("no movable operations for this module ({error:?})\n");
            }),
            "page_cache" => Self::page_cache(),
            _ => {
                pr_err!("mover: auto, movable_ops or page_cache\n");
                Err(EINVAL)
            }
        }?;
        pr_info!("mover: {}\n", selected.mover.name());
        Ok(selected)
    }

    fn movable_ops() -> Result<Self> {
        Ok(Self {
            mover: MovableOps::new()?,
            page_cache: None,
        })
    }

    fn page_cache() -> Result<Self> {
        let page_cache = PageCache::new()?;
        Ok(Self {
            mover: page_cache.clone(),
            page_cache: Some(page_cache),
        })
    }
}
