#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""compare.py SIZES FRONT ALLOCATOR ALGORITHM SEED PROGRAM: all workloads of `make bench`, one after
the other, with one allocator, inside a guest of its own with two nodes. FRONT is zswap, whose
ALLOCATOR is one of zbud, z3fold and zsmalloc, or one of our movers; or disk, then it is zram or
one of our movers. /dev/vda has the data, /dev/vdb is for swap. PROGRAM is demo/memory.rs,
compiled. Prints WORKLOAD.FIGURE=VALUE; a figure that there is not for an allocator is left out."""

import sys

import fronts
import guest_memory
import workloads
from area import Data
from sizes import SIZES
from swap_disk import small_pages

FRONTS = {"zswap": fronts.Zswap, "disk": fronts.Disk}


def main():
    sizes, front, allocator, algorithm, seed, program = sys.argv[1:]
    sizes = SIZES[sizes]
    small_pages()
    guest_memory.tune()
    front = FRONTS[front](allocator, algorithm)
    front.start(2 * sizes.files)
    blocks = guest_memory.removable(1)
    guest_memory.make_room_for_slab()
    guest_memory.run_anywhere()
    place = workloads.Place(front, Data(), sizes, int(seed), program, blocks)
    for workload in workloads.ALL:
        for name, value in workload(place).items():
            print(f"{workload.__name__}.{name}={round(value, 4)}", flush=True)
        front.empty()
        workloads.wait_for(front, 0)


main()
