# SPDX-License-Identifier: GPL-2.0
"""density.py: how many pages zpages take at best."""

import unittest

from density import per_mille, perfect


class Perfect(unittest.TestCase):
    def test_as_few_as_can_be(self):
        for lengths, pages in (
            ([], 0),
            ([4096], 1),
            ([2048, 2048], 1),
            ([2048, 2049], 2),
            ([1, 4095, 4096], 2),
            ([1000, 2000, 3000, 2096], 2),
            ([100] * 5, 3),
            ([3000, 3000, 1000, 1000], 2),
        ):
            self.assertEqual(perfect(lengths), pages, lengths)

    def test_a_list_of_pages(self):
        heading = "pfn nid first last pins state\n"
        self.assertEqual(per_mille(heading), 1000)
        lone = "1 0 100 0 0 Unbuddied\n2 0 0 100 0 Unbuddied\n"
        self.assertEqual(per_mille(heading + lone), 500)
        self.assertEqual(per_mille(heading + "1 0 100 100 0 Buddied\n"), 1000)


if __name__ == "__main__":
    unittest.main()
