# SPDX-License-Identifier: GPL-2.0
"""All that the module says of itself, but for what moves without an input: pages, which come
and go behind the zpages, and counters of what the kernel does with them."""

import glob
import os

from sysfs import SYS

BLOCK_SYS = "/sys/block"
OF_ALL = ["zpages", "stored_bytes", "lost_zpages", "mover", "mems", "mems_effective", "memory_migrate"]
OF_ALL += ["stats/user_moved", "stats/not_moved", "stats/lost_pages", "stats/alloc_failed"]
OF_NODE = ["zpages", "moved_in", "moved_out"]
OF_DISK = ["size", "ro", "disksize", "initstate", "comp_algorithm", "raw_threshold", "raw_limit", "large_zpages"]
OF_DISK += ["mems", "mems_effective", "zpages", "stored_bytes", "lost_zpages", "mm_stat", "io_stat", "debug_stat"]
# Of the columns of mm_stat: stored, stored as, limit, filled with a word, as they are, and ever.
COLUMNS = (0, 1, 3, 5, 7, 8)


def disks():
    names = (os.path.basename(path)[len("zbud") :] for path in glob.glob(f"{BLOCK_SYS}/zbud[0-9]*"))
    return sorted(int(name) for name in names)


class Readings:
    """Files stay open, as there are many, and each is read after each input."""

    def __init__(self):
        self.files = {}
        self.nodes = sorted(os.path.basename(path) for path in glob.glob(f"{SYS}/node[0-9]*"))
        self.add(SYS, "", OF_ALL + [f"{node}/{name}" for node in self.nodes for name in OF_NODE])

    def add(self, directory, name, files):
        for file in files:
            self.files[f"{name}/{file}"] = os.open(f"{directory}/{file}", os.O_RDONLY)

    def drop(self, name):
        for key in [key for key in self.files if key.startswith(f"{name}/")]:
            os.close(self.files.pop(key))

    def follow(self, numbers):
        """The disks are these now."""
        known = {key.split("/")[0] for key in self.files} - {""}
        wanted = {f"zbud{number}" for number in numbers}
        for name in known - wanted:
            self.drop(name)
        for name in wanted - known:
            self.add(f"{BLOCK_SYS}/{name}", name, OF_DISK + [f"{node}/zpages" for node in self.nodes])

    def take(self):
        """{FILE: what it says}; of a disk's NAME/FILE, of mm_stat NAME/mm_stat COLUMN."""
        said = {"disks": str(disks())}
        for key, fd in self.files.items():
            text = os.pread(fd, 4096, 0).decode().strip()
            if key.endswith("/mm_stat"):
                values = text.split()
                said.update({f"{key} {column}": values[column] for column in COLUMNS})
            else:
                said[key] = text
        return said
