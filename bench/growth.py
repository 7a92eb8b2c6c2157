#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""growth.py MOVER PAGES...: what a block of the disk and a page that moves take with a pool of
so many pages, inside a guest with two nodes that counts instructions instead of time (see
zswap.py). Means over some thousand of each, medians of rounds; system calls are in them. The rest
of a move is what the page allocator does not take, where the kernel has the function profiler.
Prints PAGES-WHAT=INSTRUCTIONS."""

import fcntl
import mmap
import os
import statistics
import struct
import subprocess
import sys
import time

import profiler
from blocks import BLOCK, DISK_SYS, SYS, Blocks
from files import number, put
from swap_disk import settled

BLKDISCARD = 0x1277  # include/uapi/linux/fs.h
# Two of which share a page
LENGTH = 1800
MEASURED = 2048
ROUNDS = 5
# Pages
ENOUGH = 20_000
# The page allocator, as a move calls it
ALLOCATOR = ["alloc_pages_bulk_noprof", "free_unref_page"]


class Pool:
    """The disk: MEASURED blocks at its beginning, two of which share a page, and as many behind them as
    the pool is to have pages."""

    def __init__(self, most):
        self.behind = Blocks(most, MEASURED)
        self.disk = self.behind.disk
        self.small = mmap.mmap(-1, MEASURED * BLOCK)
        for at in range(0, len(self.small), BLOCK):
            self.small[at : at + LENGTH] = os.urandom(LENGTH)
        self.buffer = mmap.mmap(-1, BLOCK)
        self.store()

    def store(self):
        small = memoryview(self.small)
        for at in range(0, MEASURED * BLOCK, BLOCK):
            os.pwrite(self.disk, small[at : at + BLOCK], at)

    def load(self):
        into = [self.buffer]
        for at in range(0, MEASURED * BLOCK, BLOCK):
            os.preadv(self.disk, into, at)

    def free(self):
        for at in range(0, MEASURED * BLOCK, BLOCK):
            fcntl.ioctl(self.disk, BLKDISCARD, struct.pack("QQ", at, BLOCK))


def took(act):
    """Instructions of it."""
    begin = time.monotonic_ns()
    act()
    return time.monotonic_ns() - begin


def moved(request):
    """Instructions for each page."""
    before = number(f"{SYS}/stats/migrated")
    instructions = took(lambda: put(f"{SYS}/migrate", request))
    return instructions / (number(f"{SYS}/stats/migrated") - before)


def allocator(*requests):
    """Instructions in the page allocator for each page."""
    before = number(f"{SYS}/stats/migrated")
    profiler.start(ALLOCATOR)
    for request in requests:
        put(f"{SYS}/migrate", request)
    seen = profiler.profile()
    profiler.stop()
    return sum(seen[name][1] for name in ALLOCATOR) / (number(f"{SYS}/stats/migrated") - before)


def main():
    mover, sizes = sys.argv[1], [int(size) for size in sys.argv[2:]]
    subprocess.run(["modprobe", "zbud_movable", f"mover={mover}"], check=True)
    # Instructions of another one would be counted as well.
    put("/sys/devices/system/cpu/cpu1/online", "0")
    pool = Pool(max(sizes))
    for size in sizes:
        pool.behind.grow(size)
        settled(DISK_SYS)
        found = {"overwrite": [], "load": [], "free": [], "store": [], "move": []}
        for turn in range(ROUNDS):
            for what, act in ("overwrite", pool.store), ("load", pool.load), ("free", pool.free), ("store", pool.store):
                found[what].append(took(act) / MEASURED)
            # A pass over a large pool is a mean of so many that one is enough. And back, as a block
            # is stored on the node that it is written from.
            if turn == 0 or size * turn < ENOUGH:
                for request in "0 1", "1 0":
                    found["move"].append(moved(request))
            settled(DISK_SYS)
        if profiler.is_there():
            found["rest"] = [statistics.median(found["move"]) - allocator("0 1", "1 0")]
        for what, instructions in found.items():
            print(f"{size}-{what}={statistics.median(instructions):.0f}", flush=True)


main()
