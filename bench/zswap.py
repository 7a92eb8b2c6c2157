#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""zswap.py ZPOOL MIB: instructions per call of zpool, inside a guest that counts
instructions instead of time (scripts/vm/boot --icount), so that the function
profiler's nanoseconds are instructions.

MIB of /dev/vda's data go through zswap with ZPOOL, more than the guest has
memory: a first pass fills memory and swaps out most of it, a second reads every
page back, which swaps the others out and frees what is read. Prints KEY=VALUE."""

import mmap
import os
import sys

TRACING = "/sys/kernel/tracing"
ZSWAP = "/sys/module/zswap/parameters"
FUNCTIONS = ["zpool_malloc", "zpool_map_handle", "zpool_unmap_handle", "zpool_free",
             "truncate_inode_pages_range"]


def put(path, text):
    with open(path, "w") as file:
        file.write(text)


def profile():
    """Calls and instructions of each function since the last time."""
    seen = {}
    with open(f"{TRACING}/trace_stat/function0") as stat:
        for line in stat.readlines()[2:]:
            name, hits, time = line.split()[:3]
            seen[name] = int(hits), float(time) * 1000
    put(f"{TRACING}/function_profile_enabled", "0")
    put(f"{TRACING}/function_profile_enabled", "1")
    return seen


def tell(when, seen):
    def per(calls, *names):
        return sum(seen.get(name, (0, 0))[1] for name in names) / max(1, seen[calls][0])

    print(f"{when}_malloc={per('zpool_malloc', 'zpool_malloc'):.0f}")
    print(f"{when}_map={per('zpool_map_handle', 'zpool_map_handle', 'zpool_unmap_handle'):.0f}")
    if "zpool_free" in seen:
        # With the page cache the worker does most of it.
        print(f"{when}_free={per('zpool_free', 'zpool_free', 'truncate_inode_pages_range'):.0f}")


def main():
    zpool, size = sys.argv[1], int(sys.argv[2]) << 20
    put("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    put("/proc/sys/vm/page-cluster", "0")
    for name, value in (("compressor", "lz4"), ("zpool", zpool), ("max_pool_percent", "90"),
                        ("shrinker_enabled", "N"), ("enabled", "Y")):
        put(f"{ZSWAP}/{name}", value)
    os.system("mkswap -q /dev/vdb && swapon /dev/vdb")
    put(f"{TRACING}/set_ftrace_filter", " ".join(FUNCTIONS))
    put(f"{TRACING}/function_profile_enabled", "1")

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
