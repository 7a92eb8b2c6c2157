# SPDX-License-Identifier: GPL-2.0
"""The checks of tools/drgn: content with a pool that is sound, and not with any thing that is
wrong in it."""

import contextlib
import copy
import io
import os
import sys
import unittest
from types import SimpleNamespace

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "tools", "drgn"))

from checks import Check
from pools import FROZEN, HOME, LEAF_SHIFT, LIVE, NONE, NO_SLOT, PINS, Pool, Slot

LEAF, DESCRIPTORS = 5, 85
TWO, ONE, EMPTY, LOST, MOVED = (LEAF << LEAF_SHIFT | n for n in range(5))
BYTES = 640
FREE_CHUNKS = 64 - BYTES // 64


def word(page, buddy, owner):
    return LIVE | (HOME if page == owner else 0) | page << 1 | buddy


def descriptor(**fields):
    free = dict(slots=[Slot(0), Slot(0)], page=0, lengths=[0, 0], nid=0, state="Free", rmap=[NO_SLOT, NO_SLOT], next=NONE, prev=NONE)
    return SimpleNamespace(**free | fields)


class Sound(Pool):
    """A page with two zpages, of which the second was re-paired, one with one, an empty one, a
    lost one, and what is left of the one that the zpage has left."""

    def __init__(self):
        descriptors = {LEAF << LEAF_SHIFT | n: descriptor() for n in range(DESCRIPTORS)}
        descriptors[TWO] = descriptor(
            state="Buddied", page=0x1000, lengths=[100, 200], rmap=[TWO << 1, MOVED << 1 | 1], slots=[Slot(word(TWO, 0, TWO)), Slot(0)]
        )
        descriptors[ONE] = descriptor(
            state="Unbuddied", page=0x2000, lengths=[0, BYTES], rmap=[NO_SLOT, ONE << 1], slots=[Slot(word(ONE, 1, ONE) | 3 << PINS), Slot(0)]
        )
        descriptors[EMPTY] = descriptor(state="Empty", page=0x3000, nid=1)
        descriptors[LOST] = descriptor(state="Lost", page=0x4000, rmap=[LOST << 1, NO_SLOT], slots=[Slot(word(LOST, 0, LOST)), Slot(0)])
        descriptors[MOVED] = descriptor(state="Stub", slots=[Slot(0), Slot(word(TWO, 1, MOVED))])
        self.name = "sound"
        self.leaves = {LEAF: SimpleNamespace(number=LEAF, used=5, next=NONE, prev=NONE, descriptors=descriptors)}
        self.nodes = [self.node(pages=3, zpages=3, unbuddied_pages=1), self.node(pages=1, empty_pages=1)]
        self.nodes[0].unbuddied[FREE_CHUNKS] = (ONE, 1)
        self.nodes[0].occupied = 1 << FREE_CHUNKS
        self.nodes[1].empty = EMPTY
        self.counted = dict(leaving=0, lost_pages=1, dropping=0, lost_zpages=1, pages=4, stored_bytes=300 + BYTES, free_descriptors=DESCRIPTORS - 5)
        self.open_leaves = [LEAF] + [NONE] * 5
        self.lost = LOST

    @staticmethod
    def node(**counted):
        none = dict(pages=0, zpages=0, unbuddied_pages=0, empty_pages=0, vacated_pages=0)
        return SimpleNamespace(counted=none | counted, occupied=0, unbuddied=[(NONE, 0)] * 64, empty=NONE, vacated=NONE)


def checked(pool):
    """Whether it is sound, and what is said of it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        return Check(pool).run(), said.getvalue()


def change(target, field, value):
    """Sets a field, or an entry."""
    if isinstance(target, (dict, list)):
        target[field] = value
    else:
        setattr(target, field, value)


class Checks(unittest.TestCase):
    def test_a_sound_pool(self):
        self.assertEqual(checked(Sound()), (True, ""))

    def test_pins(self):
        pool = Sound()
        self.assertEqual([pool.pins(pool.descriptor(name)) for name in (TWO, ONE)], [0, 3])

    def test_each_thing_that_is_wrong(self):
        desc = lambda name: lambda pool: pool.descriptor(name)
        part = lambda name, field: lambda pool: getattr(pool.descriptor(name), field)
        leaf = lambda pool: pool.leaves[LEAF]
        wrong = [
            (desc(TWO), "state", "Unbuddied"), (desc(TWO), "state", "?"), (desc(TWO), "page", 0), (desc(TWO), "nid", 2),
            (part(TWO, "lengths"), 0, 0), (part(TWO, "lengths"), 0, 101), (part(TWO, "lengths"), 0, 4000),
            (part(TWO, "rmap"), 0, NO_SLOT), (part(TWO, "rmap"), 0, ONE << 1), (part(TWO, "rmap"), 1, 0),
            (part(TWO, "slots"), 0, Slot(0)), (part(TWO, "slots"), 0, Slot(word(TWO, 1, TWO))),
            (part(TWO, "slots"), 0, Slot(word(TWO, 0, TWO) & ~HOME)), (part(TWO, "slots"), 0, Slot(word(TWO, 0, TWO) | FROZEN)),
            (part(TWO, "slots"), 1, Slot(word(TWO, 1, TWO))), (part(MOVED, "slots"), 1, Slot(word(TWO, 1, TWO))),
            (desc(MOVED), "state", "Free"), (desc(MOVED), "page", 0x5000), (part(MOVED, "slots"), 1, Slot(0)),
            (desc(ONE), "nid", 1), (desc(ONE), "next", TWO), (desc(ONE), "next", ONE),
            (desc(EMPTY), "nid", 0), (desc(EMPTY), "state", "Leaving"),
            (part(LOST, "lengths"), 0, 1), (desc(LOST), "page", 0), (part(LOST, "rmap"), 0, NO_SLOT),
            (part(LOST, "slots"), 0, Slot(word(LOST, 0, LOST) | FROZEN)),
            (leaf, "number", 6), (leaf, "used", 4),
            (lambda pool: pool.open_leaves, 0, NONE), (lambda pool: pool.open_leaves, 1, LEAF),
            (lambda pool: pool, "lost", NONE), (lambda pool: pool, "lost", ONE),
            (lambda pool: pool.nodes[0], "occupied", 0), (lambda pool: pool.nodes[0].unbuddied, FREE_CHUNKS, (NONE, 1)),
            (lambda pool: pool.nodes[0].unbuddied, FREE_CHUNKS, (ONE, 2)), (lambda pool: pool.nodes[0].unbuddied, FREE_CHUNKS, (TWO, 1)),
            (lambda pool: pool.nodes[1], "empty", NONE), (lambda pool: pool.nodes[1], "vacated", EMPTY),
        ]
        sound = Sound()
        wrong += [(lambda pool: pool.counted, name, value + 1) for name, value in sound.counted.items()]
        wrong += [(lambda pool: pool.nodes[0].counted, name, value + 1) for name, value in sound.nodes[0].counted.items()]
        for number, (target, field, value) in enumerate(wrong):
            with self.subTest(number=number, field=field, value=value):
                pool = copy.deepcopy(sound)
                change(target(pool), field, value)
                well, said = checked(pool)
                self.assertFalse(well)
                self.assertNotEqual(said, "")


if __name__ == "__main__":
    unittest.main()
