# SPDX-License-Identifier: GPL-2.0
"""Tests in guests: boots one for a list of tests, splits what it says by test, and
goes on with a new guest where one has ended early."""

import os
import re
import selectors
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from . import judge
from .plan import DEBUG_KERNELS, TOP

# Written by scripts/vm/run-tests, into the console after the kernel's time
LINE = re.compile(r"^(?:\[ *[0-9.]+\] )?zbm-test: (begin|end) (\S+)(?: (\d+))?$")

# Seconds that three attempts to boot may take
BOOTING = 1800


@dataclass
class Settings:
    """How the guests of one kernel are booted."""

    args: list
    limit: int  # seconds for a test
    spare: int  # and for what comes before and after it
    boot: str = f"{TOP}/scripts/vm/boot"


def settings(kernel, long_rounds):
    """Everything is several times slower under a debug kernel, and more rounds take
    longer."""
    # Memory offline logs each page in its way: there must be room for what a test
    # says quietly.
    args, slower, spare = ["--append", "log_buf_len=4M"], 1, 180
    if kernel in DEBUG_KERNELS:
        # KASAN watches the heap: slub's own checks, which double the boot time, are
        # for the module's caches only.
        args += ["--append", "kmemleak=on slub_debug=FZPU,zbud_movable*", "--boot-limit", "480"]
        # While identify_cpu rewrites what the first processor can do, it has no LA57
        # for a moment, and KASAN takes what an interrupt touches then for wild.
        args += ["--append", "no5lvl"]
        slower, spare = 3, 300
    if long_rounds:
        slower *= 2
    with open(f"{TOP}/selftests/settings", encoding="utf-8") as file:
        limit = int(re.search(r"^timeout=(\d+)", file.read(), re.M)[1])
    return Settings(args, limit * slower, spare)


def split(lines, whole=False):
    """{test: its lines}, and those before the first test under ''. A test begins twice where its
    guest crashes, and the crash kernel runs it once more: then its lines are those of the
    second time, or all of them if they are to be whole."""
    parts, now = {"": []}, ""
    for line in lines:
        match = LINE.match(line)
        if not match:
            parts[now].append(line)
        elif match[1] == "begin":
            now = match[2]
            parts[now] = parts.get(now, []) if whole else []
    return parts


@dataclass
class Boot:
    """One guest, once it is over."""

    status: int  # scripts/vm/boot's
    ended: dict = field(default_factory=dict)  # exit status of each test that ended
    seconds: dict = field(default_factory=dict)  # of each test that began
    running: str = ""  # the test it has died in
    total: float = 0.0


def boot(command, directory, limit):
    """Run a guest: its output goes to a file line by line, and a test that has not
    ended after limit seconds ends it."""
    began, guest = time.monotonic(), Boot(0)
    # scripts/vm/boot sees to a guest that hangs before its command.
    deadline, overdue = began + BOOTING + limit, False
    with open(f"{directory}/output.log", "wb") as log, open(f"{directory}/boot.log", "wb") as errors:
        # The guest ends with this process.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        watch = selectors.DefaultSelector()
        watch.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        while True:
            if not watch.select(max(0.0, deadline - time.monotonic())):
                if overdue:
                    process.kill()
                    break
                overdue, deadline = True, time.monotonic() + 30
                process.terminate()
                continue
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                break
            log.write(piece)
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                match = LINE.match(line.decode(errors="replace").rstrip("\r"))
                if not match:
                    continue
                now = time.monotonic()
                if match[1] == "begin":
                    guest.running, started = match[2], now
                else:
                    guest.ended[match[2]] = int(match[3])
                    guest.running = ""
                guest.seconds[match[2]] = now - started
                # Also after the last test, for shutting down
                if not overdue:
                    deadline = now + (limit if match[1] == "begin" else min(limit, 300))
        guest.status = 124 if process.wait() != 0 and overdue else process.returncode
    if guest.running:
        guest.seconds[guest.running] = time.monotonic() - started
    guest.total = time.monotonic() - began
    return guest


