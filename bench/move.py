#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""move.py MOVER: instructions per page that memory offline moves, and bytes that
the kernel keeps for a page, inside a guest with two nodes that counts instructions
instead of time (see zswap.py). Then once more, for how many of them are in the mover: the
median of what the trace event of a move says in nanoseconds. Prints KEY=VALUE."""

import os
import re
import statistics
import subprocess
import sys

from files import number, put
from guest_memory import BLOCKS, offline

TRACING = "/sys/kernel/tracing"
EVENT = f"{TRACING}/events/zbud_movable/migrate/enable"
SYS = "/sys/kernel/zbud_movable"
DISK = "zbud0"
NODE1 = "/sys/devices/system/node/node1"


def node_bytes():
    """Of the page cache's tree."""
    with open("/proc/slabinfo") as slabs:
        for line in slabs:
            words = line.split()
            if words[0] == "radix_tree_node":
                return int(words[1]) * int(words[3])
    return 0


def traced(blocks):
    """What the trace event says of each page that moves once more, out of these blocks."""
    for block in blocks:
        put(f"{BLOCKS}/{block}/state", "online_movable")
    put(f"{SYS}/migrate", "0 1")
    put(f"{TRACING}/buffer_size_kb", "4096")
    put(EVENT, "1")
    for block in blocks:
        offline(block)
    put(EVENT, "0")
    with open(f"{TRACING}/trace") as trace:
        return [int(ns) for ns in re.findall(r" migrate: .* result=0 ns=(\d+)", trace.read())]


def main():
    subprocess.run(["modprobe", "zbud_movable", f"mover={sys.argv[1]}"], check=True)
    blocks = [name for name in os.listdir(NODE1) if re.fullmatch("memory[0-9]+", name)]
    removable = [block for block in blocks if offline(block)]
    for block in removable:
        put(f"{BLOCKS}/{block}/state", "online_movable")
    put(f"/sys/block/{DISK}/disksize", "64M")
    before = node_bytes()
    # Incompressible: each block is a page. Direct: no copies of them in the page cache, which
    # would move as well.
    subprocess.run(["numactl", "--cpunodebind=1", "--membind=1", "dd", "if=/dev/urandom", f"of=/dev/{DISK}",
                    "bs=1M", "count=32", "oflag=direct", "iflag=fullblock", "status=none"], check=True)
    pages = number(f"{SYS}/pages")
    print(f"bytes={(node_bytes() - before) / pages + 4096 / 85:.1f}")

    moved = number(f"{SYS}/stats/migrated")
    put(f"{TRACING}/set_ftrace_filter", "migrate_pages")
    put(f"{TRACING}/function_profile_enabled", "1")
    gone = [block for block in removable if offline(block)]
    put(f"{TRACING}/function_profile_enabled", "0")
    moved = number(f"{SYS}/stats/migrated") - moved
    spent = 0.0
    for cpu in range(os.cpu_count()):
        with open(f"{TRACING}/trace_stat/function{cpu}") as stat:
            spent += sum(float(line.split()[2]) for line in stat if "migrate_pages" in line)
    if not gone or not moved:
        sys.exit("no block of node 1 went offline, or no page moved")
    print(f"moved={moved}\nmove={spent * 1000 / moved:.0f}")
    print(f"mover={statistics.median(traced(gone)):.0f}")


main()
