# SPDX-License-Identifier: GPL-2.0
"""Swap on a disk, and memory that goes there."""

import ctypes
import errno
import mmap
import subprocess
import time

from actors.disks import BLOCK, give_size, pattern, take_size, unless_busy
from actors.tasks import WrongData
from sysfs import read

MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_PAGEOUT = 4, 14, 15, 21
SWAP_FLAG_PREFER, SWAP_FLAG_DISCARD = 0x8000, 0x10000
libc = ctypes.CDLL(None, use_errno=True)


def called(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


def make_swap(path):
    made = subprocess.run(["mkswap", path], capture_output=True, text=True, check=False)
    if made.returncode:
        raise OSError(errno.EBUSY if "busy" in made.stderr else errno.EIO, made.stderr)


def memory(pages):
    return mmap.mmap(-1, pages * BLOCK, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class SwapThere:
    """Swapon, the own memory out and in, swapoff; at times a reset of the disk before it."""

    def __init__(self, disk, blocks, pages):
        self.disk, self.path, self.blocks = disk, f"/dev/{disk}".encode(), blocks
        self.memory, self.pages, self.rounds = memory(pages), pages, 0

    def __call__(self, rng):
        if self.rounds % 16 == 0:
            take_size(self.disk)
            give_size(self.disk, self.blocks)
            unless_busy(lambda: make_swap(self.path))
        self.rounds += 1
        unless_busy(lambda: called("swapon", self.path, 0))
        try:
            pages = [pattern(rng, page) for page in range(self.pages)]
            self.memory[:] = b"".join(pages)
            self.memory.madvise(MADV_PAGEOUT)
            if rng.random() < 0.5:
                self.check(pages)
        finally:
            called("swapoff", self.path)
        self.check(pages)

    def check(self, pages):
        for page, data in enumerate(pages):
            if self.memory[page * BLOCK : (page + 1) * BLOCK] != data:
                raise WrongData(f"swap: page {page}")


class SwapOnOff:
    """A disk that others' memory is swapped to, for a moment; then nothing but the header of the
    swap area is left on it. At times it is reset, and compresses with another algorithm."""

    def __init__(self, disk, blocks):
        self.disk, self.path, self.blocks = disk, f"/dev/{disk}".encode(), blocks
        self.sys = f"/sys/block/{disk}"

    def __call__(self, rng):
        if read(f"{self.sys}/initstate") == "0" or rng.random() < 0.2:
            take_size(self.disk)
            algorithms = read(f"{self.sys}/comp_algorithm").replace("[", "").replace("]", "").split()
            self.choose(rng.choice(algorithms))
            give_size(self.disk, self.blocks)
            unless_busy(lambda: make_swap(self.path))
        flags = rng.choice((0, SWAP_FLAG_DISCARD, SWAP_FLAG_PREFER | rng.randrange(1, 100)))
        unless_busy(lambda: called("swapon", self.path, flags))
        try:
            time.sleep(rng.random())
        finally:
            called("swapoff", self.path)
        left = read(f"{self.sys}/mm_stat").split()[0], read(f"{self.sys}/debug_stat").split("\n")[1].split()[1]
        if left != (str(BLOCK), "0"):
            raise WrongData(f"{self.disk}: after swapoff there are {left[0]} bytes, {left[1]} frees were missed")

    def choose(self, algorithm):
        with open(f"{self.sys}/comp_algorithm", "w", encoding="ascii") as file:
            file.write(algorithm)


class Hog:
    """Memory, each page of which is known, and which is written, swapped out, read and given up
    in runs; at times of huge pages."""

    def __init__(self, pages):
        self.pages = pages

    def __call__(self, rng):
        if not hasattr(self, "known"):
            self.memory, self.known = memory(self.pages), [bytes(BLOCK)] * self.pages
        first = rng.randrange(self.pages)
        run = range(first, min(first + rng.randrange(1, self.pages // 4), self.pages))
        span = run.start * BLOCK, len(run) * BLOCK
        act = rng.choices(("write", "out", "check", "drop", "huge"), (4, 6, 4, 1, 1))[0]
        if act == "write":
            for page in run:
                self.known[page] = pattern(rng, page) if rng.random() < 0.9 else bytes([page % 256]) * BLOCK
                self.memory[page * BLOCK : (page + 1) * BLOCK] = self.known[page]
        elif act == "out":
            self.memory.madvise(MADV_PAGEOUT, *span)
        elif act == "check":
            self.check(run)
        elif act == "drop":
            self.memory.madvise(MADV_DONTNEED, *span)
            self.known[run.start : run.stop] = [bytes(BLOCK)] * len(run)
        else:
            self.memory.madvise(rng.choice((MADV_HUGEPAGE, MADV_NOHUGEPAGE)))

    def check(self, run):
        for page in run:
            if self.memory[page * BLOCK : (page + 1) * BLOCK] != self.known[page]:
                raise WrongData(f"memory: page {page}")

    def end(self):
        self.check(range(self.pages))
