# SPDX-License-Identifier: GPL-2.0
"""What guests have given, kept in the cache: by all that it depends on."""

import hashlib
import json
import os
import time
from dataclasses import asdict

from runner.kept import digest_of
from runner.plan import TOP

from .guests import Cell

# Everything that can change a verdict, beside the group's tests; kernels, selftests and the root have
# names that change with what they are made of.
SOURCES = ["Kbuild", "Cargo.toml", "src", "drivers", "others", "scripts/foreign/guests.py", "scripts/foreign/verdict.py",
           "scripts/vm", "scripts/build-module"]  # fmt: skip


class Kept:
    def __init__(self, directory, fresh):
        self.directory, self.fresh, self.content = directory, fresh, digest_of(TOP, SOURCES)
        os.makedirs(directory, exist_ok=True)

    def path(self, kernel, group, built, root):
        """built: as Guests.kernel gives it."""
        key = [self.content, kernel, repr(group), os.path.basename(built[0]), os.path.basename(built[2]), os.path.basename(root)]
        return f"{self.directory}/{hashlib.sha256(chr(10).join(key).encode()).hexdigest()[:32]}"

    def load(self, *what):
        """(cells, when), or (None, None) if there are none."""
        try:
            with open(self.path(*what), encoding="utf-8") as file:
                kept = None if self.fresh else json.load(file)
        except (OSError, ValueError):
            kept = None
        if not kept:
            return None, None
        return {(number, column): Cell(**cell) for number, column, cell in kept["cells"]}, kept["when"]

    def store(self, cells, *what):
        # Not if the sources have changed under the run
        if digest_of(TOP, SOURCES) != self.content:
            return
        kept = {"when": time.strftime("%Y-%m-%d %H:%M"), "cells": [[*key, asdict(cell)] for key, cell in cells.items()]}
        path = self.path(*what)
        with open(f"{path}.partial", "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(f"{path}.partial", path)
