# SPDX-License-Identifier: GPL-2.0
"""Actions on /dev/zbud0 that may fail for want of memory. One that fails says ENOMEM (a request
to the disk may say EIO, as the block layer has it), and has changed nothing; one that does not
has done all it should."""

import errno
import os
import random
import time

from actors.tasks import WrongData
from direct import Direct
from sysfs import DEBUGFS, SYS, read, write

BLOCK = 4096
CONTROL = "/sys/class/zbud-control"
DISK, DEVICE = "/sys/block/zbud0", "/dev/zbud0"
TRIGGERS = f"{DEBUGFS}/disks/zbud0"
SIZE = 64 << 20
READS = 1000


def check(is_so, what):
    if not is_so:
        raise WrongData(what)


def disks():
    return {name for name in os.listdir("/sys/block") if name.startswith("zbud")}


def settles(is_so, what):
    """Soon: the worker releases empty pages between two figures."""
    end = time.monotonic() + 5
    while not is_so():
        check(time.monotonic() < end, what)
        time.sleep(0.01)


class Size:
    allowed = (errno.ENOMEM,)

    def prepare(self):
        write(f"{DISK}/reset", "1")

    def act(self):
        write(f"{DISK}/disksize", str(SIZE))

    def failed(self):
        said = read(f"{DISK}/disksize"), read(f"{DISK}/initstate"), read("/sys/class/block/zbud0/size")
        check(said == ("0", "0", "0"), f"the disk has a size: {said}")
        pools = "/sys/kernel/debug/zbud_movable/pools"
        check("zbud0" not in os.listdir(pools), "the pool is still shown")

    def done(self):
        check(read(f"{DISK}/disksize") == str(SIZE), "the disk has another size")

    def close(self):
        """For the other actions."""
        self.act()


class Blocks:
    """Blocks that are known, and stay so."""

    allowed = (errno.ENOMEM, errno.EIO)

    def __init__(self):
        self.random = random.Random(1)
        self.disk = None
        self.known = {}

    def data(self):
        """Some that compress to a third or so."""
        return self.random.randbytes(1200) + bytes(BLOCK - 1200)

    def prepare(self):
        # A store tries one more page where it may be on several nodes.
        write(f"{DISK}/mems", "0")
        if self.disk is None:
            self.disk = Direct(DEVICE, 2 * BLOCK)

    def put(self, block, data):
        before = self.known.get(block, bytes(BLOCK))
        # If it fails, what was there must still be.
        self.known[block] = before
        self.disk.write(data, block * BLOCK)
        self.known[block] = data

    def failed(self):
        for block, data in self.known.items():
            check(self.disk.read(BLOCK, block * BLOCK) == data, f"block {block}")

    done = failed

    def read_again(self, block):
        """As long as faults hit the read, too."""
        for _ in range(READS):
            try:
                return self.disk.read(BLOCK, block * BLOCK)
            except OSError as error:
                if error.errno not in self.allowed:
                    raise
        raise WrongData(f"block {block} cannot be read")

    def close(self):
        self.disk.close()


class Write(Blocks):
    def act(self):
        block = len(self.known)
        self.put(block, self.data())
        self.put(block, self.data())
        # From two pages: the disk gets it in two parts, of which one may fail.
        data = self.data()
        try:
            self.disk.write(data, block * BLOCK, 512)
        except OSError:
            seen, old = self.read_again(block), self.known[block]
            check(seen in (old, data[: BLOCK - 512] + old[BLOCK - 512 :]), f"block {block}")
            self.known[block] = seen
            raise
        self.known[block] = data


class More(Blocks):
    rounds = 80
    # Behind those of other actions
    first = 1000

    def data(self):
        """Each block fills a page, so that each store is like the one before: one that
        succeeds although an allocation failed is followed by one that makes it again."""
        return self.random.randbytes(3000) + bytes(BLOCK - 3000)

    def act(self):
        self.put(self.first + len(self.known), self.data())

    def failed(self):
        """The last one; `close` looks at all."""
        block = self.first + len(self.known) - 1
        check(self.disk.read(BLOCK, block * BLOCK) == self.known[block], f"block {block}")

    done = failed

    def close(self):
        super().failed()
        super().close()


class Mems(Blocks):
    allowed = (errno.ENOMEM,)

    def prepare(self):
        write(f"{SYS}/memory_migrate", "1")
        super().prepare()
        if not self.known:
            for block in range(64):
                self.put(block, self.data())

    def act(self):
        write(f"{DISK}/mems", "1")

    def done(self):
        settles(lambda: read(f"{DISK}/node1/pages") == read(f"{DISK}/pages"), "pages have stayed")
        super().done()


class Pin(Mems):
    def prepare(self):
        super().prepare()
        write(f"{TRIGGERS}/unpin", "all")

    def act(self):
        write(f"{TRIGGERS}/pin", "0 32")

    def failed(self):
        try:
            write(f"{TRIGGERS}/unpin", "0")
        except OSError:
            return super().failed()
        raise WrongData("a block is pinned")

    def done(self):
        write(f"{TRIGGERS}/unpin", "0 32")
        Blocks.done(self)


class Add:
    # A device without a name, as there was no memory for it, is EINVAL to device_add().
    allowed = (errno.ENOMEM, errno.EINVAL)

    def prepare(self):
        for disk in disks() - {"zbud0"}:
            write(f"{CONTROL}/hot_remove", disk.removeprefix("zbud"))

    def act(self):
        self.id = read(f"{CONTROL}/hot_add")

    def failed(self):
        check(disks() == {"zbud0"}, f"there is a disk: {disks()}")

    def done(self):
        path = f"/sys/block/zbud{self.id}"
        write(f"{path}/disksize", "1M")
        data = bytes(range(256)) * 16
        disk = Direct(f"/dev/zbud{self.id}", BLOCK)
        disk.write(data, BLOCK)
        check(disk.read(BLOCK, BLOCK) == data, "the new disk does not hold what was stored")
        disk.close()
        self.prepare()


class Request(Mems):
    """A request to move all to the other node."""

    node = 1

    def prepare(self):
        super().prepare()
        if read(f"{SYS}/mems") != "all":
            write(f"{SYS}/mems", "all")
        write(f"{DISK}/mems", "all")
        self.node = 1 - self.node

    def act(self):
        write(f"{SYS}/migrate", f"{1 - self.node} {self.node}")

    def done(self):
        check(read(f"{SYS}/stats/not_moved") == "0", "pages could not be moved")
        settles(lambda: read(f"{DISK}/node{1 - self.node}/pages") == "0", "pages have stayed")
        Blocks.done(self)


ACTIONS = {"size": Size, "write": Write, "more": More, "mems": Mems, "request": Request, "pin": Pin, "add": Add}
