# SPDX-License-Identifier: GPL-2.0
"""Those who look: nothing that the module tells is ever wrong."""

import errno
import glob

from actors.tasks import WrongData
from sysfs import DEBUGFS, SYS, read

# A pool that ends meanwhile.
GONE = (errno.ENOENT, errno.ENODEV, errno.EIO)


class Verifier:
    """The validator, of all pools and of each, and what the pools tell of their pages."""

    def __call__(self, rng):
        self.check(f"{SYS}/verify")
        pool = rng.choice(glob.glob(f"{DEBUGFS}/pools/*") or [""])
        try:
            self.check(f"{pool}/verify")
            for line in read(f"{pool}/pages").splitlines()[1:]:
                pfn, nid, first, last, pins, state = line.split()
                if int(first) + int(last) > 4096:
                    raise WrongData(f"{pool}: {line}")
            read(f"{pool}/summary")
        except OSError as error:
            if error.errno not in GONE:
                raise

    @staticmethod
    def check(path):
        said = read(path)
        if said != "ok":
            raise WrongData(f"{path}: {said}")


class Counters:
    """Counters never go back. That of the pages that the last request did not move is none."""

    def __init__(self):
        self.were = {}

    def __call__(self, _):
        for path in glob.glob(f"{SYS}/stats/*") + glob.glob(f"{SYS}/node*/moved_*"):
            if path.endswith("/not_moved"):
                continue
            now = int(read(path))
            if now < self.were.get(path, 0):
                raise WrongData(f"{path}: {self.were[path]}, then {now}")
            self.were[path] = now
