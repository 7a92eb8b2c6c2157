#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""stress.py SEED SECONDS NODES STEADY: all that uses pools, at once, each in a process of its
own: who writes, reads, frees and pins blocks of zbud0; disks that come, go and are reset; swap
on and off on two disks, and memory that goes there, with zswap before it where it can have a
pool of ours; requests, by hand and by process; changes of mems; re-pairing; the validator. NODES
are those with memory, STEADY those of them that do not lose it, each as a list like "0 1".

Prints NAME=<rounds>; exit status 2 if data are wrong, 1 if something failed that must not."""

import os
import sys

from actors.blocks import Board, Limiter, Pinner, Reader, Writer
from actors.disks import CONTROL, Add, Opener, Reset, give_size, read_files, take_size, unless_busy
from actors.fronts import ZSWAP, Zswap
from actors.moves import Allower, ByProcess, Compacter, Requester
from actors.swap import Hog, SwapOnOff
from actors.tasks import run_all
from actors.watchers import Counters, Verifier
from sysfs import read, write

AREAS, PER_AREA = 3, 512
SWAP_BLOCKS, HOG_PAGES = 4096, 1024
DISK_BLOCKS = 256


def works_of(seed, nodes, steady, added):
    """By name; zbud0 has a size, `added` are other disks."""
    swap, more_swap, resets = added
    board = Board("/dev/zbud0", AREAS, PER_AREA, seed)
    works = {f"writer{area}": Writer(board, area) for area in range(AREAS)}
    works |= {
        "reader": Reader(board),
        "other-reader": Reader(board),
        "pinner": Pinner(board, "/sys/kernel/debug/zbud_movable/disks/zbud0"),
        "limiter": Limiter(board, "/sys/block/zbud0"),
        "add": Add(DISK_BLOCKS),
        "reset": Reset(resets, DISK_BLOCKS),
        "swap": SwapOnOff(swap, SWAP_BLOCKS),
        "more-swap": SwapOnOff(more_swap, SWAP_BLOCKS // 8),
        "hog": Hog(HOG_PAGES),
        "other-hog": Hog(HOG_PAGES),
        "opener": Opener(["zbud0", swap, more_swap]),
        "files": read_files,
        "requester": Requester(nodes),
        "allower": Allower(steady, ["zbud0", swap]),
        "compacter": Compacter("zbud0"),
        "verifier": Verifier(),
        "counters": Counters(),
    }
    if read("/sys/kernel/zbud_movable/mover") == "page_cache":
        works["by-process"] = ByProcess(nodes)
    if os.path.exists(f"{ZSWAP}/zpool"):
        works["zswap"] = Zswap()
    return works


def main():
    seed, seconds = sys.argv[1], int(sys.argv[2])
    nodes, steady = ([int(node) for node in text.split()] for text in sys.argv[3:])
    give_size("zbud0", AREAS * PER_AREA)
    numbers = [read(f"{CONTROL}/hot_add") for _ in range(3)]
    works = works_of(seed, nodes, steady, [f"zbud{number}" for number in numbers])
    status = run_all(works, dict.fromkeys(works, 1), seconds, seed)
    if status == 0:
        for number in numbers:
            take_size(f"zbud{number}")
            unless_busy(lambda number=number: write(f"{CONTROL}/hot_remove", number))
    sys.exit(status)


if __name__ == "__main__":
    main()
