#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""disk_rounds.py SECONDS: disks come and go, as often as can be, while others use them.
Each of these runs all the time, in a process of its own, until all have done their least, but no more
than eight minutes longer:

	add	makes a disk, stores, reads and removes it
	reset	gives zbud0 a size, stores, reads and resets it
	swap	swaps to zbud1: swapon, a process's memory out and in, swapoff; at times a reset
	opener	opens any disk, reads and writes the last of its blocks
	reader	reads all files of all disks in sysfs

Somebody who has a disk open is in the way of its end for a moment: EBUSY. A disk that goes
answers with no data, not with others. Prints NAME=<rounds>; exit status 2 if data is wrong, 1 if
something failed that must not."""

import ctypes
import errno
import glob
import mmap
import multiprocessing
import os
import random
import subprocess
import sys
import time

from direct import Direct
from sysfs import read, write

BLOCK, BLOCKS = 4096, 256
CONTROL = "/sys/class/zbud-control"
MADV_PAGEOUT = 21
SWAP_PAGES = 128
libc = ctypes.CDLL(None, use_errno=True)


class WrongData(Exception):
    pass


def unless_busy(action):
    """Again as long as somebody is in the way: they are for moments only."""
    end = time.monotonic() + 60
    while True:
        try:
            return action()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
        time.sleep(0.001)


def pattern(rng, block):
    """One that compresses, and is its block's."""
    return block.to_bytes(8, "little") + rng.randbytes(1016) + bytes(BLOCK - 1024)


def store_and_read(path, rng):
    """All but the last block, which is the openers'."""
    disk = Direct(path, BLOCK)
    try:
        chosen = {block: pattern(rng, block) for block in rng.sample(range(BLOCKS - 1), 8)}
        for block, data in chosen.items():
            disk.write(data, block * BLOCK)
        for block, data in chosen.items():
            if disk.read(BLOCK, block * BLOCK) != data:
                raise WrongData(f"{path}, block {block}")
        other = next(block for block in range(BLOCKS - 1) if block not in chosen)
        if any(disk.read(BLOCK, other * BLOCK)):
            raise WrongData(f"{path}: block {other} was never written")
    finally:
        disk.close()


def add(rng):
    disk = read(f"{CONTROL}/hot_add")
    write(f"/sys/block/zbud{disk}/disksize", str(BLOCKS * BLOCK))
    store_and_read(f"/dev/zbud{disk}", rng)
    unless_busy(lambda: write(f"{CONTROL}/hot_remove", disk))


def reset(rng):
    write("/sys/block/zbud0/disksize", str(BLOCKS * BLOCK))
    store_and_read("/dev/zbud0", rng)
    unless_busy(lambda: write("/sys/block/zbud0/reset", "1"))


def called(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


class Swap:
    def __init__(self):
        self.memory = mmap.mmap(-1, SWAP_PAGES * BLOCK, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.rounds = 0

    def __call__(self, rng):
        if self.rounds % 16 == 0:
            unless_busy(lambda: write("/sys/block/zbud1/reset", "1"))
            write("/sys/block/zbud1/disksize", str(BLOCKS * BLOCK))
            unless_busy(self.make)
        self.rounds += 1
        unless_busy(lambda: called("swapon", b"/dev/zbud1", 0))
        try:
            pages = [pattern(rng, page) for page in range(SWAP_PAGES)]
            self.memory[:] = b"".join(pages)
            self.memory.madvise(MADV_PAGEOUT)
            if rng.random() < 0.5:
                self.check(pages)
        finally:
            called("swapoff", b"/dev/zbud1")
        self.check(pages)

    def make(self):
        made = subprocess.run(["mkswap", "/dev/zbud1"], capture_output=True, text=True, check=False)
        if made.returncode:
            raise OSError(errno.EBUSY if "busy" in made.stderr else errno.EIO, made.stderr)

    def check(self, pages):
        for page, data in enumerate(pages):
            if self.memory[page * BLOCK : (page + 1) * BLOCK] != data:
                raise WrongData(f"swap: page {page}")


# What somebody may hear whose disk goes, has no size, or is in use.
GONE = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.EIO, errno.ENOSPC)


def opener(rng):
    disks = glob.glob("/dev/zbud[0-9]*")
    if not disks:
        return
    path = rng.choice(disks)
    try:
        disk = Direct(path, BLOCK)
        try:
            if path != "/dev/zbud1":
                disk.write(b"\xa5" * BLOCK, (BLOCKS - 1) * BLOCK)
            disk.read(BLOCK, rng.randrange(BLOCKS) * BLOCK)
        finally:
            disk.close()
    except OSError as error:
        if error.errno not in GONE:
            raise


def reader(_):
    for path in glob.glob("/sys/block/zbud*/*") + glob.glob("/sys/block/zbud*/node*/*"):
        try:
            if os.path.isfile(path) and os.stat(path).st_mode & 0o400:
                read(path)
        except OSError as error:
            if error.errno not in GONE + (errno.EINVAL,):
                raise


# Seconds that they may take longer.
PATIENCE = 480
# Rounds that there must be, however busy the machine is.
LEAST = {"add": 15, "reset": 15, "swap": 3, "opener": 15, "reader": 1}


def run(name, work, rounds, over, results):
    """Until it is over."""
    rng, said = random.Random(name), ""
    try:
        while not over.is_set():
            work(rng)
            rounds.value += 1
    except WrongData as wrong:
        said = f"wrong data: {wrong}"
    except Exception as error:  # whatever it is, the others are to end
        said = f"{name}, round {rounds.value}: {type(error).__name__}: {error}"
    if said:
        over.set()
    results.put((name, rounds.value, said))


def main():
    seconds, began = int(sys.argv[1]), time.monotonic()
    works = {"add": add, "reset": reset, "swap": Swap(), "opener": opener, "reader": reader}
    rounds = {name: multiprocessing.Value("Q", lock=False) for name in works}
    over, results = multiprocessing.Event(), multiprocessing.Queue()
    tasks = [multiprocessing.Process(target=run, args=(name, work, rounds[name], over, results)) for name, work in works.items()]
    for task in tasks:
        task.start()
    over.wait(seconds)
    while time.monotonic() < began + seconds + PATIENCE and any(rounds[name].value < LEAST[name] for name in works):
        if over.wait(1):
            break
    over.set()
    status = 0
    for _ in tasks:
        name, done, said = results.get(timeout=300)
        if not said and done < LEAST[name]:
            said = f"{name}: {done} rounds only"
        print(said or f"{name}={done}", flush=True)
        if said:
            status = max(status, 2 if said.startswith("wrong data") else 1)
    sys.exit(status)


if __name__ == "__main__":
    main()
