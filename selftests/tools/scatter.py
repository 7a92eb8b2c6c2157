#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""scatter.py FILE DISK BALLAST FREE_KB: FILE to DISK in pieces, and between each two
pieces memory for the file BALLAST, half of FREE_KB in all. Once BALLAST is removed, what
is stored is strewn over memory: over that of all nodes if this interleaves its own, as each
block goes to the node of the page that it is written from."""

import os
import sys

from direct import Direct

PIECE = 64 << 10


def scatter(source, disk, ballast, free_bytes):
    """The pieces of the file `source`, each with a share of half the free bytes."""
    pieces = os.fstat(source.fileno()).st_size // PIECE + 1
    step = free_bytes // 2 // pieces
    for n in range(pieces):
        disk.write(source.read(PIECE), n * PIECE)
        if step:
            os.posix_fallocate(ballast.fileno(), n * step, step)


def main():
    source, disk, ballast, free_kb = sys.argv[1:]
    with open(source, "rb") as source, open(ballast, "wb") as ballast:
        scatter(source, Direct(disk, PIECE), ballast, int(free_kb) << 10)


if __name__ == "__main__":
    main()
