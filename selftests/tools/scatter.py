#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""scatter.py FILE POOL BALLAST FREE_KB: FILE into POOL in pieces, and between each two
pieces memory for the file BALLAST, half of FREE_KB in all. Once BALLAST is removed, what
is stored is strewn over the memory of the nodes on which this may run."""

import os
import sys

from nodes import turns

PIECE = 64 << 10


def scatter(source, pool, ballast, free_bytes):
    """The pieces of the file `source`, each with a share of half the free bytes."""
    pieces = os.fstat(source.fileno()).st_size // PIECE + 1
    step = free_bytes // 2 // pieces
    for n, _ in zip(range(pieces), turns()):
        pool.write(source.read(PIECE))
        if step:
            os.posix_fallocate(ballast.fileno(), n * step, step)


def main():
    source, pool, ballast, free_kb = sys.argv[1:]
    with open(source, "rb") as source, open(pool, "wb", 0) as pool, open(ballast, "wb") as ballast:
        scatter(source, pool, ballast, int(free_kb) << 10)


if __name__ == "__main__":
    main()
