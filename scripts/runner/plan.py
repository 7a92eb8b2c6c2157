# SPDX-License-Identifier: GPL-2.0
"""Which test runs where: under which kernel, with which mover, and in which guest.

A test, selftests/NAME.sh, says so itself in the first lines of its file:

    # zbm-vm: ARGS        arguments for scripts/vm/boot, quoted as in a shell
    # zbm-mover: NAME     it is about that mover and runs with no other; '-': the
                          mover does not matter, so it runs with the module's choice
    # zbm-test: WHERE...  where `make test` runs it: "release" (6.12, the module's
                          choice of mover), "page_cache" (6.12 with that mover),
                          "stock" (Debian's newest kernel, which has page_cache only);
                          to skip as a whole there is a failure.
                          `make test-long` runs it in the others of these
    # zbm-long: WHAT...   what `make test-long` adds: "rounds" (more rounds under
                          6.12), "debug" (the debug kernels, with each mover), "built"
                          (kernels that are there for how they are built, with each mover)
    # zbm-parts: N        `make test-long` runs it so many times where it adds rounds, and
                          under the debug kernel of 6.12; each is a run of its own, whose
                          verdict is kept, and finds its number in ZBM_PART
    # zbm-guest: shared   it leaves a guest as it has found it, and does not need a
                          fresh one: tests with the same zbm-vm share a guest

`make test` and `make test-long` together run every test under every kernel with every
mover that the kernel has. Exceptions: "page_cache" under no-zsmalloc is the same as
under stock-7.2; the debug kernels, where a test takes minutes, are for the tests that
hunt races and leaks; and those that are built in other ways are for the tests that go
through all that the module and the kernel call of each other.
"""

import hashlib
import os
import re
import shlex
from dataclasses import dataclass, field

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEFAULT = "-"  # the mover that the module chooses by itself
TEST_KERNELS = ["release", "stock"]
DEBUG_KERNELS = ["debug", "debug-7.3", "kcsan"]
# How they are built is what matters: who calls what, not what it does
BUILT_KERNELS = ["cfi-7.3", "modversions-7.3"]
LONG_KERNELS = ["release", "stock", "no-zsmalloc", "stock-7.2", *BUILT_KERNELS, *DEBUG_KERNELS]
# Kernels that have both movers
TWO_MOVERS = ("release", "no-zsmalloc", *BUILT_KERNELS, *DEBUG_KERNELS)
PLACES = {"release": ("release", DEFAULT), "page_cache": ("release", "page_cache"), "stock": ("stock", DEFAULT)}


def logs(cache):
    """Of this checkout's own: another one may be tested at the same time."""
    return f"{cache}/test-{hashlib.sha256(TOP.encode()).hexdigest()[:16]}"


@dataclass
class Step:
    """A test without a guest, or a linter: a function of scripts/test-host."""

    name: str
    output: str = "status"  # "ktap", "libtest", or only the exit status
    kernel: bool = False  # it needs the release kernel or its source
    long: bool = False  # `make test-long` runs it instead of `make test`


HOST_STEPS = [
    # The longest first, so that the others run beside it
    Step("core-mutants", "ktap", long=True),
    Step("loom", "libtest"),
    Step("selfcheck", "ktap"),
    Step("user"),
    Step("host-selfcheck", "ktap"),
    Step("layers-selfcheck", "ktap"),
    Step("layers"),
    Step("selftest-tools"),
    Step("spdx"),
    Step("shell"),
    Step("fmt"),
    Step("clippy"),
    Step("cargo", "libtest"),
    Step("docs", kernel=True),
    Step("rust-analyzer", kernel=True),
    Step("instructions", "ktap"),
    Step("mutants", "ktap"),
    Step("install", "ktap", kernel=True),
    Step("bench", "ktap", kernel=True),
    Step("others-check", "ktap"),
    Step("fuzz-corpus", "ktap"),
    Step("deb", "ktap", long=True),
    Step("fuzz-actions", "ktap", long=True),
    Step("fuzz-arguments", "ktap", long=True),
    Step("fuzz-files", "ktap", long=True),
    Step("others", "ktap", kernel=True, long=True),
    Step("clippy-module", kernel=True),
    Step("sparse", kernel=True),
    Step("checkpatch", kernel=True),
]


@dataclass
class Test:
    name: str
    vm: list = field(default_factory=list)
    mover: str = ""
    places: list = field(default_factory=list)
    rounds: bool = False
    debug: bool = False
    built: bool = False
    shared: bool = False
    parts: int = 1


