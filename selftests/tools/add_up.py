#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""add_up.py [ROOT]: whether all figures that zbud_movable tells of its pools agree. They
are at rest, and nothing is pinned that is no block of a disk any more. Prints each figure
that does not, and fails if there is one. ROOT is where /sys is found (default: /).

The lists of pages are what the others are compared with: each pool's summary, a disk's
figures, the module's counters and those of each node, and what the kernel says of where
memory is."""

# Little is imported, as this is run often, on slow machines.
import os
import sys
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
NODE_FIGURES = ("pages", "zpages", "unbuddied_pages", "empty_pages")
MOVES = ("moved_in", "moved_out")
# By the number of zpages, at rest.
STATES = ("Empty", "Unbuddied", "Buddied")
# Empty pages that a pool keeps on a node, at most: so many, or one of so many; and as many again
# as that if some were missed.
KEPT, SHARE = 64, 64
# How often is looked again when pages have come or gone meanwhile: the worker releases empty
# ones, half a second after the last store.
LOOKS = 100


class Sums(dict):
    """Figures by name; 0 at first."""

    def __missing__(self, name):
        return 0


def parse_pages(text):
    """The lines of pools/NAME/pages, without its heading: (pfn, nid, first, last, state)."""
    for line in text.splitlines()[1:]:
        pfn, nid, first, last, _, state = line.split()
        yield int(pfn), int(nid), int(first), int(last), state


def parse_summary(text):
    """pools/NAME/summary: all figures that are the pool's, and the sums of its nodes'."""
    total, nodes = {}, Sums()
    for line in text.splitlines():
        words = line.split()
        if words[0].startswith("node"):
            for name, value in zip(words[1::2], words[2::2]):
                nodes[name] += int(value)
        else:
            total[words[0]] = int(words[1])
    return total, nodes


def whole_pages(count):
    """Bytes as sysfs, which all may read, tells them."""
    return -(-count // PAGE) * PAGE


def count(pages):
    """What counters must say of `pages`: in all, and by node."""
    total, nodes = Sums(), {}
    for _, nid, first, last, _ in pages:
        node = nodes.setdefault(nid, Sums())
        zpages = (first > 0) + (last > 0)
        node["pages"] += 1
        node["zpages"] += zpages
        node["unbuddied_pages"] += zpages == 1
        node["empty_pages"] += zpages == 0
        total["stored_bytes"] += first + last
    for name in NODE_FIGURES:
        total[name] = sum(node[name] for node in nodes.values())
    return total, nodes


class Judge:
    def __init__(self, root):
        self.sys = os.path.join(root, "sys/kernel/zbud_movable")
        self.pools = os.path.join(root, "sys/kernel/debug/zbud_movable/pools")
        self.disks = os.path.join(root, "sys/block")
        self.devices = os.path.join(root, "sys/devices/system")
        self.complaints = []

    def read(self, *path):
        with open(os.path.join(*path), encoding="ascii") as file:
            return file.read()

    def number(self, *path):
        return int(self.read(*path))

    def same(self, what, listed, told):
        if listed != told:
            self.complaints.append(f"{what}: {listed} and {told}")

    def within(self, what, listed, told, more):
        """`told` may be up to `more` more."""
        self.same(what, listed, min(max(told - more, listed), told))

    def unlike(self, what):
        self.complaints.append(what)

    def nodes_of(self, directory, names):
        """By node, its figures in a directory of sysfs."""
        return {int(node[len("node"):]): {name: self.number(directory, node, name) for name in names}
                for node in os.listdir(directory) if node.startswith("node")}

    def check_pages(self, pages):
        seen = set()
        for page in pages:
            pfn, state = page[0], page[-1]
            if state != STATES[sum(length > 0 for length in page[2:4])]:
                self.unlike(f"not at rest: {page}")
            if pfn in seen:
                self.unlike(f"listed twice: {page}")
            seen.add(pfn)

    def check_counters(self, whose, directory, pages, names=NODE_FIGURES):
        """Those of the module or a disk, in all and by node. Gives the latter."""
        total, on_node = count(pages)
        nodes = self.nodes_of(directory, names)
        for name in NODE_FIGURES:
            self.same(f"{whose}{name}: in pages, counter", total[name], self.number(directory, name))
            self.same(f"{whose}{name}: in pages, sum of nodes", total[name], sum(node[name] for node in nodes.values()))
            for nid, node in nodes.items():
                self.same(f"{whose}{name} of node {nid}: in pages, counter", on_node.get(nid, {}).get(name, 0), node[name])
        self.same(f"{whose}bytes: in pages, counter", whole_pages(total["stored_bytes"]), self.number(directory, "stored_bytes"))
        return nodes

    def check_summary(self, pool, pages):
        total, on_node = count(pages)
        summary, nodes = parse_summary(self.read(self.pools, pool, "summary"))
        for name in NODE_FIGURES:
            self.same(f"{pool}: {name}: in pages, sum in summary", total[name], nodes[name])
        self.same(f"{pool}: pages: in pages, in summary", total["pages"], summary.get("pages"))
        self.same(f"{pool}: bytes: in pages, in summary", total["stored_bytes"], summary.get("stored_bytes"))
        for nid, node in on_node.items():
            share = node["pages"] // SHARE
            if node["empty_pages"] > max(KEPT, share) + share:
                self.unlike(f"{pool}: empty pages on node {nid}: {node['empty_pages']}")

    def check_moves(self, nodes):
        moved = {way: sum(node[way] for node in nodes.values()) for way in MOVES}
        self.same("moved: in, out", moved["moved_in"], moved["moved_out"])
        if moved["moved_in"] > self.number(self.sys, "stats/migrated"):
            self.unlike("moved more than migrated")

    def check_disk(self, disk, pages):
        """The figures of a disk, and how those in mm_stat follow from its pages."""
        directory = os.path.join(self.disks, disk)
        self.check_counters(f"{disk}: ", directory, pages)
        total, _ = count(pages)
        lengths = [length for _, _, *zpages, _ in pages for length in zpages if length]
        large = sum(length > PAGE // 2 for length in lengths)
        # The disk does not know which of its blocks are lost.
        lost = self.number(directory, "lost_zpages")
        self.within(f"{disk}: large zpages: in pages, counter", large, self.number(directory, "large_zpages"), lost)
        mm_stat = self.read(directory, "mm_stat").split()
        if len(mm_stat) != 9:
            return self.unlike(f"{disk}: mm_stat has {len(mm_stat)} figures")
        stored, compressed, used, _, used_max, same, compacted, huge, huge_since = map(int, mm_stat)
        self.same(f"{disk}: mm_stat: stored: in pages, told", (total["zpages"] + same) * PAGE, stored)
        self.same(f"{disk}: mm_stat: compressed: in pages, told", whole_pages(total["stored_bytes"]), compressed)
        self.same(f"{disk}: mm_stat: used: in pages, told", total["pages"] * PAGE, used)
        if compacted > self.number(self.sys, "stats/repaired"):
            self.unlike(f"{disk}: more pages compacted than repaired")
        self.within(f"{disk}: mm_stat: huge: in pages, told", lengths.count(PAGE), huge, lost)
        if used > used_max:
            self.unlike(f"{disk}: more used than the maximum: {used} and {used_max}")
        if huge > huge_since:
            self.unlike(f"{disk}: more huge pages than ever: {huge} and {huge_since}")

    def check_nodes(self, pages):
        """What the pool says of the nodes of its pages is what the kernel says."""
        per_block = int(self.read(self.devices, "memory/block_size_bytes"), 16) // PAGE
        for block, nid in sorted({(page[0] // per_block, page[1]) for page in pages}):
            if not os.path.exists(os.path.join(self.devices, f"node/node{nid}/memory{block}")):
                self.unlike(f"block on another node: {block} {nid}")

    def list_pages(self):
        return {pool: list(parse_pages(self.read(self.pools, pool, "pages"))) for pool in os.listdir(self.pools)}

    def check(self):
        pools = self.list_pages()
        for _ in range(LOOKS):
            self.complaints = []
            self.compare(pools)
            before, pools = pools, self.list_pages()
            # More empty ones may be there for a while when the pool has just become small.
            waits = any(page[-1] == STATES[0] for pages in pools.values() for page in pages)
            if before == pools and not (self.complaints and waits):
                break
            time.sleep(0.05)
        return self.complaints

    def compare(self, pools):
        pages = [page for pool in pools.values() for page in pool]
        self.check_pages(pages)
        for pool, its_pages in pools.items():
            self.check_summary(pool, its_pages)
        for disk in os.listdir(self.disks):
            if disk.startswith("zbud"):
                self.check_disk(disk, pools.get(disk, []))
        disks = [disk for disk in os.listdir(self.disks) if disk.startswith("zbud")]
        lost = sum(self.number(self.disks, disk, "lost_zpages") for disk in disks)
        told = self.number(self.sys, "lost_zpages")
        # zswap's pools have no figures of their own.
        self.same("lost: sum of disks, counter", lost, told if set(pools) <= set(disks) else max(told, lost))
        self.check_moves(self.check_counters("", self.sys, pages, NODE_FIGURES + MOVES))
        self.check_nodes(pages)


def main():
    complaints = Judge(sys.argv[1] if sys.argv[1:] else "/").check()
    for complaint in complaints:
        print(complaint)
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
