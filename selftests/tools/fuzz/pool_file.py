# SPDX-License-Identifier: GPL-2.0
"""/dev/zbud_movable, which shows the pages of the pools to be read: whatever a process does with
it, and with what it has mapped of it, no zpage changes."""

import errno
import mmap
import os

from .blocks import Wrong
from .called import BAD_ADDRESS, Memory, call, errno_of, name_of

PATH = "/dev/zbud_movable"
PAGE = 4096
# They tell the kernel that memory is broken.
MADV_HWPOISON, MADV_SOFT_OFFLINE = 100, 101
WRITES = (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TRUNC)


def is_there():
    return os.path.exists(PATH)


class PoolFile:
    def __init__(self, rng, note):
        self.rng, self.note, self.memory = rng, note, Memory(PAGE)
        self.spare = os.memfd_create("fuzz")
        # Writes through it get past what a mapping allows, if it could be written to at all.
        self.own = os.open("/proc/self/mem", os.O_RDWR)
        self.kinds = [self.open_to_write, self.map, self.map, self.use_file, self.use_file]

    def number(self):
        rng = self.rng
        pages = rng.choice([0, 1, rng.randrange(2000), 1 << 20, 1 << 51])
        return max(0, pages * PAGE + rng.choice([0, 0, 0, 1, -1, 512])) % (1 << 63)

    def open_to_write(self):
        flags = self.rng.choice(WRITES)
        self.note(f"open({PATH}, {flags:#x})")
        got, _ = errno_of(os.open, PATH, flags)
        if got != errno.EACCES:
            raise Wrong(f"ended with {name_of(got)}")

    def map(self):
        rng = self.rng
        protection = rng.choice([mmap.PROT_READ] * 5 + [0, 2, 3, 4, 5, 7])
        kind = rng.choice([mmap.MAP_SHARED, mmap.MAP_SHARED, mmap.MAP_PRIVATE, 3, 0, mmap.MAP_SHARED | 0x8000])
        length, position = rng.choice([PAGE, 16 * PAGE, 1 << 20, self.number(), 0]), self.number()
        self.note(f"mmap({PATH}, {length} bytes at {position}, protection {protection}, {kind:#x})")
        fd = os.open(PATH, os.O_RDONLY)
        try:
            got, at = errno_of(call, "mmap", 0, length, protection, kind, fd, position)
        finally:
            os.close(fd)
        if got:
            return
        if protection & (mmap.PROT_WRITE | mmap.PROT_EXEC):
            raise Wrong("mapped to write or execute")
        try:
            for _ in range(4):
                self.use_mapping(at, length)
        finally:
            call("munmap", at, length)

    def use_mapping(self, at, length):
        rng = self.rng
        first = at + rng.randrange(max(1, length // PAGE)) * PAGE
        span = min(at + length - first, rng.choice([PAGE, 8 * PAGE, 1 << 20]))
        advice = rng.choice(list(range(26)) + [rng.getrandbits(31)])
        if advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE):
            return
        name, arguments = rng.choice([
            ("pwrite", (self.spare, first, span, 0)), ("madvise", (first, span, advice)), ("mlock", (first, span)),
            ("munlock", (first, span)), ("msync", (first, span, rng.randrange(8))), ("mincore", (first, PAGE, self.memory.at)),
            ("mprotect", (first, span, mmap.PROT_READ)), ("pread", (self.spare, first, span, 0)),
        ])  # fmt: skip
        self.note(f"{name}(mapping{f', advice {advice}' if name == 'madvise' else ''}, {span})")
        got, done = errno_of(call, name, *arguments)
        if name == "pread" and not got and done:
            raise Wrong("wrote to a mapping")
        if not errno_of(os.pwrite, self.own, b"x", first)[0]:
            raise Wrong("was written to through /proc/self/mem")
        for wrong in (2, 4):
            if not errno_of(call, "mprotect", first, span, mmap.PROT_READ | wrong)[0]:
                raise Wrong("was made writable or executable")

    def use_file(self):
        rng = self.rng
        fd = os.open(PATH, os.O_RDONLY)
        a, b = self.number(), self.number()
        name, arguments = rng.choice([
            ("lseek", (fd, a, rng.randrange(7))), ("posix_fadvise", (fd, a, b, rng.randrange(8))), ("readahead", (fd, a, b)),
            ("sync_file_range", (fd, a, b, rng.randrange(8))), ("fsync", (fd,)), ("ftruncate", (fd, a)),
            ("fallocate", (fd, rng.getrandbits(7), a, b)), ("read", (fd, self.memory.at, rng.choice([0, 1, PAGE]))),
            ("pread", (fd, self.memory.at, PAGE, a)), ("write", (fd, self.memory.at, PAGE)),
            ("ioctl", (fd, rng.getrandbits(32), rng.choice([0, BAD_ADDRESS, self.memory.at]))),
            ("sendfile", (self.spare, fd, 0, PAGE)), ("copy_file_range", (fd, 0, self.spare, 0, PAGE, 0)),
            ("fchmod", (fd, 0o600)), ("flock", (fd, rng.randrange(9))),
        ])  # fmt: skip
        self.note(f"{name}({PATH}, {arguments[1:]})")
        try:
            got, done = errno_of(call, name, *arguments)
        finally:
            os.close(fd)
        if not got and done and name in ("read", "pread", "write", "sendfile", "copy_file_range"):
            raise Wrong(f"{name} had {done} bytes")
