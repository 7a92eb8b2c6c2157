# SPDX-License-Identifier: GPL-2.0
"""The module's files, and the ways in which one can be written to."""

import glob
import os
import stat

from . import readings
from .called import BAD_ADDRESS, call, errno_of

DEBUGFS = "/sys/kernel/debug/zbud_movable"
CONTROL = "/sys/class/zbud-control"
PARAMETERS = "/sys/module/zbud_movable/parameters"
# In a disk's directory; all others there are the block layer's.
OURS = {"disksize", "initstate", "reset", "comp_algorithm", "algorithm_params", "mem_limit", "mem_used_max", "raw_threshold"}
OURS |= {"raw_limit", "compact", "mm_stat", "io_stat", "debug_stat", "large_zpages", "mems", "mems_effective", "pages"}
OURS |= {"zpages", "unbuddied_pages", "empty_pages", "stored_bytes", "lost_zpages"}
BLOCK_LAYERS = {"alignment_offset", "badblocks", "capability", "dev", "discard_alignment", "diskseq", "events"}
BLOCK_LAYERS |= {"events_async", "events_poll_msecs", "ext_range", "hidden", "inflight", "partscan", "range", "removable"}
BLOCK_LAYERS |= {"ro", "size", "stat", "uevent"}
# What it says cannot be written back to it: it is no multiple of the granularity.
NOT_RESTORED = "discard_max_bytes"
# How a write may be flagged, to no effect on a file that takes what is written as a whole.
FLAGS = (0, 0, 0, os.O_APPEND, os.O_TRUNC, os.O_NONBLOCK, os.O_SYNC, os.O_CREAT)


def of_module():
    """Regular files but the disks' and, as they break what is compared, the faults for tests."""
    found = []
    for top in (readings.SYS, DEBUGFS, CONTROL, PARAMETERS):
        for directory, _, names in os.walk(top):
            if "/fail_" not in directory:
                found += [f"{directory}/{name}" for name in names]
    is_ours = [path for path in found if os.path.basename(path) in ("hot_add", "hot_remove") or not path.startswith(CONTROL)]
    return sorted(is_ours)


def of_disk(number):
    """Ours, and in another list the block layer's that can be set."""
    directory = f"{readings.BLOCK_SYS}/zbud{number}"
    names = [name for name in os.listdir(directory) if os.path.isfile(f"{directory}/{name}")]
    ours = [f"{directory}/{name}" for name in names if name not in BLOCK_LAYERS]
    ours += glob.glob(f"{directory}/node[0-9]*/*")
    others = glob.glob(f"{directory}/queue/*") + [f"{directory}/uevent"]
    others = [path for path in others if os.path.basename(path) != NOT_RESTORED]
    return sorted(ours), sorted(path for path in others if os.stat(path).st_mode & stat.S_IWUSR)


class Writing:
    """One way to write: `whole` if the file gets it in one piece, else in `pieces`."""

    def __init__(self, rng, data, is_sysfs):
        self.data, self.flags = data, rng.choice(FLAGS)
        # A write of nothing at a position does not get as far as the file.
        self.at = rng.choice([None, None, None, 0, 1, 4095, 4096, 1 << 40]) if data else None
        self.pieces = [data]
        if len(data) > 1 and rng.random() < 0.2:
            cut = rng.randrange(1, len(data))
            self.pieces = [data[:cut], data[cut:]]
        if is_sysfs:
            # sysfs puts them together again, and hands on a page of it.
            self.seen = [data[:4096]] if data else []
        else:
            self.seen = list(self.pieces)
        self.way = f"flags {self.flags:#x}, position {self.at}, in {len(self.pieces)}"

    def run(self, path):
        """Bytes written; OSError."""
        fd = os.open(path, os.O_WRONLY | self.flags)
        try:
            if self.at is None:
                return os.writev(fd, self.pieces) if len(self.pieces) > 1 else os.write(fd, self.data)
            return os.pwritev(fd, self.pieces, self.at)
        finally:
            os.close(fd)


def write_nowhere(path, length):
    """Write memory that is not there: 0 or the errno."""
    fd = os.open(path, os.O_WRONLY)
    try:
        return errno_of(call, "write", fd, BAD_ADDRESS, length)[0]
    finally:
        os.close(fd)


def read_oddly(rng, path):
    """Bytes at odd places; what the file says if read as a whole, if it can be."""
    fd = os.open(path, os.O_RDONLY)
    try:
        for _ in range(3):
            errno_of(os.pread, fd, rng.choice([0, 1, 2, 4095, 4096, 1 << 20]), rng.choice([0, 1, 2, 4095, 1 << 40]))
        errno_of(call, "read", fd, BAD_ADDRESS, 100)
        errno_of(os.lseek, fd, rng.choice([-1, 0, 1, 1 << 62]), rng.randrange(5))
        errno_of(call, "mmap", 0, 4096, rng.randrange(4), 1, fd, 0)
        errno_of(call, "ioctl", fd, rng.getrandbits(32), BAD_ADDRESS)
        os.lseek(fd, 0, os.SEEK_SET)
        piece = rng.choice([1, 3, 64, 4096])
        return b"".join(iter(lambda: os.read(fd, piece), b""))
    finally:
        os.close(fd)
