# SPDX-License-Identifier: GPL-2.0
"""The figures that guests have given: kept in the cache, so that a bench that was interrupted goes
on where it was, and written as CSV."""

import csv
import os

from runner.store import Store

# Everything that can change a figure
SOURCES = ["Kbuild", "Cargo.toml", "src", "drivers", "bench", "demo/memory.rs", "selftests/tools", "scripts/vm",
           "scripts/benchmark/data.py", "scripts/benchmark/guests.py", "scripts/benchmark/plan.py", "scripts/build-module",
           "scripts/demo-data", "scripts/demo-lib.sh", "scripts/packages"]  # fmt: skip


def kept(directory, fresh):
    return Store(directory, SOURCES, fresh)


def key(run, kernel, sizes, image):
    """What the figures of a run depend on beside the sources."""
    return os.path.basename(kernel), os.path.basename(image), sizes, run.group.name, run.allocator, str(run.seed)


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
