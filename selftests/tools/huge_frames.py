#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""huge_frames.py: prints the first frame of the longest run of frames that are part of huge pages of
hugetlb, and how many there are, by /proc/kpageflags."""

import sys

# include/uapi/linux/kernel-page-flags.h
KPF_HUGE = 1 << 17
CHUNK = 1 << 15


def main():
    best, run, frame = (0, 0), 0, 0
    with open("/proc/kpageflags", "rb") as file:
        while flags := file.read(CHUNK * 8):
            for word in memoryview(flags).cast("Q"):
                run = run + 1 if word & KPF_HUGE else 0
                frame += 1
                if run > best[1]:
                    best = frame - run, run
    print(*best)
    sys.exit(not best[1])


if __name__ == "__main__":
    main()
