#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""holds.py PAGES...: the longest time that the pool lock is held, by what is done meanwhile,
with a pool of so many pages, inside a guest with two nodes that counts instructions instead of
time (see zswap.py) and whose kernel has histogram triggers. Prints PAGES-WHAT=INSTRUCTIONS.

The times are from the return of the function that takes a spinlock for Rust to the call of that
which drops it, both of which this module alone uses here; the two probes are in them."""

import mmap
import os
import subprocess
import sys

TRACING = "/sys/kernel/tracing"
EVENTS = f"{TRACING}/events/holds"
SYS = "/sys/kernel/zbud_movable"
POOL = "/sys/kernel/debug/zbud_movable/pools/zbud0"
DISK = "/dev/zbud0"
BLOCK = 4096
AT_ONCE = 256 * BLOCK
TAKEN = "hist:keys=common_cpu:t=common_timestamp"
DROPPED = "hist:keys=common_cpu:ns=common_timestamp-$t:onmax($ns).save(common_cpu)"


def put(path, text):
    with open(path, "w") as file:
        file.write(text)


def add_probe(text):
    # Not open(): that would seek to the end, which this file refuses.
    file = os.open(f"{TRACING}/kprobe_events", os.O_WRONLY | os.O_APPEND)
    os.write(file, text.encode())
    os.close(file)


def number(path):
    with open(path) as file:
        return int(file.read())


class Longest:
    """What is held longest while this is entered."""

    def __enter__(self):
        put(f"{EVENTS}/taken/trigger", TAKEN)
        put(f"{EVENTS}/dropped/trigger", DROPPED)
        return self

    def __exit__(self, *_):
        with open(f"{EVENTS}/dropped/hist") as file:
            found = [int(words[1]) for words in map(str.split, file) if words[:1] == ["max:"]]
        put(f"{EVENTS}/dropped/trigger", "!" + DROPPED)
        put(f"{EVENTS}/taken/trigger", "!" + TAKEN)
        self.instructions = max(found)


class Blocks:
    """The disk, and random blocks for it, each of which takes a page."""

    def __init__(self):
        self.disk = os.open(DISK, os.O_RDWR | os.O_DIRECT)
        self.random = mmap.mmap(-1, AT_ONCE)
        self.random.write(os.urandom(AT_ONCE))
        self.count = 0

    def write(self, first, count):
        data = memoryview(self.random)
        while count:
            length = min(count * BLOCK, AT_ONCE)
            os.pwrite(self.disk, data[:length], first * BLOCK)
            first, count = first + length // BLOCK, count - length // BLOCK

    def grow(self, pages):
        self.write(self.count, pages - self.count)
        self.count = pages


def read(path):
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass


def beside(blocks, *tasks):
    """All at once, and stores."""
    running = [subprocess.Popen(["bash", "-c", task]) for task in tasks]
    while any(task.poll() is None for task in running):
        blocks.write(0, 256)


def main():
    sizes = [int(size) for size in sys.argv[1:]]
    add_probe("r:holds/taken rust_helper_spin_lock\n")
    add_probe("p:holds/dropped rust_helper_spin_unlock\n")
    put("/sys/block/zbud0/disksize", str(max(sizes) * BLOCK))
    blocks = Blocks()
    whats = {
        "stores": lambda: blocks.write(0, 4000),
        "verify": lambda: read(f"{POOL}/verify"),
        "pages": lambda: read(f"{POOL}/pages"),
        "moves": lambda: put(f"{SYS}/migrate", "0 1"),
        "all": lambda: beside(blocks, f"echo 1 0 >{SYS}/migrate", f"cat {POOL}/verify", f"cat {POOL}/pages >/dev/null"),
    }
    for size in sizes:
        blocks.grow(size)
        if number(f"{SYS}/pages") < size:
            sys.exit(f"{size} blocks do not take {size} pages")
        for what, act in whats.items():
            with Longest() as longest:
                act()
            print(f"{size}-{what}={longest.instructions}", flush=True)


main()
