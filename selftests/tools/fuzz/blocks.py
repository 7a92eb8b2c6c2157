# SPDX-License-Identifier: GPL-2.0
"""Requests to a disk: reads and writes of any position, length and buffer, discards, ioctls,
fallocate, mmap. Each method makes one, compares how it ends, and what the disk holds then,
with what must be, and returns whether the request was refused."""

import errno
import fcntl
import mmap
import os
import struct

from .called import BAD_ADDRESS, Memory, call, errno_of, name_of
from .disk import BLOCK

BLKROSET, BLKDISCARD, BLKSECDISCARD, BLKZEROOUT = 0x125D, 0x1277, 0x127D, 0x127F
# They change what the others are judged by, or trace the disk.
NO_GARBAGE = {BLKROSET, BLKDISCARD, BLKSECDISCARD, BLKZEROOUT} | set(range(0x1273, 0x1277))
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
ROOM = 64 * BLOCK
# What a write may end with when the disk has a limit.
FULL = (errno.ENOMEM, errno.ENOSPC, errno.EIO)
RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND, RWF_ATOMIC = (1 << bit for bit in (0, 1, 2, 3, 4, 6))


class Wrong(Exception):
    """Something is not as it must be. `data`: bytes of the disk are not."""

    data = False


class WrongData(Wrong):
    data = True


def is_nowhere(position, length):
    return position < 0 or position + length >= 1 << 63


class Opened:
    """An open disk, closed at the end of a `with`."""

    def __init__(self, disk, flags):
        self.fd = os.open(f"/dev/{disk.name}", flags)

    def __enter__(self):
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


