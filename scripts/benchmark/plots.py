# SPDX-License-Identifier: GPL-2.0
"""The plots of `make bench`, drawn by gnuplot: medians over the seeds, with the least and the most."""

import statistics
import subprocess

from .tables import DENSITY, MOVES, TIME, spread, there

NAMES = {
    "density": "density: pages stored for each page of the pool",
    "moves": "% of free memory got as huge pages; of pool pages that leave blocks; of the CMA area got",
    "time": "time that a process waits, beside the first of each group with the same seed",
    "churn": "churn: pages of the pool, beside those when all was stored once, by % of what is rewritten",
}
WIDTH, HEIGHT = 1100, 420
HEAD = f"""set terminal svg size {WIDTH},{HEIGHT} font 'sans-serif,11' background 'white'
set output '{{path}}'
set multiplot layout 1,{{panels}} title {{title}}
set grid ytics
set key below
set xtics noenhanced
set ylabel noenhanced
"""
BARS = """set style data histogram
set style histogram errorbars gap 1 lw 1
set style fill solid 0.7 border -1
set xtics rotate by -20
set yrange [0:*]
"""


def quoted(text):
    """As gnuplot wants it."""
    return "'" + text.replace("'", "''") + "'"


class Plot:
    """Commands of gnuplot, for panels beside each other."""

    def __init__(self, title, panels, commands=""):
        self.title, self.panels, self.commands = title, panels, commands
        self.blocks = 0

    def block(self, lines):
        """Data, by a name of its own."""
        self.blocks += 1
        name = f"$data{self.blocks}"
        self.commands += "\n".join([f"{name} << END", *lines, "END\n"])
        return name

    def panel(self, title, parts):
        self.commands += f"set title {quoted(title)} noenhanced\nplot {', '.join(parts)}\n"

    def draw(self, path):
        head = HEAD.format(path=path, panels=self.panels, title=quoted(self.title))
        subprocess.run(["gnuplot"], input=head + self.commands + "unset multiplot\n", check=True, text=True)


def drawn(groups, results):
    return [group for group in groups if there(results, group)]


def numbers(found):
    return f"{found.middle} {found.least} {found.most}" if found else "NaN NaN NaN"


def bars(name, results, groups, series):
    """For each allocator a bar for each of the series, {its name: its value}."""
    groups = drawn(groups, results)
    plot = Plot(NAMES[name], len(groups), BARS)
    for group in groups:
        allocators = there(results, group)
        found = {of: [spread(results, group, each, value) for each in allocators] for of, value in series.items()}
        found = {of: spreads for of, spreads in found.items() if any(spreads)}
        if not found:
            continue
        data = plot.block(" ".join([each, *map(numbers, of_each)]) for each, of_each in zip(allocators, zip(*found.values())))
        columns = [(of, 2 + 3 * n) for n, of in enumerate(found)]
        plot.panel(group.title, [f"{data} using {at}:{at + 1}:{at + 2}:xtic(1) title {quoted(of)}" for of, at in columns])
    return plot


def churn(results, groups):
    """How the pool grows while as much is stored as before."""
    groups = drawn(groups, results)
    plot = Plot(NAMES["churn"], len(groups))
    for group in groups:
        parts = []
        for allocator in there(results, group):
            runs = list(results.of(group.name, allocator).values())
            looks = sorted(int(name.rpartition("_")[2]) for name in runs[0] if name.startswith("churn.pool_") and name[11:].isdigit())
            lines = []
            for look in looks:
                values = [figures[f"churn.pool_{look}"] / figures["churn.pool_0"] for figures in runs]
                lines.append(f"{100 * look / looks[-1]:g} {statistics.median(values):.4f}")
            parts.append(f"{plot.block(lines)} using 1:2 with linespoints title {quoted(allocator)} noenhanced")
        plot.panel(group.title, parts)
    return plot


def directives():
    """That show them, in a document beside their directory `bench`."""
    return "\n".join(f".. image:: bench/{name}.svg\n   :alt: {text}\n" for name, text in NAMES.items())


def draw_all(results, groups, directory):
    """Files NAME.svg for each of NAMES, if there is anything to draw."""
    if not drawn(groups, results):
        return
    plots = {
        "density": bars("density", results, groups, DENSITY),
        "moves": bars("moves", results, groups, MOVES),
        "time": bars("time", results, groups, TIME),
        "churn": churn(results, groups),
    }
    for name, plot in plots.items():
        plot.draw(f"{directory}/{name}.svg")
