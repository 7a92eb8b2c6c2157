# SPDX-License-Identifier: GPL-2.0
"""The pools of zbud_movable: what they have, as it was when it was read."""

from dataclasses import dataclass

import drgn
import rust

# src/zbud/slot.rs
FROZEN, LIVE, HOME, PINS = 1 << 32, 1 << 33, 1 << 34, 36
# src/zbud/id.rs
LEAF_SHIFT = 7
# src/zbud/descriptor.rs, and src/zbud/list.rs
NO_SLOT = NONE = 0xFFFFFFFF
# drivers/zbud_movable/pool/table.rs
MID_SHIFT = 9


@dataclass(frozen=True)
class Slot:
    """A slot word. Its place is the descriptor of the page that its zpage is in, and the buddy."""

    word: int
    live = property(lambda self: bool(self.word & LIVE))
    frozen = property(lambda self: bool(self.word & FROZEN))
    home = property(lambda self: bool(self.word & HOME))
    pins = property(lambda self: self.word >> PINS)
    place = property(lambda self: ((self.word & 0xFFFFFFFF) >> 1, self.word & 1))


class Descriptor:
    def __init__(self, it, states):
        self.slots = [Slot(rust.atomic(rust.inner(slot))) for slot in it.slots]
        self.page = rust.atomic(it.page)
        self.lengths = [rust.atomic(length) for length in rust.inner(it.len)]
        self.nid = rust.atomic(it.nid)
        self.state = states.get(rust.atomic(it.state), "?")
        self.rmap = [rust.atomic(slot) for slot in rust.inner(it.rmap)]
        self.next, self.prev = rust.atomic(it.links.next), rust.atomic(it.links.prev)


class Leaf:
    """A leaf, and its descriptors by their names."""

    def __init__(self, address, number, states):
        # In one piece.
        it = rust.at("zbud::leaf::Leaf", address).read_()
        self.number, self.used = rust.atomic(it.number), rust.atomic(it.used)
        self.next, self.prev = rust.atomic(it.links.next), rust.atomic(it.links.prev)
        self.descriptors = {number << LEAF_SHIFT | n: Descriptor(desc, states) for n, desc in enumerate(it.descriptors)}


class Node:
    """What the books say of a node."""

    def __init__(self, it):
        self.counted = {field: getattr(it.has, field).value_() for field in ("pages", "zpages", "unbuddied_pages", "empty_pages", "vacated_pages")}
        self.occupied = it.occupied.value_()
        self.unbuddied = [(cls.list.first.value_(), cls.pages.value_()) for cls in it.unbuddied]
        self.empty, self.vacated = it.empty.first.value_(), it.vacated.first.value_()


class Pool:
    def __init__(self, it):
        states = rust.enumerators("zbud::state::State")
        self.name = rust.string(it.name)
        self.leaves = {number: Leaf(address, number, states) for number, address in leaves(it.table)}
        books = it.locked.data.value.books
        self.nodes = [Node(node) for node in rust.vec(rust.inner(books.nodes))]
        self.counted = {field: getattr(books, field).value_() for field in ("leaving", "lost_pages", "dropping", "lost_zpages")}
        self.counted |= {field: getattr(books.totals, field).value_() for field in ("pages", "stored_bytes")}
        self.counted["free_descriptors"] = books.leaves.free.value_()
        self.open_leaves = [one.first.value_() for one in books.leaves.lists]
        self.lost = books.lost.first.value_()

    def descriptor(self, name):
        leaf = self.leaves.get(name >> LEAF_SHIFT)
        return leaf and leaf.descriptors.get(name)

    def descriptors(self):
        """All, with their names."""
        for leaf in self.leaves.values():
            yield from leaf.descriptors.items()

    def slot(self, name):
        """By the name in a reverse map."""
        owner = self.descriptor(name >> 1)
        return owner and owner.slots[name & 1]

    def pins(self, desc):
        """How often the zpages of a page are mapped."""
        slots = (self.slot(name) for name in desc.rmap if name != NO_SLOT)
        return sum(slot.pins for slot in slots if slot)


def leaves(table):
    """The leaves of a table: numbers and addresses."""
    for number, mid in enumerate(rust.vec(table.mids)):
        address = rust.atomic_pointer(mid)
        if not address:
            continue
        for n, leaf in enumerate(rust.inner(rust.at("pool::table::Mid", address)).read_()):
            if rust.atomic_pointer(leaf):
                yield number << MID_SHIFT | n, rust.atomic_pointer(leaf)


def module():
    """The module that is loaded, as its `init` has left it: in a MaybeUninit, of which drgn cannot
    read the type."""
    init = drgn.get_default_prog().variable("zbud_movable::__module_init::__module_init::__MOD")
    return rust.at("ZbudMovable", init.address_)


def pools():
    """All pools."""
    block = rust.inner(module()._hotplug).pointer
    listed = rust.arc(block.pools).list.data.value.pools
    for one in rust.vec(listed):
        # None is known by the pointer that a pool has there.
        one = rust.at("pool::pools::Listed", one.address_)
        if one.pool.ptr.pointer:
            yield Pool(rust.arc(one.pool))