class Guests:
    """Runs tests under one kernel; tell(run, outcome) is called for each as soon as its
    guest is over, and retried(name, why) for each guest that was booted again."""

    def __init__(self, kernel, module, tools, how, logs, tell, retried, rounds):
        self.kernel, self.module, self.tools = kernel, module, tools
        self.how, self.logs, self.tell, self.retried, self.rounds = how, logs, tell, retried, rounds

    def command(self, runs, directory):
        test, mover = runs[0].test, runs[0].mover.lstrip("-")
        return [
            self.how.boot, "--kernel", self.kernel, "--module-dir", self.module,
            *[word for tool in self.tools for word in ("--tool", tool)],
            *self.how.args, *test.vm,
            "--env", f"ZBM_LONG={1 if self.rounds else ''}", "--env", f"ZBM_MOVER={mover}",
            "--env", f"ZBM_SEED={os.environ.get('ZBM_SEED', '')}", "--env", f"ZBM_PART={runs[0].part}",
            "--log", f"{directory}/console.log", "--timeout", "0", "--",
            f"{TOP}/scripts/vm/run-tests", str(self.how.limit), *[run.test.name for run in runs],
        ]  # fmt: skip

    def run(self, batch):
        """All tests of batch, in as few guests as it takes. The time that no test has
        taken, for booting and the like, is returned."""
        left, again, overhead = list(batch), set(), 0.0
        while left:
            directory = f"{self.logs}/guest-{left[0].name.split()[-1]}"
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
            guest = boot(self.command(left, directory), directory, self.how.limit + self.how.spare)
            overhead += guest.total - sum(guest.seconds.values())
            for why in judge.retries(f"{directory}/boot.log"):
                self.retried(left[0].name, why)
            names = [run.test.name for run in left]
            # One that did not even begin is a failure of the first test.
            running = guest.running or (names[0] if not guest.seconds else "")
            if running and running not in again and self.qemu_failed(guest, directory) and self.clean(directory):
                again.add(running)
                self.retried(next(run.name for run in left if run.test.name == running), "qemu failed an assertion of its own")
                running = ""
            # A guest that has not gone down by itself is the fault of its last test.
            last = "" if guest.running else next(reversed(guest.ended), "")
            output = split(judge.lines_of(f"{directory}/output.log"))
            console = split(judge.lines_of(f"{directory}/console.log"), whole=True)
            for run in list(left):
                name = run.test.name
                if name in guest.ended or name == running:
                    left.remove(run)
                    status = guest.ended.get(name, guest.status or 125)
                    if name == last and guest.status and not self.qemu_failed(guest, directory):
                        status = guest.status
                    seconds = guest.seconds.get(name, guest.total)
                    self.tell(run, self.judge(run, status, output, console, directory, seconds))
        return overhead

    @staticmethod
    def qemu_failed(guest, directory):
        return guest.status == 125 and any(
            re.match(r"qemu-system.*: Assertion ", line) for line in judge.lines_of(f"{directory}/boot.log")
        )

    @staticmethod
    def clean(directory):
        """Whether nothing has failed yet, in any of the guest's tests."""
        said = judge.lines_of(f"{directory}/output.log")
        failed = any(line.startswith(("not ok", "Bail out!")) for line in said)
        return not failed and not judge.splats(f"{directory}/console.log")

    def judge(self, run, status, output, console, directory, seconds):
        name = run.test.name
        place = f"{self.logs}/{run.name.split()[-1]}"
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        # The guest's first lines belong to whichever test runs first, and each console
        # begins with the line that says that a kernel has spoken.
        first = next(iter([key for key in console if key]), name) == name
        head = console[""] if first else [line for line in console[""] if "Linux version" in line][:1]
        write(f"{place}/console.log", head + console.get(name, []))
        write(f"{place}/output.log", (output[""] if first else []) + output.get(name, []))
        shutil.copy(f"{directory}/boot.log", place)
        results, blame, final = judge.guest_test(
            f"{place}/output.log", f"{place}/console.log", status, self.how.limit, run.must_run
        )
        details = [f"| {line}" for line in output.get(name, output[""])[-30:]]
        details += [f"! {line}" for line in judge.lines_of(f"{place}/boot.log") + blame[:20]]
        return judge.Outcome(run.name, "", seconds, results, [*details, f"logs: {place}"], final)


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
