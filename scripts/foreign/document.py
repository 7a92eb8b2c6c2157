# SPDX-License-Identifier: GPL-2.0
"""The tables in Documentation/others.rst, between a line for their beginning and one for their end."""

import time

from runner.plan import TOP

from . import plan, table

PATH = f"{TOP}/Documentation/others.rst"
BEGIN, END = ".. others tables", ".. end"


def text(done, release):
    """release: gives a kernel's."""
    parts = []
    for kernel in plan.KERNELS:
        if any(of == kernel for of, _ in done):
            title = f"``make others`` on Linux {release(kernel)}, {time.strftime('%Y-%m-%d')}:"
            parts += [title, table.of_kernel(done, kernel)]
    return "\n\n".join(parts).rstrip()


def replaced(document, tables):
    head, rest = document.split(f"{BEGIN}\n", 1)
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}\n" + rest.split(f"{END}\n", 1)[1]


def put(tables):
    with open(PATH, encoding="utf-8") as file:
        document = replaced(file.read(), tables)
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(document)
