# SPDX-License-Identifier: GPL-2.0
"""System calls whose arguments Python would not hand on, and memory to give them."""

import ctypes
import errno
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
WORD = ctypes.c_ulong
BAD_ADDRESS = 4096
MAP_FAILED = ctypes.c_void_p(-1).value


def call(name, *arguments):
    """Its result, or OSError. Numbers are passed as words of 64 bits."""
    result = getattr(libc, name)(*(WORD(one & ((1 << 64) - 1)) if isinstance(one, int) else one for one in arguments))
    if result == (MAP_FAILED if name == "mmap" else -1):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def errno_of(action, *arguments):
    """(0 or the errno, the result)."""
    try:
        return 0, action(*arguments)
    except OSError as error:
        return error.errno, None


def name_of(number):
    return errno.errorcode.get(number, str(number))


class Memory:
    """Private memory of that length, followed by `GUARD` bytes that nobody may touch; `at` is its
    address."""

    GUARD = 1 << 16

    def __init__(self, length):
        self.area = mmap.mmap(-1, length + self.GUARD)
        self.bytes = memoryview(self.area)[:length]
        self.at = ctypes.addressof(ctypes.c_char.from_buffer(self.area))
        call("mprotect", self.at + length, self.GUARD, 0)
