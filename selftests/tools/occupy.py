#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""occupy.py NODE KB: take memory of that node until KB are free there, say "full",
and keep it: locked, or it would be swapped out."""

import ctypes
import mmap
import signal
import sys
import time

SYS_SET_MEMPOLICY, MPOL_BIND = 238, 2
MCL_CURRENT, MCL_FUTURE = 1, 2
MADV_NOHUGEPAGE = 15
PIECE = 256 << 10


def free(node):
    with open(f"/sys/devices/system/node/node{node}/meminfo", encoding="ascii") as file:
        return next(int(line.split()[3]) for line in file if "MemFree:" in line)


def main():
    node, left = map(int, sys.argv[1:])
    mask = ctypes.c_ulong(1 << node)
    libc = ctypes.CDLL(None)
    if libc.syscall(SYS_SET_MEMPOLICY, MPOL_BIND, ctypes.byref(mask), 65):
        sys.exit("set_mempolicy failed")
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE):
        sys.exit("mlockall failed")
    pieces = []
    # kswapd may empty page cache for a while, and lists of each CPU are drained.
    full = 0
    while full < 10:
        if free(node) <= left:
            full += 1
            time.sleep(0.1)
            continue
        full = 0
        piece = mmap.mmap(-1, PIECE)
        piece.madvise(MADV_NOHUGEPAGE)
        for at in range(0, PIECE, mmap.PAGESIZE):
            piece[at] = 1
        pieces.append(piece)
    print("full", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
