# SPDX-License-Identifier: GPL-2.0
"""Other people's tests: which there are, on what they run, and in which guests. Read by scripts/others,
and inside its guests.

A test runs as its makers have it, on each *column* of a *front*, one after the other in the same guest:
the control, then ours with each mover that the kernel has. Fronts:

    swap      swap is on the disk; the test's memory group has less memory than it uses
    zswap     the same, but swap is behind a zswap with the pool (6.12 only)
    device    the disk itself
    files     ext4 on the disk
    stored    the disk is full of data, so that pool pages are everywhere in memory
    names     none: the test makes a disk by itself; ours has zram's names (others/zram_names)

Disks are zram's in the control, and zswap's pool is zsmalloc.
"""

from dataclasses import dataclass

KERNELS = ("release", "stock")
MOVERS = {"release": ("movable_ops", "page_cache"), "stock": ("page_cache",)}
CONTROLS = {"zswap": "zsmalloc"}

# Results that depend on how fast the machine is, so that they tell nothing where it is emulated: this one of
# test_zswap gives kswapd some two seconds to put a fifth of the memory into zswap, whatever the pool.
TIMED = ("test_no_kmem_bypass",)

# How to read what a test says
STATUS, TAP, WORDS = "status", "tap", "words"


@dataclass(frozen=True)
class Test:
    name: str
    command: str  # for a shell, in the directory of the kernel's selftests, or of the front's files
    front: str
    says: str = STATUS
    memory: str = ""  # limit of the memory group that it runs in, on swap
    seconds: int = 180  # after that it has failed
    kernels: tuple = KERNELS
    moving: bool = True  # pages move while it runs


@dataclass(frozen=True)
class Group:
    """The tests of a guest."""

    name: str
    tests: tuple
    mem: str = "1G"
    cpus: int = 4
    append: str = ""


def kselftest(where, command):
    return f"cd {where} && ./{command}"


def vmtests(category, front, name="", **more):
    """Of the kernel's mm selftests, by their own runner."""
    return Test(f"mm: {name or category}", kselftest("mm", f"run_vmtests.sh -t '{category}'"), front, TAP, **more)


def stress_ng(stressor, front="swap", options="", memory="48M", workers=2, **more):
    command = f"stress-ng --temp-path . --{stressor} {workers} {options} --verify --timeout 15 --oom-avoid"
    return Test(f"stress-ng --{stressor}", command, front, memory=memory if front in ("swap", "zswap") else "", **more)


def fio(name, front, options):
    where = "--filename=$DEVICE" if front == "device" else "--directory=."
    command = f"fio --name=others {where} --size=96M --verify=crc32c --verify_fatal=1 --direct=1 {options}"
    return Test(f"fio: {name}", command, front)


# Unable to lock its memory, it goes on without; from a lower limit than none it would go page by page.
MEMTESTER = "MEMTESTER_TEST_MASK=0x87 prlimit --memlock=0 setpriv --reuid 65534 --clear-groups memtester 24M 1"
STRESSAPPTEST = "stressapptest -s 20 -M 96 -m 2 -C 1 -W"

GROUPS = (
    Group("zram", (
        # It starts two thousand processes.
        Test("zram: zram01.sh", kselftest("zram", "zram01.sh"), "names", WORDS, seconds=600, moving=False),
        Test("zram: zram02.sh", kselftest("zram", "zram02.sh"), "names", WORDS, moving=False),
    ), cpus=2),
    Group("device", (
        fio("random writes, io_uring", "device", "--rw=randwrite --bs=4k --ioengine=io_uring --iodepth=16"),
        fio("blocks of 4 to 128 KiB, libaio", "device", "--rw=randrw --bsrange=4k-128k --ioengine=libaio --iodepth=8"),
        fio("with trim", "device", "--rw=randwrite --bs=4k --ioengine=psync --trim_percentage=30 --trim_verify_zero=1"),
    )),
    Group("files", (
        fio("random writes to a file", "files", "--rw=randwrite --bsrange=512-64k --direct=0 --ioengine=psync --fsync=256"),
        Test("dbench", "dbench -D . -t 15 4", "files"),
        stress_ng("hdd", "files", "--hdd-bytes 32M"),
        stress_ng("iomix", "files", "--iomix-bytes 32M"),
        stress_ng("fallocate", "files", "--fallocate-bytes 32M"),
        stress_ng("swap", "files"),
    )),
    Group("swap", (
        stress_ng("vm", options="--vm-bytes 96M --vm-method all"),
        stress_ng("bigheap", options="--bigheap-bytes 96M", workers=1),
        stress_ng("pageswap"),
        Test("memtester", MEMTESTER, "swap", memory="16M"),
        Test("stressapptest", STRESSAPPTEST, "swap", memory="64M"),
    )),
    Group("kernel-swap", (
        Test("cgroup: test_memcontrol", kselftest("cgroup", "test_memcontrol"), "swap", TAP),
        vmtests("cow", "swap", seconds=400),
        vmtests("madv_populate", "swap"),
    )),
    Group("zswap", (
        Test("cgroup: test_zswap", kselftest("cgroup", "test_zswap"), "zswap", TAP),
        stress_ng("vm", "zswap", "--vm-bytes 96M --vm-method all"),
        # A group is charged for what its pages take in zswap.
        Test("memtester", MEMTESTER, "zswap", memory="20M"),
    )),
    Group("huge-pages", (
        vmtests("compaction", "stored", seconds=300),
        vmtests("hugetlb", "stored", seconds=400),
    )),
    Group("hotplug", (
        Test("memory-hotplug: mem-on-off-test.sh -r 10", kselftest("memory-hotplug", "mem-on-off-test.sh -r 10"), "stored"),
        stress_ng("memhotplug", "stored", workers=1),
        # Two whole blocks of movable memory, which come back as such: else slabs would be in them for the
        # next column.
    ), append="movablecore=640M movable_node"),
    Group("migration", (
        vmtests("migration", "stored", seconds=400),
        stress_ng("numa", "stored"),
        vmtests("ksm ksm_numa", "stored", "ksm", kernels=("stock",)),
    )),
)  # fmt: skip


def columns(test, kernel):
    """None if there is no such front under that kernel."""
    if kernel not in test.kernels or (test.front == "zswap" and kernel != "release"):
        return ()
    return (CONTROLS.get(test.front, "zram"), *MOVERS[kernel])


def has(group, kernel):
    return any(columns(test, kernel) for test in group.tests)


def is_ours(column):
    return column in MOVERS["release"]


def group(name):
    return next(group for group in GROUPS if group.name == name)
