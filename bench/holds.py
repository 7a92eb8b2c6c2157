#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""holds.py PAGES...: the longest time that the pool lock is held, by what is done meanwhile,
with a pool of so many pages, inside a guest with two nodes that counts instructions instead of
time (see zswap.py) and whose kernel has histogram triggers. Prints PAGES-WHAT=INSTRUCTIONS.

The lock is the spinlock that the module takes most often while it stores. The times are from the
return of the function that takes it to the call of that which drops it, without interrupts
between; the two probes are in them, and a little of each interrupt. When the trace is full the
rest is not looked at; then PAGES-WHAT-missed says how many events that are."""

import mmap
import os
import re
import subprocess
import sys

from files import number, put

TRACING = "/sys/kernel/tracing"
EVENTS = f"{TRACING}/events/holds"
SYS = "/sys/kernel/zbud_movable"
POOL = "/sys/kernel/debug/zbud_movable/pools/zbud0"
DISK = "/dev/zbud0"
BLOCK = 4096
AT_ONCE = 256 * BLOCK
BUFFER_KB = 24 << 10
LINE = re.compile(r".*\[([0-9]+)\] [^ ]+ +([0-9]+): ([a-z_]+):")


def add_probe(text):
    # Not open(): that would seek to the end, which this file refuses.
    file = os.open(f"{TRACING}/kprobe_events", os.O_WRONLY | os.O_APPEND)
    os.write(file, text.encode())
    os.close(file)


def text_of_the_module():
    """Where its functions are."""
    with open("/proc/modules") as modules:
        for words in map(str.split, modules):
            if words[0] == "zbud_movable":
                start = int(words[5], 16)
                return start, start + int(words[1])
    sys.exit("the module is not loaded")


def pool_lock(store):
    """Its address."""
    start, end = text_of_the_module()
    find = f"hist:keys=lock:sort=hitcount.descending if caller>={start} && caller<{end}"
    put(f"{EVENTS}/called/trigger", find)
    store()
    with open(f"{EVENTS}/called/hist") as file:
        locks = [words[words.index("lock:") + 1] for words in map(str.split, file) if "lock:" in words]
    put(f"{EVENTS}/called/trigger", "!" + find)
    return int(locks[0])


class Longest:
    """What is held longest while this is entered."""

    def __init__(self, lock):
        for event in "taken", "dropped":
            put(f"{EVENTS}/{event}/filter", f"lock=={lock}")
            put(f"{EVENTS}/{event}/enable", "1")
        put(f"{TRACING}/events/irq_vectors/enable", "1")

    def __enter__(self):
        put(f"{TRACING}/trace", "")
        put(f"{TRACING}/tracing_on", "1")
        return self

    def __exit__(self, *_):
        put(f"{TRACING}/tracing_on", "0")
        # On each processor: since when it is held, the interrupts meanwhile, and since when
        # there is one.
        since, away, interrupted = {}, {}, {}
        self.longest = 0, ""
        with open(f"{TRACING}/trace") as trace:
            for line in trace:
                found = LINE.match(line)
                if not found:
                    continue
                cpu, now, event = found[1], int(found[2]), found[3]
                if event == "taken":
                    since[cpu], away[cpu] = now, 0
                elif event == "dropped" and cpu in since:
                    took = now - since.pop(cpu) - away[cpu]
                    self.longest = max(self.longest, (took, line.split("caller=")[1].split()[0]))
                elif event.endswith("_entry"):
                    interrupted[cpu] = now
                elif event.endswith("_exit"):
                    away[cpu] = away.get(cpu, 0) + now - interrupted.pop(cpu, now)
        with open(f"{TRACING}/per_cpu/cpu0/stats") as stats:
            self.missed = sum(int(line.split()[-1]) for line in stats if re.match("dropped|overrun", line))


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
    add_probe("p:holds/called _raw_spin_lock lock=%di:u64 caller=$stack0:u64\n")
    add_probe("r:holds/taken _raw_spin_lock lock=$arg1:u64\n")
    add_probe("p:holds/dropped _raw_spin_unlock lock=%di:u64 caller=$stack0:symbol\n")
    # Instructions of another one would be counted as well.
    put("/sys/devices/system/cpu/cpu1/online", "0")
    put(f"{TRACING}/tracing_on", "0")
    put(f"{TRACING}/trace_clock", "x86-tsc")
    put(f"{TRACING}/options/overwrite", "0")
    put(f"{TRACING}/buffer_size_kb", str(BUFFER_KB))
    put("/sys/block/zbud0/disksize", str(max(sizes) * BLOCK))
    blocks = Blocks()
    whats = {
        "nothing": lambda: number(f"{SYS}/pages"),
        "stores": lambda: blocks.write(0, min(4000, blocks.count)),
        "verify": lambda: read(f"{POOL}/verify"),
        "pages": lambda: read(f"{POOL}/pages"),
        "moves": lambda: put(f"{SYS}/migrate", "0 1"),
        "all": lambda: beside(blocks, f"echo 1 0 >{SYS}/migrate", f"cat {POOL}/verify", f"cat {POOL}/pages >/dev/null"),
    }
    longest = Longest(pool_lock(lambda: blocks.grow(1000)))
    for size in sizes:
        blocks.grow(size)
        if number(f"{SYS}/pages") < size:
            sys.exit(f"{size} blocks do not take {size} pages")
        for what, act in whats.items():
            with longest:
                act()
            instructions, caller = longest.longest
            print(f"{size}-{what}={instructions}\n{size}-{what}-in={caller}", flush=True)
            if longest.missed:
                print(f"{size}-{what}-missed={longest.missed}")


main()
