#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""refill.py DISK FIGURES BLOCKS AGAIN: whether pages that lose their data are kept for what is
stored next. FIGURES is the directory in sysfs with the figures of DISK.

Stores BLOCKS random blocks, each of which takes a page and so many of which are kept, discards
them, and stores AGAIN of them. The pool must have got no page for these, and so many fewer are
empty. The worker may come between and release some: then it is tried again."""

import fcntl
import os
import struct
import sys

from direct import Direct

BLOCK = 4096
BLKDISCARD = 0x1277
ATTEMPTS = 50


class Figures:
    def __init__(self, directory):
        self.directory = directory

    def number(self, name):
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return int(file.read())

    def now(self):
        return self.number("pages"), self.number("empty_pages")


def attempt(disk, figures, data, again):
    """What was wrong, or nothing; None if the worker came between."""
    for at in range(0, len(data), BLOCK):
        disk.write(data[at : at + BLOCK], at)
    pages, _ = figures.now()
    if pages < len(data) // BLOCK:
        return f"{len(data) // BLOCK} random blocks take {pages} pages"
    fcntl.ioctl(disk.fd, BLKDISCARD, struct.pack("QQ", 0, len(data)))
    before, empty = figures.now()
    for at in range(0, again * BLOCK, BLOCK):
        disk.write(data[at : at + BLOCK], at)
    after, left = figures.now()
    if after > max(before, again):
        return f"{before} pages were there, {empty} of them empty, and {after} are now"
    return "" if (after, left) == (before, before - again) else None


def main():
    path, directory, blocks, again = sys.argv[1:]
    disk, figures = Direct(path, BLOCK), Figures(directory)
    data = os.urandom(int(blocks) * BLOCK)
    for _ in range(ATTEMPTS):
        wrong = attempt(disk, figures, data, int(again))
        if wrong is not None:
            print(wrong)
            sys.exit(bool(wrong))
    print("pages came and went in each attempt")
    sys.exit(1)


if __name__ == "__main__":
    main()
