# SPDX-License-Identifier: GPL-2.0
"""The module as it must be, and one input after the other to it."""

import collections
import errno
import os
import stat

from sysfs import numbers, read, write_bytes

from . import files, texts
from .blocks import Opened, Requests, Wrong, WrongData
from .called import errno_of, name_of
from .disk import Disk, NotSent
from .pool_file import PoolFile, is_there
from .readings import SYS, Readings, disks
from .words import Refused, nodes, number, shown, words

MOST_DISKS = 4
LISTS = [b"0", b"1", b"all", b"0-1", b"0,1", b"2", b"0-63", b"1024", b"0-1:1/2", b"N", b"1,0", b"0-0,1-1"]
# Texts that are right, and some that are so but for a number just beyond its limit.
VALID = {
    "disksize": [b"64K", b"1M", b"262144", b"2m", b"4097", b"1", b"100T", b"1P", b"9223372036854775807"],
    "reset": [b"0", b"0", b"1"],
    "comp_algorithm": [b"lz4", b"lzo", b"lzo-rle", b"zstd"],
    "algorithm_params": [b"algo=zstd level=3", b"level=1", b"algo=lz4", b"priority=0 level=5", b"level=65538", b"algo=zstd level=23", b"algo=lzo level=1", b"level=-5"],
    "mem_limit": [b"0", b"0", b"0", b"64K", b"1M", b"1G", b"16383P", b"16384P"],
    "mem_used_max": [b"0", b"1"],
    "raw_threshold": [b"4032", b"0", b"4096", b"2048", b"4097", b"65536"],
    "raw_limit": [b"max", b"max", b"max", b"0", b"64K"],
    "compact": [b"1", b"2"],
    "mems": LISTS,
    "migrate": [one + b" " + other for one in LISTS for other in LISTS],
    "memory_migrate": [b"0", b"1", b"2"],
}
TRIGGERS = ("pin", "unpin", "free_every")
GLOBAL = {f"{SYS}/{name}": name for name in ("mems", "migrate", "memory_migrate", "compact")}
# What may change with what is stored anywhere.
SUMS = ("/zpages", "/stored_bytes", "/node", "/stats/user_moved", "/stats/not_moved")


