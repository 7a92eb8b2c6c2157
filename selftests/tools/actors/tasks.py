# SPDX-License-Identifier: GPL-2.0
"""Processes that each do their work over and over, until the time is over or one of them
fails. What a process chooses follows from a seed and its name; when the others do what they
do does not."""

import multiprocessing
import random
import time

# Seconds that they may take longer.
PATIENCE = 480


class WrongData(Exception):
    pass


def _run(name, work, seed, rounds, over, results):
    rng, said = random.Random(f"{seed} {name}"), ""
    try:
        while not over.is_set():
            work(rng)
            rounds.value += 1
        getattr(work, "end", lambda: None)()
    except WrongData as wrong:
        said = f"wrong data: {name}, round {rounds.value}: {wrong}"
    except Exception as error:  # whatever it is, the others are to end
        said = f"{name}, round {rounds.value}: {type(error).__name__}: {error}"
    if said:
        over.set()
    results.put((name, rounds.value, said))


def run_all(works, least, seconds, seed):
    """works: by name, what is called with a random.Random, and `end` of it, if it has one, at
    last. They go on until all have done `least` rounds (by name), but no more than PATIENCE
    longer. Prints NAME=<rounds>; gives 2 if data is wrong, 1 if something failed that must not."""
    began = time.monotonic()
    rounds = {name: multiprocessing.Value("Q", lock=False) for name in works}
    over, results = multiprocessing.Event(), multiprocessing.Queue()
    tasks = [multiprocessing.Process(target=_run, args=(name, work, seed, rounds[name], over, results))
             for name, work in works.items()]
    for task in tasks:
        task.start()
    over.wait(seconds)
    while time.monotonic() < began + seconds + PATIENCE and any(rounds[name].value < least[name] for name in works):
        if over.wait(1):
            break
    over.set()
    status = 0
    for _ in tasks:
        name, done, said = results.get(timeout=300)
        if not said and done < least[name]:
            said = f"{name}: {done} rounds only"
        print(said or f"{name}={done}", flush=True)
        if said:
            status = max(status, 2 if said.startswith("wrong data") else 1)
    return status
