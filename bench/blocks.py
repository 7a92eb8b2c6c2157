# SPDX-License-Identifier: GPL-2.0
"""Blocks of our first disk, each of which takes a page of the pool."""

import mmap
import os
import sys

from files import number, put

BLOCK = mmap.PAGESIZE
# Blocks
AT_ONCE = 256
SYS = "/sys/kernel/zbud_movable"
DISK_SYS = "/sys/block/zbud0"


class Blocks:
    """Those from the block `first` on, at most `most`: random bytes, which are stored as they are."""

    def __init__(self, most, first=0):
        put(f"{DISK_SYS}/disksize", str((first + most) * BLOCK))
        self.disk = os.open("/dev/zbud0", os.O_RDWR | os.O_DIRECT)
        self.random = mmap.mmap(-1, AT_ONCE * BLOCK)
        self.random.write(os.urandom(AT_ONCE * BLOCK))
        self.first, self.count = first, 0

    def write(self, at, count):
        """`count` blocks from the block `at` of these on."""
        data = memoryview(self.random)
        while count:
            now = min(count, AT_ONCE)
            os.pwrite(self.disk, data[: now * BLOCK], (self.first + at) * BLOCK)
            at, count = at + now, count - now

    def grow(self, pages):
        """Until the pool has that many pages for them."""
        self.write(self.count, pages - self.count)
        self.count = pages
        if number(f"{SYS}/pages") < pages:
            sys.exit(f"{pages} blocks do not take {pages} pages")
