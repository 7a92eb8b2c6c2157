# SPDX-License-Identifier: GPL-2.0
"""Processes that do the same step at the same time."""

import os
import signal
import time
import traceback


class Crew:
    """`count` processes, each of which runs `work(n)`, a generator: it stops at each of its yields,
    until all are told to go on."""

    def __init__(self, count, work):
        self.members = []
        for n in range(count):
            to_read, to = os.pipe()
            from_, from_write = os.pipe()
            pid = os.fork()
            if pid == 0:
                self.run(work(n), to_read, from_write)
            os.close(to_read)
            os.close(from_write)
            self.members.append((pid, to, from_))
        self.wait()

    @staticmethod
    def run(work, from_, to):
        """Never returns."""
        try:
            for _ in work:
                os.write(to, b".")
                os.read(from_, 1)
            os.write(to, b".")
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def wait(self):
        for pid, _, from_ in self.members:
            if os.read(from_, 1) != b".":
                raise OSError(f"process {pid} has failed")

    def step(self):
        """Nanoseconds until all have done the next step."""
        began = time.monotonic_ns()
        for _, to, _ in self.members:
            os.write(to, b".")
        self.wait()
        return time.monotonic_ns() - began

    def kill(self):
        """Nanoseconds until they are gone."""
        began = time.monotonic_ns()
        for pid, _, _ in self.members:
            os.kill(pid, signal.SIGKILL)
        return time.monotonic_ns() - began + self.end()

    def end(self):
        """Nanoseconds until they are gone, which have nothing left to do."""
        began = time.monotonic_ns()
        for pid, to, from_ in self.members:
            os.waitpid(pid, 0)
            os.close(to)
            os.close(from_)
        self.members = []
        return time.monotonic_ns() - began
