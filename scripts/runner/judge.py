# SPDX-License-Identifier: GPL-2.0
"""Judges a test by its output, its console and its exit status."""

import re
import subprocess
from dataclasses import dataclass, field

from .plan import TOP

# A failure of this kind is never tried again. A test marks it by "# wrong-data" on
# the line "not ok"; by its words it is recognised without the mark, too.
MARK = "# wrong-data"
WRONG = re.compile(
    r"wrong|\bbytes?\b|contents?\b|verif|validator|leak|\blost\b|figures|add up|corrupt|splat|\bok$",
    re.I,
)

# What bash says of a test that it cannot run as it stands: it leaves out the line, or all of the
# function, and goes on.
MISTAKE = re.compile(r"\.sh: line \d+: .*(syntax error|command not found|unbound variable|bad substitution|division by 0)")


@dataclass
class Result:
    status: str  # pass, fail or skip
    name: str


@dataclass
class Outcome:
    """Everything about one test that has run, for the report."""

    name: str
    group: str  # the line of the account of time that it belongs to
    seconds: float
    results: list = field(default_factory=list)
    details: list = field(default_factory=list)  # lines shown when it has failed
    final: bool = True  # a failure is not to be tried again
    note: str = ""

    def count(self, status):
        return sum(1 for result in self.results if result.status == status)

    @property
    def failed(self):
        return self.count("fail") > 0


def lines_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def parse(text):
    """Results in lines "pass NAME", "fail NAME", "skip NAME"."""
    words = (line.split(" ", 1) for line in text.splitlines())
    return [Result(word[0], word[1] if len(word) > 1 else "") for word in words if word[0] in ("pass", "fail", "skip")]


def ktap(path):
    done = subprocess.run([f"{TOP}/scripts/vm/ktap", path], stdout=subprocess.PIPE, text=True, errors="replace", check=True)
    return parse(done.stdout)


def libtest(path):
    """The results in the output of cargo test."""
    results, words = [], {"ok": "pass", "FAILED": "fail", "ignored": "skip"}
    for line in lines_of(path):
        match = re.match(r"test (.*) \.\.\. (ok$|FAILED|ignored)", line)
        if match:
            results.append(Result(words[match[2]], match[1]))
    return results


def splats(path):
    """Lines of a console that tell of a kernel gone wrong."""
    done = subprocess.run([f"{TOP}/scripts/vm/splats", path], stdout=subprocess.PIPE, text=True, errors="replace")
    if not done.returncode:
        return []
    return done.stdout.splitlines() or [f"splats: exit status {done.returncode}"]


def retries(path):
    """Why guests were booted again, by what scripts/vm/boot says in a log; a step that is
    printed in KTAP has it in comments."""
    matches = (re.match(r"(?:# )?zbud_movable: retry: (.*)", line) for line in lines_of(path))
    return [match[1] for match in matches if match]


def guest_test(output, console, status, limit, must_run=False):
    """(results, lines of the console that are to blame, final) of a guest's test. must_run:
    it may not skip as a whole."""
    results = ktap(output)
    fails = [result.name for result in results if result.status == "fail"]
    died = ""
    if status == 1:
        if not fails:
            died = "exit status 1 without a failure"
    elif status == 4:
        if any(result.status == "pass" for result in results):
            died = "exit status 4 (skip) after passes"
    elif status == 124:
        died = f"ran out of time (limit {limit} s)"
    elif status != 0:
        died = f"exit status {status}"
    left = [line.removeprefix("zbm-left: ") for line in lines_of(output) if line.startswith("zbm-left: ")]
    blame = splats(console)
    final = bool(blame or left) or status not in (0, 1, 4, 124) or any(MARK in name or WRONG.search(name) for name in fails)
    if died:
        results.append(Result("fail", died))
    elif must_run and not any(result.status != "skip" for result in results):
        results.append(Result("fail", "skipped as a whole where its zbm-test says that it runs"))
    results += [Result("fail", f"left behind: {what}") for what in left]
    results += [Result("fail", f"bash: {line}") for line in lines_of(output) if MISTAKE.search(line)]
    if blame:
        results.append(Result("fail", "the kernel's console (see below)"))
    return results, blame, final


def host_step(step, log, status):
    """(results) of a step of scripts/test-host."""
    lines = lines_of(log)
    skipped = next((line[5:] for line in lines if line.startswith("SKIP ")), None)
    if status == 0 and skipped:
        return [Result("skip", skipped)]
    if step.output == "ktap":
        results = ktap(log)
    elif step.output == "libtest":
        results = libtest(log)
    else:
        results = [] if status else [Result("pass", step.name)]
    # A build that fails has no lines of tests: it counts as one failure.
    if status and not any(result.status == "fail" for result in results):
        results.append(Result("fail", f"exit status {status}"))
    if not results:
        results.append(Result("fail", "nothing was tested"))
    return results
