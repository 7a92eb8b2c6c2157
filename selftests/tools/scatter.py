#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""scatter.py FILE DISK BALLAST FREE_KB: FILE to DISK in pieces, and between each two
pieces memory for the file BALLAST, half of FREE_KB in all. Once BALLAST is removed, what
is stored is strewn over the memory of the nodes on which this may run."""

import itertools
import os
import sys

from direct import Direct
from nodes import processors, turns

PIECE = 64 << 10


def on_each_node(path):
    """The disk, each time with a buffer on the next node, on which this then runs: a block goes
    to the node of the page that it is written from."""
    disks = [Direct(path, PIECE) for _ in processors()]
    return (disk for disk, _ in zip(itertools.cycle(disks), turns()))


def scatter(source, disks, ballast, free_bytes):
    """The pieces of the file `source`, each with a share of half the free bytes."""
    pieces = os.fstat(source.fileno()).st_size // PIECE + 1
    step = free_bytes // 2 // pieces
    for n, disk in zip(range(pieces), disks):
        disk.write(source.read(PIECE), n * PIECE)
        if step:
            os.posix_fallocate(ballast.fileno(), n * step, step)


def main():
    source, disk, ballast, free_kb = sys.argv[1:]
    with open(source, "rb") as source, open(ballast, "wb") as ballast:
        scatter(source, on_each_node(disk), ballast, int(free_kb) << 10)


if __name__ == "__main__":
    main()
