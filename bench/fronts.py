# SPDX-License-Identifier: GPL-2.0
"""What stores pages in a pool, and tells of it: zswap with one of its allocators, or a compressed
disk. All have the same methods."""

import glob
import os
import subprocess
import sys

import guest_memory
import swap_disk
import swap_zswap
from files import number, put

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "selftests", "tools"))
from table_pages import Probes  # noqa: E402

PAGE = 4096
OURS = "/sys/kernel/zbud_movable"
MOVERS = ("movable_ops", "page_cache")


def slab_bytes():
    total = 0
    with open("/proc/slabinfo", encoding="ascii") as slabs:
        for words in map(str.split, slabs):
            # name, active objects, objects, their size ... : slabdata, active slabs, slabs
            if len(words) > 5 and words[1].isdigit():
                total += int(words[2]) * int(words[3])
    return total


class Front:
    def __init__(self, allocator):
        self.allocator = allocator
        self.is_ours = allocator in MOVERS
        self.tables = None
        if self.is_ours:
            subprocess.run(["modprobe", "zbud_movable", f"mover={allocator}"], check=True)
            self.tables = Probes()

    def metadata_bytes(self):
        """All slabs, as any may be about what is stored, and our tables of descriptors, which are in
        none. Not what a disk has for each of its blocks, be it stored or not."""
        return slab_bytes() + (self.tables.present() * PAGE if self.tables else 0)

    def pages_in(self, ranges):
        """Pages of the pool in these ranges of frames (see guest_memory.plain_pages); of others than
        ours, with what else is like them, which was there when the pool was empty."""
        if not self.is_ours:
            return guest_memory.plain_pages(ranges)
        found = 0
        for path in glob.glob("/sys/kernel/debug/zbud_movable/pools/*/pages"):
            with open(path, encoding="ascii") as file:
                next(file)
                pages = [int(line.split()[0]) for line in file]
            found += sum(first <= page < first + count for first, count in ranges for page in pages)
        return found

    def empty(self):
        """Gets back all that is out, which are a few pages of other processes by then."""
        for command in "swapoff", "swapon":
            subprocess.run([command, self.device], check=True)

    def verify(self):
        """Whether all is well, as the module says of itself."""
        if not self.is_ours:
            return True
        with open(f"{OURS}/verify", encoding="ascii") as file:
            return file.read().strip() == "ok"


class Zswap(Front):
    """Pages that it refuses are on the device."""

    debugfs = "/sys/kernel/debug/zswap"
    device = "/dev/vdb"

    def __init__(self, allocator, _algorithm):
        super().__init__(allocator)

    def start(self, _pages):
        swap_zswap.swap_on("zbud_movable" if self.is_ours else self.allocator, self.device)

    def stored(self):
        return number(f"{self.debugfs}/stored_pages")

    def pool(self):
        return number(f"{self.debugfs}/pool_total_size") // PAGE

    def refused(self):
        """So far."""
        return sum(number(f"{self.debugfs}/reject_compress_{why}") for why in ("poor", "fail"))

    def swapped(self):
        """Pages that were swapped out so far, wherever they went."""
        return sum(swap_disk.vmstat("zswpout", "pswpout"))


class Disk(Front):
    """It refuses no page."""

    def __init__(self, allocator, algorithm):
        super().__init__(allocator)
        self.algorithm = algorithm
        self.kind = "zbud" if self.is_ours else allocator
        self.sysfs, self.device = f"/sys/block/{self.kind}0", f"/dev/{self.kind}0"

    def start(self, pages):
        if not self.is_ours:
            subprocess.run(["modprobe", self.kind], check=True)
        # Debian has it on, or off: a page is to be compressed once.
        if os.path.exists(swap_zswap.ZSWAP):
            put(f"{swap_zswap.ZSWAP}/enabled", "N")
        swap_disk.swap_on(self.kind, self.algorithm, pages * PAGE)

    def mm_stat(self, field):
        with open(f"{self.sysfs}/mm_stat", encoding="ascii") as stat:
            return int(stat.read().split()[field])

    def stored(self):
        return self.mm_stat(0) // PAGE

    def pool(self):
        return self.mm_stat(2) // PAGE

    def refused(self):
        return 0

    def swapped(self):
        return swap_disk.vmstat("pswpout")[0]
