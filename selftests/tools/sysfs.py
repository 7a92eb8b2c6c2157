# SPDX-License-Identifier: GPL-2.0
"""Files of sysfs and debugfs: each write is one request. A module of the other programs."""

import os

SYS, DEBUGFS = "/sys/kernel/zbud_movable", "/sys/kernel/debug/zbud_movable"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def numbers(text):
    """Those of a list as the kernel has it: 0-1,3."""
    found = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return found


def write(path, text):
    write_bytes(path, text.encode())


def write_bytes(path, data):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
