# SPDX-License-Identifier: GPL-2.0
"""lib/ktap.sh: what is printed for each kind of result, and the exit status."""

import os
import subprocess
import unittest

LIB = os.path.join(os.path.dirname(__file__), "../../lib.sh")


def run(script):
    """The exit status of a test with these commands, and the lines that it prints."""
    done = subprocess.run(["bash", "-c", f'. "$0"\nktap_print_header\n{script}', LIB], capture_output=True,
                          encoding="ascii", check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


class Ktap(unittest.TestCase):
    def assert_run(self, script, status, *lines):
        got, said = run(script)
        self.assertEqual(said[0], "KTAP version 1")
        self.assertEqual([line for line in said[1:] if not line.startswith("# Totals")], list(lines))
        self.assertEqual(got, status)

    def test_pass(self):
        self.assert_run("ktap_set_plan 2; ktap_test_result a true; is b 1 -eq 1; ktap_finished", 0,
                        "1..2", "ok 1 a", "ok 2 b")

    def test_fail(self):
        self.assert_run("ktap_set_plan 2; ktap_test_result a false; is b x = y; ktap_finished", 1, "1..2",
                        "# a: 'false' gave exit status 1", "not ok 1 a",
                        "# b: expected 'x' = 'y'", "not ok 2 b")

    def test_output_of_a_failure_only(self):
        self.assert_run("loud() { echo said; return 3; }; ktap_test_result a loud; ktap_test_result b echo quiet; "
                        "ktap_finished", 1,
                        "# said", "# a: 'loud' gave exit status 3", "not ok 1 a", "ok 2 b", "1..2")

    def test_skip(self):
        self.assert_run("ktap_set_plan 2; ktap_test_skip a why; ktap_test_pass b; ktap_finished", 0,
                        "1..2", "ok 1 a # SKIP why", "ok 2 b")
        self.assert_run("ktap_set_plan 1; ktap_test_skip a why; ktap_finished", 4, "1..1", "ok 1 a # SKIP why")
        self.assert_run("ktap_exit_skip no such thing", 4, "1..0 # SKIP no such thing")

    def test_short_of_the_plan(self):
        self.assert_run("ktap_set_plan 2; ktap_test_pass a; ktap_finished", 1,
                        "1..2", "ok 1 a", "# planned 2 tests but ran 1")

    def test_ends_early(self):
        self.assert_run("ktap_exit_fail_msg no use", 1, "Bail out! no use")
        self.assert_run("exit 0", 1, "Bail out! the test ended before ktap_finished (exit status 0)")

    def test_at_exit(self):
        self.assert_run("at_exit 'echo first'; at_exit 'echo second'; ktap_test_pass a; ktap_finished", 0,
                        "ok 1 a", "1..1", "second", "first")

    def test_totals(self):
        self.assertIn("# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0",
                      run("ktap_test_pass a; ktap_test_skip b c; ktap_test_fail d; ktap_finished")[1])

    def test_wrong_data(self):
        self.assert_run("ktap_test_result a wrong_data because; ktap_test_result b false; ktap_finished", 1,
                        "# because", "# a: 'wrong_data because' gave exit status 1", "not ok 1 a # wrong-data",
                        "# b: 'false' gave exit status 1", "not ok 2 b", "1..2")
        self.assert_run("adds_up a 1 -eq 2; adds_up b 1 -eq 1; ktap_finished", 1,
                        "# a: expected '1' -eq '2'", "not ok 1 a # wrong-data", "ok 2 b", "1..2")

    def test_wrong_data_in_a_subshell(self):
        self.assert_run('both() { [ "$(wrong_data)" = x ]; }; ktap_test_result a both; ktap_finished', 1,
                        "# a: 'both' gave exit status 1", "not ok 1 a # wrong-data", "1..1")

    def test_wrong_data_that_a_poll_saw(self):
        self.assert_run("twice() { [ -n \"${again:-}\" ] || { again=1; wrong_data; }; }\n"
                        "ktap_test_result a wait_until 5 twice; ktap_test_fail b; ktap_finished", 1,
                        "ok 1 a", "not ok 2 b", "1..2")

    def test_wrong_data_of_a_worker(self):
        self.assert_run('SCRATCH=$(mktemp -d); at_exit "rm -r $SCRATCH"\n'
                        "bad() { wrong_data 'byte 5'; }; good() { sleep 0.05; }; sick() { false; }\n"
                        'start_workers bad good sick; sleep 0.3; stop_workers; wait "${WORKERS[@]}"\n'
                        "workers_are_content | grep -v times; exit 0", 1,
                        "# bad is content: failed: byte 5", "not ok 1 bad is content # wrong-data",
                        "ok 2 good is content",
                        "# sick is content: failed: ", "not ok 3 sick is content",
                        "Bail out! the test ended before ktap_finished (exit status 0)")


class Data(unittest.TestCase):
    def test_same_bytes(self):
        self.assertEqual(run("same_bytes <(echo a) <(echo b) >/dev/null; ktap_test_fail a; exit")[1][1],
                         "not ok 1 a # wrong-data")
        self.assertEqual(run("same_bytes <(echo a) <(echo a); ktap_test_fail a; exit")[1][1], "not ok 1 a")


if __name__ == "__main__":
    unittest.main()
