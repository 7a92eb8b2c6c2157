#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""disk_time.py ALGORITHM MIB ROUNDS MOVER...: how long a process waits when it is swapped to a
disk and back, inside a guest without --icount: the time that a user sees, worth as much as the
machine is quiet. So each round does the same work on zram and on our disk with each mover, each
time in another order, and a disk is compared with zram of the same round.

MIB of /dev/vda's data are put out as a whole (MADV_PAGEOUT), then every page is read. Each turn
has a disk of its own, of a module that is loaded for it. Prints KEY=VALUE: microseconds per page,
medians of all rounds, and of the ratios to zram the median and the quartiles."""

import mmap
import statistics
import subprocess
import sys
import time

from swap_disk import MADV_PAGEOUT, settled, small_pages, swap_on, vmstat

ZRAM = "zram"


def filled(size):
    """Memory with pages of the data; not with those that are full of zeroes, which do not go out."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    at = 0
    with open("/dev/vda", "rb") as data:
        while at < size:
            page = data.read(mmap.PAGESIZE)
            if any(page):
                memory[at : at + mmap.PAGESIZE] = page
                at += mmap.PAGESIZE
    return memory


def timed(counter, work):
    """Microseconds per page that `counter` of vmstat counts, and how many these are."""
    (before,), began = vmstat(counter), time.monotonic_ns()
    work()
    took, (after,) = time.monotonic_ns() - began, vmstat(counter)
    pages = after - before
    return took / 1000 / max(1, pages), pages


def turn(memory, name, algorithm):
    """Out and in, once, on one disk."""
    kind = ZRAM if name == ZRAM else "zbud"
    module = [ZRAM] if name == ZRAM else ["zbud_movable", f"mover={name}"]
    subprocess.run(["modprobe", *module], check=True)
    disk = swap_on(kind, algorithm, 2 * len(memory))
    pages = len(memory) // mmap.PAGESIZE
    out, gone = timed("pswpout", lambda: memory.madvise(MADV_PAGEOUT))
    into, back = timed("pswpin", lambda: sum(memory[at] for at in range(0, len(memory), mmap.PAGESIZE)))
    # All but a few that are in use at the moment.
    if min(gone, back) < 0.9 * pages:
        sys.exit(f"{name}: of {pages} pages {gone} went out and {back} came back")
    subprocess.run(["swapoff", f"/dev/{kind}0"], check=True)
    settled(disk)
    subprocess.run(["modprobe", "-r", module[0]], check=True)
    return out, into


def main():
    algorithm, size, rounds = sys.argv[1], int(sys.argv[2]) << 20, int(sys.argv[3])
    names = [ZRAM, *sys.argv[4:]]
    small_pages()
    memory = filled(size)
    seen = {name: [] for name in names}
    # The first round is not counted: it is the one that meets cold code.
    for number in range(rounds + 1):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            times = turn(memory, name, algorithm)
            if number != 0:
                seen[name].append(times)
    print(f"rounds={rounds}")
    for name in names:
        for key, which in (("out", lambda times: times[0]), ("in", lambda times: times[1]), ("both", sum)):
            print(f"{name}_{key}={statistics.median(map(which, seen[name])):.1f}")
        if name != ZRAM:
            ratios = [sum(ours) / sum(zram) for ours, zram in zip(seen[name], seen[ZRAM])]
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
            print(f"{name}_ratio={middle:.2f} ({low:.2f} to {high:.2f})")


main()
