#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shrunk.py DISK BLOCKS: compacts DISK, which is thinned (thinned.py), and once most is gathered
keeps the one who does it from running, until the disk is another of BLOCKS, thinned as well, fewer
than it has gone through. Prints "end" if it ends then, and in any case whether that could be tried:
"in time" or "too late". On two processors; restores what it changes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

from sysfs import SYS, read, write

HERE = os.path.dirname(os.path.realpath(__file__))
RT = "/proc/sys/kernel/sched_rt_runtime_us"
# Longer than the disk takes to be another, and shorter than what the kernel takes for a hang.
STALLED = 15
# More than that was gathered of each ten zpages.
MOST = 6
# One of so many pages is left.
EACH = 5


def on(cpu):
    os.sched_setaffinity(0, {cpu})


def compact(figures, cpu):
    on(cpu)
    write(f"{figures}/compact", "1")


def stall(cpu, begin):
    """Nobody else runs on that processor, once told, for that long."""
    on(cpu)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    begin.recv()
    deadline = time.monotonic() + STALLED
    while time.monotonic() < deadline:
        pass


def main():
    disk, blocks = sys.argv[1], int(sys.argv[2])
    figures = f"/sys/block/{os.path.basename(disk)}"
    here, other = sorted(os.sched_getaffinity(0))[:2]
    on(here)
    told, begin = multiprocessing.Pipe()
    hog = multiprocessing.Process(target=stall, args=(other, told), daemon=True)
    writer = multiprocessing.Process(target=compact, args=(figures, other), daemon=True)
    most = int(read(f"{SYS}/stats/gathered")) + int(read(f"{figures}/zpages")) * MOST // 10
    hog.start()
    writer.start()
    while writer.is_alive() and int(read(f"{SYS}/stats/gathered")) < most:
        pass
    begin.send(None)
    write(f"{figures}/reset", "1")
    write(f"{figures}/disksize", str(blocks * 4096))
    for what in ("store", "thin"):
        subprocess.run([f"{HERE}/thinned.py", what, disk, "0", str(blocks), str(EACH)], check=True)
    in_time = hog.is_alive() and writer.is_alive()
    hog.terminate()
    writer.join(20)
    print("in time" if in_time else "too late")
    if writer.is_alive():
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    else:
        print("end")


if __name__ == "__main__":
    limit = read(RT)
    write(RT, "-1")
    try:
        main()
    finally:
        write(RT, limit)
