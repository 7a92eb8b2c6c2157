# SPDX-License-Identifier: GPL-2.0
"""Blocks of a disk that some write and free, and others read and pin. Each block has a
version; its contents follow from the two. The writer of a block says in shared memory which
version it begins and which it has done, so a reader knows what it may find."""

import errno
import fcntl
import multiprocessing
import random
import struct
import time

from actors.disks import BLOCK
from actors.tasks import WrongData
from direct import Direct
from sysfs import write

BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F
NOISE = 1 << 16
# Of the versions one in so many is zeroes: what a discard leaves.
KINDS = 8
LONGEST = 16
# What a store says that is refused: no memory, or the limit of the disk (the block layer may make
# it EIO).
REFUSED = (errno.ENOMEM, errno.ENOSPC, errno.EIO)


class Board:
    """What the blocks of a disk hold: made before the processes that share it."""

    def __init__(self, path, areas, per_area, seed):
        self.path, self.per_area, self.blocks = path, per_area, areas * per_area
        self.begun = multiprocessing.Array("Q", self.blocks, lock=False)
        self.done = multiprocessing.Array("Q", self.blocks, lock=False)
        self.noise = random.Random(f"{seed} noise").randbytes(NOISE)

    def content(self, block, version):
        kind = version % KINDS
        if kind == 0:
            return bytes(BLOCK)
        name = struct.pack("<II", block, version)
        if kind == 1:
            return name * (BLOCK // len(name))
        start = (block * 7919 + version * 104729) % (NOISE - BLOCK)
        length = BLOCK - len(name) if kind == 2 else start % (BLOCK - len(name))
        return (name + self.noise[start : start + length]).ljust(BLOCK, b"\0")

    def check(self, block, data, first, last):
        """`data` is a version of first..last."""
        for version in range(first, last + 1):
            if data == self.content(block, version):
                return version
        head = struct.unpack("<II", data[:8])
        raise WrongData(f"{self.path}: block {block} begins with {head}, not of {first} to {last}")


def run_of(rng, first, blocks):
    start = rng.randrange(blocks)
    return range(first + start, first + min(start + rng.randrange(1, LONGEST + 1), blocks))


class Writer:
    """Writes, discards, zeroes and compares in an area of its own."""

    def __init__(self, board, area):
        self.board, self.first = board, area * board.per_area
        self.disk = None

    def __call__(self, rng):
        if not self.disk:
            self.disk = Direct(self.board.path, LONGEST * BLOCK)
        run = run_of(rng, self.first, self.board.per_area)
        act = rng.choices(("write", "discard", "zero", "compare"), (6, 2, 1, 3))[0]
        if act == "compare":
            return self.compare(run)
        freed = act != "write"
        begun = {block: self.after(self.board.begun[block], freed) for block in run}
        for block, version in begun.items():
            self.board.begun[block] = version
        try:
            if freed:
                span = struct.pack("=QQ", run.start * BLOCK, len(run) * BLOCK)
                fcntl.ioctl(self.disk.fd, BLKDISCARD if act == "discard" else BLKZEROOUT, span)
            else:
                self.disk.write(b"".join(self.board.content(*item) for item in begun.items()), run.start * BLOCK)
        except OSError as error:
            # Some may be written: a block is the old one or the new.
            if freed or error.errno not in REFUSED:
                raise
            return self.look(begun)
        for block, version in begun.items():
            self.board.done[block] = version

    @staticmethod
    def after(version, freed):
        return (version // KINDS + 1) * KINDS if freed else version + 1

    def each(self, run):
        data = self.disk.read(len(run) * BLOCK, run.start * BLOCK)
        for n, block in enumerate(run):
            yield block, data[n * BLOCK : (n + 1) * BLOCK]

    def compare(self, run):
        for block, data in self.each(run):
            self.board.check(block, data, self.board.done[block], self.board.done[block])

    def look(self, begun):
        for block, data in self.each(range(min(begun), max(begun) + 1)):
            if data == self.board.content(block, begun[block]):
                self.board.done[block] = begun[block]
            else:
                self.board.check(block, data, self.board.done[block], self.board.done[block])

    def end(self):
        for start in range(self.first, self.first + self.board.per_area, LONGEST):
            self.compare(range(start, min(start + LONGEST, self.first + self.board.per_area)))


class Reader:
    """Reads anywhere: each block is one of the versions that it had meanwhile."""

    def __init__(self, board):
        self.board, self.disk = board, None

    def __call__(self, rng):
        if not self.disk:
            self.disk = Direct(self.board.path, LONGEST * BLOCK)
        run = run_of(rng, 0, self.board.blocks)
        first = [self.board.done[block] for block in run]
        data = self.disk.read(len(run) * BLOCK, run.start * BLOCK)
        last = [self.board.begun[block] for block in run]
        for n, block in enumerate(run):
            self.board.check(block, data[n * BLOCK : (n + 1) * BLOCK], first[n], last[n])


class Pinner:
    """Pins some blocks for a moment, whatever their writers do."""

    def __init__(self, board, triggers):
        self.board, self.triggers = board, triggers

    def __call__(self, rng):
        run = run_of(rng, 0, self.board.blocks)
        text = f"{run.start} {len(run)}"
        try:
            write(f"{self.triggers}/pin", text)
        except OSError as error:
            # A block holds nothing, or something else than when another pinned it.
            if error.errno not in (errno.ENOENT, errno.EBUSY):
                raise
            return
        if rng.random() < 0.3:
            time.sleep(rng.random() / 10)
        write(f"{self.triggers}/unpin", text)


class Limiter:
    """A limit, below what is stored as often as not, that comes and goes."""

    def __init__(self, board, disk):
        self.board, self.disk = board, disk

    def __call__(self, rng):
        try:
            write(f"{self.disk}/mem_limit", str(rng.randrange(1, self.board.blocks) * BLOCK))
            time.sleep(rng.random() / 4)
        finally:
            write(f"{self.disk}/mem_limit", "0")
        time.sleep(rng.random())
