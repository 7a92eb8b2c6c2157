#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""holds.py MOVER PAGES...: the longest time that a pool lock is held, by what is done meanwhile, with a
pool of so many pages, inside a guest with two nodes that counts instructions instead of time (see
zswap.py) and whose kernel tells that of its locks. What the kernel does to count, and each interrupt
that comes between, is in it. Prints PAGES-WHAT=INSTRUCTIONS."""

import subprocess
import sys

import lock_stat
from blocks import SYS, Blocks
from files import put

LOCK = "zbud_movable::Pool::locked"
POOL = "/sys/kernel/debug/zbud_movable/pools/zbud0"


def read(path):
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def beside(blocks, *tasks):
    """All at once, and stores."""
    running = [subprocess.Popen(["bash", "-c", task]) for task in tasks]
    while any(task.poll() is None for task in running):
        blocks.write(0, 256)
    if any(task.returncode for task in running):
        sys.exit(f"holds: one of these failed: {tasks}")


def longest(act):
    lock_stat.reset()
    act()
    return max(lock.longest for lock in lock_stat.locks() if lock.name == LOCK)


def main():
    mover, sizes = sys.argv[1], [int(size) for size in sys.argv[2:]]
    subprocess.run(["modprobe", "zbud_movable", f"mover={mover}"], check=True)
    # Instructions of another one would be counted as well.
    put("/sys/devices/system/cpu/cpu1/online", "0")
    blocks = Blocks(max(sizes))
    whats = {
        "stores": lambda: blocks.write(0, min(4000, blocks.count)),
        "verify": lambda: read(f"{POOL}/verify"),
        "pages": lambda: read(f"{POOL}/pages"),
        "moves": lambda: put(f"{SYS}/migrate", "0 1"),
        "compact": lambda: put(f"{SYS}/compact", "1"),
        "all": lambda: beside(blocks, f"echo 1 0 >{SYS}/migrate", f"grep -qx ok {POOL}/verify", f"cat {POOL}/pages >/dev/null"),
    }
    for size in sizes:
        blocks.grow(size)
        for what, act in whats.items():
            print(f"{size}-{what}={longest(act)}", flush=True)


main()
