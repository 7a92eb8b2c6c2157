#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""discard_and_write.py DISK FILE: discards the blocks of FILE's length on DISK and writes FILE
there at once, on one processor that nothing else gets meanwhile unless this sleeps."""

import fcntl
import os
import struct
import sys

from direct import Direct

BLOCK = 4096
BLKDISCARD = 0x1277


def main():
    path, source = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read(os.fstat(file.fileno()).st_size // BLOCK * BLOCK)
    disk = Direct(path, BLOCK)
    os.sched_setaffinity(0, {0})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    fcntl.ioctl(disk.fd, BLKDISCARD, struct.pack("QQ", 0, len(data)))
    for at in range(0, len(data), BLOCK):
        disk.write(data[at : at + BLOCK], at)


if __name__ == "__main__":
    main()
