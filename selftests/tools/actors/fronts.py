# SPDX-License-Identifier: GPL-2.0
"""zswap, which stores in pools of its own: it is switched on and off, from pool to pool."""

import time

from sysfs import write

ZSWAP = "/sys/module/zswap/parameters"
# Not zsmalloc: each of its pools makes slab caches, and these sometimes meet one of the same name
# that is just going (sysfs_warn_dup() in sysfs_slab_add()).
OTHER = "zbud"


class Zswap:
    """Over and over, with this pool and with another."""

    def __call__(self, rng):
        write(f"{ZSWAP}/zpool", rng.choice(("zbud_movable", OTHER)))
        write(f"{ZSWAP}/enabled", rng.choice("YYN"))
        time.sleep(rng.random())

    def end(self):
        write(f"{ZSWAP}/enabled", "N")
        write(f"{ZSWAP}/zpool", OTHER)
