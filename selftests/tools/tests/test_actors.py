# SPDX-License-Identifier: GPL-2.0
"""What is known of blocks that several use: each version is told from all others, and from
those of other blocks; and what a process that has failed makes of the whole."""

import contextlib
import io
import unittest

from actors.blocks import BLOCK, KINDS, Board, Writer
from actors.tasks import WrongData, run_all


class Boards(unittest.TestCase):
    def setUp(self):
        self.board = Board("/dev/none", 2, 8, "1")

    def test_contents_differ(self):
        seen = {}
        for block in range(16):
            for version in range(3 * KINDS):
                data = self.board.content(block, version)
                self.assertEqual(len(data), BLOCK)
                if version % KINDS:
                    self.assertNotIn(data, seen, (block, version))
                    seen[data] = block, version
                else:
                    self.assertFalse(any(data))

    def test_only_the_versions_that_there_were_are_right(self):
        data = self.board.content(3, 5)
        self.assertEqual(self.board.check(3, data, 4, 6), 5)
        for block, first, last in ((3, 6, 9), (3, 0, 4), (2, 4, 6)):
            with self.assertRaises(WrongData):
                self.board.check(block, data, first, last)
        torn = data[:512] + self.board.content(3, 6)[512:]
        with self.assertRaises(WrongData):
            self.board.check(3, torn, 5, 6)

    def test_what_is_freed_is_zeroes(self):
        for version in range(3 * KINDS):
            after = Writer.after(version, True)
            self.assertGreater(after, version)
            self.assertFalse(any(self.board.content(0, after)))
            self.assertEqual(Writer.after(version, False), version + 1)


class Wrong:
    def __call__(self, _):
        raise WrongData("here")


class EndsWrong:
    def __call__(self, _):
        pass

    def end(self):
        raise WrongData("at last")


def fail(_):
    raise OSError(5, "there")


class Tasks(unittest.TestCase):
    def run_them(self, **works):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            status = run_all(works, dict.fromkeys(works, 1), 0, "1")
        return status, said.getvalue()

    def test_all_is_well(self):
        status, said = self.run_them(a=lambda rng: rng.random(), b=lambda rng: None)
        self.assertEqual(status, 0)
        self.assertEqual(sorted(line.split("=")[0] for line in said.splitlines()), ["a", "b"])

    def test_wrong_data_is_told_from_failure(self):
        for wrong in (Wrong(), EndsWrong()):
            status, said = self.run_them(a=wrong, b=lambda rng: None)
            self.assertEqual(status, 2)
            self.assertIn("wrong data: a, round ", said)
        status, said = self.run_them(a=fail, b=lambda rng: None)
        self.assertEqual(status, 1)
        self.assertIn("a, round 0: OSError", said)
