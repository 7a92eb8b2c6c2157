# SPDX-License-Identifier: GPL-2.0
"""Direct I/O, for which a buffer must be aligned. A module of the other programs."""

import mmap
import os


class Direct:
    """A file or block device. Positions and lengths are multiples of its blocks."""

    def __init__(self, path, longest, flags=os.O_DIRECT):
        self.fd = os.open(path, os.O_RDWR | flags)
        self.buffer = memoryview(mmap.mmap(-1, longest))

    def write(self, data, at, offset=0):
        """`offset` is that of the data in the first page from which it is written."""
        part = self.buffer[offset : offset + len(data)]
        part[:] = data
        while part:
            done = os.pwritev(self.fd, [part], at)
            part, at = part[done:], at + done

    def read(self, length, at):
        part = self.buffer[:length]
        return bytes(part[: os.preadv(self.fd, [part], at)])

    def close(self):
        os.close(self.fd)
