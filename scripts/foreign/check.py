# SPDX-License-Identifier: GPL-2.0
"""`others --check`: what judges other people's tests, on samples. In KTAP."""

import tempfile

from . import document, plan, table, verdict
from .guests import Cell, Guests

TAP = """TAP version 13
# 1..3
# ok 1 a test of the first
# not ok 2 another one
ok 1 first # SKIP
not ok 2 second # exit=1
not ok 3 second
ok 4 - third # time=3
ok 5 # SKIP fourth
the text ok 5 is none
"""


def test(says=plan.STATUS, front="device", name="a_test"):
    return plan.Test(name, "true", front, says)


def is_read():
    """TAP, nested, with names that come twice"""
    found = verdict.results(test(plan.TAP), 1, TAP.splitlines())
    assert found == {
        "a test of the first": "pass", "another one": "fail", "first": "skip", "second": "fail", "second (2)": "fail",
        "third": "pass", "fourth": "skip",
    }, found  # fmt: skip
    assert verdict.results(test(plan.TAP), 2, ["no results"]) == {"all": "fail"}
    assert verdict.results(test(plan.TAP), 124, ["ok 1 a"]) == {"a": "pass", "ends within 180 s": "fail"}


def by_status():
    """an exit status, and words"""
    for status, result in ((0, "pass"), (1, "fail"), (2, "fail"), (3, "skip"), (4, "skip"), (137, "fail")):
        assert verdict.results(test(), status, []) == {"all": result}, status
    assert verdict.results(test(plan.WORDS), 0, ["all is OK", "[PASS]"]) == {"all": "pass"}
    assert verdict.results(test(plan.WORDS), 0, ["FAIL can't set it", "[PASS]"]) == {"FAIL can't set it": "fail"}
    assert verdict.results(test(plan.WORDS), 1, []) == {"all": "fail"}


def faults():
    """ours is to pass what the control passes"""
    control = {"a": "pass", "b": "fail", "c": "skip", "d": "pass"}
    assert not verdict.faults(control, control)
    assert verdict.faults({**control, "a": "fail"}, control) == ["a"]
    assert verdict.faults({**control, "c": "fail"}, control) == ["c"]
    assert not verdict.faults({**control, "a": "skip"}, control)
    assert verdict.faults({"a": "skip", "d": "skip"}, control) == ["all is skipped"]
    assert verdict.faults({}, control) == ["not run: a", "not run: d"]


def in_a_guest():
    """a guest that dies in the second column, after a splat, and a group that is out of memory"""
    tests = plan.Group("a_group", (test(name="one"), test(name="two")))
    with tempfile.TemporaryDirectory() as out:
        with open(f"{out}/console.log", "w", encoding="ascii") as file:
            file.write("[ 1.0] Linux version 6\n[ 2.0] others: begin 0 zram\n"
                       "[ 3.0] a invoked oom-killer: gfp\n[ 3.1] Call Trace:\n"
                       "[ 3.2] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask\n"
                       "[ 4.0] others: begin 0 movable_ops\n[ 5.0] WARNING: CPU: 0\n")  # fmt: skip
        said = ['{"test": 0, "column": "zram", "status": 0, "moved": 0, "wrong": [], "seconds": 3}', "something else"]
        cells = Guests.cells("release", tests, out, said, "the last words")
    assert len(cells) == 6, cells
    assert cells[0, "zram"] == Cell({"all": "pass"}, 0, [], 3), cells
    assert cells[0, "movable_ops"].wrong == ["not run: the last words", "[ 5.0] WARNING: CPU: 0"], cells
    assert cells[1, "page_cache"].wrong == ["not run: the last words"], cells


def in_a_table():
    """a row with all that a cell may hold"""
    group = plan.GROUPS[1]
    fails = Cell({"a_b": "fail", "b": "pass", "c": "skip", "d": "pass", plan.TIMED[0]: "fail"}, 7, ["verify: no"])
    done = {("stock", group.name): {(0, "zram"): Cell({"all": "pass"}), (0, "page_cache"): fails}}
    text = table.of_kernel(done, "stock")
    ours = "2 pass, 2 fail: a\\_b; test\\_no\\_kmem\\_bypass, 1 skip, afterwards: verify: no"
    for line in (f"   * - {table.escaped(group.tests[0].name)}", "     - pass", f"     - {ours}", "     - 7"):
        assert line in text.splitlines(), text
    ((_, bad),) = table.verdicts(done, "stock")
    assert bad == ["a_b", "not run: all", "verify: no"], bad


def in_the_document():
    """tables take the place of those before"""
    old = "head\n.. others tables\n\nold\n.. end\nfoot\n"
    assert document.replaced(old, "new") == "head\n.. others tables\n\nnew\n\n.. end\nfoot\n"
    with open(document.PATH, encoding="utf-8") as file:
        assert document.replaced(file.read(), "new")


def the_plan():
    """each test has a name of its own on its front, each group a kernel, and each front is one that there is"""
    names = [(each.name, each.front) for group in plan.GROUPS for each in group.tests]
    assert len(names) == len(set(names)), names
    for group in plan.GROUPS:
        assert any(plan.has(group, kernel) for kernel in plan.KERNELS), group.name
        for each in group.tests:
            assert f"    {each.front} " in plan.__doc__, each.front


CHECKS = (is_read, by_status, faults, in_a_guest, in_a_table, in_the_document, the_plan)


def run():
    print(f"KTAP version 1\n1..{len(CHECKS)}")
    failed = 0
    for number, check in enumerate(CHECKS, 1):
        try:
            check()
            print(f"ok {number} {check.__doc__}")
        except AssertionError as error:
            failed = 1
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
            print(f"not ok {number} {check.__doc__}")
    return failed