@dataclass
class Run:
    """One test under one kernel with one mover: the unit of everything below."""

    test: Test
    kernel: str
    mover: str = DEFAULT
    part: int = 1

    @property
    def name(self):
        shown = self.test.name + (f".{self.part}" if self.part > 1 else "")
        shown += "" if self.mover == DEFAULT else "@" + self.mover
        return shown if self.kernel == "release" else f"{self.kernel} {shown}"

    @property
    def must_run(self):
        """Whether its header promises that it runs here; elsewhere it may skip as a whole."""
        return (self.kernel, self.mover) in [PLACES[place] for place in self.test.places]


def parse(name, text):
    """The headers of a test, up to the first line that is no comment."""
    test = Test(name)
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        match = re.match(r"# (zbm-[a-z]+): *(.*)", line)
        if not match and re.match(r"#\W*zbm[-_ ]?(vm|mover|test|long|guest|parts)\b", line, re.IGNORECASE):
            raise ValueError(f"selftests/{name}.sh: what is '{line}'? See scripts/runner/plan.py")
        if not match:
            continue
        key, words = match[1], shlex.split(match[2])
        if key == "zbm-vm":
            test.vm = words
        elif key == "zbm-mover" and len(words) == 1 and words[0] in (DEFAULT, "movable_ops", "page_cache"):
            test.mover = words[0]
        elif key == "zbm-test" and set(words) <= set(PLACES):
            test.places = words
        elif key == "zbm-long" and set(words) <= {"rounds", "debug", "built"}:
            test.rounds, test.debug, test.built = "rounds" in words, "debug" in words, "built" in words
        elif key == "zbm-guest" and words == ["shared"]:
            test.shared = True
        elif key == "zbm-parts" and len(words) == 1 and words[0].isdecimal() and int(words[0]) > 1:
            test.parts = int(words[0])
        else:
            raise ValueError(f"selftests/{name}.sh: what is '{line}'? See scripts/runner/plan.py")
    return test


def load(directory):
    """All tests: the programs among selftests/*.sh; the files that they source are none."""
    tests = []
    for entry in sorted(os.listdir(directory)):
        path = os.path.join(directory, entry)
        if entry.endswith(".sh") and entry != "lib.sh":
            if not os.access(path, os.X_OK):
                raise ValueError(f"selftests/{entry} is not executable")
            with open(path, encoding="utf-8") as file:
                tests.append(parse(entry[:-3], file.read()))
    return tests


def named(names, known):
    """Those of known ({name: ...}) that are among names, each once: its logs have one place."""
    return [known[name] for name in dict.fromkeys(names) if name in known]


def movers(kernel, only=None):
    if only:
        return [only]
    return [DEFAULT, "page_cache"] if kernel in TWO_MOVERS else [DEFAULT]


def wanted(run, long=False, chosen=False, only=None):
    """Whether to run it. chosen: the tests were named, so where they run by default
    does not matter; only: the one mover asked for."""
    test, kernel, mover = run.test, run.kernel, run.mover
    if not chosen and not only:
        if kernel in TEST_KERNELS:
            short = run.must_run
            more_rounds = kernel == "release" and test.rounds
            if short != (not long) and not (long and more_rounds):
                return False
        elif kernel in DEBUG_KERNELS or kernel in BUILT_KERNELS:
            meant = test.debug if kernel in DEBUG_KERNELS else test.built
            if not meant and (long or not (mover == DEFAULT or test.mover == "page_cache")):
                return False
        elif long and not (mover == DEFAULT or test.mover == "page_cache"):
            return False
    if test.mover == "":
        return True
    if test.mover == DEFAULT:
        return mover == DEFAULT or bool(only)
    return test.mover == mover or movers(kernel, only) == [DEFAULT]


def parts(test, kernel, long):
    return test.parts if long and (kernel == "release" and test.rounds or kernel == "debug" and test.debug) else 1


def runs(tests, kernel, long=False, chosen=False, only=None):
    every = [Run(test, kernel, mover, part)
             for mover in movers(kernel, only) for test in tests for part in range(1, parts(test, kernel, long) + 1)]
    return [run for run in every if wanted(run, long, chosen, only)]


def guests(todo):
    """Lists of runs, each for one guest: those that share one, and all others alone.
    Under a debug kernel, which watches for leaks, nothing is shared."""
    batches, by_machine = [], {}
    for run in todo:
        if not run.test.shared or run.test.parts > 1 or run.kernel in DEBUG_KERNELS:
            batches.append([run])
            continue
        machine = (run.kernel, run.mover, tuple(run.test.vm))
        if machine not in by_machine:
            by_machine[machine] = []
            batches.append(by_machine[machine])
        by_machine[machine].append(run)
    return batches
