# SPDX-License-Identifier: GPL-2.0
"""What fuzz_inputs.py takes for right: words, and a disk as it must be."""

import errno
import random
import unittest

from fuzz import texts, words
from fuzz.disk import BLOCK, Disk, NotSent
from fuzz.words import Refused


class Words(unittest.TestCase):
    def refuses(self, errnos, call, *arguments):
        with self.assertRaises(Refused) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.errnos, errnos)

    def test_words(self):
        self.assertEqual(words.words(b" a\tb\r\n", 2), ["a", "b"])
        self.assertEqual(words.words(b"a\x0bb", 1), ["a\x0bb"])
        for data in (b"", b" \n", b"a b c", b"a\xff"):
            self.refuses((errno.EINVAL,), words.words, data, 2)

    def test_numbers(self):
        self.assertEqual([words.number("007"), words.number(str(words.U64))], [7, words.U64])
        self.refuses((errno.ERANGE,), words.number, str(words.U64 + 1))
        for word in ("", "+1", "-1", "0x1", "1\0", "\u0661"):
            self.refuses((errno.EINVAL,), words.number, word)

    def test_sizes(self):
        self.assertEqual([words.size("1k"), words.size("3P"), words.size("12")], [1024, 3 << 50, 12])
        for word in ("K", "1E", "1KB", "16384P", str(words.U64 + 1)):
            self.refuses((errno.EINVAL,), words.size, word)

    def test_nodes(self):
        self.assertEqual(words.nodes("all", {0, 1}), {0, 1})
        self.assertEqual(words.nodes("0,1-1", {0, 1}), {0, 1})
        self.assertIsNone(words.nodes("0-1:1/2", {0, 1}))
        self.refuses((errno.EINVAL,), words.nodes, "1-0", {0, 1})
        self.refuses((errno.EINVAL,), words.nodes, "x", {0, 1})
        self.assertIn(errno.ENODEV, self.errnos_of("0-2", {0, 1}))
        self.assertEqual([words.shown({0, 1, 2, 5}), words.shown({3})], ["0-2,5", "3"])

    def errnos_of(self, word, there):
        with self.assertRaises(Refused) as caught:
            words.nodes(word, there)
        return caught.exception.errnos


class ADisk(unittest.TestCase):
    def setUp(self):
        self.disk = Disk(0, {0}, ["lz4", "zstd"])

    def done(self, call, data):
        call(data)()
        self.disk.has_changed()

    def refuses(self, wanted, call, data):
        with self.assertRaises(Refused) as caught:
            call(data)
        self.assertEqual(caught.exception.errnos, (wanted,))

    def test_size_and_reset(self):
        self.refuses(errno.ENOMEM, self.disk.file_disksize, b"2P")
        self.refuses(errno.EINVAL, self.disk.file_disksize, b"0")
        with self.assertRaises(NotSent):
            self.disk.file_disksize(b"1T")
        self.done(self.disk.file_disksize, b"4097")
        self.assertEqual(self.disk.expected()["disksize"], "8192")
        self.refuses(errno.EBUSY, self.disk.file_disksize, b"1M")
        self.refuses(errno.EBUSY, self.disk.file_comp_algorithm, b"zstd")
        self.disk.held = True
        self.refuses(errno.EBUSY, self.disk.file_reset, b"1")
        self.disk.held = False
        self.done(self.disk.file_reset, b"1")
        self.assertEqual(self.disk.expected()["initstate"], "0")

    def test_levels(self):
        self.refuses(errno.EINVAL, self.disk.file_algorithm_params, b"level=0")
        self.refuses(errno.EINVAL, self.disk.file_algorithm_params, b"algo=lzo")
        self.done(self.disk.file_algorithm_params, b"algo=zstd level=-5")
        self.assertEqual(self.disk.expected()["comp_algorithm"], "lz4 [zstd]")

    def test_pins_hold_what_was_pinned(self):
        self.done(self.disk.file_disksize, b"64K")
        self.disk.put(3, bytes(range(256)) * 16)
        self.disk.put(4, b"12345678" * 512)
        self.refuses(errno.ENOENT, self.disk.trigger_pin, b"3 2")
        self.refuses(errno.ERANGE, self.disk.trigger_pin, b"15 2")
        self.done(self.disk.trigger_pin, b"3")
        self.refuses(errno.EBUSY, self.disk.trigger_free_every, b"4")
        self.disk.put(3, bytes(range(255, -1, -1)) * 16)
        self.assertEqual([self.disk.zpages(), self.disk.expected()["mm_stat 0"]], [2, str(3 * BLOCK)])
        self.refuses(errno.EBUSY, self.disk.trigger_pin, b"3")
        self.refuses(errno.EINVAL, self.disk.trigger_unpin, b"3 2")
        self.done(self.disk.trigger_unpin, b"all")
        self.disk.drop(0, 16)
        self.assertEqual(self.disk.zpages(), 0)


class Texts(unittest.TestCase):
    def test_the_same_seed_gives_the_same(self):
        def some(seed):
            rng = random.Random(seed)
            return [texts.text(rng, [b"1", b"64K"]) for _ in range(200)]

        self.assertEqual(some(7), some(7))
        self.assertNotEqual(some(7), some(8))
        self.assertGreater(len({*some(7)}), 80)
