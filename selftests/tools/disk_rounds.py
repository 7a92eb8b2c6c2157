#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""disk_rounds.py SECONDS SEED: disks come and go, as often as can be, while others use them.
Each of these runs all the time, in a process of its own:

	add	makes a disk, stores, reads and removes it
	reset	gives zbud0 a size, stores, reads and resets it
	swap	swaps to zbud1: swapon, a process's memory out and in, swapoff; at times a reset
	opener	opens any disk, reads and writes the last of its blocks
	reader	reads all files of all disks in sysfs

Prints NAME=<rounds>; exit status 2 if data is wrong, 1 if something failed that must not."""

import sys

from actors.disks import Add, Opener, Reset, read_files
from actors.swap import SwapThere
from actors.tasks import run_all

BLOCKS, SWAP_PAGES = 256, 128
# Rounds that there must be, however busy the machine is.
LEAST = {"add": 15, "reset": 15, "swap": 3, "opener": 15, "reader": 1}


def main():
    works = {
        "add": Add(BLOCKS),
        "reset": Reset("zbud0", BLOCKS),
        "swap": SwapThere("zbud1", BLOCKS, SWAP_PAGES),
        "opener": Opener(["zbud1"]),
        "reader": read_files,
    }
    sys.exit(run_all(works, LEAST, int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
