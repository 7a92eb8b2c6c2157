#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""hog.py FILE MIB [huge]: memory that is full of FILE's contents, over and over, and
is swapped out and in as asked for by lines on standard input. It consists of small pages,
which zswap wants, or of huge ones:

	out	put all of it out (MADV_PAGEOUT)
	read	compare each page with what it must be
	drop	give all of it up: it is zero then (MADV_DONTNEED)
	write N	turn it round by N pages, so that each page is another
	quit

Each is answered by one line: ok and a number, or what was wrong; "wrong data: ..." if
a page is not what it must be."""

import mmap
import sys

PAGE = mmap.PAGESIZE
MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_PAGEOUT = 4, 14, 15, 21


class WrongData(Exception):
    pass


class Hog:
    def __init__(self, path, mib, huge):
        with open(path, "rb") as file:
            data = file.read()
        self.blocks = [data[at : at + PAGE] for at in range(0, len(data) - PAGE + 1, PAGE)]
        self.pages = mib * (1 << 20) // PAGE
        self.memory = mmap.mmap(-1, self.pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory.madvise(MADV_HUGEPAGE if huge else MADV_NOHUGEPAGE)
        self.turned = 0
        self.write(0)

    def expected(self, page):
        return self.blocks[(page + self.turned) % len(self.blocks)]

    def write(self, turn):
        self.turned += turn
        for page in range(self.pages):
            self.memory[page * PAGE : (page + 1) * PAGE] = self.expected(page)
        return self.pages

    def out(self):
        self.memory.madvise(MADV_PAGEOUT)
        return self.pages

    def drop(self):
        self.memory.madvise(MADV_DONTNEED)
        return self.pages

    def read(self):
        for page in range(self.pages):
            if self.memory[page * PAGE : (page + 1) * PAGE] != self.expected(page):
                raise WrongData(f"page {page}")
        return self.pages


def main():
    hog = Hog(sys.argv[1], int(sys.argv[2]), "huge" in sys.argv[3:])
    print("ok", hog.pages, flush=True)
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "quit":
                break
            action = {"out": hog.out, "drop": hog.drop, "read": hog.read, "write": hog.write}[words[0]]
            print("ok", action(*map(int, words[1:])), flush=True)
        except WrongData as error:
            print("wrong data:", error, flush=True)
        except ValueError as error:
            print(error, flush=True)


if __name__ == "__main__":
    main()
