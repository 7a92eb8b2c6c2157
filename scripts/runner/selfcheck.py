# SPDX-License-Identifier: GPL-2.0
"""Checks of the other files here, on samples whose verdict is known: a fake guest, fake
tests, fake times. Prints a line "ok NAME" or "not ok NAME" for each;
scripts/vm/selfcheck counts them."""

import io
import os
import stat
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from runner import guest, judge, plan  # noqa: E402
from runner.kept import Kept  # noqa: E402
from runner.report import Report  # noqa: E402
from runner.verdicts import Verdicts  # noqa: E402

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def same(got, want):
    assert got == want, f"want {want!r}, got {got!r}"


# --- the plan ---

HEADER = "#!/bin/bash\n# SPDX-License-Identifier: GPL-2.0\n"


def sample(name, text=""):
    return plan.parse(name, HEADER + text)


@check
def headers_are_read():
    text = '# zbm-vm: --append "a b" --nodes 4\n# zbm-mover: page_cache\n# zbm-test: release stock\n'
    test = sample("t", text + "# zbm-long: rounds debug\n# zbm-guest: shared\n\n# zbm-mover: -\n")
    same(test.vm, ["--append", "a b", "--nodes", "4"])
    same((test.mover, test.places, test.rounds, test.debug, test.shared), ("page_cache", ["release", "stock"], True, True, True))


@check
def a_header_that_nobody_knows_is_an_error():
    for text in ("# zbm-tset: release\n", "# zbm-test: relaese\n", "# zbm-mover: mapping\n", "# zbm-long: both\n",
                 "# zbm-vm --nodes 4\n", "#zbm-vm: --nodes 4\n", "# zbm_vm: --nodes 4\n", "# zbm-parts 3\n"):
        try:
            sample("t", text)
        except ValueError:
            continue
        raise AssertionError(text)


@check
def every_test_runs_by_default_somewhere():
    tests = plan.load(f"{plan.TOP}/selftests")
    assert len(tests) > 20
    for test in tests:
        assert test.places, f"{test.name} has no zbm-test"
        assert [run for kernel in plan.TEST_KERNELS for run in plan.runs([test], kernel)], test.name


@check
def test_and_test_long_together_leave_nothing_out():
    tests = plan.load(f"{plan.TOP}/selftests")
    for kernel in plan.TEST_KERNELS:

        def named(tests=tests, kernel=kernel, **how):
            return {(run.test.name, run.mover) for run in plan.runs(tests, kernel, **how)}

        short, long = named(), named(long=True)
        same(short | long, named(chosen=True))
        # Twice only with more rounds
        twice = named([test for test in tests if not test.rounds]) & long
        same(twice, set())
    for kernel in ("stock-7.2", "no-zsmalloc"):
        for mover in plan.movers(kernel)[:1]:
            names = {run.test.name for run in plan.runs(tests, kernel, long=True) if run.mover == mover}
            names |= {test.name for test in tests if test.mover == "page_cache"}
            same(names, {test.name for test in tests})
    for kernel in plan.DEBUG_KERNELS + plan.BUILT_KERNELS:
        found = {(run.test.name, run.mover) for run in plan.runs(tests, kernel, long=True)}
        for test in tests:
            meant = test.debug if kernel in plan.DEBUG_KERNELS else test.built
            for mover in plan.movers(kernel) if meant and test.mover == "" else []:
                assert (test.name, mover) in found, (kernel, test.name, mover)


@check
def a_test_about_one_mover_runs_with_no_other():
    about, any_one = sample("a", "# zbm-mover: page_cache\n"), sample("b", "# zbm-mover: -\n")
    same([run.mover for run in plan.runs([about], "release", chosen=True)], ["page_cache"])
    same([run.mover for run in plan.runs([about], "stock", chosen=True)], ["-"])
    same([run.mover for run in plan.runs([any_one], "release", chosen=True)], ["-"])
    same([run.mover for run in plan.runs([any_one], "release", chosen=True, only="page_cache")], ["page_cache"])


