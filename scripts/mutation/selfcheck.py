# SPDX-License-Identifier: GPL-2.0
"""Checks of the other files here, on samples whose verdict is known."""

import os
import tempfile

from . import mutant
from .tree import judge_cargo, judge_test

SAMPLE = """# a comment
mutant: one
why: something goes wrong
caught-by: cargo unit a_test
file: a.rs
 let a = 1;
-let b = 2;
+let b = 3;
"""


def same(got, want):
    assert got == want, f"want {want!r}, got {got!r}"


def refused(act, *words):
    try:
        act(*words)
    except ValueError:
        return
    raise AssertionError(f"not refused: {words!r}")


def a_mutant_is_read_and_applied():
    two = SAMPLE + "file: b.rs\n-gone\n\n" + SAMPLE.replace("one", "two")
    one, other = mutant.parse("x", two)
    same((one.name, one.why, str(one.catcher), other.name), ("one", "something goes wrong", "unit a_test", "two"))
    with tempfile.TemporaryDirectory() as top:
        for path, text in {"a.rs": "let a = 1;\nlet b = 2;\nlet c = 2;\n", "b.rs": "stays\ngone\n"}.items():
            with open(os.path.join(top, path), "w", encoding="utf-8") as file:
                file.write(text)
        same(one.applied(top), {"a.rs": "let a = 1;\nlet b = 3;\nlet c = 2;\n", "b.rs": "stays\n"})


def what_is_not_understood_is_refused():
    for old, new in [
        ("why: something goes wrong\n", ""), ("file: a.rs\n", ""), ("cargo unit a_test", "cargo unit"),
        ("cargo", "guess"), ("why:", "because:"), ("mutant: one", "mutant: One two"), ("# a", "mutant: two\n# a"),
        ("why: something goes wrong\n", "why: something goes wrong\nwhy: it does\n"),
    ]:  # fmt: skip
        same(SAMPLE.count(old), 1)
        refused(mutant.parse, "x", SAMPLE.replace(old, new))


def a_change_without_its_place_is_refused():
    change = mutant.parse("x", SAMPLE)[0].changes[0]
    lines = "let a = 1;\nlet b = 2;\n"
    same(change.apply(lines), "let a = 1;\nlet b = 3;\n")
    for text in ("", "let a = 1;\n", lines + lines, "//" + lines, lines.replace(";", ";;")):
        refused(change.apply, text)
    change.new = change.old
    refused(change.apply, lines)


def a_run_of_a_core_test_is_judged():
    words = ("unit", "a_test")
    for want, status, said in [
        ("passed", 0, "running 1 test\ntest a_test ... ok\n"),
        ("failed", 101, "running 1 test\ntest a_test ... FAILED\n"),
        ("failed", 101, "running 1 test\nprocess didn't exit successfully: `x` (signal: 6, SIGABRT)\n"),
        ("exit status 101", 101, "running 1 test\n"),
        ("there is no test a_test", 0, "running 0 tests\n"),
        ("does not build", 101, "error: expected `;`\n"),
    ]:
        same(judge_cargo(words, status, said), want)


def a_run_of_another_test_is_judged():
    for want, said in [
        ("passed", "ok    pin: 3 passed (2 s)\n"),
        ("passed", "ok    stock pin: 3 passed (2 s)\n"),
        ("failed", "FAIL  pin@page_cache: 2 passed, 1 failed (2 s)\n      failed: x\n"),
        ("exit status 1 without a verdict", "FAIL  module for release: 0 passed, 1 failed (9 s)\n"),
        ("exit status 1 without a verdict", "skip  pin: 0 passed, 1 skipped (2 s)\n"),
    ]:
        same(judge_test(("pin",), 1, said), want)


CHECKS = [
    a_mutant_is_read_and_applied,
    what_is_not_understood_is_refused,
    a_change_without_its_place_is_refused,
    a_run_of_a_core_test_is_judged,
    a_run_of_another_test_is_judged,
]
