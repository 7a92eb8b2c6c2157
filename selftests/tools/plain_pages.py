#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""plain_pages.py PAGES_PER_BLOCK BLOCK...: how many pages in use there are in these
memory blocks of which /proc/kpageflags knows nothing (neither free, nor slab, page
tables, cache, or memory of processes): what pages of zbud look like."""

import sys

# LRU, SLAB, BUDDY, MMAP, ANON, SWAPCACHE, SWAPBACKED, COMPOUND_HEAD, COMPOUND_TAIL, HUGE,
# UNEVICTABLE, HWPOISON, NOPAGE, OFFLINE, ZERO_PAGE, PGTABLE; RESERVED, MLOCKED.
KNOWN = sum(1 << bit for bit in (5, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 26, 32, 33))


def plain(flags):
    """How many of these words have no flag that is known."""
    return sum(not word & KNOWN for word in flags)


def plain_in_blocks(file, pages, blocks):
    total = 0
    for block in blocks:
        file.seek(block * pages * 8)
        total += plain(memoryview(file.read(pages * 8)).cast("Q"))
    return total


def main():
    with open("/proc/kpageflags", "rb") as file:
        print(plain_in_blocks(file, int(sys.argv[1]), map(int, sys.argv[2:])))


if __name__ == "__main__":
    main()
