#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""add_up.py [ROOT]: whether all figures that zbud_movable tells of its own pool agree.
The pool is at rest, and the only one. Prints each that does not, and fails if there is
one. ROOT is where /sys is found (default: /).

The list of pages is what the others are compared with: the pool's summary, the
module's counters and those of each node, and what the kernel says of where memory is."""

# Little is imported, as this is run often, on slow machines.
import os
import sys

PAGE = os.sysconf("SC_PAGE_SIZE")
NODE_FIGURES = ("pages", "zpages", "unbuddied_pages")
MOVES = ("moved_in", "moved_out")


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


def count(pages):
    """What counters must say of `pages`: in all, and by node."""
    total, nodes = Sums(), {}
    for _, nid, first, last, _ in pages:
        node = nodes.setdefault(nid, Sums())
        zpages = (first > 0) + (last > 0)
        node["pages"] += 1
        node["zpages"] += zpages
        node["unbuddied_pages"] += zpages == 1
        total["stored_bytes"] += first + last
    for name in NODE_FIGURES:
        total[name] = sum(node[name] for node in nodes.values())
    return total, nodes


class Judge:
    def __init__(self, root):
        self.sys = os.path.join(root, "sys/kernel/zbud_movable")
        self.pool = os.path.join(root, "sys/kernel/debug/zbud_movable/pools/data")
        self.devices = os.path.join(root, "sys/devices/system")
        self.complaints = []

    def read(self, *path):
        with open(os.path.join(*path), encoding="ascii") as file:
            return file.read()

    def counter(self, name):
        return int(self.read(self.sys, name))

    def same(self, what, listed, told):
        if listed != told:
            self.complaints.append(f"{what}: {listed} and {told}")

    def unlike(self, what):
        self.complaints.append(what)

    def node_counters(self):
        """By node, its counters."""
        return {int(name[len("node"):]): {figure: self.counter(f"{name}/{figure}") for figure in NODE_FIGURES + MOVES}
                for name in os.listdir(self.sys) if name.startswith("node")}

    def check_pages(self, pages):
        seen = set()
        for page in pages:
            pfn, state = page[0], page[-1]
            if state not in ("Buddied", "Unbuddied"):
                self.unlike(f"not at rest: {page}")
            if pfn in seen:
                self.unlike(f"listed twice: {page}")
            seen.add(pfn)

    def check_counters(self, pages):
        total, on_node = count(pages)
        summary, summary_nodes = parse_summary(self.read(self.pool, "summary"))
        nodes = self.node_counters()
        for name in NODE_FIGURES:
            self.same(f"{name}: in pages, counter", total[name], self.counter(name))
            self.same(f"{name}: in pages, sum of nodes", total[name], sum(node[name] for node in nodes.values()))
            self.same(f"{name}: in pages, sum in summary", total[name], summary_nodes[name])
            for nid, node in nodes.items():
                self.same(f"{name} of node {nid}: in pages, counter", on_node.get(nid, {}).get(name, 0), node[name])
        self.same("pages: in pages, in summary", total["pages"], summary.get("pages"))
        self.same("bytes: in pages, counter", total["stored_bytes"], self.counter("stored_bytes"))
        self.same("bytes: in pages, in summary", total["stored_bytes"], summary.get("stored_bytes"))
        if total["pages"] > total["zpages"]:
            self.unlike(f"more pages than zpages: {total['pages']} and {total['zpages']}")
        moved = {way: sum(node[way] for node in nodes.values()) for way in MOVES}
        self.same("moved: in, out", moved["moved_in"], moved["moved_out"])
        if moved["moved_in"] > self.counter("stats/migrated"):
            self.unlike("moved more than migrated")

    def check_nodes(self, pages):
        """What the pool says of the nodes of its pages is what the kernel says."""
        per_block = int(self.read(self.devices, "memory/block_size_bytes"), 16) // PAGE
        for block, nid in sorted({(page[0] // per_block, page[1]) for page in pages}):
            if not os.path.exists(os.path.join(self.devices, f"node/node{nid}/memory{block}")):
                self.unlike(f"block on another node: {block} {nid}")

    def check(self):
        pages = list(parse_pages(self.read(self.pool, "pages")))
        self.check_pages(pages)
        self.check_counters(pages)
        self.check_nodes(pages)
        return self.complaints


def main():
    complaints = Judge(sys.argv[1] if sys.argv[1:] else "/").check()
    for complaint in complaints:
        print(complaint)
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
