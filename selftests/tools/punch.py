#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""punch.py FILE N: what a write of N to free_every does to the pool's data, to FILE:
blocks N-1, 2N-1, ... become zeroes. Its size stays."""

import sys

BLOCK = 4096


def punch(file, n):
    end = file.seek(0, 2)
    for block in range(n - 1, (end + BLOCK - 1) // BLOCK, n):
        file.seek(block * BLOCK)
        file.write(bytes(min(BLOCK, end - block * BLOCK)))


def main():
    with open(sys.argv[1], "r+b") as file:
        punch(file, int(sys.argv[2]))


if __name__ == "__main__":
    main()
