# SPDX-License-Identifier: GPL-2.0
"""Texts that somebody might write to a file: right ones, nearly right ones, and any bytes."""

PAGE = 4096
BLANKS = (b" ", b"\n", b"\t", b"\r", b"\x0b", b"\x0c", b"\0", b",")
EDGES = [edge + step for edge in (0, 1 << 16, 1 << 31, 1 << 32, 1 << 52, 1 << 63, 1 << 64) for step in (-1, 0, 1)]
# Where a buffer may end: that of a trigger, and the page of sysfs.
LENGTHS = (0, 1, 63, 64, 65, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 1 << 20)


def number(rng):
    """One at a limit or beyond, or a small one, in one of the ways in which numbers are written."""
    value = rng.choice([rng.choice(EDGES), rng.randrange(300), rng.getrandbits(rng.randrange(1, 80))])
    form = rng.choice(["{}"] * 6 + ["0{}", "00000{}", "+{}", "-{}", "0x{:x}", "{:x}", "{}.5", "{}e3", "{:,}"])
    suffix = rng.choice([""] * 6 + list("KMGTPEkmgtpeBx%") + ["MB", "KiB", " K"])
    return (form.format(value) + suffix).encode()


def mutated(rng, text):
    """`text` with one thing changed."""
    at = rng.randrange(len(text) + 1)
    ways = [
        lambda: text[:at],
        lambda: text[:at] + bytes([rng.randrange(256)]) + text[at:],
        lambda: text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :],
        lambda: text[:at] + text[at + 1 :],
        lambda: text[:at] + rng.choice(BLANKS) + text[at:],
        lambda: text + text,
        lambda: text + rng.choice(BLANKS) + text,
        lambda: text.swapcase(),
        lambda: number(rng),
        lambda: text + rng.choice(BLANKS) + number(rng),
        lambda: number(rng) + b" " + number(rng),
        lambda: text + b" " * (max(0, rng.choice(LENGTHS) - len(text))),
        lambda: b"\n" * (max(0, rng.choice(LENGTHS) - len(text))) + text,
        lambda: rng.randbytes(rng.randrange(80)),
        lambda: rng.randbytes(rng.choice(LENGTHS)),
        lambda: text.replace(b"=", b""),
    ]
    return rng.choice(ways)()


def text(rng, valid):
    """One of `valid`, or what became of it."""
    one = rng.choice(valid)
    if rng.random() < 0.3:
        return one + rng.choice([b"", b"\n", b" ", b"\t\n"])
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        one = mutated(rng, one)
    return one
