# SPDX-License-Identifier: GPL-2.0
"""A mutant: a change to the sources that a named test must notice. tests/mutants/*.list have
them, one after the other, with an empty line between:

    mutant: NAME
    why: what goes wrong with it, in one line
    caught-by: cargo TARGET TEST          a test of the core; TARGET is lib or a file of tests/
    caught-by: test NAME [KERNEL [MOVER]] a step or a selftest, as scripts/test takes them
    file: PATH
     a line as it is before and after
    -a line that goes
    +a line that comes

The lines of a change must be there once. A mutant may change several files, or several places:
each begins with a line "file:". A line that begins with "#" is a comment.
"""

import glob
import os
import re
from dataclasses import dataclass, field


@dataclass
class Change:
    path: str
    old: list = field(default_factory=list)
    new: list = field(default_factory=list)

    def apply(self, text):
        """text with the change; ValueError if it is not clear where."""
        lines, length = text.split("\n"), len(self.old)
        places = [at for at in range(len(lines)) if length and lines[at : at + length] == self.old]
        if len(places) != 1:
            raise ValueError(f"{self.path}: its lines are there {len(places)} times")
        if self.old == self.new:
            raise ValueError(f"{self.path}: nothing changes")
        return "\n".join(lines[: places[0]] + self.new + lines[places[0] + length :])


@dataclass
class Catcher:
    kind: str  # "cargo" or "test"
    words: tuple

    def __str__(self):
        return " ".join(self.words)


@dataclass
class Mutant:
    name: str
    part: str  # the list that it is in
    text: str  # all of its lines
    why: str = ""
    catcher: Catcher = None
    changes: list = field(default_factory=list)

    def applied(self, top):
        """{path: content} of the files that it changes, below top."""
        files = {}
        for change in self.changes:
            if change.path not in files:
                with open(os.path.join(top, change.path), encoding="utf-8") as file:
                    files[change.path] = file.read()
            files[change.path] = change.apply(files[change.path])
        return files


def catcher(words):
    kind, *rest = words.split()
    if (kind == "cargo" and len(rest) == 2) or (kind == "test" and 1 <= len(rest) <= 3):
        return Catcher(kind, tuple(rest))
    raise ValueError(f"no way to catch a mutant: {words}")


def parse_one(part, lines):
    mutant, words = None, {}
    for line in lines:
        if line[0] in "-+ " and mutant and mutant.changes:
            change = mutant.changes[-1]
            if line[0] != "+":
                change.old.append(line[1:])
            if line[0] != "-":
                change.new.append(line[1:])
            continue
        match = re.match(r"(mutant|why|caught-by|file): (\S.*)$", line)
        if not match or (match[1] == "mutant") != (mutant is None) or match[1] in words:
            raise ValueError(f"tests/mutants/{part}.list: what is '{line}'?")
        key, value = match[1], match[2]
        if key == "mutant":
            mutant = Mutant(value, part, "\n".join(lines))
        elif key == "file":
            mutant.changes.append(Change(value))
        else:
            words[key] = value
    if words.keys() != {"why", "caught-by"} or not mutant.changes or not re.fullmatch(r"[a-z0-9-]+", mutant.name):
        raise ValueError(f"tests/mutants/{part}.list: '{lines[0]}' is not complete")
    mutant.why, mutant.catcher = words["why"], catcher(words["caught-by"])
    return mutant


def parse(part, text):
    blocks, block = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if line:
            block.append(line)
        elif block:
            blocks.append(block)
            block = []
    return [parse_one(part, lines) for lines in blocks]


def load(top):
    """All mutants, in the order of the lists."""
    mutants = []
    for path in sorted(glob.glob(f"{top}/tests/mutants/*.list")):
        with open(path, encoding="utf-8") as file:
            mutants += parse(os.path.basename(path)[: -len(".list")], file.read())
    names = [mutant.name for mutant in mutants]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"tests/mutants: two mutants are named '{twice}'")
    return mutants
