# SPDX-License-Identifier: GPL-2.0
"""The guests of `make others`."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

from runner.commands import Failed, drive, script
from runner.judge import lines_of, retries
from runner.plan import TOP

from . import plan, verdict

BEGIN = re.compile(r"^(?:\[ *[0-9.]+\] )?others: begin (\d+) (\S+)$")
# A block of memory that cannot go offline says why, as tests of that want it.
HARMLESS = re.compile("page dumped because: (unmovable page|isolation failed|migration failure)")
# Beside the seconds that its tests may take: for booting, and for what is around a test
SPARE = 300
# Of each of the two drives that a guest has; they take what is written
DRIVE_BYTES = 1 << 30


@dataclass
class Cell:
    """A test on a column."""

    results: dict  # see verdict
    moved: int = 0
    wrong: list = field(default_factory=list)  # with ours, or with the kernel's log, afterwards
    seconds: int = 0


def source_of(kernel):
    """The source tree that a kernel was built from."""
    if kernel == "release":
        return script("scripts/kernel/source")
    version, _, package, _ = script("scripts/kernel/backports", "resolve", kernel).split()
    return script("scripts/kernel/source", version, package)


def without_group_oom(lines):
    """Without the backtraces of processes whose memory group is out of memory, as some tests want it."""
    kept, report = [], []
    for line in lines:
        if " invoked oom-killer: " in line:
            report = [line]
        elif report:
            report.append(line)
            if "oom-kill:constraint=" in line:
                is_group = "CONSTRAINT_MEMCG" in line
                kept += [each for each in report if not (is_group and each.endswith("Call Trace:"))]
                report = []
        else:
            kept.append(line)
    return kept + report


def splats(lines, path):
    """What a kernel says of itself that is no good, in a part of its log."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("Linux version\n" + "".join(f"{line}\n" for line in without_group_oom(lines)))
    done = subprocess.run([f"{TOP}/scripts/vm/splats", path], stdout=subprocess.PIPE, text=True, errors="replace")
    return [line for line in done.stdout.splitlines() if not HARMLESS.search(line)]


class Guests:
    def __init__(self, directory):
        self.directory, self.built = directory, {}
        self.root = script("scripts/build-root", "--where", root="others")
        if not os.path.exists(f"{self.root}/.zbm-complete"):
            raise Failed("there is no root 'others': make others builds it")

    def kernel(self, flavour):
        """Its directory, that of the module, and that of its selftests."""
        if flavour not in self.built:
            kernel = script("scripts/kernel/build", flavour)
            selftests = script("scripts/in-root", "scripts/foreign/build-kselftest", source_of(flavour), root="others")
            self.built[flavour] = kernel, script("scripts/build-module", kernel), selftests
        return self.built[flavour]

    def release(self, flavour):
        with open(f"{self.kernel(flavour)[0]}/include/config/kernel.release", encoding="ascii") as file:
            return file.read().strip()

    def run(self, flavour, group):
        """{(number of the test, column): Cell}"""
        kernel, module, selftests = self.kernel(flavour)
        out = f"{self.directory}/{flavour}-{group.name}"
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        swap, files = [f"{self.directory}/{flavour}-{group.name}-{what}.img" for what in ("swap", "kselftest")]
        for path in swap, files:
            with open(path, "wb") as file:
                file.truncate(DRIVE_BYTES)
        # On a file system as usual: some tests write beside themselves, and want what they write cached.
        subprocess.run(["mkfs.ext4", "-q", "-d", selftests, files], check=True)
        limit = SPARE + sum(test.seconds * len(plan.columns(test, flavour)) for test in group.tests)
        append = ["--append", f"log_buf_len=4M {group.append}".strip()]
        try:
            with open(f"{out}/boot.log", "wb") as errors:
                done = subprocess.run([
                    "setpriv", "--pdeathsig", "TERM", f"{TOP}/scripts/vm/boot", "--kernel", kernel, "--module-dir", module,
                    "--root", self.root, "--mem", group.mem, "--nodes", "2", "--cpus", str(group.cpus), *append,
                    "--qemu", drive(swap, "swap"), "--qemu", drive(files, "kselftest"),
                    "--out", out, "--timeout", str(limit), "--",
                    "python3", f"{TOP}/others/guest.py", flavour, group.name,
                ], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace")  # fmt: skip
        finally:
            os.remove(swap)
            os.remove(files)
        with open(f"{out}/output.log", "w", encoding="utf-8") as file:
            file.write(done.stdout)
        for why in retries(f"{out}/boot.log"):
            # As scripts/vm/boot says it: the run that this is a step of counts it.
            print(f"zbud_movable: retry: {why}", file=sys.stderr, flush=True)
        last = (lines_of(f"{out}/boot.log") or ["the guest has ended before it"])[-1]
        cells = self.cells(flavour, group, out, done.stdout.splitlines(), last)
        if done.returncode:
            # In whatever it was doing last, or in going down
            cells[list(cells)[-1]].wrong.append(f"the guest has ended with {done.returncode}: {last}")
        return cells

    @classmethod
    def cells(cls, flavour, group, out, said, last):
        """last: what is known of a test that has not ended."""
        told = {}
        for line in said:
            if line.startswith("{"):
                result = json.loads(line)
                told[result["test"], result["column"]] = result
        console = cls.console(f"{out}/console.log")
        return {
            (number, column): cls.cell(test, out, number, column, told.get((number, column), {"died": last}), console)
            for number, test in enumerate(group.tests)
            for column in plan.columns(test, flavour)
        }

    @staticmethod
    def console(path):
        """The lines of each test and column."""
        parts = {}
        now = parts.setdefault(None, [])
        for line in lines_of(path):
            match = BEGIN.match(line)
            if match:
                now = parts.setdefault((int(match[1]), match[2]), [])
            else:
                now.append(line)
        return parts

    @staticmethod
    def cell(test, out, number, column, told, console):
        wrong = splats(console.get((number, column), []), f"{out}/{number}.{column}.console.log")
        if "died" in told:
            # Also where the control has: then nothing is known of ours.
            return Cell({}, wrong=[f"not run: {told['died']}", *wrong])
        results = verdict.results(test, told["status"], lines_of(f"{out}/{number}.{column}.log"))
        return Cell(results, told["moved"], told["wrong"] + wrong, told["seconds"])
