# SPDX-License-Identifier: GPL-2.0
"""The programs that make, change and compare data."""

import errno
import io
import itertools
import os
import random
import tempfile
import unittest

import blocks
import plain_pages
import punch
import real_data
import scatter
import try_writes
import unaligned
import writer
from direct import Direct


class Blocks(unittest.TestCase):
    def test_same_filled(self):
        self.assertTrue(blocks.same_filled(bytes(4096)))
        self.assertTrue(blocks.same_filled(b"12345678" * 512))
        self.assertFalse(blocks.same_filled(b"1" + bytes(4095)))
        self.assertFalse(blocks.same_filled(bytes(4095) + b"1"))
        self.assertFalse(blocks.same_filled(b"1234567812345679" * 256))

    def test_count(self):
        self.assertEqual(blocks.count(io.BytesIO(bytes(8192) + b"1" * 4096 + b"12" * 2048 + b"1" + bytes(4095))), 1)
        self.assertEqual(blocks.count(io.BytesIO()), 0)


class RealData(unittest.TestCase):
    def test_blocks_of_large_files_that_are_not_of_one_value(self):
        dice = random.Random(4)
        them = [dice.randbytes(4096) for _ in range(30)]
        with tempfile.TemporaryDirectory() as root:
            for name, content in (("b", b"".join(them[:26])), ("a", them[26] + bytes(8192) + them[27] * 24),
                                  ("small", them[28]), ("c", them[29] * 26 + b"rest")):
                with open(os.path.join(root, name), "wb") as file:
                    file.write(content)
            os.symlink(os.path.join(root, "a"), os.path.join(root, "link"))
            got = list(real_data.blocks_of(real_data.large_files([root])))
        self.assertEqual(got, [them[26]] + [them[27]] * 24 + them[:26] + [them[29]] * 26)

    def test_fill(self):
        file = io.BytesIO()
        self.assertTrue(real_data.fill(file, 2, iter([b"a", b"b", b"c"])))
        self.assertEqual(file.getvalue(), b"ab")
        self.assertFalse(real_data.fill(io.BytesIO(), 2, iter([b"a"])))


class DirectFile(unittest.TestCase):
    def test_what_is_written_is_read(self):
        data = random.Random(5).randbytes(8192)
        with tempfile.NamedTemporaryFile() as file:
            direct = Direct(file.name, 8192, 0)
            direct.write(data, 4096)
            direct.write(data[:4096], 8192)
            self.assertEqual(direct.read(8192, 4096), data[:4096] * 2)
            self.assertEqual(direct.read(4096, 0), bytes(4096))
            self.assertEqual(direct.read(8192, 8192), data[:4096])


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
        data = random.Random(1).randbytes(3 * scatter.PIECE + 4096)
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as ballast, \
                tempfile.NamedTemporaryFile() as disk:
            source.write(data)
            source.flush()
            source.seek(0)
            scatter.scatter(source, itertools.repeat(Direct(disk.name, scatter.PIECE, 0)), ballast, 1 << 20)
            self.assertEqual(disk.read(), data)
            self.assertEqual(os.fstat(ballast.fileno()).st_size, 1 << 19)


class Unaligned(unittest.TestCase):
    def setUp(self):
        self.data = random.Random(6).randbytes(100 * 4096)

    def test_what_is_written_is_read(self):
        with tempfile.TemporaryFile(buffering=0) as file:
            self.assertGreater(unaligned.copy(file.fileno(), self.data, 4096, random.Random(7)), 6)
            file.seek(0)
            self.assertEqual(file.read(), bytes(4096) + self.data)

    def test_pieces_are_whole_and_at_sectors(self):
        buffer = memoryview(bytearray(range(256)) * 1024)
        for seed in range(50):
            dice = random.Random(seed)
            length = dice.randrange(1, 32) * 4096
            parts = unaligned.pieces(buffer, length, dice)
            self.assertEqual(sum(map(len, parts)), length)
            self.assertFalse([part for part in parts if len(part) % 4096])
            self.assertEqual(sum(map(len, unaligned.split(parts))), length)

    def test_finds_what_is_wrong(self):
        read = os.preadv

        def wrong(fd, parts, at):
            got = read(fd, parts, at)
            parts[-1][-1] ^= 1
            return got

        with tempfile.TemporaryFile(buffering=0) as file:
            os.preadv = wrong
            try:
                self.assertIsNone(unaligned.copy(file.fileno(), self.data, 0, random.Random(8)))
            finally:
                os.preadv = read


class Full(Direct):
    """Takes two writes; `torn`: another leaves something else."""

    left, torn = 2, False

    def write(self, data, at):
        self.left -= 1
        if self.left < 0:
            if self.torn:
                super().write(data[:1], at)
            raise OSError(errno.ENOSPC, "full")
        super().write(data, at)


class TryWrites(unittest.TestCase):
    def tried(self, torn):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"o" * 5 * 4096)
            file.flush()
            disk = Full(file.name, 4096, 0)
            disk.torn = torn
            return try_writes.try_writes(disk, [b"n" * 4096] * 3, 1)

    def test_what_failed_has_changed_nothing(self):
        self.assertEqual(self.tried(False), ({"written": 2, "ENOSPC": 1}, []))

    def test_finds_what_is_wrong(self):
        self.assertEqual(self.tried(True), ({"written": 2, "ENOSPC": 1}, [2]))


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
        with tempfile.NamedTemporaryFile() as file:
            disk = Direct(file.name, writer.BLOCK, 0)
            for me in range(writer.WRITERS):
                self.assertEqual(writer.write(disk, self.blocks, me, random.Random(me)), [])
            self.assertLessEqual(os.fstat(disk.fd).st_size, 32 * writer.BLOCK)

    def test_finds_what_is_wrong(self):
        class Wrong(Direct):
            reads = 0

            def read(self, length, at):
                got = super().read(length, at)
                self.reads += 1
                return got if self.reads > 1 else got[:-1] + bytes([got[-1] ^ 1])

        with tempfile.NamedTemporaryFile() as file:
            disk = Wrong(file.name, writer.BLOCK, 0)
            self.assertEqual(len(writer.write(disk, self.blocks, 0, random.Random(3))), 1)


if __name__ == "__main__":
    unittest.main()
