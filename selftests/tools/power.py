#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""power.py FILE BLOCK-DISK SWAP-DISK STORAGE ROOT PLAN: hibernates and suspends the machine
while the disks of the module hold FILE's contents, and prints PLAN results in KTAP.

Either resets all devices of the machine. The driver of 9p does not set its own up again, so
from then on a guest can open no file of its root file system. All that this program needs is in
memory before, and locked; its root directory is ROOT, in memory, too, with dev, proc and sys.
It ends the guest itself, as scripts/vm/run-tests would: nobody else can (see Guest)."""

import ctypes
import errno
import mmap
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from direct import Direct  # noqa: E402

PAGE = mmap.PAGESIZE
MADV_NOHUGEPAGE, MADV_PAGEOUT = 15, 21
MCL_CURRENT = 1
RB_POWER_OFF = 0x4321FEDC
SYS_DELETE_MODULE = 176
# Bad page, oops, warning, lockup
FAULTS = 32 | 128 | 512 | 16384
HOG_PAGES = 4096
POWER = "/sys/power"
MODULE = "/sys/kernel/zbud_movable"
DEBUG = "/sys/kernel/debug/zbud_movable"
libc = ctypes.CDLL(None, use_errno=True)


def read(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16).decode(errors="replace").strip("\0\n")
    finally:
        os.close(fd)


def write(path, text):
    """None, or the name of the error."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.close(fd)


def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


class Results:
    """Lines of KTAP, until there is a way to print them; the kernel's log has each at once."""

    def __init__(self, plan):
        self.plan, self.number, self.failed, self.lines = plan, 0, 0, []

    def say(self, text):
        self.lines.append(text)
        write("/dev/kmsg", f"power: {text}")

    def add(self, name, good, why="", wrong_data=False):
        self.number += 1
        if good:
            self.say(f"ok {self.number} {name}")
            return
        self.failed += 1
        self.say(f"# {name}: {why}".replace("\n", "\n# "))
        self.say(f"not ok {self.number} {name}" + (" # wrong-data" if wrong_data else ""))

    def same(self, name, got, want):
        self.add(name, got == want, f"expected {want!r}, got {got!r}")

    def right(self, name, wrong):
        """wrong: '', or which data are."""
        self.add(name, not wrong, wrong, True)


class Disk:
    """A disk that holds blocks; open all the time."""

    def __init__(self, path, blocks):
        self.blocks, self.direct = blocks, Direct(path, 64 * PAGE)

    def write(self, turn):
        for at, block in enumerate(self.blocks):
            self.direct.write(block, (at + turn) % len(self.blocks) * PAGE)

    def wrong(self, turn):
        for at, block in enumerate(self.blocks):
            if self.direct.read(PAGE, (at + turn) % len(self.blocks) * PAGE) != block:
                return f"block {at} of {len(self.blocks)}"
        return ""