@check
def a_long_test_runs_in_parts():
    test = sample("a", "# zbm-test: release\n# zbm-long: rounds debug\n# zbm-parts: 3\n")
    names = {kernel: [run.name for run in plan.runs([test], kernel, long=True, only="page_cache")] for kernel in plan.LONG_KERNELS}
    for kernel, before in (("release", ""), ("debug", "debug ")):
        same(names[kernel], [f"{before}a{part}@page_cache" for part in ("", ".2", ".3")])
    for kernel in ("stock", "no-zsmalloc", "stock-7.2", "debug-7.3"):
        same(names[kernel], [f"{kernel} a@page_cache"])
    same([run.name for run in plan.runs([test], "release", only="page_cache")], ["a@page_cache"])
    parts = plan.runs([test], "release", long=True, only="page_cache")
    same([len(batch) for batch in plan.guests(parts)], [1, 1, 1])
    with tempfile.TemporaryDirectory() as directory:
        kept = Kept(directory)
        same(len({kept.key(run, "/kernel", True) for run in parts}), 3)
    for text in ("# zbm-parts: 1\n", "# zbm-parts: two\n", "# zbm-part: 2\n"):
        try:
            sample("t", text)
        except ValueError:
            continue
        raise AssertionError(text)


@check
def a_test_that_is_named_twice_runs_once():
    known = {name: sample(name) for name in "abc"}
    same([test.name for test in plan.named(["c", "loom", "a", "c"], known)], ["c", "a"])


@check
def only_like_guests_are_shared():
    shared = "# zbm-guest: shared\n"
    tests = [sample("a", shared), sample("b"), sample("c", shared), sample("d", "# zbm-vm: --nodes 4\n" + shared)]
    runs = [plan.Run(test, "release", mover) for mover in ("-", "page_cache") for test in tests]
    names = [[run.name for run in batch] for batch in plan.guests(runs)]
    want = [["a", "c"], ["b"], ["d"]]
    same(names, want + [[name + "@page_cache" for name in batch] for batch in want])
    for kernel in plan.DEBUG_KERNELS:
        same(len(plan.guests([plan.Run(test, kernel) for test in tests])), 4)


# --- guests ---

# A fake scripts/vm/boot: each test does what its name says.
BOOT = r"""#!/bin/bash
while [ $# -gt 0 ]; do case $1 in --log) log=$2 ;; --) shift 3; break ;; esac; shift; done
echo "$*" >>"$(dirname "$0")/boots"
say() { printf '%s\n' "[    1.000000] $*" >>"$log"; }
printf 'KTAP noise of nobody\n'
: >"$log"; say 'Linux version 6.12'
for name; do
	[ "$name" != unborn ] || exit 125
	printf '\nzbm-test: begin %s\n' "$name"; say "zbm-test: begin $name"
	case $name in
	skips*) printf 'KTAP version 1\n1..0 # SKIP not here\n' ;;
	*) printf 'KTAP version 1\n1..2\nok 1 first of %s\n' "$name" ;;
	esac
	rc=0
	case $name in
	good*) echo 'ok 2 second' ;;
	bad) echo 'not ok 2 was not quick'; rc=1 ;;
	wrong) echo 'not ok 2 something # wrong-data'; rc=1 ;;
	contents) echo 'not ok 2 contents are the same'; rc=1 ;;
	splat) echo 'ok 2 second'; say 'WARNING: CPU: 1 at mm/migrate.c:100' ;;
	dies) say 'Kernel panic - not syncing: Fatal exception'; exit 125 ;;
	vanishes) exit 125 ;;
	qemu) [ -e "$(dirname "$0")/qemu-has-failed" ] || { touch "$(dirname "$0")/qemu-has-failed"
		echo 'qemu-system-x86_64: memory.c:1: f: Assertion `x` failed.' >&2; exit 125; }
		echo 'ok 2 second' ;;
	qemuwrong) echo 'not ok 2 something # wrong-data'
		[ -e "$(dirname "$0")/qemu-has-failed" ] || { touch "$(dirname "$0")/qemu-has-failed"
		echo 'qemu-system-x86_64: memory.c:1: f: Assertion `x` failed.' >&2; exit 125; } ;;
	sinks) echo 'ok 2 second' ;;
	late-boot) echo 'ok 2 second'; echo 'zbud_movable: retry: the guest had not begun' >&2 ;;
	skips*) rc=4 ;;
	mistaken) echo '/selftests/mistaken.sh: line 5: / 4: syntax error: operand expected'; echo 'ok 2 second' ;;
	hangs) exec sleep 60 ;;
	late) rc=124 ;;
	leaves) echo 'ok 2 second'; printf '\nzbm-left: the kernel is tainted: 512\n' ;;
	esac
	printf '\nzbm-test: end %s %d\n' "$name" $rc; say "zbm-test: end $name $rc"
	[ $rc = 0 ] || [ $rc = 4 ] || break
	[ "$name" != sinks ] || exit 125
done
exit 0
"""


