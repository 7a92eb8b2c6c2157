#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""leaves.py DISK FIGURES: what the pages of descriptors (leaves) of a pool do, counted by a
probe on the function that allocates a page for them and one on that which frees it. FIGURES is
the directory in sysfs with the figures of DISK. Prints what they say, as NAME=VALUE.

made, needed: four processes store random blocks at once, each of which takes a page; so many
    leaves are allocated meanwhile, also such as were freed again, and so many it takes to
    describe the pages.
sparse, bytes: all but one block in a hundred is discarded, at random; so many leaves are left,
    and so many bytes for each page.
compacted, then: the disk is compacted; so many are left, and so many bytes for each page.
changed: so many blocks read back as something else."""

import fcntl
import os
import random
import struct
import sys
import time

from direct import Direct
from table_pages import Probes

BLOCK = 4096
BLKDISCARD = 0x1277
DESCRIPTORS = 85
WRITERS, EACH = 4, 2000


def pages(figures):
    with open(os.path.join(figures, "pages"), encoding="ascii") as file:
        return int(file.read())


def content(at):
    return random.Random(at).randbytes(BLOCK)


def store_all(path):
    writers = []
    for first in range(0, WRITERS * EACH, EACH):
        pid = os.fork()
        if pid == 0:
            disk = Direct(path, BLOCK)
            for at in range(first, first + EACH):
                disk.write(content(at), at * BLOCK)
            os._exit(0)
        writers.append(pid)
    return all(os.waitpid(pid, 0)[1] == 0 for pid in writers)


def main():
    path, figures = sys.argv[1:]
    probes = Probes()
    try:
        if not store_all(path):
            sys.exit("a writer has failed")
        print(f"made={probes.count('made')} needed={-(-pages(figures) // DESCRIPTORS)}")
        disk = Direct(path, BLOCK)
        blocks = list(range(WRITERS * EACH))
        random.Random(1).shuffle(blocks)
        left = len(blocks) // 100
        for at in blocks[left:]:
            fcntl.ioctl(disk.fd, BLKDISCARD, struct.pack("QQ", at * BLOCK, BLOCK))
        time.sleep(3)  # The worker releases the pages.
        print(f"sparse={probes.present()} bytes={probes.present() * BLOCK // pages(figures)}")
        with open(os.path.join(figures, "compact"), "w", encoding="ascii") as file:
            file.write("1")
        time.sleep(3)
        print(f"compacted={probes.present()} then={probes.present() * BLOCK // pages(figures)}")
        changed = sum(disk.read(BLOCK, at * BLOCK) != content(at) for at in blocks[:left])
        print(f"changed={changed}")
    finally:
        probes.end()


if __name__ == "__main__":
    main()
