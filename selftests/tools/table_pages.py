# SPDX-License-Identifier: GPL-2.0
"""The pages of the tables in which the module describes its pages, most of them leaves: counted by
a probe on the function that allocates one, and one on that which frees it."""

import os

TRACING = "/sys/kernel/tracing"


class Probes:
    """Hits of the probes, as the kernel counts them."""

    functions = {"made": "zbm_alloc_table_page", "freed": "zbm_free_table_page"}

    def __init__(self):
        for name, function in self.functions.items():
            self.tell("kprobe_events", f"p:leaves/{name} zbud_movable:{function}")
        self.tell("events/leaves/enable", "1")

    @staticmethod
    def tell(name, text):
        # Not open(): that would seek to the end, which these files refuse.
        file = os.open(f"{TRACING}/{name}", os.O_WRONLY | os.O_APPEND)
        os.write(file, text.encode() + b"\n")
        os.close(file)

    def end(self):
        self.tell("events/leaves/enable", "0")
        for name in self.functions:
            self.tell("kprobe_events", f"-:leaves/{name}")

    def count(self, name):
        with open(f"{TRACING}/kprobe_profile", encoding="ascii") as file:
            hits = {words[0]: int(words[1]) for words in map(str.split, file)}
        return hits[name]

    def present(self):
        return self.count("made") - self.count("freed")
