# SPDX-License-Identifier: GPL-2.0
"""The programs that make, change and compare data."""

import io
import os
import random
import tempfile
import unittest

import plain_pages
import punch
import scatter
import writer


class Punch(unittest.TestCase):
    def punched(self, size, n):
        file = io.BytesIO(b"x" * size)
        punch.punch(file, n)
        return file.getvalue()

    def test_each_nth_block_is_zeroes(self):
        block, zeroes = b"x" * 4096, bytes(4096)
        self.assertEqual(self.punched(5 * 4096, 2), block + zeroes + block + zeroes + block)
        self.assertEqual(self.punched(2 * 4096, 1), zeroes * 2)
        self.assertEqual(self.punched(4096, 2), block)

    def test_size_stays(self):
        self.assertEqual(self.punched(4096 + 10, 2), b"x" * 4096 + bytes(10))
        self.assertEqual(self.punched(0, 3), b"")


class Scatter(unittest.TestCase):
    def test_all_is_stored_in_order_and_half_is_taken(self):
        data = random.Random(1).randbytes(3 * scatter.PIECE + 5)
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as ballast:
            source.write(data)
            source.flush()
            source.seek(0)
            pool = io.BytesIO()
            scatter.scatter(source, pool, ballast, 1 << 20)
            self.assertEqual(pool.getvalue(), data)
            self.assertEqual(os.fstat(ballast.fileno()).st_size, 1 << 19)


class PlainPages(unittest.TestCase):
    def test_flags(self):
        referenced, buddy, reserved = 1 << 2, 1 << 10, 1 << 32
        self.assertEqual(plain_pages.plain([0, referenced, buddy, reserved, buddy | referenced]), 2)

    def test_blocks(self):
        words = [0, 1 << 7, 0, 0, 1 << 26, 1 << 5]
        file = io.BytesIO(b"".join(word.to_bytes(8, "little") for word in words))
        self.assertEqual(plain_pages.plain_in_blocks(file, 2, [0, 2]), 1)
        self.assertEqual(plain_pages.plain_in_blocks(file, 2, [1]), 2)


class Writer(unittest.TestCase):
    def setUp(self):
        dice = random.Random(2)
        self.blocks = [dice.randbytes(writer.BLOCK) for _ in range(32)]

    def test_finds_what_it_wrote(self):
        with tempfile.TemporaryFile(buffering=0) as pool:
            for me in range(writer.WRITERS):
                self.assertEqual(writer.write(pool.fileno(), self.blocks, me, random.Random(me)), [])
            self.assertLessEqual(os.fstat(pool.fileno()).st_size, 32 * writer.BLOCK)

    def test_finds_what_is_wrong(self):
        reads, read = iter(range(1000)), os.pread

        def wrong(*arguments):
            got = read(*arguments)
            return got[:-1] + bytes([got[-1] ^ 1]) if next(reads) == 0 else got

        with tempfile.TemporaryFile(buffering=0) as pool:
            os.pread = wrong
            try:
                self.assertEqual(len(writer.write(pool.fileno(), self.blocks, 0, random.Random(3))), 1)
            finally:
                os.pread = read


if __name__ == "__main__":
    unittest.main()
