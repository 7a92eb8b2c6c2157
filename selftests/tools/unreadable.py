#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""unreadable.py DISK FILE: reads each block of DISK that FILE has, one by one, past the page
cache. Prints the numbers of those that give EIO, on one line. Fails if any other is not
as in FILE, or cannot be read for another reason."""

import errno
import os
import sys

from direct import Direct

BLOCK = 4096


def main():
    disk, wanted = Direct(sys.argv[1], BLOCK), open(sys.argv[2], "rb")
    blocks = os.fstat(wanted.fileno()).st_size // BLOCK
    unreadable, wrong = [], []
    for block in range(blocks):
        expected = wanted.read(BLOCK)
        try:
            if disk.read(BLOCK, block * BLOCK) != expected:
                wrong.append(block)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            unreadable.append(block)
    print(*unreadable)
    if wrong:
        sys.exit(f"wrong: {wrong}")


if __name__ == "__main__":
    main()
