# SPDX-License-Identifier: GPL-2.0
"""Values that are kept in the cache, by all that has a part in them."""

import hashlib
import json
import os

from .plan import TOP


def digest_of(top, sources):
    """A digest of the names and contents of all files below sources."""
    digest = hashlib.sha256()
    for source in sources:
        paths = [os.path.join(top, source)]
        if os.path.isdir(paths[0]):
            paths = [os.path.join(at, name) for at, _, names in os.walk(paths[0]) for name in names]
        for path in sorted(paths):
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            digest.update(f"{os.path.relpath(path, top)} {os.access(path, os.X_OK)} {content}\n".encode())
    return digest.hexdigest()


class Store:
    """sources: files and directories in `top` on which every value depends, so that all are forgotten
    when one of these changes. fresh: nothing that was stored before is given out."""

    def __init__(self, directory, sources, fresh=False, top=TOP):
        self.directory, self.fresh = directory, fresh
        self.top, self.sources = top, sources
        self.content = digest_of(top, sources)
        os.makedirs(directory, exist_ok=True)

    def path(self, *words):
        """words: what else the value depends on."""
        key = "\n".join([self.content, *words])
        return os.path.join(self.directory, hashlib.sha256(key.encode()).hexdigest()[:32])

    def load(self, *words):
        """None if there is none."""
        if self.fresh:
            return None
        try:
            with open(self.path(*words), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def store(self, value, *words):
        """value: what JSON can tell."""
        # Not if the sources have changed since: what it was made of is not known.
        if digest_of(self.top, self.sources) != self.content:
            return
        path = self.path(*words)
        with open(f"{path}.partial", "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(f"{path}.partial", path)

    def forget(self, *words):
        if os.path.exists(self.path(*words)):
            os.remove(self.path(*words))
