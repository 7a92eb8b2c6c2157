#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""contention.py ALLOCATOR PAGES ROUNDS TASKS...: how often the locks of zswap's allocator are taken,
and found held, while so many tasks at once have pages of theirs stored and got back, each on a
processor of its own, inside a guest whose kernel counts that. ALLOCATOR is zbud, zsmalloc or one of our
movers; each task has PAGES of /dev/vda's data; /dev/vdb is for swap. Prints TASKS-WHAT=NUMBER, for a
page that is stored, loaded and freed once: `taken` and `held`, the nanoseconds, of the allocator's locks;
and for 1000 such pages `waited` for these, and `others`, for all the other locks of the kernel.
`share` is for how much of the time, of 1000, one of them is held, where there is one processor."""

import os
import sys
import time

import lock_stat
from area import Area, Data
from crew import Crew
from fronts import Zswap
from processor import idle
from swap_disk import small_pages, vmstat

# The classes of each one's locks, by how their names begin. The kernel's work queues have one with the
# name of zbud's, which nearly nobody takes.
OURS = ["zbud_movable::Pool::locked"]
LOCKS = {
    "zbud": ["&pool->lock"],
    "zsmalloc": ["&class->lock", "&pool->migrate_lock", "&zspage->lock"],
    "movable_ops": OURS,
    "page_cache": OURS,
}


def work(data, pages, rounds):
    def task(n):
        os.sched_setaffinity(0, {n})
        area = Area(data, n * pages, pages)
        area.fill()
        yield
        for _ in range(rounds):
            area.put_out()
            yield
            area.touch()
            yield

    return task


def main():
    allocator, pages, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    small_pages()
    front, data, names = Zswap(allocator, None), Data(), tuple(LOCKS[allocator])
    front.start(0)
    for tasks in map(int, sys.argv[4:]):
        crew = Crew(tasks, work(data, pages, rounds))
        before = vmstat("zswpout", "zswpin")
        lock_stat.reset()
        began = time.monotonic_ns() - idle()
        for _ in range(2 * rounds):
            crew.step()
        took = time.monotonic_ns() - idle() - began
        locks = lock_stat.locks()
        stored, loaded = (now - then for now, then in zip(vmstat("zswpout", "zswpin"), before))
        crew.step()
        crew.end()
        if min(stored, loaded) < tasks * pages * rounds * 9 // 10:
            sys.exit(f"contention: {stored} pages were stored, {loaded} loaded, of {tasks * pages * rounds}")
        pool = [lock for lock in locks if lock.name.startswith(names)]
        waited = sum(lock.waited for lock in pool)
        held = sum(lock.held for lock in pool)
        figures = {
            "taken": sum(lock.taken for lock in pool) / stored,
            "held": held / stored,
            "waited": 1000 * waited / stored,
            "others": 1000 * (sum(lock.waited for lock in locks) - waited) / stored,
        }
        if os.cpu_count() == 1:
            figures["share"] = 1000 * held / took
        for what, value in figures.items():
            print(f"{tasks}-{what}={value:.2f}", flush=True)


main()
