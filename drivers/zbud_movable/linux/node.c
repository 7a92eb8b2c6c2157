// SPDX-License-Identifier: GPL-2.0
/* NUMA nodes and memory. See helpers.h. */
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sysfs.h>
#include <linux/topology.h>

#include "helpers.h"

int zbm_numa_mem_id(void)
{
	return numa_mem_id();
}

unsigned int zbm_nr_node_ids(void)
{
	return nr_node_ids;
}

bool zbm_node_possible(int nid)
{
	return node_possible(nid);
}

int zbm_node_distance(int from, int to)
{
	return node_distance(from, to);
}

void zbm_nodes_with_memory(nodemask_t *nodes)
{
	*nodes = node_states[N_MEMORY];
}

int zbm_nodelist_parse(const char *text, nodemask_t *nodes)
{
	int err = nodelist_parse(text, *nodes);

	/* A number that no variable could hold is too large as well. */
	return err == -EOVERFLOW ? -ERANGE : err;
}

int zbm_nodelist_emit(char *buf, const nodemask_t *nodes)
{
	return sysfs_emit(buf, "%*pbl\n", nodemask_pr_args(nodes));
}

unsigned long zbm_totalram_pages(void)
{
	return totalram_pages();
}

int zbm_notifier_from_errno(int err)
{
	return notifier_from_errno(err);
}

int zbm_register_memory_notifier(struct notifier_block *nb)
{
	return register_memory_notifier(nb);
}

void zbm_unregister_memory_notifier(struct notifier_block *nb)
{
	unregister_memory_notifier(nb);
}
