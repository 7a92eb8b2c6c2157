# SPDX-License-Identifier: GPL-2.0
"""Prints a line for each test as it ends, and at the end an account of the time, the
failures and the totals."""

import sys
import threading
import time


# As many guests may be booted again, because of faults that are known of qemu, before the run
# says that it was more often than they explain.
RETRIES = 2


class Report:
    def __init__(self, out=sys.stdout, errors=sys.stderr):
        self.out, self.errors, self.lock = out, errors, threading.Lock()
        self.began = time.monotonic()
        self.outcomes, self.spans, self.unsteady, self.retries = [], [], [], []

    def retried(self, name, why):
        """A guest of test or step name was booted again, which is no verdict on the test."""
        with self.lock:
            # As scripts/vm/boot says it: a run within this one counts for this one, too.
            print(f"zbud_movable: retry: {name}: {why}", file=self.errors, flush=True)
            self.retries.append(f"{name}: {why}")

    def add(self, outcome, counted=True):
        """Print it; counted: it is part of the totals."""
        passed, failed, skipped = (outcome.count(status) for status in ("pass", "fail", "skip"))
        word = "FAIL" if failed else "ok" if passed else "skip"
        line = f"{passed} passed" + (f", {failed} failed" if failed else "") + (f", {skipped} skipped" if skipped else "")
        lines = [f"{word:4}  {outcome.name}: {line} ({outcome.note or f'{outcome.seconds:.0f} s'})"]
        lines += [f"      failed: {result.name}" for result in outcome.results if result.status == "fail"]
        lines += [f"      skipped: {result.name}" for result in outcome.results if result.status == "skip"]
        if failed:
            lines += [f"      {line}" for line in outcome.details]
        with self.lock:
            # One write, so that the lines of parallel tests stay together
            print("\n".join(lines), file=self.out, flush=True)
            if counted:
                self.outcomes.append(outcome)

    def span(self, group, name, seconds):
        """Time that is no test's: building a kernel, booting guests."""
        with self.lock:
            self.spans.append((group, name, seconds))

    def account(self):
        """The lines of the account: groups with their sums, then every test, the
        longest first."""
        groups, items = {}, []
        for outcome in self.outcomes:
            # A kept verdict has taken no time.
            if not outcome.note:
                items.append((outcome.group, outcome.name, outcome.seconds))
        for group, name, seconds in items + self.spans:
            count, total = groups.get(group, (0, 0.0))
            groups[group] = count + 1, total + seconds
        elapsed = time.monotonic() - self.began
        lines = [f"where the time went, {clock(elapsed)} in all (host steps run beside the building of kernels):"]
        for group, (count, total) in sorted(groups.items(), key=lambda item: -item[1][1]):
            lines.append(f"  {clock(total):>7}  {group}")
        lines.append("  of these, the longest first:")
        for group, name, seconds in sorted(items + self.spans, key=lambda item: -item[2]):
            if seconds >= 0.5:
                lines.append(f"  {clock(seconds):>7}  {name}")
        return lines

    def total(self):
        """Print the end of the report. True if something ran, and all passed."""
        results = [(outcome, result) for outcome in self.outcomes for result in outcome.results]
        of = {status: [pair for pair in results if pair[1].status == status] for status in ("pass", "fail", "skip")}
        lines = self.account()
        if of["fail"]:
            lines.append("failed:")
            lines += [f"  {outcome.name}: {result.name}" for outcome, result in of["fail"]]
        kept = [outcome for outcome in self.outcomes if outcome.note]
        if kept:
            lines.append(f"{len(kept)} tests have passed with this very content before and were not run again (FRESH=1 runs them)")
        if of["skip"]:
            lines.append(f"{len(of['skip'])} skipped")
        if self.retries:
            many = f", which is more than {RETRIES}: see whether it is qemu's fault" if len(self.retries) > RETRIES else ""
            lines.append(f"{len(self.retries)} times a guest was booted again{many}:")
            lines += [f"  {retry}" for retry in self.retries]
        lines.append(f"{len(of['pass'])} passed, {len(of['fail'])} failed")
        # .ci/run prints it before the totals, which must be its last line.
        if self.unsteady:
            lines.append("unsteady: " + ", ".join(self.unsteady))
        print("\n".join(lines), file=self.out, flush=True)
        return bool(of["pass"]) and not of["fail"]


def clock(seconds):
    return f"{int(seconds + 0.5) // 60}:{int(seconds + 0.5) % 60:02}"
