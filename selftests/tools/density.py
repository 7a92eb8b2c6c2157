#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""density.py FILE: of a pool whose list of pages is FILE, how many pages its zpages would take
if they were paired as well as they can be, in per mille of the pages that they take."""

import sys

PAGE = 4096


def zpages(text):
    """Lengths, from the lines after the heading."""
    for line in text.splitlines()[1:]:
        yield from (int(length) for length in line.split()[2:4] if length != "0")


def perfect(lengths):
    """The smallest beside the largest, if they fit; then the next of those that have a page."""
    lengths = sorted(lengths)
    pages, small, large = 0, 0, len(lengths)
    while small < large:
        large -= 1
        pages += 1
        if small < large and lengths[small] + lengths[large] <= PAGE:
            small += 1
    return pages


def per_mille(text):
    pages = len(text.splitlines()) - 1
    return 1000 * perfect(zpages(text)) // pages if pages else 1000


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        print(per_mille(file.read()))


if __name__ == "__main__":
    main()
