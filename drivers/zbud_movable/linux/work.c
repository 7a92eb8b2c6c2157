// SPDX-License-Identifier: GPL-2.0
/* Work queues. See helpers.h. */
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "helpers.h"

struct workqueue_struct *zbm_alloc_workqueue(const char *name, unsigned int flags)
{
	return alloc_workqueue("%s", flags, 0, name);
}

void zbm_delayed_work_init(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void zbm_queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
			    unsigned int ms)
{
	queue_delayed_work(wq, work, msecs_to_jiffies(ms));
}

void zbm_queue_within(struct workqueue_struct *wq, struct delayed_work *work, unsigned int ms)
{
	mod_delayed_work(wq, work, msecs_to_jiffies(ms));
}
