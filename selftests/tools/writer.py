#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""writer.py DISK FILE ME ROUNDS: one of four writers to DISK, each in a quarter of its
own: stores blocks of FILE there, overwrites some of them with others, compares. Exit
status 2 if a block is not what was written last."""

import random
import sys

from direct import Direct

BLOCK = 4096
WRITERS = 4


def write(disk, blocks, me, dice):
    """One round; gives the places where a block is wrong."""
    area = len(blocks) // WRITERS
    have = {}
    for _ in range(area):
        at, what = dice.randrange(area), dice.randrange(len(blocks))
        disk.write(blocks[what], (me * area + at) * BLOCK)
        have[at] = what
    return [at for at, what in have.items()
            if disk.read(BLOCK, (me * area + at) * BLOCK) != blocks[what]]


def main():
    path, source = sys.argv[1:3]
    me, rounds = map(int, sys.argv[3:])
    with open(source, "rb") as file:
        data = file.read()
    blocks = [data[at : at + BLOCK] for at in range(0, len(data) - BLOCK + 1, BLOCK)]
    disk = Direct(path, BLOCK)
    dice = random.Random(me)
    for turn in range(rounds):
        wrong = write(disk, blocks, me, dice)
        if wrong:
            print(f"writer {me}, round {turn}: block {wrong[0]} is wrong")
            sys.exit(2)


if __name__ == "__main__":
    main()