def in_guests(*names, limit=30, header="", kernel="release", retries=None):
    """({test: "pass/fail" and so on}, the lists of tests of each boot). retries: the guests that
    were booted again are added to it."""
    with tempfile.TemporaryDirectory() as work:
        boot = f"{work}/boot"
        with open(boot, "w", encoding="utf-8") as file:
            file.write(BOOT)
        os.chmod(boot, stat.S_IRWXU)
        told, again = {}, []
        how = guest.Settings([], limit, 0, boot)
        where = guest.Guests("kernel", "module", [], how, work, lambda run, outcome: told.update({run.test.name: outcome}), lambda *why: again.append(why), False)
        where.run([plan.Run(sample(name, header), kernel) for name in names])
        with open(f"{work}/boots", encoding="utf-8") as file:
            boots = file.read().splitlines()
        if retries is not None:
            retries += again
        return told, boots


def verdict(outcome):
    return ("fail" if outcome.failed else "pass") + (" for good" if outcome.failed and outcome.final else "")


@check
def a_batch_takes_one_guest():
    told, boots = in_guests("good1", "good2", "good3")
    same({name: (outcome.count("pass"), outcome.failed) for name, outcome in told.items()}, {f"good{n}": (2, False) for n in (1, 2, 3)})
    same(boots, ["good1 good2 good3"])


@check
def a_guest_that_dies_fails_the_test_it_was_running():
    for killer in ("dies", "vanishes"):
        told, boots = in_guests("good1", killer, "good2", "good3")
        same([verdict(told[name]) for name in ("good1", killer, "good2", "good3")], ["pass", "fail for good", "pass", "pass"])
        same(boots, [f"good1 {killer} good2 good3", "good2 good3"])


@check
def a_splat_fails_the_test_that_caused_it():
    told, _ = in_guests("good1", "splat", "good2")
    same([verdict(told[name]) for name in ("good1", "splat", "good2")], ["pass", "fail for good", "pass"])
    assert any("WARNING" in line for line in told["splat"].details)


@check
def a_guest_that_does_not_begin_fails_its_first_test_only():
    told, boots = in_guests("unborn", "good1")
    same([verdict(told["unborn"]), verdict(told["good1"])], ["fail for good", "pass"])
    same(boots, ["unborn good1", "good1"])


@check
def a_test_that_hangs_ends_its_guest():
    told, boots = in_guests("hangs", "good1", limit=1)
    same([verdict(told["hangs"]), verdict(told["good1"])], ["fail", "pass"])
    assert any("ran out of time" in result.name for result in told["hangs"].results)
    same(len(boots), 2)


@check
def an_assertion_of_qemu_is_no_verdict_the_first_time():
    again = []
    told, boots = in_guests("good1", "qemu", "good2", retries=again)
    same([verdict(told[name]) for name in ("good1", "qemu", "good2")], ["pass"] * 3)
    same((boots, again), (["good1 qemu good2", "qemu good2"], [("qemu", "qemu failed an assertion of its own")]))


@check
def an_assertion_of_qemu_hides_no_wrong_data():
    again = []
    told, boots = in_guests("qemuwrong", retries=again)
    same((verdict(told["qemuwrong"]), len(boots), again), ("fail for good", 1, []))


@check
def a_guest_that_needed_more_boots_is_told():
    again = []
    told, boots = in_guests("good1", "late-boot", kernel="stock", retries=again)
    same((verdict(told["late-boot"]), len(boots), again), ("pass", 1, [("stock good1", "the guest had not begun")]))


@check
def retries_are_found_in_logs():
    with tempfile.TemporaryDirectory() as work:
        with open(f"{work}/log", "w", encoding="utf-8") as file:
            file.write("zbud_movable: retry: a\nzbud_movable: retried\n# zbud_movable: retry: b: c\nx zbud_movable: retry: d\n")
        same((judge.retries(f"{work}/log"), judge.retries(f"{work}/none")), (["a", "b: c"], []))


@check
def a_guest_that_dies_after_its_last_test_fails_that():
    told, boots = in_guests("good1", "sinks")
    same([verdict(told["good1"]), verdict(told["sinks"]), len(boots)], ["pass", "fail for good", 1])


@check
def what_a_test_leaves_behind_fails_it():
    told, _ = in_guests("good1", "leaves", "good2")
    same([verdict(told[name]) for name in ("good1", "leaves", "good2")], ["pass", "fail for good", "pass"])
    same(told["leaves"].results[-1].name, "left behind: the kernel is tainted: 512")