class World:
    def __init__(self, rng, seed):
        self.rng, self.seed, self.count, self.refusals = rng, seed, 0, 0
        self.log = collections.deque(maxlen=12)
        self.readings = Readings()
        self.was = self.readings.take()
        self.there = nodes_there()
        self.mems, self.memory_migrate, self.disks = set(self.there), False, {}
        self.default_algorithms = None
        self.requests = Requests(rng, self.note)
        self.pool_file = PoolFile(rng, self.note) if is_there() else None
        self.follow()
        self.was = self.readings.take()
        self.know_all_files()
        self.agree()

    def note(self, what):
        self.log.append(f"{self.count}: {what}")

    def follow(self):
        """The model gets the disks that there are."""
        found = disks()
        self.readings.follow(found)
        if self.default_algorithms is None:
            said = self.readings.take()[f"zbud{found[0]}/comp_algorithm"]
            self.default_algorithms = said.replace("[", "").replace("]", "").split()
        self.disks = {one: self.disks.get(one) or Disk(one, self.there, self.default_algorithms) for one in found}

    def know_all_files(self):
        """Each file that can be written to is one that this knows."""
        ours, _ = files.of_disk(next(iter(self.disks)))
        for path in files.of_module() + ours:
            name = os.path.basename(path)
            if os.stat(path).st_mode & 0o222 and name not in VALID and name not in TRIGGERS and name != "hot_remove":
                raise Wrong(f"{path} can be written to, and fuzz/world.py does not know it")
            if path in ours and "/node" not in path and name not in files.OURS:
                raise Wrong(f"{path} is not known to fuzz/files.py")

    # --- how it ended ---

    def agree(self):
        """The files say what the model says."""
        now = self.was
        for disk in self.disks.values():
            for file, wanted in disk.expected().items():
                if now[f"{disk.name}/{file}"] != wanted:
                    raise Wrong(f"{disk.name}/{file} says '{now[f'{disk.name}/{file}']}' instead of '{wanted}'")
        zpages = sum(int(disk.expected()["zpages"]) for disk in self.disks.values())
        wanted = {"/zpages": str(zpages), "/memory_migrate": str(int(self.memory_migrate)), "/lost_zpages": "0"}
        wanted["disks"] = str(sorted(self.disks))
        if self.mems is not None:
            wanted["/mems"] = shown(self.mems)
        for file, one in wanted.items():
            if now[file] != one:
                raise Wrong(f"{file} says '{now[file]}' instead of '{one}'")

    def compare(self, may):
        """Only files that `may` says so of have changed since the last input."""
        now = self.readings.take()
        for key in self.was.keys() | now.keys():
            if self.was.get(key) != now.get(key) and not may(key):
                raise Wrong(f"{key} was '{self.was.get(key)}' and is '{now.get(key)}'")
        self.was = now
        self.agree()

    def unchanged(self):
        self.refusals += 1
        self.compare(lambda key: False)

    def changed(self, disk=None, knob=None):
        def may(key):
            if disk and key.startswith(f"{disk.name}/") or key.startswith(SUMS):
                return True
            return bool(knob) and (key == f"/{knob}" or key.endswith("mems_effective") or "/node" in key)

        self.compare(may)

    # --- files ---

    def chosen_text(self, name, disk=None):
        valid = VALID.get(name)
        if name in TRIGGERS:
            block, count = self.rng.randrange(max(1, disk.blocks)), self.rng.randrange(1, 9)
            known = sorted(disk.pins if name == "unpin" else disk.pages) or [block]
            valid = [b"%d" % self.rng.choice(known), b"%d %d" % (self.rng.choice(known), count), b"%d %d" % (block, count)]
            valid += {"free_every": [b"%d" % (block + 2)], "unpin": [b"all"], "pin": [b"0 %d" % disk.blocks]}[name]
            valid += [b"%d" % disk.blocks, b"%d 2" % max(0, disk.blocks - 1)] * (name != "free_every")
        if name == "hot_remove":
            valid = [b"%d" % one for one in self.disks] + [b"65535", b"65536"]
        return texts.text(self.rng, valid)

    def write(self, path, name, of, is_sysfs, disk=None):
        """Writes a text to a file; `of` gives for it what is to be done then, or refuses."""
        data = self.chosen_text(name, disk)
        writing = files.Writing(self.rng, data, is_sysfs)
        self.note(f"write({path}, {data[:100]!r}{f'... {len(data)} bytes' if len(data) > 100 else ''}), {writing.way}")
        written, ends, loose = 0, None, False
        for piece in writing.seen:
            try:
                if len(piece) >= 4096 if is_sysfs else len(piece) > 64:
                    raise Refused(errno.EINVAL)
                done = of(piece)
            except Refused as refused:
                ends = refused.errnos
                break
            except NotSent:
                return
            if isinstance(done, Loose):
                loose, done = True, done.done
                break
            done()
            if disk:
                disk.has_changed()
            written += len(piece)
        if not is_sysfs and not data:
            ends = (errno.EINVAL,)
        got, result = errno_of(writing.run, path)
        if loose:
            if not got:
                done()
                if disk:
                    disk.has_changed()
                self.changed(disk, name)
            elif got in (errno.EINVAL, errno.ERANGE, errno.ENODEV):
                self.unchanged()
            else:
                raise Wrong(f"ended with {name_of(got)}")
            return
        if ends and not written:
            if got not in ends:
                raise Wrong(f"ended with {name_of(got)} instead of {' '.join(map(name_of, ends))}")
            self.unchanged()
            return
        if got or result != written:
            raise Wrong(f"ended with {name_of(got)}, {result} instead of {written}")
        if name == "hot_remove" and written:
            self.moved()
        elif written:
            self.changed(disk, name)
        else:
            self.unchanged()

    def to_disk(self):
        disk = self.rng.choice(list(self.disks.values()))
        names = [name for name in VALID if hasattr(disk, f"file_{name}")] + list(TRIGGERS) * 3 * (disk.blocks != 0)
        names += ["disksize"] * 3 * (disk.blocks == 0)
        name = self.rng.choice(names)
        if name in TRIGGERS:
            path = f"{files.DEBUGFS}/disks/{disk.name}/{name}"
            self.write(path, name, getattr(disk, f"trigger_{name}"), False, disk)
            self.check_pins(disk)
            return
        with Holding(disk, name == "reset" and self.rng.random() < 0.5):
            of = getattr(disk, f"file_{name}")
            path = f"/sys/block/{disk.name}/{name}"
            self.write(path, name, (lambda data: loosely(of, data, disk)) if name == "mems" else of, True, disk)

    def to_all(self):
        path = self.rng.choice(sorted(GLOBAL))
        self.write(path, GLOBAL[path], getattr(self, f"all_{GLOBAL[path]}"), True)

    def all_mems(self, data):
        found = words(data, 2)
        if len(found) != 1:
            raise Refused(errno.EINVAL)
        wanted = nodes(found[0], self.there)

        def done():
            self.mems = wanted

        return done if wanted is not None else Loose(done)

    def all_migrate(self, data):
        found = words(data, 2)
        if len(found) != 2:
            raise Refused(errno.EINVAL)
        sets, ends = [], []
        for word in found:
            try:
                sets.append(nodes(word, self.there))
            except Refused as refused:
                ends.append(refused.errnos)
        if ends and None not in sets:
            # Whichever list is read first.
            raise Refused(*(one for errnos in ends for one in errnos))
        return Loose(lambda: None) if None in sets else lambda: None

    def all_memory_migrate(self, data):
        found = words(data, 2)
        if found not in (["0"], ["1"]):
            raise Refused(errno.EINVAL)

        def done():
            self.memory_migrate = found == ["1"]

        return done

    def all_compact(self, data):
        if words(data, 2) != ["1"]:
            raise Refused(errno.EINVAL)
        return lambda: None

    # --- disks come and go ---

    def hot_remove(self):
        with Holding(self.rng.choice(list(self.disks.values())), self.rng.random() < 0.3):
            self.write(f"{files.CONTROL}/hot_remove", "hot_remove", self.removed, True)

    def removed(self, data):
        (word,) = words(data, 1)
        disk = self.disks.get(number(word))
        if not disk:
            raise Refused(errno.ENODEV)
        if disk.held:
            raise Refused(errno.EBUSY)
        # One has to be left, for the rest.
        if len(self.disks) == 1:
            raise NotSent
        return lambda: self.disks.pop(disk.number)

    def hot_add(self):
        if len(self.disks) == MOST_DISKS:
            number_ = max(self.disks)
            self.note(f"hot_remove {number_}")
            with open(f"{files.CONTROL}/hot_remove", "w", encoding="ascii") as file:
                file.write(str(number_))
            self.disks.pop(number_)
            self.moved()
            return
        length, at = self.rng.choice([1, 2, 4096, 1 << 20]), self.rng.choice([0, 0, 1, 4096, 1 << 40])
        self.note(f"pread(hot_add, {length} bytes at {at})")
        wanted = next(one for one in range(MOST_DISKS + 1) if one not in self.disks)
        fd = os.open(f"{files.CONTROL}/hot_add", os.O_RDONLY)
        try:
            said = os.pread(fd, length, at)
        finally:
            os.close(fd)
        if said != f"{wanted}\n".encode()[at : at + length]:
            raise Wrong(f"said {said!r}")
        self.disks[wanted] = Disk(wanted, self.there, self.default_algorithms)
        self.moved()

    def moved(self):
        """A disk has come or gone, and the model knows it."""
        self.follow()
        old = {key.split("/")[0] for key in self.was}
        stayed = {disk.name for disk in self.disks.values()} & old
        self.compare(lambda key: key == "disks" or key.startswith(SUMS) or key.split("/")[0] not in stayed | {""})

    # --- whatever else there is ---

    def request(self):
        disk = self.rng.choice([one for one in self.disks.values() if one.blocks] or list(self.disks.values()))
        limited = disk.is_limited
        refused = self.rng.choice(self.requests.kinds)(disk)
        if refused and not limited:
            self.unchanged()
        elif refused:
            self.refusals += 1
            self.changed_by_failure(disk)
        else:
            self.changed(disk)

    def changed_by_failure(self, disk):
        """Some blocks of a request may have been written, others not."""
        self.compare(lambda key: key.startswith(f"{disk.name}/") or key.startswith(SUMS) or key == "/stats/alloc_failed")

    def any_file(self):
        ours = files.of_disk(self.rng.choice(list(self.disks)))[0]
        return self.rng.choice(files.of_module() + ours)

    def read(self):
        path = self.any_file()
        name = os.path.basename(path)
        mode = os.stat(path).st_mode
        self.note(f"odd reads of {path}")
        if name == "hot_add":
            return
        if not mode & stat.S_IRUSR:
            got, _ = errno_of(files.read_oddly, self.rng, path)
            if got not in (errno.EACCES, errno.EINVAL, errno.EIO, errno.ESPIPE):
                raise Wrong(f"could be read: {name_of(got)}")
        else:
            said = files.read_oddly(self.rng, path)
            if name in ("verify",) and said.strip() != b"ok":
                raise WrongData(f"verify says {said!r}")
            if not said.endswith(b"\n"):
                raise Wrong(f"{path} says {said!r}")
        self.unchanged()

    def write_wrongly(self):
        """To a file that takes nothing, or from nowhere."""
        path = self.any_file()
        if os.stat(path).st_mode & stat.S_IWUSR:
            length = self.rng.choice([1, 64, 4095, 4096])
            self.note(f"write({path}, {length} bytes of nothing)")
            # What is too long for a trigger is not even looked at.
            wanted = (errno.EFAULT, errno.EINVAL)
            got = files.write_nowhere(path, length)
        else:
            self.note(f"write to {path}, which is only read")
            wanted = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EIO, errno.ESPIPE)
            got, _ = errno_of(files.Writing(self.rng, b"1", True).run, path)
        if got not in wanted:
            raise Wrong(f"ended with {name_of(got)}")
        self.unchanged()

    def queue(self):
        """A knob of the block layer's: any text, and what was there before."""
        path = self.rng.choice(files.of_disk(self.rng.choice(list(self.disks)))[1])
        got, before = errno_of(read, path)
        before = before if not got and before else "1"
        text = texts.text(self.rng, [before.encode(), b"0", b"1", b"none"])
        self.note(f"write({path}, {text[:100]!r}), {before}")
        for one in (text[:4096], before.replace("[", "").replace("]", "").encode()):
            if not path.endswith("uevent") or one is text:
                errno_of(write_bytes, path, one)
        self.unchanged()

    def use_pool_file(self):
        if self.pool_file:
            self.rng.choice(self.pool_file.kinds)()
            self.unchanged()

    def check_pins(self, disk):
        if disk.blocks:
            pages = read(f"{files.DEBUGFS}/pools/{disk.name}/pages")
            pins = sum(int(line.split()[4]) for line in pages.splitlines()[1:])
            if pins != sum(count for _, count in disk.pins.values()):
                raise WrongData(f"{disk.name}: {pins} pins")

    def check_all(self):
        """Every byte, every pin, and the validator."""
        for disk in self.disks.values():
            self.requests.check_all(disk)
            self.check_pins(disk)
        said = read(f"{SYS}/verify")
        if said != "ok":
            raise WrongData(f"verify: {said}")

    def step(self):
        kinds = [self.to_disk] * 8 + [self.request] * 8 + [self.to_all] * 2
        kinds += [self.read, self.write_wrongly, self.queue, self.hot_add, self.hot_remove, self.use_pool_file]
        self.count += 1
        self.rng.choice(kinds)()
        if self.count % 250 == 0:
            self.check_all()

    def reset_all(self):
        for disk in self.disks.values():
            write_bytes(f"/sys/block/{disk.name}/reset", b"1")
            disk.clear()
        self.compare(lambda key: "/" in key)


class Loose:
    """It is the kernel's own affair whether the input is right."""

    def __init__(self, done):
        self.done = done


class Holding:
    """The disk is open meanwhile, if `held`."""

    def __init__(self, disk, held):
        self.disk, self.opened = disk, Opened(disk, os.O_RDONLY) if held else None

    def __enter__(self):
        self.disk.held = self.opened is not None

    def __exit__(self, *error):
        self.disk.held = False
        if self.opened:
            self.opened.__exit__(*error)


def loosely(of, data, disk):
    done = of(data)
    (word,) = words(data, 1)
    return done if nodes(word, disk.there) is not None else Loose(done)


def nodes_there():
    return numbers(read("/sys/devices/system/node/has_memory"))
