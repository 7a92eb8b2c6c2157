#!/usr/bin/env drgn
# SPDX-License-Identifier: GPL-2.0
"""zbud_movable.py [--pages] [--sections FILE] [FILE.ko]: the pools of the module zbud_movable in the kernel that
drgn looks at: their pages, zpages, bytes and pins, with --pages a line for each page, as in
debugfs; and whether all that `verify` checks holds there, found without the module's help.
Exit status 1 if something does not.

FILE.ko is the module that is loaded, as it was built for a kernel with CONFIG_DEBUG_INFO: not
without its debugging information, as `make install` places it. By default it is the one that
modinfo finds. Of the kernel itself drgn needs none:

    # drgn -k --no-default-symbols -q tools/drgn/zbud_movable.py FILE.ko

Of a kernel that has crashed, its dump does not tell where the module was: keep that while it
runs. `--sections` takes what this prints:

    # grep -r . /sys/module/zbud_movable/sections >FILE
    # drgn -c CORE --no-default-symbols -q tools/drgn/zbud_movable.py --sections FILE FILE.ko

It takes no lock: what changes while it is read looks wrong, and so does what changed as the
kernel crashed."""

import argparse
import os
import subprocess
import sys

import drgn
from checks import Check
from pools import pools

MODULE = "zbud_movable"
SECTIONS = f"/sys/module/{MODULE}/sections"


def sections():
    """Where the module's sections are in the kernel that runs."""
    for name in os.listdir(SECTIONS):
        with open(f"{SECTIONS}/{name}", encoding="ascii") as file:
            yield name, int(file.read(), 0)


def kept_sections(path):
    """Where they were: lines of a file in SECTIONS, and what it has."""
    with open(path, encoding="ascii") as file:
        for line in file:
            name, _, address = line.strip().rpartition(":")
            yield os.path.basename(name), int(address, 0)


def load(prog, path, where):
    """Has drgn know the module, whose sections are there."""
    module = prog.relocatable_module(MODULE, where[".text"], create=True)
    module.section_addresses.update(where)
    module.try_file(path, force=True)
    if module.debug_file_status != drgn.ModuleFileStatus.HAVE:
        sys.exit(f"{path}: no debugging information")


def show(pool, pages):
    """Its figures, and pages if asked for."""
    described = [desc for _, desc in pool.descriptors() if desc.page]
    zpages = sum(bool(length) for desc in described for length in desc.lengths)
    pins = sum(map(pool.pins, described))
    counted = pool.counted
    print(f"{pool.name}: pages {len(described)} zpages {zpages} stored_bytes {counted['stored_bytes']} pins {pins} lost_zpages {counted['lost_zpages']} leaves {len(pool.leaves)}")
    for desc in described if pages else ():
        print(f"{desc.page:#x} {desc.nid} {desc.lengths[0]} {desc.lengths[1]} {pool.pins(desc)} {desc.state}")


def main():
    parser = argparse.ArgumentParser(prog="zbud_movable.py", description="prints and checks the pools of zbud_movable")
    parser.add_argument("--pages", action="store_true", help="a line for each page")
    parser.add_argument("--sections", metavar="FILE", help="where the module was in a kernel that has crashed")
    parser.add_argument("module", nargs="?", help="the module, with debugging information")
    args = parser.parse_args()
    path = args.module or subprocess.run(["modinfo", "-n", MODULE], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    prog = drgn.get_default_prog()
    # Rust's names have paths.
    prog.language = drgn.Language.CPP
    load(prog, path, dict(kept_sections(args.sections) if args.sections else sections()))
    well = True
    for pool in pools():
        show(pool, args.pages)
        sound = Check(pool).run()
        print(f"{pool.name}: {'ok' if sound else 'violated'}")
        well = well and sound
    sys.exit(not well)


main()
