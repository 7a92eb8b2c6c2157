# SPDX-License-Identifier: GPL-2.0
"""What a test runs on (see scripts/foreign/plan.py). All have the same methods."""

import glob
import hashlib
import os
import subprocess

from disk import Disk, run
from sysfs import read, write

GROUP = "/sys/fs/cgroup/others"
ZSWAP = "/sys/module/zswap/parameters"
KSELFTEST = "/mnt/kselftest"
SWAP_DEVICE = "/dev/vda"
MIB = 1 << 20
# Pages that a test must swap out, or it has not tested anything
ENOUGH = 1000


class Front:
    """On a disk, which is all that this one has."""

    where = KSELFTEST

    def __init__(self, test, column, is_ours):
        self.test, self.disk = test, Disk(column, is_ours)

    def start(self):
        pass

    def wrapper(self):
        """What the test's command is run by."""
        return []

    def check(self):
        """What is wrong after the test, as a list."""
        return self.disk.verify()

    def stop(self):
        """What is left behind, as a list."""
        return self.disk.unload()


class Names(Front):
    """zram's own tests make a disk by themselves."""

    def wrapper(self):
        return [f"{os.path.dirname(__file__)}/zram_names"] if self.disk.is_ours else []


class Device(Front):
    def start(self):
        self.disk.size(256)


class Files(Front):
    where = "/mnt/others"

    def start(self):
        self.disk.size(512)
        run("mkfs.ext4", "-q", self.disk.device)
        os.makedirs(self.where, exist_ok=True)
        run("mount", "-o", "discard", self.disk.device, self.where)
        os.chmod(self.where, 0o1777)

    def check(self):
        run("umount", self.where)
        done = subprocess.run(["e2fsck", "-fn", self.disk.device], stdout=subprocess.PIPE, text=True)
        wrong = [] if done.returncode == 0 else [f"e2fsck: {done.stdout}"]
        return wrong + super().check()


class Group:
    """A memory group whose members swap as they use more than it has."""

    def __init__(self, limit):
        write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
        os.makedirs(GROUP, exist_ok=True)
        write(f"{GROUP}/memory.max", limit)

    @staticmethod
    def wrapper():
        return ["bash", "-c", f'echo $$ >{GROUP}/cgroup.procs && exec "$@"', "group"]


def swapped():
    """Pages that went out so far, be it to the disk or to zswap."""
    with open("/proc/vmstat", encoding="ascii") as stat:
        counts = dict(line.split() for line in stat)
    return int(counts["pswpout"]) + int(counts["zswpout"])


class Swap(Front):
    def start(self):
        if os.path.exists(ZSWAP) and read(f"{ZSWAP}/enabled") == "Y":
            write(f"{ZSWAP}/enabled", "N")
        self.disk.size(768)
        self.swap_on(self.disk.device)

    def swap_on(self, device):
        self.device = device
        run("mkswap", "--force", device)
        run("swapon", device)
        self.before = swapped()

    def wrapper(self):
        return Group(self.test.memory).wrapper() if self.test.memory else []

    def check(self):
        wrong = super().check()
        if self.test.memory and swapped() - self.before < ENOUGH:
            wrong.append("hardly a page was swapped out")
        run("swapoff", self.device)
        return wrong + super().check()


class Zswap(Swap):
    """Its writeback, and what it refuses, goes to a device that is no business of ours."""

    def __init__(self, test, column, is_ours):
        super().__init__(test, column, is_ours)
        self.pool = "zbud_movable" if is_ours else column

    def start(self):
        for name, value in (("compressor", "lz4"), ("zpool", self.pool), ("enabled", "Y")):
            write(f"{ZSWAP}/{name}", value)
        self.swap_on(SWAP_DEVICE)

    def stop(self):
        write(f"{ZSWAP}/enabled", "N")
        # A pool goes once another is chosen and it is empty.
        write(f"{ZSWAP}/zpool", "zbud")
        return super().stop()


class Stored(Front):
    """As large as an eighth of the memory."""

    mib = 128

    def start(self):
        self.disk.size(self.mib)
        stored, chosen = 0, []
        for path in sorted(glob.glob("/usr/lib/x86_64-linux-gnu/*.so*")):
            if os.path.isfile(path) and not os.path.islink(path):
                chosen.append(path)
        with open(self.disk.device, "r+b", buffering=0) as disk:
            while stored < self.mib:
                for path in chosen:
                    with open(path, "rb") as file:
                        data = file.read(MIB)
                    if stored < self.mib and len(data) == MIB:
                        disk.write(data)
                        stored += 1
            os.fsync(disk.fileno())
        write("/proc/sys/vm/drop_caches", "3")
        self.was = self.digest()

    def digest(self):
        digest = hashlib.sha256()
        with open(self.disk.device, "rb") as disk:
            while data := disk.read(MIB):
                digest.update(data)
        write("/proc/sys/vm/drop_caches", "3")
        return digest.digest()

    def check(self):
        wrong = [] if self.digest() == self.was else ["what was stored is not what is read"]
        return wrong + super().check()


FRONTS = {"names": Names, "device": Device, "files": Files, "swap": Swap, "zswap": Zswap, "stored": Stored}
