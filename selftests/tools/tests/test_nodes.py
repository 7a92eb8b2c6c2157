# SPDX-License-Identifier: GPL-2.0
"""The processors of nodes."""

import os
import tempfile
import unittest

import nodes


class Nodes(unittest.TestCase):
    def test_each_node_by_number_with_what_this_may_use(self):
        one = min(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory() as top:
            for node, text in ((0, f"{one}"), (2, ""), (10, "4000-4001"), (9, f"{one},4002")):
                os.mkdir(f"{top}/node{node}")
                with open(f"{top}/node{node}/cpulist", "w", encoding="utf-8") as file:
                    file.write(f"{text}\n")
            self.assertEqual(nodes.processors(top), [{one}, {one}])
            self.assertEqual([nodes.number(f"{top}/node{n}") for n in (2, 10)], [2, 10])

    def test_without_nodes(self):
        with tempfile.TemporaryDirectory() as top:
            self.assertEqual(nodes.processors(top), [os.sched_getaffinity(0)])
