# SPDX-License-Identifier: GPL-2.0
"""What is stored in a round: by its seed."""

import random

PAGE = 4096
# What is taken from one place of the image
STRETCH = 256 * PAGE
# Random bytes that the mix has in common
NOISE = 1 << 20


def same_filled(page):
    """Takes no room in any pool."""
    return page == page[:8] * (PAGE // 8)


def real_pages(image, seed):
    """Those of the image, stretch by stretch in an order by chance, but for those of one value."""
    image.seek(0, 2)
    starts = list(range(0, image.tell(), STRETCH))
    random.Random(seed).shuffle(starts)
    for start in starts:
        image.seek(start)
        stretch = image.read(STRETCH)
        for at in range(0, len(stretch) - PAGE + 1, PAGE):
            page = stretch[at : at + PAGE]
            if not same_filled(page):
                yield page


def mixed_pages(seed):
    """From nearly nothing to incompressible: random bytes, as many of them as of any other number,
    and one value for the rest."""
    chance = random.Random(seed)
    noise = chance.randbytes(NOISE)
    while True:
        length, at = chance.randint(16, PAGE), chance.randrange(NOISE - PAGE)
        yield noise[at : at + length] + bytes([chance.randrange(256)]) * (PAGE - length)


def write(path, image, seed, files, mix):
    """So many pages of the image's, then so many mixed ones."""
    with open(image, "rb") as source, open(path, "wb") as file:
        for pages, count in (real_pages(source, seed), files), (mixed_pages(seed), mix):
            for _ in range(count):
                file.write(next(pages))
