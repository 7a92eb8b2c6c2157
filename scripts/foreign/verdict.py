# SPDX-License-Identifier: GPL-2.0
"""What a test says, as results: {name: "pass", "fail" or "skip"}; and what ours has failed."""

import re

from . import plan

# Nested results stand behind a comment sign.
TAP = re.compile(r"(?:# *)*(not )?ok [0-9]+ *(?:- )?(.*)$")
# kselftest's, as it has no result to tell; and stress-ng's, where it has no resources or no such call
SKIPS = {4: "skip", 3: "skip"}


def by_status(status):
    return "pass" if status == 0 else SKIPS.get(status, "fail")


def tap(lines):
    results = {}
    for line in lines:
        match = TAP.match(line)
        if not match:
            continue
        failed, name = match.groups()
        if name.startswith("# SKIP "):
            name, comment = name[7:], "SKIP"
        else:
            name, _, comment = name.partition(" # ")
        # Results of the same name are told apart by their number.
        key, number = name, 1
        while key in results:
            number += 1
            key = f"{name} ({number})"
        results[key] = "skip" if comment.upper().startswith("SKIP") else "fail" if failed else "pass"
    return results


def results(test, status, lines):
    """status: that of its command."""
    if test.says == plan.WORDS:
        failed = [line for line in lines if "FAIL" in line]
        return {failed[0] if failed else "all": "fail" if failed or status else "pass"}
    found = tap(lines) if test.says == plan.TAP else {}
    if status == 124:
        return {**found, f"ends within {test.seconds} s": "fail"}
    # Where it counts by itself, its status says no more.
    return found or {"all": by_status(status)}


def faults(ours, control):
    """What ours has failed, and the control has not; what the control has passed, and ours does not
    tell of. A result that is skipped depends on chance: on a page that could not be put out, as it was
    just moving, with zram as well as here; but something is to pass."""
    bad = [name for name, status in ours.items() if status == "fail" and control.get(name) != "fail"]
    passed = [name for name, status in control.items() if status == "pass"]
    bad += [f"not run: {name}" for name in passed if name not in ours]
    if passed and ours and set(ours.values()) == {"skip"}:
        bad.append("all is skipped")
    return bad
