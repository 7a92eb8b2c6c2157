#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""disk.py zram|zbud ALGORITHM MIB: what it costs to swap to a disk, inside a guest that
counts instructions instead of time (scripts/vm/boot --icount), so that nanoseconds
are instructions.

MIB of /dev/vda's data become anonymous memory, more than the guest has: a first pass fills
memory and swaps out most of it, a second reads every page, which swaps in what is read,
frees its slot and swaps out another. Then PAGED_MIB are put out as a whole, and read back
in, while there is memory enough. Prints KEY=VALUE: instructions per page.

`write` and `read` are those of a request to the disk, `free` those of a slot that is freed,
where the kernel has the function profiler; `out_all` and `in_all` are all that the kernel does
to put a page out and to get it back, when that is asked for."""

import mmap
import sys
import time

import profiler
from processor import idle
from profiler import per
from swap_disk import MADV_PAGEOUT, settled, small_pages, swap_on, vmstat

PAGED_MIB = 64
OUT, INTO = "swap_writepage_bdev_sync", "swap_read_folio_bdev_sync"
# The last is what the worker does, with the page cache.
FREE = ["swap_entry_range_free", "truncate_inode_pages_range"]


def passed(work):
    """Pages swapped out and in by `work`, and the instructions that it took."""
    out, into = vmstat("pswpout", "pswpin")
    began = time.monotonic_ns() - idle()
    work()
    took = time.monotonic_ns() - idle() - began
    out_now, into_now = vmstat("pswpout", "pswpin")
    return out_now - out, into_now - into, took


def main():
    kind, algorithm, size = sys.argv[1], sys.argv[2], int(sys.argv[3]) << 20
    small_pages()
    disk = swap_on(kind, algorithm, 2 * size)
    if profiler.is_there():
        profiler.start([OUT, INTO, *FREE])

    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def fill():
        with open("/dev/vda", "rb", buffering=0) as data:
            for at in range(0, size, 1 << 20):
                memory[at : at + (1 << 20)] = data.read(1 << 20)

    def read():
        sum(memory[at] for at in range(0, size, mmap.PAGESIZE))

    out, _, _ = passed(fill)
    print(f"filled={out}")
    if profiler.is_there():
        seen = profiler.profile()
        print(f"fill_write={per(seen, OUT, OUT):.0f}")
    with open(f"{disk}/mm_stat") as stat:
        stored, _, used = stat.read().split()[:3]
    print(f"used_per_mib={int(used) * 2**20 // int(stored)}")

    out, into, _ = passed(read)
    print(f"out={out}\nin={into}")
    if profiler.is_there():
        seen = profiler.profile()
        write, read_in, free = per(seen, OUT, OUT), per(seen, INTO, INTO), per(seen, FREE[0], *FREE)
        print(f"write={write:.0f}\nread={read_in:.0f}\nfree={free:.0f}")
        print(f"sum={write + read_in + free:.0f}")

    kept = bytes(memory[: PAGED_MIB << 20])
    memory.close()
    settled(disk)
    memory, size = mmap.mmap(-1, len(kept), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), len(kept)
    memory[:] = kept
    del kept
    out, _, took = passed(lambda: memory.madvise(MADV_PAGEOUT))
    out_all = took / max(1, out)

    def read_all():
        read()
        settled(disk)

    _, into, took = passed(read_all)
    in_all = took / max(1, into)
    print(f"paged_out={out}\nout_all={out_all:.0f}\npaged_in={into}\nin_all={in_all:.0f}")
    print(f"all={out_all + in_all:.0f}")


main()
