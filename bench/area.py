# SPDX-License-Identifier: GPL-2.0
"""Memory whose pages hold pages of /dev/vda, put out to swap and got back."""

import mmap
import os
import time

from swap_disk import MADV_PAGEOUT

PAGE = mmap.PAGESIZE
# What is read, or put out, at once
PIECE = 256


def private(pages):
    """A child process has its own."""
    return mmap.mmap(-1, pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class Data:
    """/dev/vda, read past the page cache: what stays there would be in the way."""

    def __init__(self):
        self.file = os.open("/dev/vda", os.O_RDONLY | os.O_DIRECT)
        self.buffer = private(PIECE)

    def read_into(self, view, page):
        if os.preadv(self.file, [view], page * PAGE) != len(view):
            raise OSError(f"/dev/vda has no {len(view)} bytes at page {page}")

    def pages(self, page, count):
        """Their contents, at most PIECE."""
        with memoryview(self.buffer) as view:
            self.read_into(view[: count * PAGE], page)
        return self.buffer[: count * PAGE]


def pieces(first, end):
    """Of these pages: where each begins, and how many pages it has."""
    return [(at, min(PIECE, end - at)) for at in range(first, end, PIECE)]


class Area:
    """Anonymous memory: page n of it is to hold page `first + n` of the data."""

    def __init__(self, data, first, pages):
        self.data, self.first, self.pages = data, first, pages
        self.memory = private(pages)

    def fill(self, begin=0, end=None, put_out=False):
        """With put_out each piece goes out before the next is read. Returns the nanoseconds that
        going out has taken."""
        took = 0
        for at, count in pieces(begin, self.pages if end is None else end):
            with memoryview(self.memory) as view:
                self.data.read_into(view[at * PAGE : (at + count) * PAGE], self.first + at)
            if put_out:
                took += self.put_out(at, count)
        return took

    def put_out(self, at=0, count=None):
        """Nanoseconds that it takes."""
        began = time.monotonic_ns()
        self.memory.madvise(MADV_PAGEOUT, at * PAGE, (self.pages if count is None else count) * PAGE)
        return time.monotonic_ns() - began

    def touch(self):
        """Has each page read, and so got back. Nanoseconds that it takes."""
        memory, began = self.memory, time.monotonic_ns()
        for at in range(0, self.pages * PAGE, PAGE):
            memory[at]
        return time.monotonic_ns() - began

    def wrong(self):
        """How many pages do not hold what they are to hold."""
        wrong = 0
        for at, count in pieces(0, self.pages):
            expected = self.data.pages(self.first + at, count)
            found = self.memory[at * PAGE : (at + count) * PAGE]
            if found != expected:
                wrong += sum(found[n : n + PAGE] != expected[n : n + PAGE] for n in range(0, count * PAGE, PAGE))
        return wrong

    def close(self):
        self.memory.close()
