#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""load_failure.py MODULE.ko PARAMETERS: loads the module again and again, and has one
allocation of its init fail: the first, then the second, until there is none left that
could. Meanwhile other processes open all files that the module offers, as soon as there
are any, and make disks; where there is zswap one makes pools of the module's type.

After each failure nothing of the module is left; now and then, and at the end, it is
loaded, used and unloaded. The kernel sees what is used after it was freed, by
slub_debug=FZPU or KASAN.

load_failure.sh sets failslab up: only allocations of a module count, and each failure takes
the time of a line in the kernel's log, so that others may come in between.
Prints NAME=VALUE, or what was wrong; exit status 2 if something is left, or data is wrong."""

import ctypes
import errno
import glob
import mmap
import os
import signal
import sys
import time

from direct import Direct
from sysfs import read, write

NAME = "zbud_movable"
DEVICE = f"/dev/{NAME}"
SYS = f"/sys/kernel/{NAME}"
DEBUGFS = f"/sys/kernel/debug/{NAME}"
CONTROL = "/sys/class/zbud-control"
FILES = [(f"{DEBUGFS}/disks/zbud0/{file}", os.O_WRONLY) for file in ("pin", "unpin", "free_every")]
ZPOOL = "/sys/module/zswap/parameters/zpool"
SYS_DELETE_MODULE, SYS_FINIT_MODULE = 176, 313
# How long an opener keeps a file, and for how long a module may be in use by that.
KEEP, PATIENCE = 0.003, 60
IN_CREATE = 0x100
# How often an allocation fails whose failure somebody may have noticed.
ATTEMPTS = 6
libc = ctypes.CDLL(None, use_errno=True)


class WrongData(Exception):
    """Something is left of the module, or a byte of its data is another."""


def called(result):
    """0, or the errno of a system call."""
    return ctypes.get_errno() if result < 0 else 0


def is_there():
    """What there is to be seen of the module."""
    with open("/proc/modules", encoding="ascii") as modules:
        seen = [line for line in modules if line.startswith(f"{NAME} ")]
    return seen + [path for path in (DEVICE, SYS, DEBUGFS, CONTROL) if os.path.lexists(path)] + \
        glob.glob("/dev/zbud[0-9]*") + glob.glob("/sys/block/zbud*")


class Openers:
    """Processes that use what there is of the module, but for the times when they rest. Each
    counts how often it did, and how often there was something that it could not use."""

    REST = mmap.PAGESIZE - 1

    def __init__(self, *functions):
        self.functions = functions
        self.counts = mmap.mmap(-1, mmap.PAGESIZE)
        self.children = []

    def __enter__(self):
        for number, function in enumerate(self.functions):
            child = os.fork()
            if not child:
                try:
                    self.run(number, function)
                finally:
                    os._exit(1)
            self.children.append(child)
        return self

    def __exit__(self, *_):
        for child in self.children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def rest(self, resting):
        """As long as they rest nothing is in use, once they have closed what they have open."""
        self.counts[self.REST] = resting

    def run(self, number, function):
        used = refused = 0
        while True:
            while self.counts[self.REST]:
                time.sleep(0.001)
            try:
                function()
                used += 1
            except FileNotFoundError:
                continue
            except OSError:
                refused += 1
            self.counts[16 * number : 16 * number + 16] = used.to_bytes(8, "little") + refused.to_bytes(8, "little")

    def count(self, number):
        """How often that one used something, and how often it was refused."""
        at = 16 * number
        return tuple(int.from_bytes(self.counts[at : at + 8], "little") for at in (at, at + 8))

    def all(self):
        return [self.count(number) for number in range(len(self.functions))]

    def noticed(self):
        """The same, without disks that were refused: that is so from early in init on."""
        return [self.count(number)[: 1 if function is disk else 2] for number, function in enumerate(self.functions)]

    def check(self):
        for child in self.children:
            if os.waitpid(child, os.WNOHANG)[0]:
                raise RuntimeError("a process that opens files has died")


def device():
    # Without a pause: it may be there for some microseconds only.
    fd = os.open(DEVICE, os.O_RDONLY)
    try:
        os.lseek(fd, 0, os.SEEK_END)
        time.sleep(KEEP)
        os.lseek(fd, 0, os.SEEK_END)
        mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ).close()
    finally:
        os.close(fd)


def files():
    fds = []
    try:
        time.sleep(0.002)
        for path, mode in FILES:
            fds.append(os.open(path, mode))
    except OSError:
        if not fds:
            raise
    try:
        time.sleep(KEEP)
        for fd in fds:
            try:
                os.write(fd, b"x")
            except OSError:
                pass  # As it must.
    finally:
        for fd in fds:
            os.close(fd)


def new_disk():
    """Makes one that is its caller's until the module goes; gives its path."""
    number = read(f"{CONTROL}/hot_add")
    write(f"/sys/block/zbud{number}/disksize", "1M")
    return f"/dev/zbud{number}"


