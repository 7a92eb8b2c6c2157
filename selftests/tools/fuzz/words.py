# SPDX-License-Identifier: GPL-2.0
"""What the documents say of the words in an input: a number, a size, a list of nodes. Each
function gives the value, or raises what the write must end with."""

import errno
import re

U64 = (1 << 64) - 1
SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
BLANK = re.compile(r"[ \t\n\r\f]+")


class Refused(Exception):
    """The errnos that a write may end with."""

    def __init__(self, *errnos):
        super().__init__(*(errno.errorcode[one] for one in errnos))
        self.errnos = errnos


def words(data, most):
    """At least one and at most `most` words of text."""
    try:
        found = [word for word in BLANK.split(data.decode("utf-8")) if word]
    except UnicodeDecodeError:
        raise Refused(errno.EINVAL) from None
    if not 1 <= len(found) <= most:
        raise Refused(errno.EINVAL)
    return found


def number(word):
    if not re.fullmatch(r"[0-9]+", word):
        raise Refused(errno.EINVAL)
    if int(word) > U64:
        raise Refused(errno.ERANGE)
    return int(word)


def size(word):
    match = re.fullmatch(r"([0-9]+)([KMGTP]?)", word, re.IGNORECASE | re.ASCII)
    if not match or int(match[1]) << SUFFIXES[match[2].upper()] > U64:
        raise Refused(errno.EINVAL)
    return int(match[1]) << SUFFIXES[match[2].upper()]


def level(word):
    """A signed number, as in algorithm_params."""
    if not re.fullmatch(r"[+-]?[0-9]+", word):
        raise Refused(errno.EINVAL)
    return int(word)


def nodes(word, there):
    """The set of nodes, of those that are `there`; None where it is left to the kernel's own
    parser of lists (Documentation/core-api/kernel-api.rst, bitmap_parselist) what it means."""
    if word == "all":
        return set(there)
    if "\0" in word or not re.search(r"[0-9Na]", word, re.IGNORECASE):
        raise Refused(errno.EINVAL)
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", word):
        return None
    found = set()
    for part in word.split(","):
        first, _, last = part.partition("-")
        first, last = int(first), int(last or first)
        if max(first, last) > 63:
            # How many nodes a kernel can have is its own affair, and which error comes first.
            raise Refused(errno.ERANGE, errno.ENODEV, errno.EINVAL)
        if first > last:
            raise Refused(errno.EINVAL)
        found.update(range(first, last + 1))
    if not found <= set(there):
        # A number later in the list may be too large for the kernel.
        raise Refused(errno.ENODEV, errno.ERANGE)
    return found


def shown(found):
    """A set of nodes as sysfs shows it."""
    parts, left = [], sorted(found)
    while left:
        end = 1
        while end < len(left) and left[end] == left[0] + end:
            end += 1
        parts.append(f"{left[0]}-{left[end - 1]}" if end > 1 else f"{left[0]}")
        left = left[end:]
    return ",".join(parts)
