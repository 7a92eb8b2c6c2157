# SPDX-License-Identifier: GPL-2.0
"""A user without any right, who tries to change the module's files, beside all others."""

import errno
import os
import random
import stat

from . import texts
from .called import call, errno_of, name_of

NOBODY = 65534
DONE = "done"
# Of a disk that comes or goes just then, too.
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EBUSY)
# truncate(2) looks first whether it is a regular file.
REFUSALS_TO_TRUNCATE = (*REFUSALS, errno.EINVAL)


def tries(rng, path):
    """One attempt: (its name, 0 or the errno)."""
    name = path.encode()
    target = f"{path}.{rng.randrange(100)}"
    flags = rng.choice([os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_CREAT])
    ways = {
        f"open {flags:#x}": lambda: os.write(os.open(path, flags), texts.text(rng, [b"0", b"1", b"all"])),
        "truncate": lambda: os.truncate(path, rng.randrange(5000)),
        "chmod": lambda: os.chmod(path, 0o666),
        "chown": lambda: os.chown(path, NOBODY, NOBODY),
        "utime": lambda: os.utime(path, (1, 1)),
        "unlink": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, target),
        "link": lambda: os.link(path, target),
        "create": lambda: os.open(target, os.O_CREAT | os.O_WRONLY),
        "mkdir": lambda: os.mkdir(target),
        "setxattr": lambda: os.setxattr(path, "trusted.fuzz", b"1"),
        "mount": lambda: call("mount", name, b"/mnt", b"ext4", 0, 0),
        "swapon": lambda: call("swapon", name, rng.getrandbits(18)),
    }
    way = rng.choice([f"open {flags:#x}"] * 12 + list(ways))
    return way, errno_of(ways[way])[0]


def looks(rng, path):
    """Reads what all may read, in odd pieces."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.pread(fd, rng.choice([0, 1, 7, 4096, 1 << 20]), rng.choice([0, 0, 1, 4095, 1 << 40]))
        os.lseek(fd, rng.randrange(100), rng.randrange(3))
        os.read(fd, 100)
    finally:
        os.close(fd)


def work(rng, files, count):
    """What was wrong, or ''."""
    for number in range(count):
        path = rng.choice(files)
        got, status = errno_of(os.stat, path)
        if got:
            continue
        if status.st_mode & 0o004 and stat.S_ISREG(status.st_mode) and rng.random() < 0.3:
            errno_of(looks, rng, path)
            continue
        way, got = tries(rng, path)
        if got not in (REFUSALS_TO_TRUNCATE if way == "truncate" else REFUSALS):
            return f"nobody, attempt {number}: {way} of {path} ended with {name_of(got)}"
        if not status.st_mode & 0o004 and errno_of(os.open, path, os.O_RDONLY)[0] not in REFUSALS:
            return f"nobody, attempt {number}: could read {path}"
    return ""


class Nobody:
    """A process of his."""

    def __init__(self, seed, files, count):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            said = "nobody ended early"
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                said = work(random.Random(seed), files, count) or DONE
            finally:
                os.write(writing, said.encode())
                os._exit(0)
        os.close(writing)
        self.reading = reading

    def ended(self):
        """Waits for him, and gives what was wrong."""
        with os.fdopen(self.reading) as file:
            said = file.read()
        os.waitpid(self.pid, 0)
        return "" if said == DONE else said or "nobody was killed"
