# SPDX-License-Identifier: GPL-2.0
"""What the kernel counts of its locks, where it has LOCK_STAT (Documentation/locking/lockstat.rst in
its source)."""

import re
from dataclasses import dataclass

from files import put

FILE = "/proc/lock_stat"
# A class of locks, then twelve figures; the lines that tell who waits have fewer.
LINE = re.compile(r"\s*(\S.*?):((?:\s+[0-9.]+){12})\s*$")


@dataclass
class Lock:
    """A class of locks since the last reset. Times in nanoseconds, with the interrupts meanwhile."""

    name: str
    waited: int  # how often somebody found it held
    taken: int
    longest: int
    held: int  # all in all


def reset():
    put(FILE, "0")


def nanoseconds(microseconds):
    return round(float(microseconds) * 1000)


def locks():
    found = []
    with open(FILE, encoding="ascii", errors="replace") as file:
        for match in filter(None, map(LINE.match, file)):
            figures = match[2].split()
            found.append(Lock(match[1], int(figures[1]), int(figures[7]), nanoseconds(figures[9]), nanoseconds(figures[10])))
    return found
