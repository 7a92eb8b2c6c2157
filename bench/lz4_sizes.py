#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lz4_sizes.py FILE: how many pages of FILE lz4 compresses to each number of chunks, 1
to 64; those that it cannot compress take a page. Pages of one value throughout, which
no pool is given, are left out. tests/common/sizes.rs has what it printed for 680 MiB of files."""

import ctypes
import mmap
import sys

PAGE, CHUNK = 4096, 64
BOUND = PAGE + PAGE // 255 + 16

lz4 = ctypes.CDLL("liblz4.so.1")
counts = [0] * (PAGE // CHUNK)
out = ctypes.create_string_buffer(BOUND)
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
    for at in range(0, len(data) - PAGE + 1, PAGE):
        page = data[at : at + PAGE]
        if page == page[:1] * PAGE:
            continue
        size = lz4.LZ4_compress_default(page, out, PAGE, BOUND)
        counts[(min(size, PAGE) - 1) // CHUNK] += 1
print(", ".join(map(str, counts)))
