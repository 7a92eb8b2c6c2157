#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""guest.py KERNEL GROUP: run a group of other people's tests (scripts/foreign/plan.py), inside a
guest. What a test says is in OUT/TEST-NUMBER.COLUMN.log; a line of JSON tells how it ended. The kernel's
log has a line where each begins."""

import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../scripts", f"{HERE}/../selftests/tools"]

from foreign import plan  # noqa: E402
from fronts import FRONTS, KSELFTEST  # noqa: E402
from moving import Moving  # noqa: E402
from sysfs import write  # noqa: E402

OUT = os.environ["ZBM_OUT"]


class Still:
    """Nothing is moved on purpose."""

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def run(test, front, log):
    """The exit status; 124 if it took too long."""
    # Line by line, as the kernel's own runner has it: what is not yet written, a child would write again.
    process = subprocess.Popen(
        [*front.wrapper(), "stdbuf", "-oL", "bash", "-c", test.command], cwd=front.where, stdin=subprocess.DEVNULL, stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "DEVICE": front.disk.device},
    )  # fmt: skip
    try:
        return process.wait(test.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 124


def one(number, test, column):
    is_ours = plan.is_ours(column)
    began = time.monotonic()
    front = FRONTS[test.front](test, column, is_ours)
    front.start()
    before = front.disk.moved()
    with open(f"{OUT}/{number}.{column}.log", "wb") as log:
        with Moving(is_ours) if test.moving else Still():
            status = run(test, front, log)
    moved = front.disk.moved() - before
    wrong = front.check() + front.stop()
    return {"status": status, "moved": moved, "wrong": wrong, "seconds": round(time.monotonic() - began)}


def main():
    kernel, group = sys.argv[1:]
    os.makedirs(KSELFTEST)
    subprocess.run(["mount", "/dev/vdb", KSELFTEST], check=True)
    for number, test in enumerate(plan.group(group).tests):
        for column in plan.columns(test, kernel):
            write("/dev/kmsg", f"<0>others: begin {number} {column}\n")
            try:
                result = one(number, test, column)
            except (OSError, subprocess.CalledProcessError) as error:
                # Nothing that comes after it in this guest would say anything.
                print(json.dumps({"test": number, "column": column, "died": str(error)}), flush=True)
                return
            print(json.dumps({"test": number, "column": column, **result}), flush=True)


main()
