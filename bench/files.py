# SPDX-License-Identifier: GPL-2.0
"""Files of the kernel's."""


def put(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def number(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())
