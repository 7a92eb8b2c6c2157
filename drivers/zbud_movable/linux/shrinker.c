// SPDX-License-Identifier: GPL-2.0
/* Shrinkers. See helpers.h. */
#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/shrinker.h>

#include "helpers.h"

/* STOP in shrinker.rs. */
static_assert(SHRINK_STOP == ULONG_MAX);

struct shrinker *zbm_shrinker_new(zbm_shrink_fn *count, zbm_shrink_fn *scan, void *data,
				  const char *name)
{
	struct shrinker *shrinker = shrinker_alloc(0, "zbud_movable:%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->private_data = data;
	shrinker_register(shrinker);
	return shrinker;
}

void *zbm_shrinker_data(const struct shrinker *shrinker)
{
	return shrinker->private_data;
}

unsigned long zbm_shrink_nr(const struct shrink_control *control)
{
	return control->nr_to_scan;
}
