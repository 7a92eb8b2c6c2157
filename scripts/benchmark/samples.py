# SPDX-License-Identifier: GPL-2.0
"""Whether the programs of `make bench` are sound, by samples whose result is known. Each returns what is
wrong, or ""."""

import html
import io
import itertools
import os
import tempfile

from . import data, plan, plots, tables
from .results import Results

ZSWAP = plan.GROUPS[0]


def differ(got, want):
    return "" if got == want else f"{got!r} instead of {want!r}"


def results(**runs):
    """Of zswap: ALLOCATOR=[figures of seed 1, 2 ...]; None: the guest has failed."""
    found = Results()
    for allocator, seeds in runs.items():
        for seed, figures in enumerate(seeds, 1):
            if figures:
                found.add(plan.Run(ZSWAP, allocator, seed), figures)
    return found


def a_cell_has_the_median_the_least_and_the_most():
    found = results(zbud=[{"files.density": value} for value in (1.5, 1.25, 1.75)])
    return differ(tables.cell(tables.spread(found, ZSWAP, "zbud", tables.DENSITY["real files"]), 3), "1.500 (1.250 to 1.750)")


def a_ratio_is_of_the_same_seed_and_of_no_other():
    found = results(zbud=[{"churn.rewrite_us": 100}, None, {"churn.rewrite_us": 200}],
                    page_cache=[{"churn.rewrite_us": 150}, {"churn.rewrite_us": 1}, {"churn.rewrite_us": 100}])  # fmt: skip
    return differ(tables.cell(tables.spread(found, ZSWAP, "page_cache", tables.TIME["churn"]), 2), "1.00 (0.50 to 1.50)")


def what_is_worse_is_told_as_what_is_better():
    found = results(zbud=[{"mix.density": 1.6, "mix.refused": 10, "files.density": 1.5}] * 2,
                    page_cache=[{"mix.density": 1.5, "mix.refused": 1, "files.density": 1.4},
                                {"mix.density": 1.5, "mix.refused": 2, "files.density": 1.6}])  # fmt: skip
    return differ(tables.compared(found, ZSWAP, "page_cache", "zbud"), (["mix refused"], ["density of the mix"]))


def the_csv_has_each_seed_and_a_gap_where_one_has_failed():
    found = results(zbud=[{"mix.pool": 7}, {"mix.pool": 8.5}], zsmalloc=[None, {"mix.pool": 0}])
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "csv")
        found.write_csv(path)
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
    return differ(lines[1:], ["zswap,zbud,mix,pool,7,8.5", "zswap,zsmalloc,mix,pool,,0"])


def what_was_chosen_keeps_its_order_and_what_is_unknown_is_refused():
    found = {group.name: allocators for group, allocators in plan.chosen(["stock", "zswap/page_cache", "zswap/zbud"]).items()}
    try:
        plan.chosen(["zswap/zram"])
        return "zswap/zram is taken"
    except ValueError:
        return differ(found, {"zswap": ["zbud", "page_cache"], "stock": ["zram", "page_cache"]})


def a_seed_has_its_own_data():
    first, again, second = [list(itertools.islice(data.mixed_pages(seed), 50)) for seed in (1, 1, 2)]
    if first != again or first == second:
        return "the mix is not by its seed"
    image = io.BytesIO(b"".join(bytes([n % 251]) * 100 + bytes(data.PAGE - 100) for n in range(2000)) + bytes(10 * data.PAGE))
    first, again, second = [list(data.real_pages(image, seed)) for seed in (1, 1, 2)]
    if first != again or first == second or sorted(first) != sorted(second):
        return "the files are not by their seed"
    return differ(sum(map(data.same_filled, first)), 0)


def every_group_is_in_the_tables_and_the_plots():
    found = Results()
    for group in plan.GROUPS:
        for allocator in group.allocators:
            names = ("files.out_us", "files.in_us", "files.huge", "files.possible", "churn.stored_0", "churn.pool_0", "churn.pool_1")
            found.add(plan.Run(group, allocator, 1), {name: number for number, name in enumerate(names, 1)})
    texts = [tables.text(found, plan.GROUPS)]
    with tempfile.TemporaryDirectory() as directory:
        plots.draw_all(found, plan.GROUPS, directory)
        for name in plots.NAMES:
            with open(f"{directory}/{name}.svg", encoding="utf-8") as file:
                texts.append(html.unescape(file.read()))
    missing = [(n, group.title) for n, text in enumerate(texts) for group in plan.GROUPS if group.title not in text]
    return differ(missing, [])


CHECKS = (
    a_cell_has_the_median_the_least_and_the_most,
    a_ratio_is_of_the_same_seed_and_of_no_other,
    what_is_worse_is_told_as_what_is_better,
    the_csv_has_each_seed_and_a_gap_where_one_has_failed,
    what_was_chosen_keeps_its_order_and_what_is_unknown_is_refused,
    a_seed_has_its_own_data,
    every_group_is_in_the_tables_and_the_plots,
)
