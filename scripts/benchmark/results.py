# SPDX-License-Identifier: GPL-2.0
"""The figures that guests have given: kept in the cache, so that a bench that was interrupted goes
on where it was, and written as CSV."""

import csv
import hashlib
import json
import os

from runner.kept import digest_of
from runner.plan import TOP

# Everything that can change a figure
SOURCES = ["Kbuild", "Cargo.toml", "src", "drivers", "bench", "demo/memory.rs", "selftests/tools", "scripts/vm",
           "scripts/benchmark/data.py", "scripts/benchmark/guests.py", "scripts/benchmark/plan.py", "scripts/build-module",
           "scripts/demo-data", "scripts/demo-lib.sh", "scripts/packages"]  # fmt: skip


class Kept:
    """Figures of a run, {WORKLOAD.FIGURE: value}, by all that they depend on."""

    def __init__(self, directory, fresh):
        self.directory, self.fresh, self.content = directory, fresh, digest_of(TOP, SOURCES)
        os.makedirs(directory, exist_ok=True)

    def path(self, run, kernel, sizes, image):
        names = [os.path.basename(path) for path in (kernel, image)]
        key = [self.content, *names, sizes, run.group.name, run.allocator, str(run.seed)]
        return f"{self.directory}/{hashlib.sha256(chr(10).join(key).encode()).hexdigest()[:32]}"

    def load(self, *what):
        """None if there are none."""
        try:
            with open(self.path(*what), encoding="utf-8") as file:
                return None if self.fresh else json.load(file)
        except (OSError, ValueError):
            return None

    def store(self, figures, *what):
        # Not if the sources have changed under the run
        if digest_of(TOP, SOURCES) != self.content:
            return
        path = self.path(*what)
        with open(path + ".partial", "w", encoding="utf-8") as file:
            json.dump(figures, file)
        os.replace(path + ".partial", path)


class Results:
    """Of all runs; those that have failed have none."""

    def __init__(self):
        self.figures = {}  # {(group, allocator): {seed: {name: value}}}

    def add(self, run, figures):
        self.figures.setdefault((run.group.name, run.allocator), {})[run.seed] = figures

    def of(self, group, allocator):
        return self.figures.get((group, allocator), {})

    def seeds(self):
        return sorted({seed for runs in self.figures.values() for seed in runs})

    def write_csv(self, path):
        """A row for each figure, a column for each seed."""
        seeds = self.seeds()
        with open(path, "w", encoding="ascii", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["group", "allocator", "workload", "figure", *[f"seed {seed}" for seed in seeds]])
            for (group, allocator), runs in sorted(self.figures.items()):
                for name in dict.fromkeys(name for figures in runs.values() for name in figures):
                    values = [runs.get(seed, {}).get(name) for seed in seeds]
                    shown = ["" if value is None else f"{value:.10g}" for value in values]
                    writer.writerow([group, allocator, *name.split(".", 1), *shown])
