# SPDX-License-Identifier: GPL-2.0
"""The judge of figures: content with those that agree, and names each that does not."""

import os
import tempfile
import unittest
from unittest import mock

import add_up

PAGES = """pfn nid first last pins state
100 0 2048 64 0 Buddied
101 0 128 0 2 Unbuddied
40000 1 0 4096 0 Unbuddied
"""
POOLS = "sys/kernel/debug/zbud_movable/pools"
POOL = f"{POOLS}/zbud0"
SYS = "sys/kernel/zbud_movable"
DISK = "sys/block/zbud0"
TREE = {
    f"{POOL}/pages": PAGES,
    f"{POOL}/summary": "pages 3\nstored_bytes 6336\n"
                       "node0 pages 2 zpages 3 unbuddied_pages 1 empty_pages 0\n"
                       "node1 pages 1 zpages 1 unbuddied_pages 1 empty_pages 0\n",
    f"{SYS}/pages": "3\n",
    f"{SYS}/zpages": "4\n",
    f"{SYS}/stored_bytes": "8192\n",
    f"{SYS}/unbuddied_pages": "2\n",
    f"{SYS}/empty_pages": "0\n",
    f"{SYS}/lost_zpages": "0\n",
    f"{SYS}/stats/migrated": "9\n",
    f"{SYS}/stats/repaired": "7\n",
    f"{SYS}/node0/pages": "2\n",
    f"{SYS}/node0/zpages": "3\n",
    f"{SYS}/node0/unbuddied_pages": "1\n",
    f"{SYS}/node0/empty_pages": "0\n",
    f"{SYS}/node0/moved_in": "5\n",
    f"{SYS}/node0/moved_out": "4\n",
    f"{SYS}/node1/pages": "1\n",
    f"{SYS}/node1/zpages": "1\n",
    f"{SYS}/node1/unbuddied_pages": "1\n",
    f"{SYS}/node1/empty_pages": "0\n",
    f"{SYS}/node1/moved_in": "1\n",
    f"{SYS}/node1/moved_out": "2\n",
    f"{DISK}/pages": "3\n",
    f"{DISK}/zpages": "4\n",
    f"{DISK}/stored_bytes": "8192\n",
    f"{DISK}/unbuddied_pages": "2\n",
    f"{DISK}/empty_pages": "0\n",
    f"{DISK}/large_zpages": "1\n",
    f"{DISK}/lost_zpages": "0\n",
    # With 5 pages that are filled with one value
    f"{DISK}/mm_stat": f"{9 * 4096} 8192 {3 * 4096} 0 {3 * 4096} 5 7 1 1\n",
    f"{DISK}/node0/pages": "2\n",
    f"{DISK}/node0/zpages": "3\n",
    f"{DISK}/node0/unbuddied_pages": "1\n",
    f"{DISK}/node0/empty_pages": "0\n",
    f"{DISK}/node1/pages": "1\n",
    f"{DISK}/node1/zpages": "1\n",
    f"{DISK}/node1/unbuddied_pages": "1\n",
    f"{DISK}/node1/empty_pages": "0\n",
    "sys/devices/system/memory/block_size_bytes": "8000000\n",
    "sys/devices/system/node/node0/memory0": "",
    "sys/devices/system/node/node1/memory1": "",
}


