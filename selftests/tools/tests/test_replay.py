# SPDX-License-Identifier: GPL-2.0
"""The replay of trace events: content with what can be, and names what cannot."""

import unittest

import replay

STORED = [
    "cat-1 [0] ..... 1.0: store: pool=zbud0 pfn=10 nid=0 bytes=100 place=new handle=a",
    "cat-1 [0] ..... 1.1: store: pool=zbud0 pfn=10 nid=0 bytes=90 place=beside handle=b",
    "cat-1 [0] ..... 1.2: store: pool=zbud0 pfn=11 nid=1 bytes=80 place=new handle=c",
    "cat-1 [0] ..... 1.3: isolate: pool=zbud0 pfn=10 nid=0 result=0",
]
MOVED = STORED + [
    "cat-1 [0] ..... 1.4: free: pool=zbud0 pfn=10 nid=0 bytes=100 handle=a",
    "cat-1 [0] ..... 1.5: migrate: pool=zbud0 from_pfn=10 from_nid=0 to_pfn=9 to_nid=1 mode=sync result=0 ns=5",
    "cat-1 [0] ..... 1.5: migrate: pool=zbud0 from_pfn=9 from_nid=1 to_pfn=7 to_nid=1 mode=sync result=-16 ns=5",
    "cat-1 [0] ..... 1.6: repair: pool=zbud0 handle=c from_pfn=11 from_nid=1 to_pfn=9 to_nid=1 bytes=80 result=-11",
    "cat-1 [0] ..... 1.7: repair: pool=zbud0 handle=c from_pfn=11 from_nid=1 to_pfn=9 to_nid=1 bytes=80 result=0",
]
HEADING = "pfn nid first last pins state\n"


def complaints(lines, pages):
    pool = replay.Pool()
    pool.replay(lines)
    pool.compare(HEADING + "".join(f"{page}\n" for page in pages))
    return pool.complaints


class Replay(unittest.TestCase):
    def test_content(self):
        self.assertEqual(complaints([], []), [])
        self.assertEqual(complaints(STORED, ["10 0 100 90 0 Buddied", "11 1 0 80 0 Unbuddied", "12 0 0 0 0 Empty"]), [])
        self.assertEqual(complaints(MOVED, ["9 1 80 90 0 Buddied"]), [])

    def test_pages_are_others(self):
        for pages in ([], ["9 0 80 90 0 Buddied"], ["9 1 80 91 0 Buddied"], ["8 1 80 90 0 Buddied"],
                      ["9 1 0 90 0 Unbuddied"], ["9 1 80 90 0 Buddied", "10 0 0 5 0 Unbuddied"]):
            with self.subTest(pages):
                self.assertNotEqual(complaints(MOVED, pages), [])

    def test_cannot_be(self):
        told = ["10 0 100 90 0 Buddied", "11 1 0 80 0 Unbuddied"]
        for line in (
            "store: pool=zbud0 pfn=10 nid=0 bytes=0 place=beside handle=d",
            "store: pool=zbud0 pfn=10 nid=0 bytes=100 place=empty handle=a",
            "store: pool=zbud0 pfn=11 nid=1 bytes=80 place=beside handle=a",
            "free: pool=zbud0 pfn=11 nid=1 bytes=80 handle=a",
            "free: pool=zbud0 pfn=11 nid=0 bytes=80 handle=c",
            "free: pool=zbud0 pfn=11 nid=1 bytes=81 handle=c",
            "repair: pool=zbud0 handle=a from_pfn=10 from_nid=0 to_pfn=11 to_nid=1 bytes=100 result=0",
            "repair: pool=zbud0 handle=c from_pfn=11 from_nid=1 to_pfn=10 to_nid=0 bytes=80 result=0",
            "migrate: pool=zbud0 from_pfn=11 from_nid=1 to_pfn=10 to_nid=0 mode=sync result=0 ns=1",
            "migrate: pool=zbud0 from_pfn=11 from_nid=0 to_pfn=8 to_nid=0 mode=sync result=0 ns=1",
        ):
            with self.subTest(line):
                pool = replay.Pool()
                pool.replay(STORED)
                self.assertEqual(pool.complaints, [])
                pool.replay([f"cat-1 [0] ..... 2.0: {line}"])
                self.assertNotEqual(pool.complaints, [])
        self.assertEqual(complaints(STORED, told), [])


if __name__ == "__main__":
    unittest.main()
