// SPDX-License-Identifier: GPL-2.0

//! What mm counts in `/proc/vmstat` of pages that it moves, of those that move without it.

use super::bindings;

/// A page has moved: `pgmigrate_success`.
pub(crate) fn migrated() {
    // SAFETY: Adds to a counter of the CPU.
    unsafe { bindings::zbm_count_migrate_success(1) };
}

/// Pages were to move, and stay: `pgmigrate_fail`.
pub(crate) fn not_migrated(pages: u64) {
    // SAFETY: As above.
    unsafe { bindings::zbm_count_migrate_fail(pages) };
}