class Requests:
    def __init__(self, rng, note):
        self.rng, self.note, self.memory, self.serial = rng, note, Memory(ROOM + BLOCK), 0
        # Memory of a file: what cannot be read from a mapping is an error of write(2) to it.
        self.spare = os.memfd_create("fuzz")
        self.kinds = [self.direct_write] * 4 + [self.direct_read] * 3
        self.kinds += [self.cached_write, self.cached_read, self.discard, self.discard, self.allocate]
        self.kinds += [self.garbage, self.garbage, self.map, self.bad_buffer, self.read_only, self.flagged, self.pieces]

    # --- what is asked for ---

    def page(self, limited):
        """4096 bytes that were never there before, or one word over and over."""
        self.serial += 1
        head = self.serial.to_bytes(16, "little")
        kind = self.rng.randrange(8)
        if kind == 0 and not limited:
            return self.rng.choice([bytes(8), self.rng.randbytes(8)]) * (BLOCK // 8)
        noise = self.rng.choice([16, 1000, 2500, BLOCK - 16])
        return (head + self.rng.randbytes(noise)).ljust(BLOCK, b"\0")

    def position(self, disk):
        end = disk.bytes
        near = self.rng.choice([0, end, end // 2, end, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - BLOCK])
        if self.rng.random() < 0.7:
            return self.rng.randrange(max(1, disk.blocks)) * BLOCK
        # Not -1, which means the position of the file.
        return min((1 << 63) - 1, near + self.rng.choice([-BLOCK, -512, -2, 0, 0, 1, 512, 2048, BLOCK, -8 * BLOCK]))

    def length(self):
        if self.rng.random() < 0.7:
            return self.rng.randrange(1, 17) * BLOCK
        return self.rng.choice([0, 1, 511, 512, 513, 4095, 4097, 2048, 3 * 512, BLOCK + 512, ROOM])

    # --- what must be ---

    def check(self, disk, first, end):
        """Blocks of the disk, in pieces."""
        for at in range(max(0, first), min(end, disk.blocks), ROOM // BLOCK):
            count = min(end, disk.blocks, at + ROOM // BLOCK) - at
            with Opened(disk, os.O_RDONLY | os.O_DIRECT) as fd:
                got = os.preadv(fd, [self.memory.bytes[: count * BLOCK]], at * BLOCK)
            if got != count * BLOCK:
                raise Wrong(f"{disk.name}: {got} bytes instead of {count * BLOCK} from block {at} on")
            for block in range(count):
                if self.memory.bytes[block * BLOCK : (block + 1) * BLOCK] != disk.data(at + block):
                    raise WrongData(f"{disk.name}: block {at + block} has changed")

    def check_all(self, disk):
        blocks = set(disk.pages) | {self.rng.randrange(disk.blocks) for _ in range(8 if disk.blocks else 0)}
        for block in sorted(blocks):
            if block - 1 not in blocks:
                end = block
                while end in blocks:
                    end += 1
                self.check(disk, block, end)

    def refused(self, disk, got, wanted, position, length):
        """It was to be refused with one of `wanted`: nothing has changed."""
        if got not in wanted:
            raise Wrong(f"ended with {name_of(got)} instead of {' '.join(map(name_of, wanted))}")
        first = position // BLOCK if position >= 0 else 0
        self.check(disk, first, min(first + 18, -(-(max(0, position) + length) // BLOCK)))
        return True

    def aligned(self, disk, position, length, address):
        """The length that direct I/O of aligned memory has within the disk, None if it has none.
        The rest of a longer request is cut off first."""
        length = min(length, disk.bytes - position)
        return None if position % BLOCK or length % BLOCK or address % 512 else length

    # --- requests ---

    def direct_write(self, disk):
        position, length = self.position(disk), self.length()
        offset = 0 if disk.is_limited else self.rng.choice([0, 0, 0, 512, 2048, 3584, 1, 8])
        self.note(f"pwrite({disk.name}, {length} bytes at {position}, O_DIRECT, from {offset} in a page)")
        pages = [self.page(disk.is_limited) for _ in range(-(-length // BLOCK))]
        piece = self.memory.bytes[offset : offset + length]
        piece[:] = b"".join(pages)[:length]
        with Opened(disk, os.O_WRONLY | os.O_DIRECT) as fd:
            got, done = errno_of(os.pwritev, fd, [piece], position)
        if is_nowhere(position, length):
            return self.refused(disk, got, [errno.EINVAL, errno.EOVERFLOW], position, length)
        if length and position >= disk.bytes:
            return self.refused(disk, got, [errno.ENOSPC], position, length)
        wanted = self.aligned(disk, position, length, offset) if length else 0
        if wanted is None:
            if offset % 512 and not got and not position % BLOCK and not length % BLOCK:
                wanted = min(length, disk.bytes - position)
            else:
                return self.refused(disk, got, [errno.EINVAL], position, length)
        return self.written(disk, got, done, position // BLOCK, pages[: wanted // BLOCK])

    def written(self, disk, got, done, first, pages):
        """All, unless the disk has a limit: then any of the blocks."""
        if not got and done == len(pages) * BLOCK:
            for block, data in enumerate(pages, first):
                disk.put(block, data)
            return False
        if not disk.is_limited or got and got not in FULL:
            raise Wrong(f"a write of {len(pages)} blocks ended with {name_of(got)}, {done}")
        with Opened(disk, os.O_RDONLY | os.O_DIRECT) as fd:
            os.preadv(fd, [self.memory.bytes[: len(pages) * BLOCK]], first * BLOCK)
        for index, data in enumerate(pages):
            if self.memory.bytes[index * BLOCK : (index + 1) * BLOCK] == data:
                disk.put(first + index, data)
        self.check(disk, first, first + len(pages))
        return True

    def direct_read(self, disk):
        position, length, offset = self.position(disk), self.length(), self.rng.choice([0, 0, 512, 2048, 1])
        self.note(f"pread({disk.name}, {length} bytes at {position}, O_DIRECT, to {offset} in a page)")
        with Opened(disk, os.O_RDONLY | os.O_DIRECT) as fd:
            got, done = errno_of(os.preadv, fd, [self.memory.bytes[offset : offset + length]], position)
        return self.was_read(disk, got, done, position, length, offset)

    def was_read(self, disk, got, done, position, length, offset):
        if is_nowhere(position, length):
            return self.refused(disk, got, [errno.EINVAL, errno.EOVERFLOW], position, length)
        wanted = 0
        if position < disk.bytes and length:
            wanted = self.aligned(disk, position, length, offset)
            if wanted is None and got:
                return self.refused(disk, got, [errno.EINVAL], position, length)
        if got or wanted is not None and done != wanted:
            raise Wrong(f"a read ended with {name_of(got)}, {done} instead of {wanted}")
        self.same(disk, position, self.memory.bytes[offset : offset + done])
        return False

    @staticmethod
    def same(disk, position, data):
        """`data` is what the disk holds at that position."""
        at = 0
        while at < len(data):
            block, inside = divmod(position + at, BLOCK)
            piece = data[at : at + BLOCK - inside]
            if piece != disk.data(block)[inside : inside + len(piece)]:
                raise WrongData(f"{disk.name}: a read of block {block} gave other bytes")
            at += len(piece)

    def cached_write(self, disk):
        position, length = self.position(disk), self.length()
        if disk.is_limited:
            # It would be told long after the write.
            return self.direct_write(disk)
        self.note(f"pwrite({disk.name}, {length} bytes at {position}), fsync")
        self.serial += 1
        data = (self.serial.to_bytes(8, "little") + self.rng.randbytes(50)) * (-(-length // 58))
        with Opened(disk, os.O_RDWR) as fd:
            got, done = errno_of(os.pwrite, fd, data[:length], position)
            synced, _ = errno_of(os.fsync, fd)
        if synced:
            raise Wrong(f"fsync ended with {name_of(synced)}")
        if is_nowhere(position, length):
            return self.refused(disk, got, [errno.EINVAL, errno.EOVERFLOW], position, length)
        if length and position >= disk.bytes:
            return self.refused(disk, got, [errno.ENOSPC], position, length)
        wanted = min(length, disk.bytes - position) if length else 0
        if got or done != wanted:
            raise Wrong(f"a write ended with {name_of(got)}, {done} instead of {wanted}")
        self.merge(disk, position, data[:wanted])
        return False

    @staticmethod
    def merge(disk, position, data):
        """A write of parts of blocks has succeeded."""
        if not data:
            return
        for block in range(position // BLOCK, -(-(position + len(data)) // BLOCK)):
            start = max(position, block * BLOCK)
            end = min(position + len(data), (block + 1) * BLOCK)
            old = disk.data(block)
            inside = start - block * BLOCK
            new = old[:inside] + data[start - position : end - position] + old[end - block * BLOCK :]
            disk.put(block, new)

    def cached_read(self, disk):
        position, length = self.position(disk), self.length()
        self.note(f"pread({disk.name}, {length} bytes at {position})")
        with Opened(disk, os.O_RDONLY) as fd:
            got, data = errno_of(os.pread, fd, length, position)
        if is_nowhere(position, length):
            return self.refused(disk, got, [errno.EINVAL, errno.EOVERFLOW], position, length)
        wanted = max(0, min(length, disk.bytes - position))
        if got or len(data) != wanted:
            raise Wrong(f"a read ended with {name_of(got)}, {data and len(data)} bytes instead of {wanted}")
        self.same(disk, position, data)
        return False

    def pieces(self, disk):
        """preadv to several buffers, whose lengths need not be those of blocks."""
        position = self.position(disk)
        lengths = [self.rng.choice([0, 512, 1024, BLOCK, 3584, 7 * 512, 2 * BLOCK, 1]) for _ in range(6)]
        direct = self.rng.choice([0, os.O_DIRECT])
        self.note(f"preadv({disk.name}, {lengths} at {position}{', O_DIRECT' if direct else ''})")
        parts, at = [], 0
        for length in lengths:
            parts.append(self.memory.bytes[at : at + length])
            at += length
        with Opened(disk, os.O_RDONLY | direct) as fd:
            got, done = errno_of(os.preadv, fd, parts, position)
        if is_nowhere(position, at) or direct and got:
            return self.refused(disk, got, [errno.EINVAL, errno.EOVERFLOW], position, at)
        if got:
            raise Wrong(f"a read in pieces ended with {name_of(got)}")
        self.same(disk, position, b"".join(parts)[:done])
        return False

    def flagged(self, disk):
        """preadv2 and pwritev2 with flags."""
        flags = self.rng.choice([RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND, RWF_ATOMIC, 1 << 20, 1 << 30, 3])
        block = self.rng.randrange(max(1, disk.blocks))
        write = self.rng.random() < 0.5 and not disk.is_limited
        self.note(f"{'pwritev2' if write else 'preadv2'}({disk.name}, block {block}, O_DIRECT, flags {flags:#x})")
        data = self.page(False)
        with Opened(disk, os.O_RDWR | os.O_DIRECT) as fd:
            piece = self.memory.bytes[:BLOCK]
            piece[:] = data
            got, done = errno_of(os.pwritev if write else os.preadv, fd, [piece], block * BLOCK, flags)
        if got:
            ends = [errno.EOPNOTSUPP, errno.EINVAL, errno.EAGAIN, errno.ENOSPC]
            return self.refused(disk, got, ends, block * BLOCK, BLOCK)
        if not write:
            self.same(disk, block * BLOCK, self.memory.bytes[:done])
        elif done == BLOCK:
            disk.put(block, data)
        return False

    def ranges(self, disk):
        start = self.position(disk) % (1 << 64)
        length = self.rng.choice([0, 1, 511, 512, BLOCK, BLOCK, 2 * BLOCK, 8 * BLOCK, BLOCK + 512, disk.bytes, (1 << 64) - BLOCK])
        return start, length

    @staticmethod
    def is_within(disk, start, length):
        return length > 0 and not (start | length) % BLOCK and start + length <= disk.bytes

    def dropped(self, disk, got, what, start, length):
        """These whole blocks were, by what ended with got."""
        if got:
            raise Wrong(f"{what} ended with {name_of(got)}")
        disk.drop(start // BLOCK, (start + length) // BLOCK)
        self.check(disk, start // BLOCK - 1, start // BLOCK + 2)
        return False

    def discard(self, disk):
        start, length = self.ranges(disk)
        number = self.rng.choice([BLKDISCARD, BLKDISCARD, BLKZEROOUT, BLKSECDISCARD])
        self.note(f"ioctl({disk.name}, {number:#x}, start {start}, length {length})")
        with Opened(disk, os.O_RDWR) as fd:
            got, _ = errno_of(fcntl.ioctl, fd, number, struct.pack("QQ", start, length))
        if number == BLKSECDISCARD or not self.is_within(disk, start, length):
            ends = [errno.EINVAL, errno.EOPNOTSUPP] if number == BLKSECDISCARD else [errno.EINVAL]
            return self.refused(disk, got, ends, start if start < disk.bytes else 0, min(length, 16 * BLOCK))
        return self.dropped(disk, got, "a discard", start, length)

    def allocate(self, disk):
        start, length = self.ranges(disk)
        mode = self.rng.choice([PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE, 0, 4, 8, 32, 64, 128, self.rng.getrandbits(31)])
        self.note(f"fallocate({disk.name}, mode {mode:#x}, start {start}, length {length})")
        with Opened(disk, os.O_RDWR) as fd:
            got, _ = errno_of(call, "fallocate", fd, mode, start, length)
        if mode & KEEP_SIZE and 0 <= start < disk.bytes and 0 < length < 1 << 62:
            length = min(length, disk.bytes - start)
        legal = mode in (PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE)
        if not legal or not self.is_within(disk, start, length):
            ends = [errno.EINVAL, errno.EOPNOTSUPP, errno.EFBIG, errno.ENOSPC]
            return self.refused(disk, got, ends, start if start < disk.bytes else 0, min(length, 16 * BLOCK))
        return self.dropped(disk, got, "fallocate", start, length)

    def garbage(self, disk):
        """ioctls that there are and that there are not, with arguments that may be nothing."""
        low = self.rng.choice([0x1200 + self.rng.randrange(256), self.rng.getrandbits(16), 0x5300 + self.rng.randrange(256)])
        number = low | self.rng.choice([0, 0, 0, 0x40080000, 0x80080000, 0x40100000, 0xC0100000, self.rng.getrandbits(16) << 16])
        if number & 0xFFFF in NO_GARBAGE:
            return False
        self.memory.bytes[:BLOCK] = self.rng.randbytes(BLOCK)
        argument = self.rng.choice([0, 1, BAD_ADDRESS, self.rng.getrandbits(64), self.memory.at, self.memory.at + 4093])
        self.note(f"ioctl({disk.name}, {number:#x}, {'memory' if argument >> 12 == self.memory.at >> 12 else argument})")
        with Opened(disk, self.rng.choice([os.O_RDONLY, os.O_RDWR])) as fd:
            got, _ = errno_of(call, "ioctl", fd, number, argument)
        return got != 0

    def read_only(self, disk):
        """While it is read-only, and through a file that is."""
        block = self.rng.randrange(max(1, disk.blocks))
        self.note(f"BLKROSET({disk.name}, 1), a write and a discard of block {block}, BLKROSET({disk.name}, 0)")
        one, nought = struct.pack("i", 1), struct.pack("i", 0)
        with Opened(disk, os.O_RDWR | os.O_DIRECT) as fd:
            fcntl.ioctl(fd, BLKROSET, one)
            first, _ = errno_of(os.pwritev, fd, [self.memory.bytes[:BLOCK]], block * BLOCK)
            second, _ = errno_of(fcntl.ioctl, fd, BLKDISCARD, struct.pack("QQ", block * BLOCK, BLOCK))
            fcntl.ioctl(fd, BLKROSET, nought)
        with Opened(disk, os.O_RDONLY) as fd:
            third, _ = errno_of(fcntl.ioctl, fd, BLKDISCARD, struct.pack("QQ", block * BLOCK, BLOCK))
        if not first or not second or not third:
            raise Wrong(f"read-only, and ended with {name_of(first)}, {name_of(second)}, {name_of(third)}")
        return self.refused(disk, third, [errno.EBADF], block * BLOCK, BLOCK)

    def bad_buffer(self, disk):
        """Reads and writes of memory that is not there, wholly or in its second page."""
        write, direct = self.rng.random() < 0.5, self.rng.choice([0, os.O_DIRECT])
        address = BAD_ADDRESS if self.rng.random() < 0.5 else self.memory.at + ROOM
        block = self.rng.randrange(max(1, disk.blocks))
        self.note(f"{'pwrite' if write else 'pread'}({disk.name}, block {block}, from address {'bad' if address == BAD_ADDRESS else 'half bad'})")
        if address != BAD_ADDRESS and write:
            # How much of that is written is the block layer's affair.
            return False
        with Opened(disk, os.O_RDWR | direct) as fd:
            got, done = errno_of(call, "pwrite" if write else "pread", fd, address, 4 * BLOCK, block * BLOCK)
        if got:
            return self.refused(disk, got, [errno.EFAULT, errno.ENOSPC], block * BLOCK, BLOCK)
        if write and done:
            raise Wrong(f"wrote {done} bytes of memory that is not there")
        self.check(disk, block, block + 2)
        return False

    def map(self, disk):
        """mmap of any range: what is within the disk is its data, beyond is nothing."""
        rng = self.rng
        position = self.position(disk)
        length = rng.choice([0, 1, BLOCK, 3 * BLOCK, 5000, disk.bytes + BLOCK, 1 << 47])
        protection = rng.choice([mmap.PROT_READ] * 4 + [mmap.PROT_READ | mmap.PROT_WRITE, 0, 7, mmap.PROT_EXEC])
        kind = rng.choice([mmap.MAP_SHARED, mmap.MAP_PRIVATE, 3, 0, mmap.MAP_SHARED | 0x8000])
        self.note(f"mmap({disk.name}, {length} bytes at {position}, protection {protection}, {kind:#x})")
        with Opened(disk, os.O_RDWR) as fd:
            got, at = errno_of(call, "mmap", 0, length, protection, kind, fd, position)
            if got:
                return True
            try:
                self.use(disk, at, min(length, 4 * BLOCK), protection, position)
            finally:
                call("munmap", at, length)
        return False

    def use(self, disk, at, length, protection, position):
        """Through a file in memory: where the mapping has nothing, that is an error, no signal."""
        os.ftruncate(self.spare, 0)
        got, done = errno_of(call, "pwrite", self.spare, at, length, 0)
        there = max(0, min(length, disk.bytes - position))
        if not protection & mmap.PROT_READ:
            return
        if (0 if got else done) != there:
            raise Wrong(f"a mapping has {name_of(got)}, {done} bytes instead of {there}")
        self.same(disk, position, os.pread(self.spare, there, 0))
