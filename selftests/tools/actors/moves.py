# SPDX-License-Identifier: GPL-2.0
"""Those who move the pool's pages, or say where they may be."""

import ctypes
import errno
import os
import time

from actors.disks import unless_busy
from mapper import PAGE, Mapper, libc
from sysfs import SYS, write

MADV_POPULATE_READ = 22
# Where memory goes offline a node may have none, or no room.
REFUSED = (errno.EBUSY, errno.ENOMEM, errno.ENODEV)
# What mm says of a page that is not there any more, or broken.
EHWPOISON = 133
GONE = (errno.EFAULT, EHWPOISON)


def ask(path, text):
    try:
        write(path, text)
    except OSError as error:
        if error.errno not in REFUSED:
            raise OSError(error.errno, f"{path}: '{text}'") from error


def some(rng, nodes):
    """A set of nodes, as text."""
    return ",".join(str(node) for node in sorted(rng.sample(nodes, rng.randrange(1, len(nodes) + 1))))


class Requester:
    """Requests to move pages from nodes to others."""

    def __init__(self, nodes):
        self.nodes = nodes

    def __call__(self, rng):
        source = "all" if rng.random() < 0.2 else some(rng, self.nodes)
        ask(f"{SYS}/migrate", f"{source} {some(rng, self.nodes)}")


class Allower:
    """The nodes that are allowed, of all pools or of a disk: with the pages that are there, or
    without. Always one of `steady`, which do not lose their memory."""

    def __init__(self, steady, disks):
        self.steady, self.disks = steady, disks

    def __call__(self, rng):
        path = rng.choice([SYS, *(f"/sys/block/{disk}" for disk in self.disks)])
        ask(f"{SYS}/memory_migrate", rng.choice("01"))
        ask(f"{path}/mems", rng.choice(("all", some(rng, self.steady))))
        time.sleep(rng.random() / 2)

    def end(self):
        for path in [SYS, *(f"/sys/block/{disk}" for disk in self.disks)]:
            unless_busy(lambda path=path: write(f"{path}/mems", "all"))


class Compacter:
    """Re-pairing, of all pools or of a disk's."""

    def __init__(self, disk):
        self.disk = disk

    def __call__(self, rng):
        ask(rng.choice((f"{SYS}/compact", f"/sys/block/{self.disk}/compact")), "1")
        time.sleep(rng.random() / 4)


class ByProcess:
    """System calls that move the pages of this process, which maps what there is each time.
    Pages come and go: it has those that are still there when it looks."""

    def __init__(self, nodes):
        self.nodes, self.mapper = nodes, None

    def __call__(self, rng):
        self.mapper = self.mapper or Mapper()
        if not os.lseek(self.mapper.fd, 0, os.SEEK_END):
            return time.sleep(0.1)
        self.mapper.show()
        for page in self.mapper.pages:
            self.fault(page)
        source, target = rng.choices(self.nodes, k=2)
        call = rng.choice(("migrate", "move", "bind"))
        if call == "migrate":
            self.mapper.migrate(source, target)
        elif self.mapper.pages:
            getattr(self.mapper, call)(target)
        self.mapper.memory.close()

    def fault(self, page):
        start = ctypes.c_void_p(self.mapper.at + page * PAGE)
        if libc.madvise(start, ctypes.c_size_t(PAGE), MADV_POPULATE_READ):
            error = ctypes.get_errno()
            if error not in GONE:
                raise OSError(error, "MADV_POPULATE_READ")
