#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""blocks.py FILE: how many blocks of FILE take a zpage: all but those that are filled with
one value."""

import sys

BLOCK = 4096


def same_filled(block):
    """Whether it is one value of 8 bytes over and over."""
    return block == block[:8] * (len(block) // 8)


def count(file):
    zpages = 0
    while block := file.read(BLOCK):
        zpages += not same_filled(block)
    return zpages


def main():
    with open(sys.argv[1], "rb") as file:
        print(count(file))


if __name__ == "__main__":
    main()
