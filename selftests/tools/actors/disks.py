# SPDX-License-Identifier: GPL-2.0
"""Disks that come and go, and those who look at them meanwhile. Somebody who has a disk open
is in the way of its end for a moment: EBUSY. A disk that goes answers with no data, not with
others."""

import errno
import glob
import os
import time

from actors.tasks import WrongData
from direct import Direct
from sysfs import read, write

BLOCK = 4096
CONTROL = "/sys/class/zbud-control"
# What somebody may hear whose disk goes, has no size, or is in use.
GONE = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.EIO, errno.ENOSPC)


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


def store_and_read(path, blocks, rng):
    """All but the last block, which is the openers'."""
    disk = Direct(path, BLOCK)
    try:
        chosen = {block: pattern(rng, block) for block in rng.sample(range(blocks - 1), 8)}
        for block, data in chosen.items():
            disk.write(data, block * BLOCK)
        for block, data in chosen.items():
            if disk.read(BLOCK, block * BLOCK) != data:
                raise WrongData(f"{path}, block {block}")
        other = next(block for block in range(blocks - 1) if block not in chosen)
        if any(disk.read(BLOCK, other * BLOCK)):
            raise WrongData(f"{path}: block {other} was never written")
    finally:
        disk.close()


def give_size(disk, blocks):
    """disk: its name."""
    write(f"/sys/block/{disk}/disksize", str(blocks * BLOCK))


def take_size(disk):
    unless_busy(lambda: write(f"/sys/block/{disk}/reset", "1"))


class Add:
    """Makes a disk, stores, reads and removes it."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __call__(self, rng):
        number = read(f"{CONTROL}/hot_add")
        give_size(f"zbud{number}", self.blocks)
        store_and_read(f"/dev/zbud{number}", self.blocks, rng)
        unless_busy(lambda: write(f"{CONTROL}/hot_remove", number))


class Reset:
    """Gives a disk a size, stores, reads and resets it."""

    def __init__(self, disk, blocks):
        self.disk, self.blocks = disk, blocks

    def __call__(self, rng):
        give_size(self.disk, self.blocks)
        store_and_read(f"/dev/{self.disk}", self.blocks, rng)
        take_size(self.disk)


class Opener:
    """Opens any disk, reads of it, and writes its last block but where that is another's: `kept`
    are the names of these disks."""

    def __init__(self, kept):
        self.kept = kept

    def __call__(self, rng):
        disks = [os.path.basename(path) for path in glob.glob("/dev/zbud[0-9]*")]
        if not disks:
            return
        chosen = rng.choice(disks)
        try:
            disk = Direct(f"/dev/{chosen}", BLOCK)
            try:
                blocks = os.lseek(disk.fd, 0, os.SEEK_END) // BLOCK
                if blocks and chosen not in self.kept:
                    disk.write(b"\xa5" * BLOCK, (blocks - 1) * BLOCK)
                disk.read(BLOCK, rng.randrange(max(blocks, 1)) * BLOCK)
            finally:
                disk.close()
        except OSError as error:
            if error.errno not in GONE:
                raise


def read_files(_):
    """All that all disks have in sysfs."""
    for path in glob.glob("/sys/block/zbud*/*") + glob.glob("/sys/block/zbud*/node*/*"):
        try:
            if os.path.isfile(path) and os.stat(path).st_mode & 0o400:
                read(path)
        except OSError as error:
            if error.errno not in GONE + (errno.EINVAL,):
                raise
