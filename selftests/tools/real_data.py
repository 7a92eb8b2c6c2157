#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""real_data.py FILE MIB DIRECTORY...: fill FILE with what large files in these directories
consist of, but for blocks that are filled with one value: these take no zpage. Exit status
4 if they are not large enough."""

import os
import sys

from blocks import BLOCK, same_filled

LARGE = 100 << 10


def large_files(directories):
    for directory in directories:
        for parent, names, files in os.walk(directory):
            names.sort()
            for name in sorted(files):
                path = os.path.join(parent, name)
                if not os.path.islink(path) and os.path.isfile(path) and os.path.getsize(path) > LARGE:
                    yield path


def blocks_of(paths):
    """Those of the files one after the other; the rest of each that is less than a block is
    left out."""
    for path in paths:
        with open(path, "rb") as file:
            while len(block := file.read(BLOCK)) == BLOCK:
                if not same_filled(block):
                    yield block


def fill(file, count, source):
    """Writes so many blocks; whether there were so many."""
    for _, block in zip(range(count), source):
        file.write(block)
        count -= 1
    return count == 0


def main():
    path, mib, *directories = sys.argv[1:]
    with open(path, "wb") as file:
        if not fill(file, (int(mib) << 20) // BLOCK, blocks_of(large_files(directories))):
            sys.exit(4)


if __name__ == "__main__":
    main()
