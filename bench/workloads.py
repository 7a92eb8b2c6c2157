# SPDX-License-Identifier: GPL-2.0
"""The workloads of compare.py. Each is a function that leaves nothing behind, and returns its
figures by name. Times are those that a process waits, in microseconds for each page, if the
name does not tell otherwise."""

import random
import time
from dataclasses import dataclass

import guest_memory
from area import PIECE, Area
from crew import Crew
from files import put
from sizes import Sizes

PAGE = 4096
TASKS = 4
# Rewritten at once, while the workload "churn" goes on
BATCH = 64
# How often its pool is looked at
LOOKS = 20
# Pages that a pool may keep when nothing is stored in it, and that do not count as memory that
# is not back: a little more than ours keeps on two nodes.
KEPT = 256


@dataclass
class Place:
    """What all workloads are told. The data are `files` pages, then `mix`."""

    front: object
    data: object
    sizes: Sizes
    seed: int
    program: str  # demo/memory.rs
    blocks: list  # of node 1, that can go offline


def us(nanoseconds, pages):
    return nanoseconds / 1000 / max(1, pages)


def checked(place, area, figures):
    """Reads all of it, and counts what is wrong."""
    figures["in_us"] = us(area.touch(), area.pages)
    figures["verified"], figures["wrong"] = area.pages, area.wrong()
    figures["violated"] = int(not place.front.verify())


def stored(front, before):
    """What the pool has when all is out; refused counts since `before`."""
    figures = {"stored": front.stored(), "pool": front.pool(), "refused": front.refused() - before}
    figures["density"] = figures["stored"] / max(1, figures["pool"])
    return figures


def put_out(front, area):
    """All of it, and what is left by the first time once more. Nanoseconds of the first, and the
    pages that went."""
    before = front.swapped()
    took, went = area.put_out(), front.swapped() - before
    for _ in range(2):
        area.put_out()
    return took, went


def wait_for(front, pages):
    """Until the pool has no more than these and what it may keep."""
    end = time.monotonic() + 60
    while front.pool() > pages + KEPT:
        if time.monotonic() > end:
            raise OSError(f"the pool still has {front.pool()} pages, {front.stored()} are stored")
        time.sleep(0.02)


