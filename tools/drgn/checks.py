# SPDX-License-Identifier: GPL-2.0
"""What must hold in a pool: src/zbud/verify.rs, once more."""

from collections import Counter

from pools import LEAF_SHIFT, NONE, NO_SLOT

CHUNK = CHUNKS = 64
FILL_SHIFT = 4
# Zpages that a page has in a state.
ZPAGES = {"Unbuddied": (1,), "Buddied": (2,), "Moving": (0, 1, 2), "Joining": (0, 1), "Empty": (0,), "Leaving": (0,), "Vacated": (0,)}
PAGELESS = ("Free", "Reserved", "Stub")
# In which zpages that are elsewhere may have slots.
STAYS_EMPTY = ("Leaving", "Vacated", "Stub")


def chunks(length):
    return -(-length // CHUNK)


def free_chunks(desc):
    return CHUNKS - sum(map(chunks, desc.lengths))


class Check:
    """Prints each thing that is wrong with a pool, and counts them."""

    def __init__(self, pool):
        self.pool, self.wrong = pool, 0
        self.sums, self.nodes = Counter(), [Counter() for _ in pool.nodes]

    def that(self, holds, what):
        if not holds:
            print(f"{self.pool.name}: {what}")
            self.wrong += 1
        return holds

    def run(self):
        """Whether all is well."""
        for number, leaf in self.pool.leaves.items():
            self.leaf(number, leaf)
        self.lists()
        for nid, (node, counted) in enumerate(zip(self.pool.nodes, self.nodes)):
            for name, value in node.counted.items():
                self.that(value == counted[name], f"node {nid}: {name} is {value}, there are {counted[name]}")
        for name, value in self.pool.counted.items():
            self.that(value == self.sums[name], f"{name} is {value}, there are {self.sums[name]}")
        zpages = sum(node.counted["zpages"] for node in self.pool.nodes) + self.pool.counted["lost_zpages"]
        self.that(zpages == self.sums["live_slots"], f"{self.sums['live_slots']} slots of {zpages} zpages")
        return not self.wrong

    def leaf(self, number, leaf):
        self.that(leaf.number == number, f"leaf {number} says {leaf.number}")
        used = sum(desc.state != "Free" for desc in leaf.descriptors.values())
        self.that(leaf.used == used, f"leaf {number}: {leaf.used} descriptors in use, there are {used}")
        self.sums["free_descriptors"] += len(leaf.descriptors) - used
        for name, desc in leaf.descriptors.items():
            where = f"descriptor {number}.{name & ((1 << LEAF_SHIFT) - 1)} ({desc.state})"
            if desc.state in ZPAGES:
                self.page(name, desc, where)
            elif desc.state == "Lost":
                self.lost(name, desc, where)
            elif self.that(desc.state in PAGELESS, f"{where}: no state"):
                self.that(not desc.page, f"{where}: has a page")
                live = any(slot.live for slot in desc.slots)
                self.that(desc.state != "Stub" or live, f"{where}: is nobody's")
            for index, slot in enumerate(desc.slots):
                if slot.live:
                    self.slot(name, desc, index, where)

    def slot(self, name, desc, index, where):
        slot = desc.slots[index]
        self.sums["live_slots"] += 1
        page, buddy = slot.place
        there = self.pool.descriptor(page)
        self.that(there and there.rmap[buddy] == name << 1 | index, f"{where}: slot {index} is no zpage's")
        self.that(slot.home == (page == name), f"{where}: slot {index}: HOME")
        self.that(slot.home or desc.state in STAYS_EMPTY, f"{where}: slot {index} is of a zpage elsewhere")

    def word(self, name, buddy, desc, where):
        """The slot of a buddy."""
        slot = self.pool.slot(desc.rmap[buddy])
        back = slot and slot.live and slot.place == (name, buddy)
        return slot if self.that(back, f"{where}: the slot of buddy {buddy} is not that") else None

    def page(self, name, desc, where):
        self.that(desc.page, f"{where}: has no page")
        zpages = 0
        for buddy in (0, 1):
            there = desc.rmap[buddy] != NO_SLOT
            if not self.that(there == bool(desc.lengths[buddy]), f"{where}: length and slot of buddy {buddy}") or not there:
                continue
            zpages += 1
            slot = self.word(name, buddy, desc, where)
            if slot:
                self.that(slot.frozen == (desc.state == "Moving"), f"{where}: buddy {buddy}: FROZEN")
                self.that(not (slot.frozen and slot.pins), f"{where}: buddy {buddy}: frozen and mapped")
        self.that(zpages in ZPAGES[desc.state], f"{where}: {zpages} zpages")
        self.that(free_chunks(desc) >= 0, f"{where}: zpages of {desc.lengths} bytes")
        self.sums.update(pages=1, stored_bytes=sum(desc.lengths), leaving=desc.state == "Leaving")
        if self.that(desc.nid < len(self.nodes), f"{where}: node {desc.nid}"):
            self.nodes[desc.nid].update(
                pages=1,
                zpages=zpages,
                unbuddied_pages=desc.state == "Unbuddied",
                empty_pages=desc.state == "Empty",
                vacated_pages=desc.state == "Vacated",
            )

    def lost(self, name, desc, where):
        self.that(not any(desc.lengths), f"{where}: has a length")
        zpages = [buddy for buddy in (0, 1) if desc.rmap[buddy] != NO_SLOT]
        for buddy in zpages:
            slot = self.word(name, buddy, desc, where)
            self.that(not slot or not slot.frozen, f"{where}: buddy {buddy}: FROZEN")
        self.sums["lost_zpages"] += len(zpages)
        if not desc.page:
            self.that(zpages, f"{where}: is nobody's")
            return
        self.sums["pages"] += 1
        if self.that(desc.nid < len(self.nodes), f"{where}: node {desc.nid}"):
            self.nodes[desc.nid]["pages"] += 1

    def walk(self, first, entry, what):
        """The names on a list that is linked as it should be."""
        # In their order.
        names, before, name = {}, NONE, first
        while name >> 31 == 0:
            links = entry(name)
            if not self.that(links is not None and name not in names, f"{what}: entry {name}"):
                break
            # The first has no neighbour before it.
            self.that(not names or links.prev == before, f"{what}: what is before entry {name}")
            names[name] = None
            before, name = name, links.next
        return names

    def lists(self):
        """Each list has just those that belong there."""
        belong = {}
        for name, desc in self.pool.descriptors():
            if desc.state in ("Unbuddied", "Empty", "Vacated"):
                key = (desc.state, desc.nid, free_chunks(desc) if desc.state == "Unbuddied" else None)
                belong.setdefault(key, set()).add(name)
            elif desc.state == "Lost" and desc.page:
                belong.setdefault("Lost", set()).add(name)
        for nid, node in enumerate(self.pool.nodes):
            for free, (first, pages) in enumerate(node.unbuddied):
                names = self.listed(first, belong.pop(("Unbuddied", nid, free), set()), f"node {nid}, {free} free chunks")
                self.that(len(names) == pages, f"node {nid}, {free} free chunks: {pages} pages, there are {len(names)}")
                self.that(bool(names) == bool(node.occupied >> free & 1), f"node {nid}, {free} free chunks: occupied")
            self.listed(node.empty, belong.pop(("Empty", nid, None), set()), f"node {nid}, empty pages")
            self.listed(node.vacated, belong.pop(("Vacated", nid, None), set()), f"node {nid}, vacated pages")
        lost = belong.pop("Lost", set())
        names = self.walk(self.pool.lost, self.pool.descriptor, "lost pages")
        self.that(set(names) <= lost, "lost pages: others are on the list")
        self.sums.update(lost_pages=len(names), dropping=len(lost) - len(names))
        self.that(not belong, f"{sorted(map(str, belong))} are on no list")
        for fill, first in enumerate(self.pool.open_leaves):
            wanted = {number for number, leaf in self.pool.leaves.items() if leaf.used < len(leaf.descriptors) and leaf.used >> FILL_SHIFT == fill}
            names = self.walk(first, self.pool.leaves.get, f"open leaves {fill}")
            self.that(set(names) == wanted, f"open leaves {fill}: {names}, not {sorted(wanted)}")

    def listed(self, first, wanted, what):
        names = self.walk(first, self.pool.descriptor, what)
        self.that(set(names) == wanted, f"{what}: {len(names)} on the list, not the {len(wanted)} that belong there")
        return names
