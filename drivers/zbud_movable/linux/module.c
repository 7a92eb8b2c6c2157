// SPDX-License-Identifier: GPL-2.0
/* The module's parameters, and the numbers of leaves. See helpers.h. */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "helpers.h"

static char *mover = "auto";
module_param(mover, charp, 0444);
MODULE_PARM_DESC(mover, "how mm moves pages: auto, movable_ops or page_cache");

const char *zbm_param_mover(void)
{
	return mover;
}

static unsigned int num_devices = 1;
module_param(num_devices, uint, 0444);
MODULE_PARM_DESC(num_devices, "how many disks there are after load, at most 65536");

unsigned int zbm_param_num_devices(void)
{
	return num_devices;
}

static unsigned long max_pages;
module_param(max_pages, ulong, 0444);
MODULE_PARM_DESC(max_pages, "how many pages all pools together can have at most (0: four times the memory)");

unsigned long zbm_param_max_pages(void)
{
	return max_pages;
}

MODULE_AUTHOR("The zbud_movable developers");

static DEFINE_IDA(zbm_leaf_numbers);

int zbm_leaf_number_get(unsigned int end, gfp_t gfp)
{
	return ida_alloc_max(&zbm_leaf_numbers, end - 1, gfp);
}

void zbm_leaf_number_put(unsigned int number)
{
	ida_free(&zbm_leaf_numbers, number);
}
