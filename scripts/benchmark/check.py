# SPDX-License-Identifier: GPL-2.0
"""`bench --check`: samples, and a small round of two allocators, and whether all that is to come out of
it does. In KTAP."""

import csv
import os

from . import plan, plots, samples, tables

NAMES = ["zswap/zbud", "zswap/movable_ops"]
# Bytes that a plot without a panel has, at most
EMPTY = 4000
# In a guest with so little stored there may be none.
BY_CHANCE = ("a page that was moved", "pages that leave blocks", "blocks that went")


def lacking(results, group, allocator):
    rows = [row for row in tables.ROWS if not row.text.strip().startswith(BY_CHANCE)]
    return [row.text.strip() for row in rows if not tables.spread(results, group, allocator, row.value)]


def of_the_round(session, groups):
    """(name, what is wrong, or "") of each check."""
    out, text = session.write(groups)
    with open(f"{out}/figures.csv", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    for group, allocators in groups.items():
        for allocator in allocators:
            yield f"{allocator} has a figure in each row", ", ".join(lacking(session.results, group, allocator))
            figures = session.results.of(group.name, allocator).get(1, {})
            count = sum(row["allocator"] == allocator and row["seed 1"] != "" for row in rows)
            complete = figures and count == len(figures)
            yield f"{allocator} has all of them in the CSV", "" if complete else f"{count} of {len(figures)}"
            yield f"{allocator} is in the table", "" if allocator in text else text
    for name in plots.NAMES:
        path = f"{out}/{name}.svg"
        yield f"{name}.svg is drawn", "" if os.path.exists(path) and os.path.getsize(path) > EMPTY else "it is not"
    yield "nothing has failed", "; ".join(session.bad)


def run(start):
    """start: makes a Session."""
    results = [(check.__name__.replace("_", " "), check()) for check in samples.CHECKS]
    groups = plan.chosen(NAMES)
    session = start("smoke", True)
    for runs in plan.runs(groups, 1):
        session.round(runs)
    results += of_the_round(session, groups)
    print(f"KTAP version 1\n1..{len(results)}")
    for number, (name, wrong) in enumerate(results, 1):
        for line in wrong.splitlines():
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
    return int(any(wrong for _, wrong in results))
