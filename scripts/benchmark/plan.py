# SPDX-License-Identifier: GPL-2.0
"""Which allocators `make bench` compares, in which groups, and so which guests it boots."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Allocators under the same kernel and the same load; times are told beside the rival's."""

    name: str
    title: str
    kernel: str  # as scripts/kernel/build knows it
    front: str  # as bench/compare.py knows it
    algorithm: str
    allocators: tuple
    rival: str


@dataclass(frozen=True)
class Run:
    """One guest."""

    group: Group
    allocator: str
    seed: int

    @property
    def name(self):
        return f"{self.group.name}/{self.allocator}, seed {self.seed}"

    @property
    def is_ours(self):
        return self.allocator in OURS


OURS = ("movable_ops", "page_cache")
GROUPS = (
    Group("zswap", "zswap on 6.12, lz4", "release", "zswap", "lz4", ("zbud", "z3fold", "zsmalloc", *OURS), "zbud"),
    # What zram has in this kernel
    Group("disk", "swap on a disk on 6.12, lzo-rle", "release", "disk", "lzo-rle", ("zram", *OURS), "zram"),
    Group("stock", "swap on a disk on Debian's newest kernel, lz4", "stock", "disk", "lz4", ("zram", "page_cache"), "zram"),
)


def chosen(names):
    """{group: its allocators} of those named: a group, or GROUP/ALLOCATOR; all without a name."""
    known = {f"{group.name}/{allocator}": (group, allocator) for group in GROUPS for allocator in group.allocators}
    if not names:
        names = [group.name for group in GROUPS]
    found = {}
    for name in names:
        matches = [pair for each, pair in known.items() if name in (each, each.split("/")[0])]
        if not matches:
            raise ValueError(f"no allocator '{name}'; there are {' '.join(known)}")
        for group, allocator in matches:
            found.setdefault(group, []).append(allocator)
    return {group: [each for each in group.allocators if each in found[group]] for group in GROUPS if group in found}


def runs(groups, seeds):
    """Round by round: a round is one seed with every allocator, those of a group after each other."""
    return [[Run(group, allocator, seed) for group, allocators in groups.items() for allocator in allocators]
            for seed in range(1, seeds + 1)]  # fmt: skip
