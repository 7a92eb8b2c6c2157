# SPDX-License-Identifier: GPL-2.0
"""zswap before a swap device, in a guest of its own."""

import subprocess

from files import put

ZSWAP = "/sys/module/zswap/parameters"


def swap_on(zpool, device):
    """Swap on the device, whose pages stay in zswap's pool: of this kind, compressed by lz4."""
    for name, value in (("compressor", "lz4"), ("zpool", zpool), ("max_pool_percent", "90"),
                        ("shrinker_enabled", "N"), ("enabled", "Y")):
        put(f"{ZSWAP}/{name}", value)
    for command in (["mkswap", "-q", "--force", device], ["swapon", device]):
        subprocess.run(command, check=True)