def scattered(place, pages):
    """An area whose pages have gone out one MiB after the other, half of them by each node, while
    free memory was in single pages, strewn over all of it: one for each two that are stored. The
    rest of the pool is beside what else is free. Returns it with the figures of that."""
    front, sizes = place.front, place.sizes
    taken = guest_memory.free_kib() // 4 - sizes.reserve_mib * 256
    holes = guest_memory.Holes(place.program, sizes.reserve_mib, max(2, taken * 2 // pages))
    refused, swapped, metadata = front.refused(), front.swapped(), front.metadata_bytes()
    area, took = Area(place.data, 0, pages), 0
    for node, (begin, end) in enumerate(((0, pages // 2), (pages // 2, pages))):
        guest_memory.run_on(node)
        took += area.fill(begin, end, put_out=True)
    guest_memory.run_anywhere()
    went = front.swapped() - swapped
    area.put_out()
    figures = stored(front, refused) | {"out_us": us(took, went), "holes": holes.pages}
    figures["metadata"] = (front.metadata_bytes() - metadata) / max(1, figures["stored"])
    holes.let_go()
    return area, figures


def leave(place):
    """Pages are stored in holes. The kernel's area of contiguous memory is taken, and blocks of memory
    go offline. It is the first: what others leave behind in slabs would keep blocks online."""
    front, cma = place.front, guest_memory.Cma()
    areas = [cma.frames()] if cma.pages() else []
    blocks = {block: guest_memory.frames(block) for block in place.blocks}
    others = {frames: front.pages_in([frames]) for frames in [*areas, *blocks.values()]}

    def pages_in(ranges):
        return max(0, sum(front.pages_in([frames]) - others[frames] for frames in ranges))

    area, figures = scattered(place, place.sizes.leave)
    if areas:
        figures["cma_pages"], figures["in_cma"] = cma.pages(), pages_in(areas)
        figures["cma"], figures["cma_s"] = cma.take()
    figures["removable"], figures["in_blocks"] = len(blocks), pages_in(blocks.values())
    gone, moved, took = guest_memory.take_offline(blocks)
    figures["offlined"] = len(gone)
    figures["stay"] = pages_in([frames for block, frames in blocks.items() if block not in gone])
    if 0 < figures["in_blocks"] <= moved:
        figures["offline_us"] = us(took * 1e9, moved)
    guest_memory.online(gone)
    checked(place, area, figures)
    area.close()
    return figures


def files(place):
    """Real files are stored in holes. Then all that is free is asked for as huge pages."""
    area, figures = scattered(place, place.sizes.files)
    figures["possible"] = guest_memory.free_kib() // guest_memory.HUGE_KIB
    figures["huge"], figures["huge_s"] = guest_memory.huge_pages(figures["possible"])
    checked(place, area, figures)
    area.close()
    return figures


def mix(place):
    """From nearly nothing to incompressible."""
    front, sizes = place.front, place.sizes
    area = Area(place.data, sizes.files, sizes.mix)
    area.fill()
    refused, free = front.refused(), guest_memory.unused_kib()
    took, went = put_out(front, area)
    figures = stored(front, refused) | {"out_us": us(took, went)}
    figures["gained"] = (guest_memory.unused_kib() - free) // 4
    checked(place, area, figures)
    area.close()
    return figures


def churn(place):
    """Random pages are rewritten, and go out again, for long. Then the kernel asks for memory back,
    for which some allocators compact."""
    front, pages = place.front, place.sizes.churn
    chance, area = random.Random(place.seed), Area(place.data, 0, pages)
    area.fill()
    refused = front.refused()
    put_out(front, area)
    # What each page holds, by the page of the data; what is new is the like of it, so that what is
    # stored stays the same.
    holds = list(range(pages))
    fresh = [place.data.pages(at, min(PIECE, pages - at)) for at in range(0, pages, PIECE)]
    figures, looks = {"stored_0": front.stored(), "pool_0": front.pool()}, []
    took, done, total = 0, 0, pages * place.sizes.passes // BATCH * BATCH
    while done < total:
        batch = chance.sample(range(pages), BATCH)
        sources = [chance.randrange(pages) for _ in batch]
        began = time.monotonic_ns()
        for page, source in zip(batch, sources):
            at = source % PIECE * PAGE
            area.memory[page * PAGE : (page + 1) * PAGE] = fresh[source // PIECE][at : at + PAGE]
            area.put_out(page, 1)
            holds[page] = source
        took += time.monotonic_ns() - began
        done += BATCH
        if len(looks) < done * LOOKS // total:
            looks.append(front.pool())
            figures[f"pool_{len(looks)}"] = looks[-1]
    put_out(front, area)
    figures |= stored(front, refused) | {"rewritten": done, "rewrite_us": us(took, done)}
    put("/proc/sys/vm/drop_caches", "2")
    figures["pool_asked"] = front.pool()
    figures["density_asked"] = front.stored() / max(1, figures["pool_asked"])
    wrong = 0
    for page, source in enumerate(holds):
        at = source % PIECE * PAGE
        wrong += area.memory[page * PAGE : (page + 1) * PAGE] != fresh[source // PIECE][at : at + PAGE]
    figures["verified"], figures["wrong"], figures["violated"] = pages, wrong, int(not front.verify())
    area.close()
    return figures


def four(place):
    """Tasks put out and get back their pages at once, each its own."""
    each = place.sizes.four // TASKS

    def task(n):
        area = Area(place.data, n * each, each)
        area.fill()
        yield
        area.put_out()
        yield
        area.touch()
        yield
        if area.wrong():
            raise OSError("pages are wrong")

    refused, swapped = place.front.refused(), place.front.swapped()
    crew = Crew(TASKS, task)
    took = crew.step()
    went = place.front.swapped() - swapped
    figures = stored(place.front, refused) | {"out_us": us(took, went), "in_us": us(crew.step(), each * TASKS)}
    crew.step()
    crew.end()
    figures["violated"] = int(not place.front.verify())
    return figures


def dies(place):
    """A process dies whose pages are out."""

    def task(_):
        area = Area(place.data, 0, place.sizes.dies)
        area.fill()
        yield
        area.put_out()
        area.put_out()
        yield

    front = place.front
    before, crew = front.pool(), Crew(1, task)
    crew.step()
    figures = {"stored": front.stored(), "pool": front.pool()}
    began = time.monotonic_ns()
    figures["gone_ms"] = crew.kill() / 1e6
    wait_for(front, before)
    figures["back_ms"] = (time.monotonic_ns() - began) / 1e6
    figures["violated"] = int(not front.verify())
    return figures


ALL = (leave, files, mix, churn, four, dies)
