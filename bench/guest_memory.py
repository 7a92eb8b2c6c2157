# SPDX-License-Identifier: GPL-2.0
"""The memory of the guest: what is free of it, holes in it, its blocks, huge pages and CMA."""

import glob
import os
import re
import subprocess
import sys
import time

from files import number, put
from swap_disk import vmstat

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "selftests", "tools"))
from plain_pages import plain  # noqa: E402
from sysfs import numbers  # noqa: E402

BLOCKS = "/sys/devices/system/memory"
NODES = "/sys/devices/system/node"
HUGE = "/proc/sys/vm/nr_hugepages"
HUGE_KIB = 2048
CMA = "/sys/kernel/debug/cma"
# Seconds that a block has to go offline: the kernel itself tries for ever.
PATIENCE = 10
# Of unmovable memory, on each node
ROOM_MIB = 8


def tune():
    """As the demo does it, and for its reasons (demo/guest-run); only small pages are stored."""
    put("/proc/sys/vm/watermark_boost_factor", "0")
    put("/proc/sys/vm/percpu_pagelist_high_fraction", "1000")
    put("/proc/sys/vm/compaction_proactiveness", "0")


def run_on(node):
    """This process, from now on."""
    with open(f"{NODES}/node{node}/cpulist", encoding="ascii") as file:
        os.sched_setaffinity(0, numbers(file.read()))


def run_anywhere():
    os.sched_setaffinity(0, range(os.cpu_count()))


def make_room_for_slab():
    """Page blocks of the unmovable type, as a machine has them that has been up for a while."""
    os.makedirs("/mnt/room", exist_ok=True)
    subprocess.run(["mount", "-t", "ramfs", "ramfs", "/mnt/room"], check=True)
    for node in 0, 1:
        run_on(node)
        with open(f"/mnt/room/{node}", "wb") as file:
            file.write(bytes(ROOM_MIB << 20))
    subprocess.run(["umount", "/mnt/room"], check=True)


def meminfo(*names):
    with open("/proc/meminfo", encoding="ascii") as file:
        found = dict(line.split(":") for line in file)
    return [int(found[name].split()[0]) for name in names]


def free_kib():
    put("/proc/sys/vm/drop_caches", "1")
    return meminfo("MemFree")[0]


def unused_kib():
    """What is free, and pages that are on the swap device already, which zswap has refused."""
    put("/proc/sys/vm/drop_caches", "1")
    return sum(meminfo("MemFree", "SwapCached"))


class Holes:
    """All free memory is taken but `reserve_mib`, and of that one page in so many is free."""

    def __init__(self, program, reserve_mib, each):
        self.process = subprocess.Popen([program, "hold", str(reserve_mib), str(each)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        said = {}
        while "held" not in said:
            line = self.process.stdout.readline()
            if not line:
                raise OSError("memory hold has failed")
            name, _, value = line.strip().partition("=")
            said[name] = int(value)
        self.pages = said["holes"]

    def let_go(self):
        self.process.communicate("\n")


def frames(block):
    """The first page frame of a block, and how many it has."""
    with open(f"{BLOCKS}/block_size_bytes", encoding="ascii") as file:
        count = int(file.read(), 16) // 4096
    return int(block.removeprefix("memory")) * count, count


def plain_pages(ranges):
    """How many pages there are in these of which /proc/kpageflags knows nothing, as it does of
    pages of a pool that are in no page cache. A range: its first frame, and how many."""
    total = 0
    with open("/proc/kpageflags", "rb") as file:
        for first, count in ranges:
            file.seek(first * 8)
            total += plain(memoryview(file.read(count * 8)).cast("Q"))
    return total


def offline(block):
    command = ["timeout", str(PATIENCE), "bash", "-c", f"echo offline >{BLOCKS}/{block}/state"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def online(blocks):
    for block in blocks:
        put(f"{BLOCKS}/{block}/state", "online")


def removable(node):
    """Its blocks that can go offline as things are, and are online again."""
    names = [name for name in os.listdir(f"{NODES}/node{node}") if re.fullmatch("memory[0-9]+", name)]
    blocks = [block for block in sorted(names) if offline(block)]
    online(blocks)
    return blocks


def take_offline(blocks):
    """Those that went, the pages that moved, and the seconds that it took for those that went."""
    gone, moved, took = [], 0, 0.0
    for block in blocks:
        (before,), began = vmstat("pgmigrate_success"), time.monotonic()
        if offline(block):
            gone.append(block)
            took += time.monotonic() - began
            moved += vmstat("pgmigrate_success")[0] - before
    return gone, moved, took


def huge_pages(wanted):
    """How many can be had, asked for up to four times, and the seconds that it took."""
    began, got = time.monotonic(), 0
    for _ in range(4):
        put("/proc/sys/vm/drop_caches", "3")
        put("/proc/sys/vm/compact_memory", "1")
        put(HUGE, str(wanted))
        before, got = got, number(HUGE)
        if got >= wanted or got == before:
            break
    took = time.monotonic() - began
    put(HUGE, "0")
    return got, took


class Cma:
    """The area of contiguous memory that the kernel was booted with, if it has one."""

    def __init__(self):
        self.area = next((area for area in glob.glob(f"{CMA}/*") if os.path.exists(f"{area}/alloc")), None)

    def pages(self):
        return number(f"{self.area}/count") if self.area else 0

    def frames(self):
        return number(f"{self.area}/base_pfn"), self.pages()

    def take(self):
        """In pieces of 256 pages: how many could be had, and the seconds that it took. Then they are
        free again."""
        got, began, piece = 0, time.monotonic(), 256
        for _ in range(self.pages() // piece):
            try:
                put(f"{self.area}/alloc", str(piece))
                got += piece
            except OSError:
                continue
        took = time.monotonic() - began
        if got:
            put(f"{self.area}/free", str(got))
        return got, took