def complaints(changes=(), without=()):
    """What the judge says of the tree with these changes."""
    tree = {**TREE, **dict(changes)}
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, POOLS))
        for path, text in tree.items():
            if path not in without:
                path = os.path.join(root, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
        return add_up.Judge(root).check()


ANOTHER = {
    f"{POOLS}/zpool1/pages": PAGES.splitlines()[0] + "\n102 0 64 0 0 Unbuddied\n",
    f"{POOLS}/zpool1/summary": "pages 1\nstored_bytes 64\nnode0 pages 1 zpages 1 unbuddied_pages 1\n",
}
WITH_ANOTHER = ANOTHER | {
    f"{SYS}/pages": "4\n",
    f"{SYS}/zpages": "5\n",
    f"{SYS}/stored_bytes": "8192\n",
    f"{SYS}/unbuddied_pages": "3\n",
    f"{SYS}/node0/pages": "3\n",
    f"{SYS}/node0/zpages": "4\n",
    f"{SYS}/node0/unbuddied_pages": "2\n",
}


class AddUp(unittest.TestCase):
    def test_content(self):
        self.assertEqual(complaints(), [])

    def test_empty_pool(self):
        empty = {path: "0\n" for path in TREE if path.startswith((f"{SYS}/", f"{DISK}/"))}
        empty[f"{DISK}/mm_stat"] = "0 0 0 0 12288 0 0 0 1\n"
        empty |= {f"{POOL}/pages": PAGES.splitlines()[0] + "\n", f"{POOL}/summary": "pages 0\nstored_bytes 0\n"}
        self.assertEqual(complaints(empty), [])

    def test_disk_without_a_pool(self):
        empty = {path: "0\n" for path in TREE if path.startswith((f"{SYS}/", f"{DISK}/"))}
        empty[f"{DISK}/mm_stat"] = "0 0 0 0 0 0 0 0 0\n"
        self.assertEqual(complaints(empty, [f"{POOL}/pages", f"{POOL}/summary"]), [])

    def test_two_pools(self):
        self.assertEqual(complaints(WITH_ANOTHER), [])
        self.assertNotEqual(complaints(ANOTHER), [])

    def test_page_of_two_pools(self):
        twice = {f"{POOLS}/zpool1/pages": ANOTHER[f"{POOLS}/zpool1/pages"].replace("102", "101")}
        said = complaints(WITH_ANOTHER | twice)
        self.assertEqual(len(said), 1)
        self.assertIn("listed twice: (101, ", said[0])

    def test_lost_blocks(self):
        lost = {f"{SYS}/lost_zpages": "2\n", f"{DISK}/lost_zpages": "2\n"}
        self.assertEqual(complaints(lost), [])
        self.assertEqual(complaints(lost | {f"{DISK}/large_zpages": "3\n"}), [])
        self.assertEqual(len(complaints(lost | {f"{DISK}/large_zpages": "4\n"})), 1)
        self.assertEqual(len(complaints(lost | {f"{DISK}/large_zpages": "0\n"})), 1)

    def test_each_figure_of_mm_stat(self):
        figures = TREE[f"{DISK}/mm_stat"].split()
        for n, name in enumerate(("stored", "compressed", "used", None, "used", "stored", "compacted", "huge", "huge")):
            changed = figures[:n] + [str(0 if n in (4, 8) else 1000)] + figures[n + 1 :]
            with self.subTest(n):
                said = complaints({f"{DISK}/mm_stat": " ".join(changed)})
                self.assertEqual(bool(said), name is not None)
                self.assertIn(name or "", "\n".join(said))

    def test_mm_stat_is_short(self):
        self.assertEqual(complaints({f"{DISK}/mm_stat": "0 0 0\n"}), ["zbud0: mm_stat has 3 figures"])

    def test_each_counter(self):
        for path in TREE:
            if not path.startswith((f"{SYS}/", f"{DISK}/")) or path.endswith(("migrated", "repaired", "mm_stat")):
                continue
            with self.subTest(path):
                said = complaints({path: "1000\n"})
                self.assertNotEqual(said, [])
                self.assertRegex("\n".join(said), r"\b100\d\b")

    def test_each_figure_of_the_summary(self):
        summary = TREE[f"{POOL}/summary"]
        for figure in ("pages 3", "stored_bytes 6336", "node0 pages 2", "zpages 3", "unbuddied_pages 1", "empty_pages 0"):
            with self.subTest(figure):
                self.assertNotEqual(complaints({f"{POOL}/summary": summary.replace(figure, figure + "7", 1)}), [])

    def test_summary_without_a_figure(self):
        self.assertEqual(complaints({f"{POOL}/summary": TREE[f"{POOL}/summary"].replace("stored_bytes 6336\n", "")}),
                         ["zbud0: bytes: in pages, in summary: 6336 and None"])

    def test_not_at_rest(self):
        for state in ("Empty", "Moving", "Leaving", "Unbuddied", "?"):
            said = complaints({f"{POOL}/pages": PAGES.replace("0 Buddied", f"0 {state}")})
            self.assertEqual(len(said), 1)
            self.assertIn("not at rest", said[0])

    def test_listed_twice(self):
        said = complaints({f"{POOL}/pages": PAGES.replace("101", "100")})
        self.assertEqual(len(said), 1)
        self.assertIn("listed twice", said[0])

    def test_on_another_node(self):
        self.assertEqual(complaints(without=["sys/devices/system/node/node1/memory1"]),
                         ["block on another node: 1 1"])

    @mock.patch("add_up.LOOKS", 2)
    def test_too_many_empty_pages(self):
        def with_empty(number):
            pages = "".join(f"{pfn} 1 0 0 0 Empty\n" for pfn in range(50000, 50000 + number))
            return complaints({f"{POOL}/pages": PAGES + pages})

        self.assertNotIn("zbud0: empty pages on node 1: 65", with_empty(65))
        self.assertIn("zbud0: empty pages on node 1: 66", with_empty(66))

    def test_looks_again_while_pages_leave(self):
        with tempfile.TemporaryDirectory() as root:
            judge = add_up.Judge(root)
            empty, lone = (1, 0, 0, 0, "Empty"), (2, 0, 9, 0, "Unbuddied")
            lists = iter([[empty, empty, lone], [empty, lone], [empty, lone], [lone], [lone]])
            judge.list_pages = lambda: {"zbud0": next(lists)}
            judge.compare = lambda pools: judge.unlike(f"{len(pools['zbud0'])} left")
            self.assertEqual(judge.check(), ["1 left"])

    def test_moved_more_than_migrated(self):
        self.assertEqual(complaints({f"{SYS}/stats/migrated": "5\n"}), ["moved more than migrated"])

    def test_fails_if_a_file_is_missing(self):
        with self.assertRaises(OSError):
            complaints(without=[f"{SYS}/zpages"])


if __name__ == "__main__":
    unittest.main()
