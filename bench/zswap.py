#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""zswap.py ZPOOL MIB: instructions per call of zpool, inside a guest that counts
instructions instead of time (scripts/vm/boot --icount), so that the function
profiler's nanoseconds are instructions.

MIB of /dev/vda's data go through zswap with ZPOOL, more than the guest has
memory: a first pass fills memory and swaps out most of it, a second reads every
page back, which swaps the others out and frees what is read. Prints KEY=VALUE."""

import mmap
import sys

from files import put
from profiler import per, profile, start
from swap_zswap import swap_on

FUNCTIONS = ["zpool_malloc", "zpool_map_handle", "zpool_unmap_handle", "zpool_free",
             "truncate_inode_pages_range"]


def tell(when, seen):
    print(f"{when}_malloc={per(seen, 'zpool_malloc', 'zpool_malloc'):.0f}")
    print(f"{when}_map={per(seen, 'zpool_map_handle', 'zpool_map_handle', 'zpool_unmap_handle'):.0f}")
    if "zpool_free" in seen:
        # With the page cache the worker does most of it.
        print(f"{when}_free={per(seen, 'zpool_free', 'zpool_free', 'truncate_inode_pages_range'):.0f}")


def main():
    zpool, size = sys.argv[1], int(sys.argv[2]) << 20
    put("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    put("/proc/sys/vm/page-cluster", "0")
    # Reclaim in small steps, so that a store follows a free, as the second pass is meant.
    put("/proc/sys/vm/watermark_boost_factor", "0")
    swap_on(zpool, "/dev/vdb")
    start(FUNCTIONS)

    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with open("/dev/vda", "rb", buffering=0) as data:
        for at in range(0, size, 1 << 20):
            memory[at : at + (1 << 20)] = data.read(1 << 20)
    with open("/sys/kernel/debug/zswap/stored_pages") as stored:
        print(f"stored={stored.read().strip()}")
    tell("store", profile())
    sum(memory[at] for at in range(0, size, mmap.PAGESIZE))
    tell("load", profile())


main()
