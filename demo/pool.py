#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""pool.py store IMAGE POOL BALLAST RESERVE_MIB: IMAGE, a block device, into POOL,
the module's debugfs file "data", scattered over the nodes: between each two pieces some memory
goes into the file BALLAST, so that all but RESERVE_MIB is taken in the end.

pool.py verify IMAGE POOL N: reads all of POOL and compares it with IMAGE, of which
each N-th page has been freed since and reads as zeroes.

Prints key=value lines, as demo/pool-guest-run does. IMAGE is read without a trace
in the page cache."""

import mmap
import os
import sys
import time

sys.path.append(os.path.join(sys.path[0], "../selftests/tools"))
from nodes import turns

PAGE = mmap.PAGESIZE
MIB = 1 << 20
PIECE = 8 * PAGE


class Progress:
    def __init__(self, what, total):
        self.what, self.total, self.told = what, total, time.monotonic()

    def tell(self, done):
        if time.monotonic() - self.told >= 4:
            self.told = time.monotonic()
            print(f"progress={self.what} {done // MIB} of {self.total // MIB} MiB", flush=True)


def image_parts(path, what):
    """Yields the image's offsets and bytes, a MiB at a time."""
    image = os.open(path, os.O_RDONLY | os.O_DIRECT)
    end = os.lseek(image, 0, os.SEEK_END)
    buffer = mmap.mmap(-1, MIB)
    progress = Progress(what, end)
    for offset in range(0, end, MIB):
        size = os.preadv(image, [buffer], offset)
        if size != min(MIB, end - offset):
            raise OSError(f"{path}: short read at {offset}")
        yield offset, end, buffer[:size]
        progress.tell(offset)


def free_bytes():
    with open("/proc/meminfo") as meminfo:
        return next(int(line.split()[1]) << 10 for line in meminfo if line.startswith("MemFree:"))


def store(image, pool, ballast, reserve):
    with open(pool, "wb", 0) as pool, open(ballast, "wb") as ballast:
        size = 0
        nodes = turns()
        for offset, end, part in image_parts(image, "stored"):
            for at in range(0, len(part), PIECE):
                next(nodes)
                piece = part[at : at + PIECE]
                if pool.write(piece) != len(piece):
                    raise OSError("the pool took less than a piece")
                # As much as leaves the reserve if all the others do the same,
                # and if no piece gets smaller in the pool.
                left = end - offset - at
                spare = free_bytes() - (int(reserve) << 20) - left
                step = spare * PIECE // left // PAGE * PAGE
                if step > 0:
                    os.posix_fallocate(ballast.fileno(), size, step)
                    size += step
    print(f"ballast_mib={size // MIB}")


def verify(image, pool, nth):
    verified = empty = wrong = 0
    zeroes = bytes(PAGE)
    with open(pool, "rb", 0) as pool:
        for offset, _, part in image_parts(image, "verified"):
            for at in range(0, len(part), PAGE):
                page = (offset + at) // PAGE
                freed = page % int(nth) == int(nth) - 1
                expected = zeroes if freed else part[at : at + PAGE]
                if os.pread(pool.fileno(), PAGE, offset + at) != expected:
                    wrong += 1
                elif freed:
                    empty += 1
                else:
                    verified += 1
    print(f"verified={verified}\nempty={empty}\nwrong={wrong}")


{"store": store, "verify": verify}[sys.argv[1]](*sys.argv[2:])