class Hog:
    """Memory that is swapped out; small pages."""

    def __init__(self, blocks):
        self.blocks, self.turned = blocks, 0
        self.memory = mmap.mmap(-1, HOG_PAGES * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory.madvise(MADV_NOHUGEPAGE)
        self.write(0)

    def expected(self, page):
        return self.blocks[(page + self.turned) % len(self.blocks)]

    def write(self, turn):
        self.turned = turn
        for page in range(HOG_PAGES):
            self.memory[page * PAGE : (page + 1) * PAGE] = self.expected(page)

    def out(self):
        self.memory.madvise(MADV_PAGEOUT)

    def wrong(self):
        for page in range(HOG_PAGES):
            if self.memory[page * PAGE : (page + 1) * PAGE] != self.expected(page):
                return f"page {page} of {HOG_PAGES}"
        return ""


def swapped(path):
    """Pages on that swap area; None if it is none."""
    for line in read("/proc/swaps").splitlines()[1:]:
        words = line.split()
        if words[0] == path:
            return int(words[3]) * 1024 // PAGE
    return None


def moves():
    """Of pages so far, by mm and by request."""
    return int(read(f"{MODULE}/stats/migrated"))


class Load:
    """Two processes: one swaps, one has pages moved. Both end at stop()."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.pids = [self.fork(self.swap), self.fork(self.move)]

    @staticmethod
    def fork(work):
        pid = os.fork()
        if pid:
            return pid
        over = []
        signal.signal(signal.SIGUSR1, lambda *_: over.append(True))
        status = 1
        try:
            status = work(over)
        finally:
            os._exit(status)

    def swap(self, over):
        hog, turn = Hog(self.blocks), 0
        while not over or turn < 2:
            hog.out()
            if hog.wrong():
                return 2
            turn += 1
            hog.write(turn)
        return 0

    @staticmethod
    def move(over):
        while not over:
            write("/proc/sys/vm/compact_memory", "1")
            time.sleep(0.1)
        return 0

    def stop(self):
        """The exit status of each."""
        statuses = []
        for pid in self.pids:
            os.kill(pid, signal.SIGUSR1)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        return statuses


class Guest:
    """What the guest ends with. Its port has not come back either, and its status would go
    through 9p: the device with the port is removed and found again, as if it were new, and so
    is one for 9p that nobody has used so far."""

    TAG, CONSOLE = "zbm_late", "0x0003"

    @staticmethod
    def find_again(file, value):
        """The virtio devices whose file in sysfs says value."""
        for device in os.listdir("/sys/bus/virtio/devices"):
            path = f"/sys/bus/virtio/devices/{device}"
            try:
                if read(f"{path}/{file}") != value:
                    continue
            except OSError:
                continue
            write(os.path.realpath(f"{path}/..") + "/remove", "1")
        write("/sys/bus/pci/rescan", "1")

    def port(self):
        self.find_again("device", self.CONSOLE)
        for _ in range(100):
            for name in os.listdir("/dev"):
                if name.startswith("vport"):
                    try:
                        return os.open(f"/dev/{name}", os.O_WRONLY)
                    except OSError:
                        pass
            time.sleep(0.1)
        raise OSError(errno.ENODEV, "there is no port")

    def end(self, lines, name, status):
        mark = f"zbm-test: end {name} {status}"
        text = "".join(f"{line}\n" for line in [*lines, "", mark]).encode()
        write("/dev/kmsg", f"<0>{mark}")
        port = self.port()
        while text:
            text = text[os.write(port, text) :]
        self.find_again("mount_tag", self.TAG)
        call("mount", self.TAG.encode(), b"/late", b"9p", 0, b"trans=virtio,version=9p2000.L,cache=none")
        late = os.open("/late/status", os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(late, b"0\n")
        # The last lines are on their way.
        time.sleep(1)
        libc.reboot(RB_POWER_OFF)


class Test:
    def __init__(self, file, block_disk, swap_disk, storage, results):
        with open(file, "rb") as opened:
            data = opened.read()
        blocks = [data[at : at + PAGE] for at in range(0, len(data) - PAGE + 1, PAGE)]
        self.swap_disk, self.storage, self.results = swap_disk, storage, results
        self.blocks, self.turn = blocks, 0
        self.disk = Disk(block_disk, blocks)
        self.kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)

    def start(self):
        self.disk.write(self.turn)
        self.hog = Hog(self.blocks)
        self.hog.out()
        out = swapped(self.swap_disk) or 0
        self.results.add("memory is swapped out to the disk", out > HOG_PAGES * 9 // 10, f"{out} pages")

    def log(self):
        """What the kernel has said since the last time."""
        said = []
        while True:
            try:
                said.append(os.read(self.kmsg, 8192).decode(errors="replace"))
            except BlockingIOError:
                return "".join(said)
            except BrokenPipeError:
                continue

    def is_right(self, when):
        """Contents, then others in their place, the validator, and that pages still move."""
        results = self.results
        results.right(f"{when}: the disk's blocks are right", self.disk.wrong(self.turn))
        results.right(f"{when}: swapped memory is right", self.hog.wrong())
        self.turn += 1
        self.disk.write(self.turn)
        self.hog.write(self.turn)
        self.hog.out()
        before = moves()
        write("/proc/sys/vm/compact_memory", "1")
        write(f"{MODULE}/migrate", "0 1")
        write(f"{MODULE}/migrate", "1 0")
        results.add(f"{when}: pages move", moves() - before > 100, f"{moves() - before} have moved")
        results.right(f"{when}: and what was written since is right", self.disk.wrong(self.turn) or self.hog.wrong())
        pools = os.listdir(f"{DEBUG}/pools")
        said = {read(f"{DEBUG}/pools/{pool}/verify") for pool in pools}
        results.right(f"{when}: verify", "" if said == {"ok"} and len(pools) == 2 else f"{said} of {len(pools)} pools")

    def to_itself(self, number):
        """An image that would go to the disk: refused, and everything goes on."""
        results = self.results
        write(f"{POWER}/disk", "test_resume")
        # As systemd does it. The kernel looks for an image there first, and finds none.
        write(f"{POWER}/resume", number)
        results.same("the disk is where the image is to go", read(f"{POWER}/resume"), number)
        self.log()
        results.same("hibernation to the disk is refused", write(f"{POWER}/state", "disk"), "EPERM")
        said = self.log()
        name = os.path.basename(self.swap_disk)
        results.add("the log says why", f"zbud_movable: {name}: hibernation refused" in said, said[-2000:])
        # "Compressing and saving image data", or "Saving image data pages"
        results.add("no byte of an image was written", "aving image data" not in said, said[-2000:])
        self.is_right("refused")

    def hibernate(self, number):
        results = self.results
        call("swapon", self.storage.encode(), 0)
        write(f"{POWER}/resume", number)
        self.log()
        load = Load(self.blocks)
        time.sleep(1)
        results.same("hibernation to storage", write(f"{POWER}/state", "disk"), None)
        said = self.log()
        results.same("its swap goes on, pages move", load.stop(), [0, 0])
        # The log is that of the image.
        results.add("memory is that of the image", "hibernation entry" in said and "Image saving done" not in said, said[-2000:])
        call("swapoff", self.storage.encode())
        self.is_right("hibernated")

    def suspend(self):
        results = self.results
        write("/sys/module/suspend/parameters/pm_test_delay", "1")
        # With "freeze" the machine would not stop at the other two, but sleep.
        for state, level in (("freeze", "devices"), ("freeze", "platform"), ("mem", "processors"), ("mem", "core")):
            write(f"{POWER}/pm_test", level)
            self.log()
            load = Load(self.blocks)
            time.sleep(1)
            results.same(f"{state}, as far as {level}", write(f"{POWER}/state", state), None)
            said = self.log()
            results.add(f"{level}: it was suspended", "debug: Waiting for" in said, said[-2000:])
            results.same(f"{level}: swap goes on, pages move", load.stop(), [0, 0])
            self.is_right(level)
        write(f"{POWER}/pm_test", "none")

    def end(self):
        results = self.results
        call("swapoff", self.swap_disk.encode())
        results.right("all is back in memory, and right", self.hog.wrong())
        results.right("the disk's blocks are right", self.disk.wrong(self.turn))
        figures = read(f"/sys/block/{os.path.basename(self.swap_disk)}/zpages")
        results.same("the header of the swap area is left", figures, "1")
        self.disk.direct.close()
        results.same("no fault has tainted the kernel", int(read("/proc/sys/kernel/tainted")) & FAULTS, 0)
        results.same("the module can be unloaded", libc.syscall(SYS_DELETE_MODULE, b"zbud_movable", os.O_NONBLOCK), 0)


def main():
    file, block_disk, swap_disk, storage, root, plan = sys.argv[1:]
    results = Results(int(plan))
    test = Test(file, block_disk, swap_disk, storage, results)
    numbers = {path: f"{os.major(os.stat(path).st_rdev)}:{os.minor(os.stat(path).st_rdev)}" for path in (swap_disk, storage)}
    call("mlockall", MCL_CURRENT)
    os.chroot(root)
    os.chdir("/")
    guest = Guest()
    try:
        test.start()
        test.to_itself(numbers[swap_disk])
        test.hibernate(numbers[storage])
        test.suspend()
        test.end()
        if results.number != results.plan:
            results.say(f"Bail out! planned {results.plan} results, saw {results.number}")
            results.failed += 1
    except Exception as error:  # whatever it is, the guest is to end
        results.say(f"Bail out! {type(error).__name__}: {error}")
        results.failed += 1
    guest.end(results.lines, "power", 1 if results.failed else 0)


if __name__ == "__main__":
    main()
