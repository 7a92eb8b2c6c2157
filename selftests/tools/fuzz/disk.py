# SPDX-License-Identifier: GPL-2.0
"""A disk as it must be: what it holds, what its files say, and what they take."""

import errno

from .words import U64, Refused, level, nodes, number, shown, size, words

BLOCK = 4096
ALGORITHMS = {"lz4": (1, 65537), "lzo": None, "lzo-rle": None, "zstd": (-131072, 22)}
THRESHOLD = 4032
# Sizes that a disk may have here, and those that no memory is enough for. Between them it
# depends on the machine whether they can be had.
SMALL, HUGE = 8 << 20, 1 << 50
MOST_BLOCKS = (1 << 63) >> 12


class NotSent(Exception):
    """An input that is right, and more than the machine could bear."""


class Page:
    """What was written to a block, once."""

    def __init__(self, data):
        self.data = data
        # One word over and over takes no zpage.
        self.is_zpage = data != data[:8] * (len(data) // 8)


class Disk:
    def __init__(self, number_, there, algorithms):
        self.number, self.there, self.algorithms = number_, there, algorithms
        self.held = False
        self.clear()

    def clear(self):
        self.blocks, self.algorithm, self.level = 0, self.algorithms[0], None
        self.limit, self.threshold, self.raw_limit = 0, THRESHOLD, None
        self.mems = set(self.there)
        self.pages, self.pins = {}, {}
        self.has_changed()

    def has_changed(self):
        """What the files say is to be found anew: it takes a while, and most inputs are refused."""
        self.said = None

    @property
    def name(self):
        return f"zbud{self.number}"

    @property
    def bytes(self):
        return self.blocks * BLOCK

    @property
    def is_limited(self):
        """Whether a write may fail."""
        return self.limit != 0 or self.raw_limit is not None

    def data(self, block):
        page = self.pages.get(block)
        return page.data if page else bytes(BLOCK)

    def put(self, block, data):
        self.pages[block] = Page(data)
        self.has_changed()

    def drop(self, first, end):
        self.has_changed()
        if end - first < len(self.pages):
            for block in range(first, end):
                self.pages.pop(block, None)
        else:
            self.pages = {block: page for block, page in self.pages.items() if not first <= block < end}

    def zpages(self):
        held = sum(page.is_zpage for page in self.pages.values())
        return held + sum(self.pages.get(block) is not page for block, (page, _) in self.pins.items())

    def expected(self):
        """Files and what they say; mm_stat by the numbers of its columns."""
        if self.said is None:
            self.said = self.found()
        return self.said

    def found(self):
        zpages = self.zpages()
        filled = sum(not page.is_zpage for page in self.pages.values())
        raw = "max" if self.raw_limit is None else str(min(self.raw_limit * BLOCK, U64))
        said = {
            "disksize": str(self.bytes),
            "size": str(self.bytes // 512),
            "initstate": str(int(self.blocks != 0)),
            "comp_algorithm": " ".join(f"[{one}]" if one == self.algorithm else one for one in self.algorithms),
            "raw_threshold": str(self.threshold),
            "raw_limit": raw,
            "zpages": str(zpages),
            "lost_zpages": "0",
            "mm_stat 0": str((zpages + filled) * BLOCK),
            "mm_stat 3": str(min(self.limit * BLOCK, U64)),
            "mm_stat 5": str(filled),
        }
        if self.mems is not None:
            said["mems"] = shown(self.mems)
        return said

    # --- files: each gives what is to be done when the write has succeeded ---

    def file_disksize(self, data):
        (word,) = words(data, 1)
        blocks = -(-size(word) // BLOCK)
        if not 0 < blocks < MOST_BLOCKS:
            raise Refused(errno.EINVAL)
        if self.blocks:
            raise Refused(errno.EBUSY)
        if blocks * BLOCK >= HUGE:
            raise Refused(errno.ENOMEM)
        if blocks * BLOCK > SMALL:
            raise NotSent

        def done():
            self.blocks = blocks

        return done

    def file_reset(self, data):
        (word,) = words(data, 1)
        if number(word) == 0:
            raise Refused(errno.EINVAL)
        if self.held:
            raise Refused(errno.EBUSY)
        return self.clear

    def known(self, name):
        if name not in self.algorithms:
            raise Refused(errno.EINVAL)
        return name

    def file_comp_algorithm(self, data):
        (word,) = words(data, 1)
        name = self.known(word)
        if self.blocks:
            raise Refused(errno.EBUSY)

        def done():
            self.algorithm, self.level = name, None

        return done

    def file_algorithm_params(self, data):
        name, wanted = None, None
        for word in words(data, 3):
            key, equals, value = word.partition("=")
            if not equals:
                raise Refused(errno.EINVAL)
            if key == "algo":
                name = self.known(value)
            elif key == "level":
                wanted = level(value)
                if not -(1 << 31) <= wanted < 1 << 31:
                    raise Refused(errno.EINVAL)
            elif (key, value) != ("priority", "0"):
                raise Refused(errno.EINVAL)
        if self.blocks:
            raise Refused(errno.EBUSY)
        levels = ALGORITHMS[name or self.algorithm]
        if wanted is not None and not (levels and levels[0] <= wanted <= levels[1]):
            raise Refused(errno.EINVAL)

        def done():
            self.algorithm = name or self.algorithm
            self.level = wanted

        return done

    def file_mem_limit(self, data):
        (word,) = words(data, 1)
        pages = -(-size(word) // BLOCK)

        def done():
            self.limit = pages

        return done

    def file_mem_used_max(self, data):
        (word,) = words(data, 1)
        if number(word) != 0:
            raise Refused(errno.EINVAL)
        return lambda: None

    def file_raw_threshold(self, data):
        (word,) = words(data, 1)
        threshold = number(word)
        if threshold > BLOCK:
            raise Refused(errno.EINVAL)

        def done():
            self.threshold = threshold

        return done

    def file_raw_limit(self, data):
        (word,) = words(data, 1)
        limit = None if word == "max" else -(-size(word) // BLOCK)

        def done():
            self.raw_limit = limit

        return done

    def file_compact(self, data):
        if words(data, 1) != ["1"] or not self.blocks:
            raise Refused(errno.EINVAL)
        return lambda: None

    def file_mems(self, data):
        (word,) = words(data, 1)
        found = nodes(word, self.there)

        def done():
            self.mems = found

        return done

    # --- triggers in debugfs ---

    def range(self, data):
        first, *more = words(data, 2)
        first = number(first)
        count = number(more[0]) if more else 1
        if count == 0:
            raise Refused(errno.EINVAL)
        if first + count > self.blocks:
            raise Refused(errno.ERANGE)
        return range(first, first + count)

    def trigger_pin(self, data):
        chosen = self.range(data)
        for block in chosen:
            page = self.pages.get(block)
            if not page or not page.is_zpage:
                raise Refused(errno.ENOENT)
            if block in self.pins and self.pins[block][0] is not page:
                raise Refused(errno.EBUSY)

        def done():
            for block in chosen:
                page, count = self.pins.get(block, (self.pages[block], 0))
                self.pins[block] = (page, count + 1)

        return done

    def trigger_unpin(self, data):
        if words(data, 2) == ["all"]:
            return self.pins.clear
        chosen = self.range(data)
        if len(chosen) > len(self.pins) or any(block not in self.pins for block in chosen):
            raise Refused(errno.EINVAL)

        def done():
            for block in chosen:
                page, count = self.pins.pop(block)
                if count > 1:
                    self.pins[block] = (page, count - 1)

        return done

    def trigger_free_every(self, data):
        first, *more = words(data, 2)
        step = number(first)
        if step == 0 or more:
            raise Refused(errno.EINVAL)
        if any(block % step == step - 1 for block in self.pins):
            raise Refused(errno.EBUSY)

        def done():
            self.pages = {block: page for block, page in self.pages.items() if block % step != step - 1}

        return done
