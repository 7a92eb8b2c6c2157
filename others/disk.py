# SPDX-License-Identifier: GPL-2.0
"""A compressed disk, zram's or ours, from the loading of its module to the end."""

import os
import subprocess
import time

from sysfs import read, write

OURS = "/sys/kernel/zbud_movable"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Disk:
    def __init__(self, column, is_ours):
        self.is_ours = is_ours
        self.kind = "zbud" if is_ours else "zram"
        self.device, self.sysfs = f"/dev/{self.kind}0", f"/sys/block/{self.kind}0"
        run("modprobe", *(["zbud_movable", f"mover={column}"] if is_ours else ["zram", "num_devices=1"]))

    def size(self, mib):
        write(f"{self.sysfs}/disksize", f"{mib}M")
        # Each pass over a process's memory would read several pages at once, and few come alone.
        write("/proc/sys/vm/page-cluster", "0")

    def moved(self):
        return int(read(f"{OURS}/stats/migrated")) if self.is_ours else 0

    def verify(self):
        """What is wrong with the pools, if anything."""
        said = read(f"{OURS}/verify") if self.is_ours else "ok"
        return [] if said == "ok" else [f"verify: {said}"]

    def is_empty(self):
        return not self.is_ours or (read(f"{OURS}/pages"), read(f"{OURS}/zpages")) == ("0", "0")

    def unload(self):
        """What is left behind, if anything."""
        if os.path.exists(self.sysfs):
            write(f"{self.sysfs}/reset", "1")
        deadline = time.monotonic() + 60
        while not self.is_empty() and time.monotonic() < deadline:
            time.sleep(0.2)
        left = [] if self.is_empty() else [f"{read(f'{OURS}/pages')} pages are left"]
        run("modprobe", "-r", "zbud_movable" if self.is_ours else "zram")
        return left
