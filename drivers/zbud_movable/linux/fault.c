// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that somebody asks for in debugfs: Documentation/fault-injection/ of the kernel. See
 * helpers.h.
 */
#include <linux/errno.h>
#include <linux/fault-inject.h>
#include <linux/mm.h>

#include "helpers.h"

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS

static DECLARE_FAULT_ATTR(zbm_fail_alloc);
static DECLARE_FAULT_ATTR(zbm_fail_migrate);
static DECLARE_FAULT_ATTR(zbm_fail_copy);

/* Without a look at fail-nth of the task, by which kernel tests count allocations. */
static bool zbm_is_due(struct fault_attr *attr)
{
	return READ_ONCE(attr->probability) && should_fail(attr, 1);
}

void zbm_fault_create_debugfs(struct dentry *parent)
{
	/* A stack for each would be written while others spin. */
	zbm_fail_alloc.verbose = 0;
	zbm_fail_migrate.verbose = 0;
	zbm_fail_copy.verbose = 0;
	fault_create_debugfs_attr("fail_alloc", parent, &zbm_fail_alloc);
	fault_create_debugfs_attr("fail_migrate", parent, &zbm_fail_migrate);
	fault_create_debugfs_attr("fail_copy", parent, &zbm_fail_copy);
}

int zbm_fault_alloc(void)
{
	return zbm_is_due(&zbm_fail_alloc) ? -ENOMEM : 0;
}

int zbm_fault_migrate(void)
{
	return zbm_is_due(&zbm_fail_migrate) ? -EBUSY : 0;
}

int zbm_fault_copy(const void *from)
{
	if (!zbm_is_due(&zbm_fail_copy))
		return 0;
	/* Simulated: unpoison_memory() goes on to take frames back. */
	memory_failure_queue(page_to_pfn(virt_to_page(from)), MF_SW_SIMULATED);
	return -EHWPOISON;
}

#endif
