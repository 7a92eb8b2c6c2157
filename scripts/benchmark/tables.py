# SPDX-License-Identifier: GPL-2.0
"""The tables of `make bench`: medians over the seeds, and the least and the most."""

import statistics
from dataclasses import dataclass
from typing import Callable

from .plan import OURS

def plain(name):
    return lambda figures, _: figures[name]


def percent(above, below):
    return lambda figures, _: 100 * figures[above] / figures[below]


def beside(*names):
    """The sum of these beside the rival's, of the same seed."""
    return lambda figures, rival: sum(figures[name] for name in names) / sum(rival[name] for name in names)


def left_blocks(figures, _):
    # Where none leaves, a few may come.
    return max(0, 100 - 100 * figures["leave.stay"] / figures["leave.in_blocks"])


def wrong(figures, _):
    return sum(value for name, value in figures.items() if name.endswith(".wrong"))


def came_free(figures, _):
    return 100 * figures["mix.gained"] / figures["mix.verified"]


@dataclass(frozen=True)
class Row:
    text: str
    digits: int
    better: int  # 1: more is better, -1: less is, 0: neither
    value: Callable  # of the figures of a run, and those of the rival's with the same seed
    name: str = ""  # without the table around it


def times(workload, of):
    out, into = f"{workload}.out_us", f"{workload}.in_us"
    return [
        Row("  a page put out, microseconds", 1, 0, plain(out)),
        Row("  and got back", 1, 0, plain(into)),
        Row("  both, beside {rival}", 2, -1, beside(out, into), f"time of {of}"),
    ]


DENSITY = {
    "real files": plain("files.density"),
    "mix": plain("mix.density"),
    "churn, first": lambda figures, _: figures["churn.stored_0"] / figures["churn.pool_0"],
    "churn, end": plain("churn.density"),
    "churn, asked": plain("churn.density_asked"),
    "four tasks": plain("four.density"),
}
TIME = {
    "real files": beside("files.out_us", "files.in_us"),
    "mix": beside("mix.out_us", "mix.in_us"),
    "churn": beside("churn.rewrite_us"),
    "four tasks": beside("four.out_us", "four.in_us"),
    "death": beside("dies.back_ms"),
}
MOVES = {
    "huge pages": percent("files.huge", "files.possible"),
    "blocks offline": left_blocks,
    "CMA": percent("leave.cma", "leave.cma_pages"),
}
ROWS = [
    Row("real files: pages stored", 0, 0, plain("files.stored")),
    Row("  refused as too big", 0, -1, plain("files.refused"), "real files refused"),
    Row("  pages of the pool", 0, 0, plain("files.pool")),
    Row("  density", 3, 1, DENSITY["real files"], "density of real files"),
    Row("  free memory got as huge pages, %", 1, 1, MOVES["huge pages"], "huge pages"),
    *times("files", "real files"),
    Row("pages that leave blocks going offline, %", 1, 1, MOVES["blocks offline"], "pages that leave blocks"),
    Row("  blocks that went, of those that can, %", 0, 1, percent("leave.offlined", "leave.removable"), "blocks that go offline"),
    Row("  a page that was moved, microseconds", 0, -1, plain("leave.offline_us"), "time of a page that offline moves"),
    Row("  CMA: pool pages in the area", 0, 0, plain("leave.in_cma")),
    Row("  of the area allocated then, %", 1, 1, MOVES["CMA"], "CMA"),
    Row("kernel memory beside the pool, bytes a page stored", 1, -1, plain("leave.metadata"), "metadata"),
    Row("mix, from nothing to incompressible: density", 3, 1, DENSITY["mix"], "density of the mix"),
    Row("  refused as too big", 0, -1, plain("mix.refused"), "mix refused"),
    Row("  memory that comes free, % of the data", 1, 1, came_free, "memory that comes free"),
    *times("mix", "the mix"),
    Row("churn: density when all was stored once", 3, 0, DENSITY["churn, first"]),
    Row("  at the end", 3, 1, DENSITY["churn, end"], "density after churn"),
    Row("  and when the kernel had asked for memory", 3, 1, DENSITY["churn, asked"], "density when memory was asked for"),
    Row("  a page rewritten, microseconds", 1, 0, plain("churn.rewrite_us")),
    Row("  the same, beside {rival}", 2, -1, TIME["churn"], "time of churn"),
    Row("four tasks at once: density", 3, 1, DENSITY["four tasks"], "density with four tasks"),
    *times("four", "four tasks"),
    Row("a process dies: gone after, milliseconds", 1, 0, plain("dies.gone_ms")),
    Row("  its memory back after", 1, 0, plain("dies.back_ms")),
    Row("  the same, beside {rival}", 2, -1, TIME["death"], "time until a dead process's memory is back"),
    Row("pages read back wrong", 0, -1, wrong, "pages read back wrong"),
]


@dataclass(frozen=True)
class Spread:
    """Of the values of all seeds."""

    middle: float
    least: float
    most: float


def spread(results, group, allocator, value):
    """None if there is no such figure."""
    rivals, values = results.of(group.name, group.rival), []
    for seed, figures in results.of(group.name, allocator).items():
        try:
            values.append(value(figures, rivals.get(seed, {})))
        except (KeyError, ZeroDivisionError):
            continue
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def cell(found, digits):
    if not found:
        return "-"
    middle, least, most = [f"{value:.{digits}f}" for value in (found.middle, found.least, found.most)]
    return middle if least == most else f"{middle} ({least} to {most})"


def simple_table(title, lines):
    """Of reST; the first line is the heading."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    border = "  ".join("=" * width for width in widths)
    texts = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]
    return "\n   ".join([f".. table:: {title}\n", border, texts[0], border, *texts[1:], border]) + "\n"


def there(results, group):
    return [each for each in group.allocators if results.of(group.name, each)]


def table(results, group):
    allocators = there(results, group)
    lines = [["median (least to most)", *allocators]]
    for row in ROWS:
        found = [spread(results, group, allocator, row.value) for allocator in allocators]
        if any(found):
            text = row.text.format(rival=group.rival)
            # A line block: blanks alone would be lost.
            lines.append([f"| {text}" if text[0] == " " else text, *[cell(each, row.digits) for each in found]])
    return simple_table(group.title, lines)


# Seeds, with fewer of which no difference is worth a word
ENOUGH = 3


def compared(results, group, ours, other):
    """Names of rows: where ours is better, and where it is worse, with every seed than the other with
    any."""
    better, worse = [], []
    for row in ROWS:
        first, second = [spread(results, group, each, row.value) for each in (ours, other)]
        if row.better and first and second:
            if first.least > second.most:
                (better if row.better > 0 else worse).append(row.name)
            elif first.most < second.least:
                (worse if row.better > 0 else better).append(row.name)
    return better, worse


def verdicts(results, group):
    """In words, for each of ours beside each of the others."""
    lines = []
    if len(results.seeds()) < ENOUGH:
        return ""
    for ours in there(results, group):
        for other in there(results, group):
            if ours in OURS and other not in OURS:
                better, worse = [", ".join(names) or "nothing" for names in compared(results, group, ours, other)]
                lines.append(f"{ours}, worse than {other} with every seed\n    {worse}.\n")
                lines.append(f"{ours}, better than {other} with every seed\n    {better}.\n")
    return "\n".join(lines)


def text(results, groups):
    """Of all of these that there are figures of, as reST."""
    parts = []
    for group in groups:
        if there(results, group):
            parts += [table(results, group), verdicts(results, group)]
    return "\n".join(filter(None, parts))
