# SPDX-License-Identifier: GPL-2.0
"""Verdicts of `make test-long` that are kept, so that it can be done in parts: a test
that has passed is not run again with the very same content of everything that has a
part in it. Only passes are kept."""

import os
import time

from .judge import Result
from .plan import TOP
from .store import Store

# Everything that can change a verdict: the module, zbudctl, the tests, the machine, the judges.
SOURCES = ["Kbuild", "src", "drivers", "tools", "Cargo.toml", "selftests", "scripts/vm", "scripts/runner",
           "scripts/test", "scripts/build-module", "scripts/build-zbudctl", "scripts/lib.sh", "scripts/packages"]  # fmt: skip


class Kept:
    def __init__(self, directory, fresh=False, top=TOP, sources=None):
        self.verdicts = Store(directory, sources or SOURCES, fresh, top)

    @staticmethod
    def key(run, kernel, rounds):
        """kernel: its directory, whose name has the key of its source and
        configuration."""
        return os.path.basename(kernel), run.mover, run.test.name, str(run.part), str(bool(rounds))

    def load(self, run, kernel, rounds):
        """(results, when) of a pass with this very content, or None."""
        kept = self.verdicts.load(*self.key(run, kernel, rounds))
        try:
            return kept and ([Result(*result) for result in kept["results"]], kept["when"])
        except (KeyError, TypeError):
            return None

    def store(self, run, kernel, rounds, outcome):
        key = self.key(run, kernel, rounds)
        if outcome.failed or not outcome.count("pass"):
            self.verdicts.forget(*key)
            return
        results = [[result.status, result.name] for result in outcome.results]
        self.verdicts.store({"name": run.name, "when": time.strftime("%Y-%m-%d %H:%M"), "results": results}, *key)
