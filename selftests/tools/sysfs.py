# SPDX-License-Identifier: GPL-2.0
"""Files of sysfs and debugfs: each write is one request. A module of the other programs."""

import os


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def write(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
