# SPDX-License-Identifier: GPL-2.0
"""Our own scripts, for those that boot guests: what they print, and what qemu is told of a drive."""

import os
import subprocess

from .plan import TOP


class Failed(Exception):
    """In words for who has run the command."""


def script(*words, root=None):
    """What one of our scripts prints; it ends when this process does. root: the root that it is about."""
    command = ["setpriv", "--pdeathsig", "TERM", f"{TOP}/{words[0]}", *words[1:]]
    env = os.environ | ({"ZBM_ROOT_NAME": root} if root else {})
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=env)
    if done.returncode:
        raise Failed(f"{words[0]} has failed")
    return done.stdout.strip()


def drive(path, name, options="cache=unsafe"):
    """A file as a disk of a guest's."""
    return f"-drive file={path},if=none,id={name},format=raw,{options} -device virtio-blk-pci,drive={name}"
