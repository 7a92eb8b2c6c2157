# SPDX-License-Identifier: GPL-2.0
"""Pages move, while a test runs."""

import threading

from disk import OURS
from sysfs import write

# Seconds between two of each: the test is to get on, too
PAUSE = 0.3


class Moving:
    """The kernel compacts, whatever the column; ours are asked to go from node to node, too."""

    def __init__(self, is_ours):
        self.over = threading.Event()
        jobs = [("/proc/sys/vm/compact_memory", ["1"])]
        if is_ours:
            jobs.append((f"{OURS}/migrate", ["0 1", "1 0"]))
        self.threads = [threading.Thread(target=self.work, args=job) for job in jobs]

    def work(self, path, texts):
        while True:
            for text in texts:
                try:
                    write(path, text)
                except OSError:
                    # A node may have no memory just then, or no room.
                    pass
                if self.over.wait(PAUSE):
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
