# SPDX-License-Identifier: GPL-2.0
"""Tables of what has come out, in reStructuredText: a row for each test."""

from . import plan, verdict

# As many names of results as a cell has room for
NAMES = 3


def short(names):
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return "; ".join(names[:NAMES]) + more


def text_of(cell):
    """"pass", or how many have passed, and what has not."""
    of = {status: [name for name, found in cell.results.items() if found == status] for status in ("pass", "fail", "skip")}
    if list(cell.results) == ["all"]:
        said = [next(iter(cell.results.values()))]
    else:
        said = [f"{len(of['pass'])} pass"] if of["pass"] else []
        if of["fail"]:
            said.append(f"{len(of['fail'])} fail: {short(of['fail'])}")
        if of["skip"]:
            said.append(f"{len(of['skip'])} skip")
    if cell.wrong:
        said.append(f"afterwards: {short(cell.wrong)}")
    return ", ".join(said)


def escaped(text):
    for sign in "\\*`|_":
        text = text.replace(sign, "\\" + sign)
    return text


def rows(done, kernel):
    """(test, its cells, by column)"""
    for group in plan.GROUPS:
        for number, test in enumerate(group.tests):
            cells = {column: done.get((kernel, group.name), {}).get((number, column)) for column in plan.columns(test, kernel)}
            if cells and all(cells.values()):
                yield test, cells


def list_table(header, lines):
    text = [".. list-table::", "   :header-rows: 1", ""]
    for line in [header, *lines]:
        text += [f"   {'* -' if not n else '  -'} {escaped(cell)}".rstrip() for n, cell in enumerate(line)]
    return "\n".join(text) + "\n"


def of_kernel(done, kernel):
    movers = plan.MOVERS[kernel]
    lines = []
    for test, cells in rows(done, kernel):
        control, *ours = cells.values()
        moved = " / ".join(str(cell.moved) for cell in ours) if test.moving else "-"
        lines.append([test.name, test.front, text_of(control), *[text_of(cell) for cell in ours], moved])
    header = ["test", "on", "control", *movers, "pages moved" + (", by mover" if len(movers) > 1 else "")]
    return list_table(header, lines)


def verdicts(done, kernel):
    """(name, faults) of each test with each mover, for KTAP."""
    for test, cells in rows(done, kernel):
        control, *ours = cells.values()
        for mover, cell in zip(plan.MOVERS[kernel], ours):
            bad = [name for name in verdict.faults(cell.results, control.results) if name not in plan.TIMED]
            yield f"{kernel} {test.name} @{mover}", bad + cell.wrong
