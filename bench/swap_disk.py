# SPDX-License-Identifier: GPL-2.0
"""Swap on a compressed disk, zram's or ours, in a guest of its own."""

import os
import subprocess
import time

from files import put

MADV_PAGEOUT = 21


def small_pages():
    """Memory in pages of 4 KiB, which swap reads one by one, as is usual with such a disk."""
    put("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    put("/proc/sys/vm/page-cluster", "0")


def swap_on(kind, algorithm, size):
    """Swap on the first disk of a kind, "zram" or "zbud". Returns its directory in sysfs."""
    disk = f"/sys/block/{kind}0"
    put(f"{disk}/comp_algorithm", algorithm)
    put(f"{disk}/disksize", str(size))
    for command in (["mkswap", "-q", f"/dev/{kind}0"], ["swapon", f"/dev/{kind}0"]):
        subprocess.run(command, check=True)
    return disk


def vmstat(*names):
    with open("/proc/vmstat") as stat:
        found = dict(line.split() for line in stat)
    return [int(found[name]) for name in names]


def settled(disk):
    """Waits until pages that hold nothing have gone, which the worker does: not every kind of
    disk has such."""
    pages = f"{disk}/empty_pages"
    while os.path.exists(pages):
        with open(pages) as empty:
            if int(empty.read()) == 0:
                return
        time.sleep(0.1)
