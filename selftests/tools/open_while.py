#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""open_while.py DISK REQUEST TEXT: opens the disk over and over while another process writes TEXT to
the file REQUEST, which that does again as long as it is EBUSY because the disk is open. Prints
refused=N, how often opening was EBUSY, and fails if it failed otherwise."""

import errno
import os
import sys

import sysfs


def request(path, text):
    while True:
        try:
            return sysfs.write(path, text)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise


def main():
    disk, path, text = sys.argv[1:]
    child = os.fork()
    if child == 0:
        request(path, text)
        os._exit(0)
    refused, ended = 0, 0
    while not ended:
        try:
            os.close(os.open(disk, os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            refused += 1
        ended, status = os.waitpid(child, os.WNOHANG)
    print(f"refused={refused}")
    return int(status != 0)


sys.exit(main())
