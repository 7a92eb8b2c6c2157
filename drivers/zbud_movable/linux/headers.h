/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The input of bindgen, which makes bindings_generated.rs; bindings.list says
 * which parts are used.
 */
#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/lz4.h>
#include <linux/lzo.h>
#include <linux/memory.h>
#include <linux/migrate.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#include <linux/zstd.h>
#ifdef CONFIG_ZPOOL
#include <linux/zpool.h>
#endif

#include "helpers.h"

/* bindgen does not evaluate these macros by itself. */
/*
 * For a page on one node and no other, as a request names it. The task that asks
 * may be confined to other nodes, but the pool is not. At most one round of reclaim
 * for each page, and no OOM killer.
 */
const gfp_t ZBM_GFP_THIS_NODE = (GFP_HIGHUSER_MOVABLE & ~__GFP_HARDWALL) |
				__GFP_THISNODE | __GFP_NORETRY | __GFP_NOWARN;
/*
 * For what a disk is to store. Swap-out stores, so this starts no I/O; and a store that
 * finds no memory fails, as nobody is to be killed for it.
 */
const gfp_t ZBM_GFP_DISK = GFP_NOIO | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_RETRY_MAYFAIL |
			   __GFP_NOWARN;
/*
 * For a page on one node if that has memory to spare, whoever asks for it: these flags
 * are added to the caller's, those left out. kswapd is woken as the caller would.
 */
const gfp_t ZBM_GFP_SPARE = __GFP_THISNODE | __GFP_NOMEMALLOC | __GFP_NOWARN;
const gfp_t ZBM_GFP_INSISTS = __GFP_DIRECT_RECLAIM | __GFP_MEMALLOC | __GFP_HIGH |
			      __GFP_NOFAIL;
/*
 * For what is stored anew, which can wait: does not reclaim. It may take what is between a zone's
 * marks low and min, as others do, so kswapd is woken.
 */
const gfp_t ZBM_GFP_ANEW = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_KSWAPD_RECLAIM |
			   __GFP_NOMEMALLOC | __GFP_NOWARN;
/* Allowed for pages that can move, never for a table. */
const gfp_t ZBM_GFP_ZONE_BITS = __GFP_HIGHMEM | __GFP_MOVABLE;
/* Freeing goes on under memory pressure, on any CPU. */
const unsigned int ZBM_WQ_FLAGS = WQ_MEM_RECLAIM | WQ_UNBOUND;
const unsigned long ZBM_PAGE_SIZE = PAGE_SIZE;
const unsigned long ZBM_MEM_ONLINE = MEM_ONLINE;
const unsigned long ZBM_MEM_GOING_OFFLINE = MEM_GOING_OFFLINE;
const unsigned long ZBM_MEM_OFFLINE = MEM_OFFLINE;
const unsigned long ZBM_MEM_CANCEL_OFFLINE = MEM_CANCEL_OFFLINE;
const int ZBM_EHWPOISON = EHWPOISON;
const unsigned int ZBM_MAX_NUMNODES = MAX_NUMNODES;
const unsigned int ZBM_FMODE_WRITE = (__force unsigned int)FMODE_WRITE;
const unsigned int ZBM_BLK_OPEN_WRITE = (__force unsigned int)BLK_OPEN_WRITE;
const int ZBM_MISC_DYNAMIC_MINOR = MISC_DYNAMIC_MINOR;
const vm_fault_t ZBM_VM_FAULT_SIGBUS = VM_FAULT_SIGBUS;
const vm_fault_t ZBM_VM_FAULT_LOCKED = VM_FAULT_LOCKED;
const vm_fault_t ZBM_VM_FAULT_NOPAGE = VM_FAULT_NOPAGE;
const unsigned int ZBM_LZ4_MEM_COMPRESS = LZ4_MEM_COMPRESS;
const unsigned int ZBM_LZO_MEM_COMPRESS = LZO1X_1_MEM_COMPRESS;
const unsigned int ZBM_REQ_OP_READ = (__force unsigned int)REQ_OP_READ;
const unsigned int ZBM_REQ_OP_WRITE = (__force unsigned int)REQ_OP_WRITE;
const unsigned int ZBM_REQ_OP_DISCARD = (__force unsigned int)REQ_OP_DISCARD;
const unsigned int ZBM_REQ_OP_WRITE_ZEROES = (__force unsigned int)REQ_OP_WRITE_ZEROES;
