// SPDX-License-Identifier: GPL-2.0

//! The running task and its CPU.

use super::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// Preemption is off while this lives.
pub(crate) struct NoPreempt(
    /// Stays on its CPU.
    PhantomData<*mut ()>,
);

impl NoPreempt {
    pub(crate) fn new() -> Self {
        // SAFETY: Undone in `drop`.
        unsafe { bindings::zbm_preempt_disable() };
        Self(PhantomData)
    }
}

impl Drop for NoPreempt {
    fn drop(&mut self) {
        // SAFETY: Pairs with `new`.
        unsafe { bindings::zbm_preempt_enable() };
    }
}

/// Lets other tasks run if they want to. Process context, no spinlock held.
pub(crate) fn cond_resched() {
    // SAFETY: No preconditions but the context, which is not a matter of types, as in the
    // kernel crate.
    unsafe { bindings::zbm_cond_resched() };
}

/// Sleeps for one tick. Process context, no spinlock held.
pub(crate) fn short_sleep() {
    // SAFETY: As in `cond_resched`.
    unsafe { bindings::zbm_short_sleep() };
}

/// Lets other tasks run in the middle of a long request.
///
/// # Errors
///
/// `EINTR` when the caller is being killed.
pub(crate) fn cond_resched_killable() -> Result {
    cond_resched();
    // SAFETY: Reads flags of the caller.
    if unsafe { bindings::zbm_fatal_signal_pending() } {
        return Err(EINTR);
    }
    Ok(())
}

/// Whether the caller may see memory that is not its own: CAP_SYS_RAWIO, which /dev/mem and
/// /proc/kcore ask for, too.
pub(crate) fn may_see_memory() -> bool {
    // SAFETY: Looks at the credentials of the caller, in process context.
    unsafe { bindings::zbm_capable_rawio() }
}

/// Whether the running task has frozen all others, and suspends or hibernates the machine.
pub(crate) fn froze_processes() -> bool {
    // SAFETY: Reads flags of the caller.
    unsafe { bindings::zbm_froze_processes() }
}

/// Processors that there may ever be: above the greatest number that [`cpu`] gives.
pub(crate) fn cpus() -> usize {
    // SAFETY: Reads a variable. CAST: 32 bits fit.
    unsafe { bindings::zbm_nr_cpu_ids() as usize }
}

/// The processor that runs the caller, or ran it a moment ago.
pub(crate) fn cpu() -> usize {
    // SAFETY: Reads a variable of the processor. CAST: 32 bits fit.
    unsafe { bindings::zbm_smp_processor_id() as usize }
}
