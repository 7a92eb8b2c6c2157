#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""by_hand.py MOVER: what a page costs that /sys/kernel/zbud_movable/migrate moves, beside what
memcpy takes to copy one, inside a guest with two nodes that counts instructions instead of time
(see zswap.py). memcpy is to copy as the kernel does, by rep movsb, each byte of which counts as an
instruction: GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=2048. Medians. Prints KEY=VALUE."""

import ctypes
import mmap
import os
import statistics
import subprocess
import sys
import time

from files import number, put

SYS = "/sys/kernel/zbud_movable"
DISK = "zbud0"
MIB = 32
ROUNDS = 5


def buffer():
    """Memory that is there."""
    area = mmap.mmap(-1, MIB << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, len(area), mmap.PAGESIZE):
        area[at] = 1
    return area


def called(to, source, size):
    """Nanoseconds of memcpy for each page, with `size` bytes of it."""
    to, source = [ctypes.addressof(ctypes.c_char.from_buffer(area)) for area in (to, source)]
    pages = range(0, MIB << 20, mmap.PAGESIZE)
    begin = time.monotonic_ns()
    for at in pages:
        ctypes.memmove(to + at, source + at, size)
    return (time.monotonic_ns() - begin) / len(pages)


def copied(to, source):
    """Nanoseconds that a page takes, without the call."""
    return called(to, source, mmap.PAGESIZE) - called(to, source, 0)


def moved(request):
    before = number(f"{SYS}/stats/migrated")
    begin = time.monotonic_ns()
    put(f"{SYS}/migrate", request)
    took = time.monotonic_ns() - begin
    pages = number(f"{SYS}/stats/migrated") - before
    if pages < (MIB << 20) // mmap.PAGESIZE:
        sys.exit(f"by_hand: only {pages} pages moved")
    return took / pages


def main():
    subprocess.run(["modprobe", "zbud_movable", f"mover={sys.argv[1]}"], check=True)
    put("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    put(f"/sys/block/{DISK}/disksize", "64M")
    # Incompressible: each block is a page.
    subprocess.run(["numactl", "--cpunodebind=0", "--membind=0", "dd", "if=/dev/urandom", f"of=/dev/{DISK}",
                    "bs=1M", f"count={MIB}", "oflag=direct", "iflag=fullblock", "status=none"], check=True)
    to, source = buffer(), buffer()
    moves, copies = [], []
    for turn in range(ROUNDS):
        moves.append(moved("0 1" if turn % 2 == 0 else "1 0"))
        copies.append(copied(to, source))
    print(f"by_hand={statistics.median(moves):.0f}\nmemcpy={statistics.median(copies):.0f}")
    print(f"by_hand_ratio={statistics.median(c / m for c, m in zip(copies, moves)):.2f}")


main()
