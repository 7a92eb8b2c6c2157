#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""discard_random.py FILE DISK PER_CENT: discard so many of the blocks of DISK that FILE has,
at random, the same in each run; they become zeroes in FILE."""

import fcntl
import os
import random
import struct
import sys

BLOCK = 4096
BLKDISCARD = 0x1277


def main():
    path, disk, per_cent = sys.argv[1:]
    blocks = os.path.getsize(path) // BLOCK
    chosen = random.Random(per_cent).sample(range(blocks), blocks * int(per_cent) // 100)
    with open(path, "r+b") as file, open(disk, "r+b", buffering=0) as disk:
        for block in chosen:
            fcntl.ioctl(disk, BLKDISCARD, struct.pack("QQ", block * BLOCK, BLOCK))
            file.seek(block * BLOCK)
            file.write(bytes(BLOCK))


if __name__ == "__main__":
    main()
