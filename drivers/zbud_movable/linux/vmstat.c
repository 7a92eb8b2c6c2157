// SPDX-License-Identifier: GPL-2.0
/* What /proc/vmstat counts. See helpers.h. */
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "helpers.h"

void zbm_count_migrate_success(u64 pages)
{
	count_vm_events(PGMIGRATE_SUCCESS, pages);
}

void zbm_count_migrate_fail(u64 pages)
{
	count_vm_events(PGMIGRATE_FAIL, pages);
}
