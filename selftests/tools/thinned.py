#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""thinned.py store|thin|check DISK FIRST COUNT N: blocks of a third of a page each when compressed,
of which two that follow each other come to share a page of the pool, if nobody else stores. `store`
writes COUNT of them from FIRST on; `thin` discards all but each N-th two; `check` reads what is
left and what is not. Exit status 2 if something reads back as something else."""

import fcntl
import random
import struct
import sys

from direct import Direct

BLOCK = 4096
BLKDISCARD = 0x1277


def content(at):
    return random.Random(at).randbytes(BLOCK // 3).ljust(BLOCK, b"\0")


def main():
    what, path = sys.argv[1:3]
    first, count, each = map(int, sys.argv[3:])
    disk = Direct(path, BLOCK)
    for at in range(first, first + count):
        stays = (at - first) // 2 % each == 0
        if what == "store":
            disk.write(content(at), at * BLOCK)
        elif what == "thin" and not stays:
            fcntl.ioctl(disk.fd, BLKDISCARD, struct.pack("QQ", at * BLOCK, BLOCK))
        elif what == "check":
            wanted = content(at) if stays else bytes(BLOCK)
            if disk.read(BLOCK, at * BLOCK) != wanted:
                print(f"block {at} is not what was stored")
                sys.exit(2)


if __name__ == "__main__":
    main()
