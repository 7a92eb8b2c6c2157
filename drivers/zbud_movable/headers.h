/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads to make bindings_generated.rs; bindings.list says what of
 * it is used.
 */
#include <linux/crypto.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#include <linux/zpool.h>

#include "helpers.h"

/* bindgen does not evaluate these macros by itself. */
const gfp_t ZBM_GFP_KERNEL = GFP_KERNEL;
/* For pool pages when no user of the pool says otherwise. */
const gfp_t ZBM_GFP_PAGE = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN;
/* Allowed for pages that can move, never for a table. */
const gfp_t ZBM_GFP_ZONE_BITS = __GFP_HIGHMEM | __GFP_MOVABLE;
const unsigned int ZBM_WQ_MEM_RECLAIM = WQ_MEM_RECLAIM;
const unsigned long ZBM_PAGE_SIZE = PAGE_SIZE;
const unsigned int ZBM_O_TRUNC = O_TRUNC;
const unsigned int ZBM_O_APPEND = O_APPEND;
const unsigned long long ZBM_MAX_LFS_FILESIZE = MAX_LFS_FILESIZE;
