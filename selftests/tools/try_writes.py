#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""try_writes.py DISK FILE AT: writes each block of FILE to DISK, from block AT on, one by
one. Some may fail, and then what was there must still be there. Prints how many succeeded and
how many failed, by errno: "written=3 ENOSPC=5". Exit status 2 if a block is neither."""

import errno
import os
import sys

from direct import Direct

BLOCK = 4096


def try_writes(disk, blocks, at):
    """How many writes ended how, and the places of blocks that are not what they should be."""
    had = [disk.read(BLOCK, (at + n) * BLOCK) for n in range(len(blocks))]
    ends = {"written": 0}
    for n, block in enumerate(blocks):
        try:
            disk.write(block, (at + n) * BLOCK)
            had[n] = block
            ends["written"] += 1
        except OSError as error:
            name = errno.errorcode[error.errno]
            ends[name] = ends.get(name, 0) + 1
    return ends, [n for n, block in enumerate(had) if disk.read(BLOCK, (at + n) * BLOCK) != block]


def main():
    disk, source, at = sys.argv[1:]
    with open(source, "rb") as file:
        blocks = [file.read(BLOCK) for _ in range(os.fstat(file.fileno()).st_size // BLOCK)]
    ends, wrong = try_writes(Direct(disk, BLOCK), blocks, int(at))
    print(*(f"{name}={count}" for name, count in ends.items()))
    if wrong:
        print(f"block {wrong[0]} is wrong")
        sys.exit(2)


if __name__ == "__main__":
    main()
