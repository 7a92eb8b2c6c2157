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

/// For so many turns, [`wait`] spins: while another CPU copies a page. That takes a microsecond, or
/// ten if each cache line comes alone from another node. A turn, one `pause`, takes between 3 and 50
/// nanoseconds, so all of them take some copies of a page at least, and 0.1 ms at most.
const SPINS: u32 = 2048;

/// Waits for a CPU that copies a page with preemption off; `turn` is the number of calls before. It
/// spins as long as a CPU needs that runs. One that needs more may be a virtual one, on whose
/// processor the host runs something else: then this sleeps for one tick, if the caller
/// `may_sleep`. If not, it spins on: that is when a host gives a processor to the next virtual CPU.
pub(crate) fn wait(turn: u32, may_sleep: bool) {
    if turn >= SPINS && may_sleep {
        short_sleep();
    } else {
        core::hint::spin_loop();
    }
}

/// Whether the caller may sleep: if it cannot be told, it may not.
#[cfg_attr(not(CONFIG_ZPOOL), allow(dead_code))]
pub(crate) fn may_sleep() -> bool {
    // SAFETY: Reads state of the running task and its CPU.
    unsafe { bindings::zbm_may_sleep() }
}

/// Sleeps for one tick. Process context, no spinlock held.
pub(crate) fn short_sleep() {
    // SAFETY: As in `cond_resched`.
    unsafe { bindings::zbm_short_sleep() };
}

/// Milliseconds since some time in the past, as the timers of a [`Worker`](super::worker::Worker)
/// count them.
pub(crate) fn now() -> u64 {
    // SAFETY: Reads a counter.
    unsafe { bindings::zbm_ticks_in_ms() }
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
