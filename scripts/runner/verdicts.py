# SPDX-License-Identifier: GPL-2.0
"""Decides about the outcome of a guest's test: whether it counts, is kept for the next
run, or the test runs once more."""

from .judge import Outcome, Result


class Verdicts:
    """twice: a failure that is not final counts only if the test fails in a second
    run, too, alone; it is called unsteady if it does not."""

    def __init__(self, report, kept=None, twice=False):
        self.report, self.kept, self.twice = report, kept, twice
        self.again, self.skips = [], {}

    def take(self, where, run, outcome):
        """where: the Guests that have run it."""
        outcome.group = f"tests under {run.kernel}"
        if self.kept:
            self.kept.store(run, where.kernel, where.rounds, outcome)
        if self.twice and outcome.failed and not outcome.final:
            outcome.details.append("no splat, no wrong data: runs once more at the end, alone")
            self.again.append((where, run))
            self.skips[run.name] = outcome.count("skip")
            self.report.add(outcome, counted=False)
            self.report.span(outcome.group, f"{run.name}, first run", outcome.seconds)
            return
        self.report.add(outcome)

    def was_kept(self, where, run):
        """Whether the test has passed before with the same content; reports it."""
        verdict = self.kept and self.kept.load(run, where.kernel, where.rounds)
        if not verdict:
            return False
        results, when = verdict
        self.report.add(Outcome(run.name, "", 0, results, note=f"kept, from {when}"))
        return True

    def run_again(self):
        """Once nothing else is running."""
        for where, run in self.again:
            where.logs += "/second-run"
            where.tell = self.second
            where.run([run])

    def second(self, run, outcome):
        outcome.group = f"tests under {run.kernel}"
        outcome.name += ", second run"
        # A result that was skipped this time has not passed.
        if not outcome.failed and (outcome.count("skip") > self.skips[run.name] or not outcome.count("pass")):
            outcome.results.append(Result("fail", "skipped in the second run"))
        self.report.add(outcome)
        if not outcome.failed:
            self.report.unsteady.append(run.name)