@check
def what_bash_leaves_out_of_a_test_fails_it():
    told, _ = in_guests("good1", "mistaken", "good2")
    same([verdict(told[name]) for name in ("good1", "mistaken", "good2")], ["pass", "fail", "pass"])


@check
def to_skip_as_a_whole_is_a_failure_where_the_test_is_to_run():
    header = "# zbm-test: release\n"
    told, _ = in_guests("good1", "skips", "good2", header=header)
    same([verdict(told[name]) for name in ("good1", "skips", "good2")], ["pass", "fail", "pass"])
    told, _ = in_guests("skips", header=header, kernel="stock")
    same((verdict(told["skips"]), told["skips"].count("skip")), ("pass", 1))


@check
def failures_that_may_be_tried_again():
    told, boots = in_guests("bad", "late", "wrong", "contents")
    same({name: verdict(told[name]) for name in told}, {"bad": "fail", "late": "fail", "wrong": "fail for good", "contents": "fail for good"})
    # Each has left its guest in a state of its own.
    same(len(boots), 4)


@check
def a_mark_within_a_line_is_no_mark():
    lines = ["x zbm-test: begin a", "zbm-test: begin a", "zbm-test: beginning", "y", "zbm-test: end a 0", "z"]
    same(guest.split(lines), {"": ["x zbm-test: begin a"], "a": ["zbm-test: beginning", "y", "z"]})


# --- verdicts ---


class FakeGuests:
    """Runs each test by the next of the outcomes given for it."""

    kernel, rounds, logs = "/k/kernel-1", False, "logs"

    def __init__(self, report, twice, **outcomes):
        self.left, self.alone = outcomes, []
        self.verdicts = Verdicts(report, twice=twice)
        self.tell = lambda run, outcome: self.verdicts.take(self, run, outcome)

    def run(self, batch):
        self.alone.append(len(batch))
        for run in batch:
            status, final = self.left[run.test.name].pop(0)
            self.tell(run, judge.Outcome(run.name, "", 1, [judge.Result(status, "r")], [], final))


def tried(twice, **outcomes):
    """(good, lines, tests in each guest)."""
    out = io.StringIO()
    report = Report(out)
    where = FakeGuests(report, twice, **outcomes)
    where.run([plan.Run(sample(name), "release") for name in outcomes])
    where.verdicts.run_again()
    return report.total(), out.getvalue().splitlines(), where.alone


GOOD, BAD, WRONG = ("pass", False), ("fail", False), ("fail", True)


@check
def a_second_run_that_passes_counts_and_is_called_unsteady():
    good, lines, alone = tried(True, a=[GOOD], b=[BAD, GOOD], c=[BAD, GOOD])
    same((good, alone, lines[-2:]), (True, [3, 1, 1], ["3 passed, 0 failed", "unsteady: b, c"]))
    # Both verdicts are there.
    assert any(line.startswith("FAIL  b: ") for line in lines)
    assert any(line.startswith("ok    b, second run: ") for line in lines)


@check
def a_second_run_that_fails_counts_once():
    good, lines, alone = tried(True, a=[GOOD], b=[BAD, BAD])
    same((good, alone, lines[-1]), (False, [2, 1], "1 passed, 1 failed"))


@check
def a_second_run_that_skips_is_no_pass():
    good, lines, _ = tried(True, a=[GOOD], b=[BAD, ("skip", False)])
    same((good, lines[-1]), (False, "1 passed, 1 failed"))


@check
def wrong_data_is_never_tried_again():
    good, lines, alone = tried(True, a=[GOOD], b=[WRONG, GOOD])
    same((good, alone, lines[-1]), (False, [2], "1 passed, 1 failed"))


@check
def by_hand_nothing_is_tried_again():
    good, lines, alone = tried(False, a=[GOOD], b=[BAD, GOOD])
    same((good, alone, lines[-1]), (False, [2], "1 passed, 1 failed"))


# --- the report ---


def outcome_of(name, status, seconds=1.0, group="g", note=""):
    return judge.Outcome(name, group, seconds, [judge.Result(status, "r")], note=note)


def printed(*outcomes, spans=(), unsteady=(), retries=()):
    out = io.StringIO()
    report = Report(out, io.StringIO())
    for outcome in outcomes:
        report.add(outcome)
    for span in spans:
        report.span(*span)
    for name, why in retries:
        report.retried(name, why)
    report.unsteady = list(unsteady)
    good = report.total()
    return good, out.getvalue().splitlines()


