#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""fuzz_inputs.py SEED COUNT: COUNT random inputs, one after the other, to all that the module
has: its files in sysfs and debugfs, its disks, /dev/zbud_movable; and beside them those of a
user without rights. The same seed gives the same inputs.

Each ends as the documents say; after one that was refused all is as before, after one that
was not only what it was for has changed, and the disks hold what was written. Prints
NAME=VALUE, and the last inputs if something is not so; exit status 2 if data are wrong."""

import random
import sys
import time

from fuzz import files
from fuzz.blocks import Wrong
from fuzz.nobody import Nobody
from fuzz.world import World


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    world = World(random.Random(seed), seed)
    aimed = files.of_module() + files.of_disk(0)[0] + ["/dev/zbud0", "/dev/zbud_movable"]
    nobody = Nobody(seed, aimed, count // 4)
    began, status = time.monotonic(), 0
    try:
        while world.count < count:
            world.step()
        world.check_all()
        world.reset_all()
    except (Wrong, OSError) as wrong:
        print("\n".join(world.log))
        print(f"{wrong} (seed {seed}, input {world.count})")
        status = 2 if getattr(wrong, "data", False) else 1
        if not isinstance(wrong, Wrong):
            raise
    said = nobody.ended()
    if said:
        print(said)
        status = max(status, 1)
    print(f"inputs={world.count}\nrefused={world.refusals}\nattempts={count // 4}")
    print(f"seconds={time.monotonic() - began:.0f}")
    sys.exit(status)


if __name__ == "__main__":
    main()
