# SPDX-License-Identifier: GPL-2.0
"""The kernel's function profiler, in a guest that counts instructions instead of time
(scripts/vm/boot --icount): its nanoseconds are instructions."""

import os

from files import put

TRACING = "/sys/kernel/tracing"
ENABLED = f"{TRACING}/function_profile_enabled"


def is_there():
    """Whether the kernel has it."""
    return os.path.exists(ENABLED)


def start(functions):
    """Profiles these from now on."""
    put(f"{TRACING}/set_ftrace_filter", " ".join(functions))
    put(ENABLED, "1")


def stop():
    put(ENABLED, "0")


def profile():
    """Calls and instructions of each function since the last time."""
    seen = {}
    with open(f"{TRACING}/trace_stat/function0") as stat:
        for line in stat.readlines()[2:]:
            name, hits, took = line.split()[:3]
            seen[name] = int(hits), float(took) * 1000
    put(ENABLED, "0")
    put(ENABLED, "1")
    return seen


def per(seen, calls, *names):
    """Instructions of all `names` for each call of `calls`."""
    return sum(seen.get(name, (0, 0))[1] for name in names) / max(1, seen[calls][0])