@check
def totals_are_last():
    same([(good, lines[-1]) for good, lines in [printed(outcome_of("a", "pass"), outcome_of("b", "skip"))]], [(True, "1 passed, 0 failed")])
    good, lines = printed(outcome_of("a", "pass"), outcome_of("b", "fail"))
    same((good, lines[-1], "  b: r" in lines), (False, "1 passed, 1 failed", True))
    same(printed()[0], False)
    same(printed(outcome_of("b", "skip"))[0], False)


@check
def unsteady_tests_follow_the_totals():
    _, lines = printed(outcome_of("a", "pass"), unsteady=["x y", "z"])
    same(lines[-2:], ["1 passed, 0 failed", "unsteady: x y, z"])


@check
def guests_that_were_booted_again_are_counted():
    for count, more in [(0, None), (1, ":"), (2, ":"), (3, ", which is more than 2: see whether it is qemu's fault:")]:
        good, lines = printed(outcome_of("a", "pass"), retries=[("a", "it hung")] * count)
        told = [f"{count} times a guest was booted again{more}", *["  a: it hung"] * count] if more else []
        same((good, lines[-1], lines[-2 - count : -1] if more else []), (True, "1 passed, 0 failed", told))
        same([line for line in lines if "again" in line], told[:1])


@check
def a_retry_within_a_step_is_found_in_what_it_says():
    errors = io.StringIO()
    Report(io.StringIO(), errors).retried("a", "it hung")
    with tempfile.TemporaryDirectory() as work:
        with open(f"{work}/log", "w", encoding="utf-8") as file:
            file.write(errors.getvalue())
        same(judge.retries(f"{work}/log"), ["a: it hung"])


@check
def time_is_told_longest_first():
    _, lines = printed(
        outcome_of("a", "pass", 61, "tests"), outcome_of("b", "pass", 100, "tests"), outcome_of("k", "pass", 0, "", "kept, from then"),
        spans=[("boots", "booting for a", 7)],
    )  # fmt: skip
    at = next(n for n, line in enumerate(lines) if line.startswith("where the time went"))
    same([line.split() for line in lines[at + 1 : at + 3]], [["2:41", "tests"], ["0:07", "boots"]])
    same([line.split() for line in lines[at + 4 : at + 7]], [["1:40", "b"], ["1:01", "a"], ["0:07", "booting", "for", "a"]])
    assert any("1 tests have passed" in line for line in lines)


# --- verdicts that are kept ---


@check
def verdicts_are_kept_by_content():
    with tempfile.TemporaryDirectory() as work:
        os.makedirs(f"{work}/src")

        def put(text):
            with open(f"{work}/src/a.rs", "w", encoding="utf-8") as file:
                file.write(text)

        def kept(**more):
            return Kept(f"{work}/verdicts", top=work, sources=["src"], **more)

        put("one")
        run, other = plan.Run(sample("a"), "release"), plan.Run(sample("a"), "release", "page_cache")
        kept().store(run, "/k/kernel-1", False, outcome_of("a", "fail"))
        kept().store(other, "/k/kernel-1", False, outcome_of("a", "skip"))
        same((kept().load(run, "/k/kernel-1", False), kept().load(other, "/k/kernel-1", False)), (None, None))
        kept().store(run, "/k/kernel-1", False, outcome_of("a", "pass"))
        same(kept().load(run, "/k/kernel-1", False)[0], [judge.Result("pass", "r")])
        same(kept().load(run, "/another/cache/kernel-1", False)[0], [judge.Result("pass", "r")])
        same([kept().load(*key) for key in ((other, "/k/kernel-1", False), (run, "/k/kernel-2", False), (run, "/k/kernel-1", True))], [None] * 3)
        same(kept(fresh=True).load(run, "/k/kernel-1", False), None)
        put("two")
        same(kept().load(run, "/k/kernel-1", False), None)
        put("one")
        assert kept().load(run, "/k/kernel-1", False)
        # A later failure ends it, and so does a change of the sources under the run.
        kept().store(run, "/k/kernel-1", False, outcome_of("a", "fail"))
        same(kept().load(run, "/k/kernel-1", False), None)
        before = kept()
        put("two")
        before.store(run, "/k/kernel-1", False, outcome_of("a", "pass"))
        put("one")
        same(kept().load(run, "/k/kernel-1", False), None)


def main():
    failed = False
    for function in CHECKS:
        name = "runner: " + function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {name}")
        except Exception:  # noqa: BLE001 # whatever it is
            failed = True
            print("\n".join(f"# {line}" for line in traceback.format_exc().splitlines()))
            print(f"not ok {name}")
    sys.exit(1 if failed else 0)


main()
