#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""replay.py TRACE PAGES: whether what the events store, free, repair and migrate tell of a pool is
what became of it. TRACE is a file of tracefs with the events of one pool since it had no zpage;
PAGES the pool's file in debugfs, at rest. Prints each event that cannot be, and each page that is
not as it was told; fails if there is one."""

import re
import sys

from add_up import parse_pages

EVENT = re.compile(r": (store|free|repair|migrate): (.*)")
# By the place that a zpage was given, how many the page has then.
PLACES = {"new": 1, "empty": 1, "beside": 2}


class Pool:
    """By page frame its node, and by handle the zpages that are in it."""

    def __init__(self):
        self.pages, self.handles, self.complaints = {}, set(), []

    def take(self, handle, pfn, nid):
        """The zpage leaves the page; its bytes, `None` if it was not there."""
        page_nid, zpages = self.pages.get(pfn, (None, {}))
        size = zpages.pop(handle, None)
        if size is None or page_nid != nid:
            self.complaints.append(f"{handle} is not in {pfn} on node {nid}")
        if not zpages:
            self.pages.pop(pfn, None)
        return size

    def put(self, handle, pfn, nid, size, count):
        """It comes; then there are `count`."""
        page_nid, zpages = self.pages.setdefault(pfn, (nid, {}))
        if handle in zpages or len(zpages) + 1 != count or page_nid != nid:
            self.complaints.append(f"{handle} is no {count} in {pfn} on node {nid}")
        zpages[handle] = size

    def store(self, pfn, nid, bytes, place, handle):
        if handle in self.handles:
            self.complaints.append(f"{handle} is stored twice")
        self.handles.add(handle)
        self.put(handle, pfn, nid, bytes, PLACES[place])

    def free(self, pfn, nid, bytes, handle):
        self.handles.discard(handle)
        if self.take(handle, pfn, nid) != bytes:
            self.complaints.append(f"{handle} has not {bytes} bytes")

    def repair(self, handle, from_pfn, from_nid, to_pfn, to_nid, bytes):
        if len(self.pages.get(from_pfn, (None, {}))[1]) != 1:
            self.complaints.append(f"{handle} is not alone in {from_pfn}")
        if self.take(handle, from_pfn, from_nid) != bytes:
            self.complaints.append(f"{handle} has not {bytes} bytes")
        self.put(handle, to_pfn, to_nid, bytes, 2)

    def migrate(self, from_pfn, from_nid, to_pfn, to_nid):
        nid, zpages = self.pages.pop(from_pfn, (from_nid, {}))
        if nid != from_nid or to_pfn in self.pages:
            self.complaints.append(f"{from_pfn} on node {from_nid} cannot become {to_pfn}")
        if zpages:
            self.pages[to_pfn] = to_nid, zpages

    def replay(self, lines):
        for line in lines:
            event = EVENT.search(line)
            if not event:
                continue
            name, text = event.groups()
            fields = dict(word.split("=") for word in text.split())
            if fields.pop("result", "0") != "0":
                continue
            for key in ("pool", "mode", "ns"):
                fields.pop(key, None)
            getattr(self, name)(**fields)

    def compare(self, text):
        """With what debugfs says."""
        told = {pfn: (nid, sorted(zpages.values(), key=int)) for pfn, (nid, zpages) in self.pages.items()}
        is_so = {str(pfn): (str(nid), sorted(map(str, filter(None, zpages)), key=int))
                 for pfn, nid, *zpages, _ in parse_pages(text) if any(zpages)}
        for pfn in sorted(told.keys() | is_so.keys(), key=int):
            if told.get(pfn) != is_so.get(pfn):
                self.complaints.append(f"{pfn}: told {told.get(pfn)}, is {is_so.get(pfn)}")


def main():
    trace, pages = sys.argv[1:]
    pool = Pool()
    with open(trace, encoding="ascii") as file:
        pool.replay(file)
    with open(pages, encoding="ascii") as file:
        pool.compare(file.read())
    print("\n".join(pool.complaints[:20]), end="\n" if pool.complaints else "")
    sys.exit(bool(pool.complaints))


if __name__ == "__main__":
    main()
