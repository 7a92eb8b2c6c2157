# SPDX-License-Identifier: GPL-2.0
"""How much the workloads of workloads.py store."""

from dataclasses import dataclass

MIB = 256


@dataclass(frozen=True)
class Sizes:
    """In pages, but for the last two."""

    leave: int
    files: int
    mix: int
    churn: int
    four: int
    dies: int
    passes: int  # how often each page is rewritten by `churn`, on average
    reserve_mib: int  # that is free in larger pieces while there are holes


SIZES = {
    "full": Sizes(leave=64 * MIB, files=160 * MIB, mix=48 * MIB, churn=16 * MIB, passes=4,
                  four=64 * MIB, dies=64 * MIB, reserve_mib=96),
    "smoke": Sizes(leave=4 * MIB, files=16 * MIB, mix=4 * MIB, churn=256, passes=2,
                   four=4 * MIB, dies=4 * MIB, reserve_mib=480),
}  # fmt: skip
