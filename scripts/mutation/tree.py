# SPDX-License-Identifier: GPL-2.0
"""A copy of the checkout that mutants are applied to, and the run of a test in it."""

import fcntl
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Ran:
    verdict: str  # "passed", "failed", or why there is neither
    seconds: float


class Tree:
    def __init__(self, top, directory):
        self.top, self.directory, self.path = top, directory, f"{directory}/tree"
        self.log = f"{directory}/output.log"
        self.changed = set()
        os.makedirs(self.path, exist_ok=True)
        # Until this process ends; another waits.
        self.lock = open(f"{directory}/lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        # By content: what is the same need not be built again.
        subprocess.run(
            ["rsync", "-a", "--checksum", "--delete", "--exclude=.git", "--exclude=/Cargo.lock",
             f"--exclude-from={top}/.gitignore", f"{top}/", f"{self.path}/"],
            check=True,
        )  # fmt: skip

    def put(self, files):
        """Give files other contents, and all others their own."""
        for path in self.changed - files.keys():
            with open(os.path.join(self.top, path), encoding="utf-8") as file:
                write(os.path.join(self.path, path), file.read())
        for path, content in files.items():
            write(os.path.join(self.path, path), content)
        self.changed = set(files)

    def run(self, catcher, limit):
        """Run a test, for so many seconds at most."""
        if catcher.kind == "cargo":
            command, environment = cargo(*catcher.words)
            environment["CARGO_TARGET_DIR"] = self.directory + ("/target-loom" if "RUSTFLAGS" in environment else "/target")
        else:
            command, environment = scripts_test(*catcher.words), {}
        began = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command], cwd=self.path, env=os.environ | environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(limit)
                late = False
            except subprocess.TimeoutExpired:
                late = True
            finally:
                # What it has started, too
                end(process)
        with open(self.log, encoding="utf-8", errors="replace") as file:
            said = file.read()
        judge = judge_cargo if catcher.kind == "cargo" else judge_test
        verdict = f"ran out of time ({limit:.0f} s)" if late else judge(catcher.words, process.returncode, said)
        return Ran(verdict, time.monotonic() - began)


def end(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def cargo(target, test):
    """As the steps cargo and loom do it, but built faster."""
    environment = {"CARGO_NET_RETRY": "5", "CARGO_TERM_COLOR": "never"}
    if target.startswith("loom_"):
        environment["RUSTFLAGS"] = "--cfg loom"
    where = ["--lib"] if target == "lib" else ["--test", target]
    command = ["cargo", "test", "--profile", "mutants", "-p", "zbud-movable-core", *where, "--", "--exact", test]
    return command, environment


def judge_cargo(words, status, said):
    if "running 1 test\n" not in said:
        return "does not build" if "error" in said else f"there is no test {words[1]}"
    if status == 0:
        return "passed"
    # A test that dies of a signal has no line of its own.
    failed = re.search(rf"^test {re.escape(words[1])} .*\.\.\. FAILED$", said, re.M) or "(signal: " in said
    return "failed" if failed or f"test {words[1]} ... FAILED" in said else f"exit status {status}"


def scripts_test(name, kernel=None, mover=None):
    words = [*(["--kernel", kernel] if kernel else []), *(["--mover", mover] if mover else []), name]
    return ["scripts/test", *words]


def judge_test(words, status, said):
    line = re.search(rf"^(ok|FAIL) +(?:\S+ )?{re.escape(words[0])}(?:@\S+)?: ", said, re.M)
    if not line:
        return f"exit status {status} without a verdict"
    return "passed" if line[1] == "ok" else "failed"
