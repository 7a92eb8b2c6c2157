# SPDX-License-Identifier: GPL-2.0
"""Verdicts of `make test-long` that are kept, so that it can be done in parts: a test
that has passed is not run again with the very same content of everything that has a
part in it. Only passes are kept."""

import hashlib
import json
import os
import time

from .judge import Result
from .plan import TOP

# Everything that can change a verdict: the module, zbudctl, the tests, the machine, the judges.
SOURCES = ["Kbuild", "src", "drivers", "tools", "Cargo.toml", "selftests", "scripts/vm", "scripts/runner",
           "scripts/test", "scripts/build-module", "scripts/build-zbudctl", "scripts/lib.sh", "scripts/packages"]  # fmt: skip


def digest_of(top, sources):
    """A digest of the names and contents of all files below sources."""
    digest = hashlib.sha256()
    for source in sources:
        paths = [os.path.join(top, source)]
        if os.path.isdir(paths[0]):
            paths = [os.path.join(at, name) for at, _, names in os.walk(paths[0]) for name in names]
        for path in sorted(paths):
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            digest.update(f"{os.path.relpath(path, top)} {os.access(path, os.X_OK)} {content}\n".encode())
    return digest.hexdigest()


class Kept:
    def __init__(self, directory, fresh=False, top=TOP, sources=None):
        self.directory, self.fresh = directory, fresh
        self.top, self.sources = top, sources or SOURCES
        self.content = digest_of(self.top, self.sources)
        os.makedirs(directory, exist_ok=True)

    def path(self, run, kernel, rounds):
        """kernel: its directory, whose name has the key of its source and
        configuration."""
        key = "\n".join([self.content, os.path.basename(kernel), run.mover, run.test.name, str(bool(rounds))])
        return os.path.join(self.directory, hashlib.sha256(key.encode()).hexdigest()[:32])

    def load(self, run, kernel, rounds):
        """(results, when) of a pass with this very content, or None."""
        if self.fresh:
            return None
        try:
            with open(self.path(run, kernel, rounds), encoding="utf-8") as file:
                kept = json.load(file)
            return [Result(*result) for result in kept["results"]], kept["when"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def store(self, run, kernel, rounds, outcome):
        path = self.path(run, kernel, rounds)
        if outcome.failed and os.path.exists(path):
            os.remove(path)
        # Nor if the sources have changed under the run
        if outcome.failed or not outcome.count("pass") or digest_of(self.top, self.sources) != self.content:
            return
        kept = {
            "name": run.name,
            "when": time.strftime("%Y-%m-%d %H:%M"),
            "results": [[result.status, result.name] for result in outcome.results],
        }
        with open(path + ".partial", "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(path + ".partial", path)
