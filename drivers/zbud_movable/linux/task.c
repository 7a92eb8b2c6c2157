// SPDX-License-Identifier: GPL-2.0
/* The running task and the CPU. See helpers.h. */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "helpers.h"

unsigned int zbm_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}

unsigned int zbm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}

void zbm_preempt_disable(void)
{
	preempt_disable();
}

void zbm_preempt_enable(void)
{
	preempt_enable();
}

void zbm_cond_resched(void)
{
	cond_resched();
}

void zbm_short_sleep(void)
{
	schedule_timeout_uninterruptible(1);
}

u64 zbm_ticks_in_ms(void)
{
	return jiffies64_to_msecs(get_jiffies_64());
}

bool zbm_may_sleep(void)
{
	return preemptible() && !rcu_preempt_depth();
}

bool zbm_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

bool zbm_froze_processes(void)
{
	return current->flags & PF_SUSPEND_TASK;
}

bool zbm_capable_rawio(void)
{
	return capable(CAP_SYS_RAWIO);
}
