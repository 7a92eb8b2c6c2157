#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""disk_failure.py ACTION...: has each allocation of an action on /dev/zbud0 fail, the first,
then the second, until there is none left that could; disk_failure.sh sets up which count. See
actors/failing.py for what is right then. Actions:

	size	gives the disk a size
	write	writes a block that has none yet, one that has, and a part of one
	more	writes so many blocks that the pool's table grows
	mems	moves the disk's pages to node 1
	pin	pins blocks
	add	makes a disk

Prints, for each, ACTION=<allocations> failed=<failures>; exit status 2 if data is wrong."""

import errno
import os
import sys

from actors.failing import ACTIONS, SYS, check
from actors.tasks import WrongData
from sysfs import read


def each_fails(action, fail_nth):
    """How many allocations there were, and how many made the action fail."""
    nth = allocations = failures = 0
    rounds = getattr(action, "rounds", 1)
    while rounds:
        nth += 1
        action.prepare()
        os.pwrite(fail_nth, str(nth).encode(), 0)
        error = 0
        try:
            action.act()
        except OSError as failure:
            error = failure.errno
        hit = int(os.pread(fail_nth, 32, 0)) == 0
        os.pwrite(fail_nth, b"0", 0)
        if error == 0:
            action.done()
        elif error in action.allowed and hit:
            failures += 1
            action.failed()
        else:
            raise WrongData(f"allocation {nth}: {errno.errorcode[error]}")
        check(read(f"{SYS}/verify") == "ok", f"allocation {nth}: the pool is violated")
        if hit:
            allocations += 1
        else:
            nth, rounds = 0, rounds - 1
    action.prepare()
    if hasattr(action, "close"):
        action.close()
    return allocations, failures


def main():
    fail_nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    for name in sys.argv[1:]:
        try:
            allocations, failures = each_fails(ACTIONS[name](), fail_nth)
            print(f"{name}={allocations} failed={failures}", flush=True)
        except WrongData as wrong:
            print(f"wrong data: {name}: {wrong}")
            sys.exit(2)


if __name__ == "__main__":
    main()
