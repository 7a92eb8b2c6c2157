# SPDX-License-Identifier: GPL-2.0
"""What guests have given, kept in the cache: by all that it depends on."""

import os
import time
from dataclasses import asdict

from runner.store import Store

from .guests import Cell

# Everything that can change a verdict, beside the group's tests; kernels, selftests and the root have
# names that change with what they are made of.
SOURCES = ["Kbuild", "Cargo.toml", "src", "drivers", "others", "selftests/tools/sysfs.py", "scripts/foreign/guests.py",
           "scripts/foreign/verdict.py", "scripts/vm", "scripts/build-module"]  # fmt: skip


class Kept:
    def __init__(self, directory, fresh):
        self.guests = Store(directory, SOURCES, fresh)

    @staticmethod
    def key(kernel, group, built, root):
        """built: as Guests.kernel gives it."""
        return kernel, repr(group), os.path.basename(built[0]), os.path.basename(built[2]), os.path.basename(root)

    def load(self, *what):
        """(cells, when), or (None, None) if there are none."""
        kept = self.guests.load(*self.key(*what))
        if not kept:
            return None, None
        return {(number, column): Cell(**cell) for number, column, cell in kept["cells"]}, kept["when"]

    def store(self, cells, *what):
        kept = {"when": time.strftime("%Y-%m-%d %H:%M"), "cells": [[*key, asdict(cell)] for key, cell in cells.items()]}
        self.guests.store(kept, *self.key(*what))
