# SPDX-License-Identifier: GPL-2.0
"""What files of sysfs say."""

import unittest

import sysfs


class Numbers(unittest.TestCase):
    def test_lists(self):
        self.assertEqual(sysfs.numbers("0-1,3\n"), {0, 1, 3})
        self.assertEqual(sysfs.numbers("12"), {12})
        self.assertEqual(sysfs.numbers("\n"), set())
