#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mapper.py [COMMAND...]: a process that has /dev/zbud_movable mapped, driven by
COMMANDs, or else by lines on standard input. Each is answered by one line: "ok"
and a number, or what was wrong; "wrong data: ..." if a page is not what it must be.

	map		map all there is, touch each page; the number of pages
	migrate FROM TO	migrate_pages(2) on itself; the number of pages not moved
	move TO		move_pages(2), each page; the number that is then on TO
	bind NODE	mbind(2) with MPOL_MF_MOVE; the number that is then on NODE
	nodes NODE	move_pages(2), query: the number of pages on NODE
	check		each page that was there at "map" is as it was
	touch		reads from each of them
	stale		that all bytes are zero between the first and the last chunk of
			each page
	out		madvise(MADV_PAGEOUT)
	forget		posix_fadvise(DONTNEED) on the file, which need not be mapped
	refused		each way to write to the pages gives EACCES; their number
	beyond		an access beyond the end is a SIGBUS
	watch SECONDS	check over and over, and in a forked child now and then
	quit"""

import ctypes
import errno
import mmap
import os
import signal
import sys
import time
import zlib

DEVICE = "/dev/zbud_movable"
PAGE = mmap.PAGESIZE
SYS_MBIND, SYS_MIGRATE_PAGES, SYS_MOVE_PAGES = 237, 256, 279
MPOL_BIND, MPOL_MF_MOVE = 2, 2
MADV_PAGEOUT = 21
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.syscall.restype = ctypes.c_long


def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def syscall(number, *arguments):
    return called(libc.syscall(ctypes.c_long(number), *arguments))


def long(number):
    return ctypes.c_long(number)


def mask(node):
    return ctypes.byref(ctypes.c_ulong(1 << int(node))), long(64)


class WrongData(Exception):
    pass


class Mapper:
    def __init__(self):
        self.fd = os.open(DEVICE, os.O_RDONLY)

    def show(self):
        """Maps all there is, and finds out which pages are there; touches none."""
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.memory = mmap.mmap(self.fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ)
        # Where it is, which Python does not tell of what cannot be written.
        with open("/proc/self/maps") as maps:
            self.at = next(int(line.split("-")[0], 16) for line in maps if DEVICE in line)
        there = (ctypes.c_ubyte * (self.size // PAGE))()
        called(libc.mincore(ctypes.c_void_p(self.at), ctypes.c_size_t(self.size), there))
        self.pages = [page for page, is_there in enumerate(there) if is_there & 1]

    def map(self):
        self.show()
        self.sums = [zlib.crc32(self.page(page)) for page in self.pages]
        return len(self.pages)

    def page(self, page):
        return self.memory[page * PAGE : (page + 1) * PAGE]

    def check(self):
        for page, expected in zip(self.pages, self.sums):
            if zlib.crc32(self.page(page)) != expected:
                raise WrongData(f"page {page} has changed")
        return len(self.pages)

    def touch(self):
        for page in self.pages:
            self.memory[page * PAGE]
        return len(self.pages)

    def migrate(self, source, target):
        (source, bits), (target, _) = mask(source), mask(target)
        return syscall(SYS_MIGRATE_PAGES, long(0), bits, source, target)

    def each(self, node):
        """Asks where each page is or, if node is not None, for it to be there."""
        count = len(self.pages)
        where = (ctypes.c_void_p * count)(*(self.at + page * PAGE for page in self.pages))
        wanted = None if node is None else (ctypes.c_int * count)(*([node] * count))
        status = (ctypes.c_int * count)()
        syscall(SYS_MOVE_PAGES, long(0), long(count), where, wanted, status, long(MPOL_MF_MOVE))
        return list(status)

    def nodes(self, node):
        return self.each(None).count(int(node))

    def move(self, node):
        self.each(int(node))
        return self.nodes(node)

    def bind(self, node):
        nodes, bits = mask(node)
        syscall(SYS_MBIND, ctypes.c_void_p(self.at), long(self.size), long(MPOL_BIND), nodes, bits,
                long(MPOL_MF_MOVE))
        return self.nodes(node)

    def stale(self):
        stale = sum(PAGE - 128 - self.page(page)[64:-64].count(0) for page in self.pages)
        if stale:
            raise WrongData(f"{stale} bytes of something else")
        return stale

    def out(self):
        called(libc.madvise(ctypes.c_void_p(self.at), ctypes.c_size_t(self.size), MADV_PAGEOUT))
        return 0

    def forget(self):
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return 0

    def refused(self):
        read, write, execute = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC
        failed = (1 << 64) - 1

        def try_mmap(flags, protection):
            if libc.mmap(None, PAGE, protection, flags, self.fd, 0) != failed:
                return 0
            return ctypes.get_errno()

        def try_mprotect(at, protection):
            return ctypes.get_errno() if libc.mprotect(ctypes.c_void_p(at), PAGE, protection) else 0

        def try_open(flags):
            try:
                os.close(os.open(DEVICE, flags))
                return 0
            except OSError as error:
                return error.errno

        got = [try_open(flags) for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_TRUNC)]
        got += [try_mmap(flags, read | more)
                for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE) for more in (write, execute)]
        # Not even as a copy of its own.
        private = libc.mmap(None, PAGE, read, mmap.MAP_PRIVATE, self.fd, 0)
        got += [try_mprotect(at, read | more) for at in (self.at, private) for more in (write, execute)]
        libc.munmap(ctypes.c_void_p(private), PAGE)
        if any(error != errno.EACCES for error in got):
            raise ValueError(f"not EACCES: {got}")
        return len(got)

    def beyond(self):
        child = os.fork()
        if not child:
            memory = mmap.mmap(self.fd, self.size + (1 << 30), mmap.MAP_SHARED, mmap.PROT_READ)
            sys.exit(memory[-1])
        died = os.waitpid(child, 0)[1]
        if died != signal.SIGBUS:
            raise ValueError(f"ended with {died}")
        return 0

    def watch(self, seconds):
        end, rounds, children = time.monotonic() + int(seconds), 0, []
        while time.monotonic() < end:
            self.check()
            rounds += 1
            if rounds % 2 == 0:
                child = os.fork()
                if not child:
                    try:
                        self.check()
                        os._exit(0)
                    finally:
                        os._exit(1)
                children.append(child)
            while len(children) > 3 or (children and time.monotonic() >= end):
                if os.waitpid(children.pop(0), 0)[1]:
                    raise WrongData("a child saw something else")
        return rounds


def answer(mapper, words):
    try:
        print("ok", getattr(mapper, words[0])(*words[1:]), flush=True)
        return True
    except WrongData as error:
        print(f"wrong data: {' '.join(words)}: {error}", flush=True)
        return False
    except (OSError, ValueError) as error:
        print(f"{' '.join(words)}: {error}", flush=True)
        return False


def main():
    mapper = Mapper()
    if sys.argv[1:]:
        sys.exit(not all([answer(mapper, command.split()) for command in sys.argv[1:]]))
    print("ok", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        answer(mapper, line.split())


if __name__ == "__main__":
    main()
