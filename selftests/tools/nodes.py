# SPDX-License-Identifier: GPL-2.0
"""Running on the processors of one node after the other. What a process stores in the
pool goes to the node that it runs on; its memory policy has no say in it."""

import glob
import itertools
import os

import sysfs

NODES = "/sys/devices/system/node"


def number(path):
    """Of a node, by its directory."""
    return int(os.path.basename(path).removeprefix("node"))


def processors(top=NODES):
    """Those of each node on which this process may run, if there are any."""
    may = os.sched_getaffinity(0)
    sets = []
    for path in sorted(glob.glob(f"{top}/node[0-9]*"), key=number):
        sets.append(sysfs.numbers(sysfs.read(f"{path}/cpulist")) & may)
    return [some for some in sets if some] or [may]


def turns():
    """Yields for ever, each time on the processors of the next node."""
    for some in itertools.cycle(processors()):
        os.sched_setaffinity(0, some)
        yield
