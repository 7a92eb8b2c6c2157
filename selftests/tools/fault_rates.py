#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""fault_rates.py FAULT PERCENT ROUNDS ACTION...: does each action (see actors/failing.py) so often
while allocations fail at that rate, by the knobs in the directory FAULT; others act meanwhile. One
that fails has changed nothing. Prints, for each, "row ACTION tried=N failed=N" with how often for
which reason; exit status 2 if data is wrong."""

import errno
import sys

from actors.failing import ACTIONS, SYS, check
from actors.tasks import WrongData
from sysfs import read, write


def act(action, fault, percent):
    """Only the action is to meet faults, and what others do at that time. Its errno, or 0."""
    action.prepare()
    write(f"{fault}/probability", percent)
    try:
        action.act()
    except OSError as failure:
        return failure.errno
    finally:
        write(f"{fault}/probability", "0")
    return 0


def rounds_of(action, fault, percent, rounds):
    """How often it ended how, by the name of the errno."""
    ends = {}
    for n in range(rounds):
        error = act(action, fault, percent)
        if error == 0:
            action.done()
        elif error in action.allowed:
            action.failed()
            ends[errno.errorcode[error]] = ends.get(errno.errorcode[error], 0) + 1
        else:
            raise WrongData(f"round {n}: {errno.errorcode[error]}")
        check(read(f"{SYS}/verify") == "ok", f"round {n}: the pool is violated")
    action.prepare()
    if hasattr(action, "close"):
        action.close()
    return ends


def main():
    fault, percent, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for name in sys.argv[4:]:
        try:
            ends = rounds_of(ACTIONS[name](), fault, percent, rounds)
        except WrongData as wrong:
            print(f"wrong data: {name}: {wrong}")
            sys.exit(2)
        why = "".join(f" {name}={count}" for name, count in sorted(ends.items()))
        print(f"row {name} tried={rounds} failed={sum(ends.values())}{why}", flush=True)


if __name__ == "__main__":
    main()
