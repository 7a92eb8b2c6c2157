#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""unaligned.py DISK FILE AT: FILE to DISK, from block AT on, by direct I/O from memory that
is aligned to sectors only: a block is in two pages of memory, or in two buffers. It is read
into memory that lies otherwise. Prints how many requests that took; exit status 2 if what
is read is not what was written."""

import errno
import mmap
import os
import random
import sys

BLOCK, SECTOR = 4096, 512
LONGEST = 32 * BLOCK


def pieces(buffer, length, dice):
    """`length` bytes of the buffer as a list of pieces of whole blocks, which begin at sectors."""
    got, at = [], dice.randrange(BLOCK // SECTOR) * SECTOR
    while length:
        size = min(length, dice.randrange(1, 6) * BLOCK)
        got.append(buffer[at : at + size])
        length -= size
        at += size + dice.randrange(3) * SECTOR
    return got


def split(parts):
    """Each in two, in the middle of a block."""
    return [half for part in parts for half in (part[: 3 * SECTOR], part[3 * SECTOR :])]


def transfer(call, fd, parts, at):
    """By pieces that end in the middle of a block, where the kernel takes these (7.x)."""
    try:
        return call(fd, split(parts), at)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return call(fd, parts, at)


def copy(fd, data, at, dice):
    """Writes and reads `data`; the number of requests, or None if it is wrong."""
    buffers = [memoryview(mmap.mmap(-1, 2 * LONGEST)) for _ in range(2)]
    done = requests = 0
    while done < len(data):
        length = min(len(data) - done, dice.randrange(1, LONGEST // BLOCK) * BLOCK)
        rest = data[done : done + length]
        parts = pieces(buffers[0], length, dice)
        for part in parts:
            part[:], rest = rest[: len(part)], rest[len(part) :]
        if transfer(os.pwritev, fd, parts, at + done) != length:
            raise OSError("a short write")
        parts = pieces(buffers[1], length, dice)
        if transfer(os.preadv, fd, parts, at + done) != length:
            raise OSError("a short read")
        if b"".join(parts) != data[done : done + length]:
            return None
        done += length
        requests += 2
    return requests


def main():
    disk, source, at = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    requests = copy(os.open(disk, os.O_RDWR | os.O_DIRECT), data, int(at) * BLOCK, random.Random(1))
    if requests is None:
        print("what is read is not what was written")
        sys.exit(2)
    print(requests)


if __name__ == "__main__":
    main()
