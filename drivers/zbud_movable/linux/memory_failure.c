// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that breaks. mm tells only the owner of page cache of it; of a page with movable
 * operations it knows no owner and only marks it. But it traces each case, once the page is
 * marked. See helpers.h.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "helpers.h"

#ifdef CONFIG_TRACEPOINTS

/* Not one for modules by name. */
static void zbm_find_event(struct tracepoint *event, void *found)
{
	if (!strcmp(event->name, "memory_failure_event"))
		*(struct tracepoint **)found = event;
}

static struct tracepoint *zbm_memory_failure_event(void)
{
	struct tracepoint *event = NULL;

	for_each_kernel_tracepoint(zbm_find_event, &event);
	return event;
}

int zbm_memory_failure_watch(zbm_memory_failure_fn *told, void *data)
{
	struct tracepoint *event = zbm_memory_failure_event();

	return event ? tracepoint_probe_register(event, told, data) : -ENOENT;
}

void zbm_memory_failure_unwatch(zbm_memory_failure_fn *told, void *data)
{
	struct tracepoint *event = zbm_memory_failure_event();

	if (event)
		tracepoint_probe_unregister(event, told, data);
	tracepoint_synchronize_unregister();
}

#else

int zbm_memory_failure_watch(zbm_memory_failure_fn *told, void *data)
{
	return -ENOENT;
}

void zbm_memory_failure_unwatch(zbm_memory_failure_fn *told, void *data)
{
}

#endif
