# SPDX-License-Identifier: GPL-2.0
"""The only processor of a guest."""

import os


def idle():
    """Nanoseconds in which it had nothing to do: reclaim waits at times, and so does who reads from a
    disk."""
    with open("/proc/stat", encoding="ascii") as stat:
        of_all = stat.readline().split()
    return (int(of_all[4]) + int(of_all[5])) * 10**9 // os.sysconf("SC_CLK_TCK")
