# SPDX-License-Identifier: GPL-2.0
"""The guests of `make bench`."""

import os
import re
import subprocess

from runner.commands import Failed, drive, script
from runner.plan import TOP

LINE = re.compile(r"([a-z]+\.[a-z_0-9]+)=(-?[0-9.e+-]+)$")
# A page that keeps a block from going offline is none of ours, and where the machine is slow, a guest
# may take itself for stuck.
HARMLESS = re.compile("page dumped because: unmovable page|stall|lockup|blocked")
# Seconds; a guest that takes longer is stuck
LIMIT = 900
# On node 0, as blocks of node 1 are to go offline, none of which can have such an area. As large as
# what workloads leave free: movable memory gets in when it is half of that.
CMA = "cma=64M@128M-448M"


class Guests:
    def __init__(self, directory):
        self.directory = directory
        self.program = f"{directory}/guest/memory"
        self.built = {}
        os.makedirs(f"{directory}/guest", exist_ok=True)
        subprocess.run(["rustc", "--edition", "2021", "-O", "-o", self.program, f"{TOP}/demo/memory.rs"], check=True)

    def kernel(self, flavour):
        """Its directory, and that of the module."""
        if flavour not in self.built:
            kernel = script("scripts/kernel/build", flavour)
            self.built[flavour] = kernel, script("scripts/build-module", kernel)
        return self.built[flavour]

    def release(self, flavour):
        with open(f"{self.kernel(flavour)[0]}/include/config/kernel.release", encoding="ascii") as file:
            return file.read().strip()

    def run(self, run, sizes, data):
        """The figures, and what the kernel says of itself that is no good, but of what it says of
        others' pages."""
        name = f"{run.group.name}-{run.allocator}-{run.seed}"
        swap, console, log = [f"{self.directory}/{name}{end}" for end in ("-swap.img", "-console.log", ".txt")]
        kernel, module = self.kernel(run.group.kernel)
        with open(swap, "wb") as file:
            file.truncate(1 << 30)
        try:
            with open(log, "w", encoding="utf-8") as said:
                status = subprocess.run([
                    "setpriv", "--pdeathsig", "TERM", f"{TOP}/scripts/vm/boot", "--kernel", kernel, "--module-dir", module,
                    "--mem", "1G", "--nodes", "2", "--cpus", "4", "--append", f"slab_nomerge {CMA}",
                    "--qemu", drive(data, "data", "readonly=on"), "--qemu", drive(swap, "swap"),
                    "--out", f"{self.directory}/guest", "--log", console, "--timeout", str(LIMIT), "--",
                    "python3", f"{TOP}/bench/compare.py", sizes, run.group.front, run.allocator, run.group.algorithm,
                    str(run.seed), self.program,
                ], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT).returncode  # fmt: skip
        finally:
            os.remove(swap)
        with open(log, encoding="utf-8", errors="replace") as said:
            lines = said.read().splitlines()
        if status:
            raise Failed("\n".join([*lines[-8:], f"exit status {status}; its output: {log}, its console: {console}"]))
        figures = {match[1]: float(match[2]) for match in map(LINE.match, lines) if match}
        return figures, self.complaints(console) if run.is_ours else []

    @staticmethod
    def complaints(console):
        splats = subprocess.run([f"{TOP}/scripts/vm/splats", console], stdout=subprocess.PIPE, text=True, errors="replace").stdout
        return [line for line in splats.splitlines() if not HARMLESS.search(line)]