def disk():
    # Refused until the load cannot fail any more.
    fd = os.open(new_disk(), os.O_RDWR)
    try:
        time.sleep(KEEP)
        os.write(fd, DEVICE.encode())
    finally:
        os.close(fd)


def zpool():
    time.sleep(0.005)
    # Asking in vain is told in the kernel's log, each time.
    os.stat(SYS)
    write(ZPOOL, NAME)
    time.sleep(KEEP)
    write(ZPOOL, "zsmalloc")


class Loader:
    def __init__(self, path, parameters):
        self.file = os.open(path, os.O_RDONLY)
        self.parameters = parameters.encode()
        self.fail_nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def load(self, nth=0):
        """Loads it, and has the nth allocation fail; its errno, and whether there were so many."""
        if nth:
            os.pwrite(self.fail_nth, str(nth).encode(), 0)
        failed = called(libc.syscall(SYS_FINIT_MODULE, self.file, ctypes.c_char_p(self.parameters), 0))
        if not nth:
            return failed, False
        left = int(os.pread(self.fail_nth, 32, 0))
        os.pwrite(self.fail_nth, b"0", 0)
        return failed, left == 0

    def unload(self):
        end = time.monotonic() + PATIENCE
        while True:
            failed = called(libc.syscall(SYS_DELETE_MODULE, ctypes.c_char_p(NAME.encode()), os.O_NONBLOCK))
            if failed == 0:
                return
            if failed not in (errno.EAGAIN, errno.EBUSY) or time.monotonic() > end:
                raise RuntimeError(f"cannot be unloaded: {errno.errorcode[failed]}")
            time.sleep(0.001)


class DeviceWatch:
    """Whether there was a device for a moment, be it too short for anybody to open it."""

    def __init__(self):
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.fd, os.path.dirname(DEVICE).encode(), IN_CREATE)

    def was_there(self):
        """Since the last time."""
        try:
            return NAME.encode() in os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return False


def check_absent(nth):
    left = is_there()
    if left:
        raise WrongData(f"allocation {nth} failed, and so did the load: {left} is left")
    if os.path.exists(ZPOOL):
        try:
            write(ZPOOL, NAME)
        except FileNotFoundError:
            return
        raise WrongData(f"allocation {nth} failed, and so did the load: zswap still finds the module")


def check_works():
    block = bytes(range(256)) * 16
    data = Direct(new_disk(), 8192)
    data.write(block, 4096)
    if data.read(8192, 4096) != block + bytes(4096):
        raise WrongData("the disk does not hold what was stored")
    data.close()
    said = read(f"{SYS}/verify")
    if said != "ok":
        raise WrongData(f"verify: {said}")


class Trial:
    """One load after the other."""

    def __init__(self, loader, openers):
        self.loader, self.openers = loader, openers
        self.watch = DeviceWatch()
        self.failed = self.survived = self.met = 0

    def once(self, nth):
        """Whether the load failed, and whether there was an nth allocation. Nothing is loaded
        afterwards."""
        self.openers.rest(False)
        error, hit = self.loader.load(nth)
        self.openers.rest(True)
        self.openers.check()
        if error not in (0, errno.ENOMEM):
            raise RuntimeError(f"allocation {nth} failed: the load says {errno.errorcode[error]}")
        if error:
            check_absent(nth)
            self.failed += 1
        else:
            if not hit:
                check_works()
            self.loader.unload()
            self.survived += hit
        return error != 0, hit

    def repeat(self, nth):
        """As often as the load fails after somebody had found something, up to ATTEMPTS times."""
        for _ in range(ATTEMPTS):
            before = self.openers.noticed()
            self.watch.was_there()
            failed, hit = self.once(nth)
            if not failed or (self.openers.noticed() == before and not self.watch.was_there()):
                break
            self.met += 1
        return failed, hit

    def works(self, nth):
        error, _ = self.loader.load()
        if error:
            raise RuntimeError(f"after the failure of allocation {nth}: {errno.errorcode[error]}")
        self.openers.rest(False)
        check_works()
        self.openers.rest(True)
        self.openers.check()
        self.loader.unload()

    def run(self):
        nth = last = 0
        hit = True
        while hit:
            nth += 1
            failed, hit = self.repeat(nth)
            if failed:
                last = nth
                if nth % 8 == 0:
                    self.works(nth)
        # Most is there when the last allocation fails that a load cannot do without. How many
        # came before it differs by one or two from load to load.
        for _ in range(ATTEMPTS):
            for near in range(max(1, last - 2), last + 3):
                self.repeat(near)
        print(f"allocations={nth - 1}\nfailed={self.failed}\nsurvived={self.survived}\nmet={self.met}")


def main():
    functions = [device, files, disk]
    if os.path.exists(ZPOOL):
        functions.append(zpool)
    try:
        with Openers(*functions) as openers:
            Trial(Loader(*sys.argv[1:]), openers).run()
            for function, (used, refused) in zip(functions, openers.all()):
                print(f"{function.__name__}={used}\n{function.__name__}_refused={refused}")
    except WrongData as wrong:
        print("wrong data:", wrong)
        sys.exit(2)
    except RuntimeError as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main()
