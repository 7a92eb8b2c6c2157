// SPDX-License-Identifier: GPL-2.0

//! The memory of the demo, and a look at pool pages from outside.
//!
//! `memory fill IMAGE MIB RESERVE_MIB [NODE...]` first locks all free memory but
//! RESERVE_MIB and frees one page of each two, so that what is free now is
//! scattered single pages. Then it fills MIB of memory with IMAGE: more than is
//! free, so that most of it is swapped out into those single pages. Then it unmaps
//! what it had locked, says so (`filled=`) and waits for a line on standard input.
//! After that it compares every byte with IMAGE again.
//!
//! If nodes are named, the memory is theirs, an equal part for each time that a
//! node is named, and the first quarter of it is paged out while all nodes have
//! memory left: `coldNODE=` tells how many pages, and after `cold=` a line on
//! standard input is waited for. `swappedNODE=` is the number in the end.
//!
//! `memory hold RESERVE_MIB EACH` only locks and scatters, freeing one page of each
//! EACH, says so (`held=`) and waits for a line on standard input.
//!
//! `memory plain-pages` counts, for each node, the pages that
//! /proc/kpageflags can say nothing about: in use, but neither page cache, nor
//! anonymous, nor slab, nor page table and so on. Pages of a compressed pool
//! are such, and for zbud no other file shows on which node they are.
//!
//! Only std is needed: `rustc -O memory.rs`.

use std::collections::BTreeSet;
use std::ffi::{c_int, c_long, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, Instant};

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;

const PROT_READ_WRITE: c_int = 0x1 | 0x2;
const MAP_PRIVATE_ANONYMOUS: c_int = 0x02 | 0x20;
const MADV_NOHUGEPAGE: c_int = 15;
const MADV_PAGEOUT: c_int = 21;
const MADV_DONTNEED_LOCKED: c_int = 24;
const MCL_CURRENT: c_int = 1;
const O_DIRECT: c_int = 0x4000;
const SYS_MBIND: c_long = 237;
const MPOL_BIND: c_long = 2;

extern "C" {
    fn mmap(
        addr: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        offset: c_long,
    ) -> *mut c_void;
    fn munmap(addr: *mut c_void, len: usize) -> c_int;
    fn madvise(addr: *mut c_void, len: usize, advice: c_int) -> c_int;
    fn mlock(addr: *const c_void, len: usize) -> c_int;
    fn mlockall(flags: c_int) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// Turns the result of a C function into an [`io::Result`].
fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Anonymous memory of our own in small pages; unmapped when dropped.
///
/// # Invariants
///
/// `addr` is the address of a private mapping of `len` bytes, readable and
/// writable, that nothing else knows of.
struct Memory {
    addr: *mut c_void,
    len: usize,
}

impl Memory {
    fn map(mib: usize) -> io::Result<Self> {
        let len = mib * MIB;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice
        // touches nothing that exists.
        let addr = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                PROT_READ_WRITE,
                MAP_PRIVATE_ANONYMOUS,
                -1,
                0,
            )
        };
        if addr as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        // INVARIANT: mmap() has just made this mapping for us.
        let memory = Memory { addr, len };
        // SAFETY: the range is our own mapping; the advice changes no byte.
        check(unsafe { madvise(addr, len, MADV_NOHUGEPAGE) })?;
        Ok(memory)
    }

    /// Has all its pages allocated on `node`.
    fn bind(&mut self, node: u32) -> io::Result<()> {
        let nodes: u64 = 1 << node;
        // SAFETY: the range is our own mapping, the mask is as long as stated, and
        // a policy changes no byte.
        let result = unsafe {
            syscall(
                SYS_MBIND,
                self.addr,
                self.len,
                MPOL_BIND,
                &raw const nodes,
                c_long::from(u64::BITS),
                c_long::from(0_i32),
            )
        };
        check(result as c_int)
    }

    /// How many of its pages are swapped out
    /// (Documentation/admin-guide/mm/pagemap.rst).
    fn swapped(&self) -> io::Result<usize> {
        const WORD: usize = size_of::<u64>();
        const SWAPPED: u64 = 1 << 62;
        let mut words = vec![0; self.len / PAGE * WORD];
        File::open("/proc/self/pagemap")?
            .read_exact_at(&mut words, (self.addr as usize / PAGE * WORD) as u64)?;
        Ok(words
            .chunks_exact(WORD)
            .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
            .filter(|word| word & SWAPPED != 0)
            .count())
    }

    /// Swaps out what it can of it.
    fn page_out(&mut self) -> io::Result<()> {
        // SAFETY: the range is our own mapping; the advice changes no byte.
        check(unsafe { madvise(self.addr, self.len, MADV_PAGEOUT) })
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: by the type's invariants the bytes are ours, and zeroed or
        // written before; `&mut self` lends them once at a time.
        unsafe { std::slice::from_raw_parts_mut(self.addr.cast(), self.len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: by the type's invariants the range is ours, and every slice
        // of it has borrowed `self`.
        let unmapped = check(unsafe { munmap(self.addr, self.len) });
        unmapped.expect("munmap of our own mapping");
    }
}

/// Locks `part` in memory, which also populates it.
fn lock(part: &mut [u8]) -> io::Result<()> {
    // SAFETY: `part` is memory of this process; locking changes no byte.
    check(unsafe { mlock(part.as_ptr().cast(), part.len()) })
}

/// Gives the page that `page` is back to the kernel although it is locked.
fn punch(page: &mut [u8]) -> io::Result<()> {
    assert!(page.len() == PAGE && page.as_ptr().align_offset(PAGE) == 0);
    // SAFETY: `page` is exactly one page, lent to us; it reads as zeroes after.
    check(unsafe { madvise(page.as_mut_ptr().cast(), PAGE, MADV_DONTNEED_LOCKED) })
}

/// Free memory of the whole guest.
fn free_mib() -> io::Result<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let kib = meminfo.lines().find_map(|line| {
        line.strip_prefix("MemFree:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<usize>()
            .ok()
    });
    Ok(kib.ok_or(io::ErrorKind::InvalidData)? / 1024)
}

/// Locks all free memory but `reserve` MiB and frees one page of each `each`,
/// by chance any of them. (Were it always the first, compaction, which looks
/// for free pages in strides of a power of two, could see none of them.)
fn scatter(reserve: usize, each: usize) -> io::Result<Memory> {
    let mut memory = Memory::map(free_mib()?)?;
    let mut parts = memory.bytes().chunks_exact_mut(MIB);
    let mut holes = 0;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut locked = Vec::new();
    while free_mib()? > reserve {
        let Some(part) = parts.next() else { break };
        lock(part)?;
        locked.push(part);
    }
    for pages in locked
        .iter_mut()
        .flat_map(|part| part.chunks_exact_mut(each * PAGE))
    {
        // Marsaglia's xorshift: the same choices in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = ((random >> 32) * each as u64) >> 32;
        punch(&mut pages[at as usize * PAGE..][..PAGE])?;
        holes += 1;
    }
    println!("holes={holes}");
    Ok(memory)
}

/// A source of data whose reads leave nothing in the page cache.
struct Image {
    file: File,
    buffer: Memory,
}

impl Image {
    fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECT)
            .open(path)?;
        let mut buffer = Memory::map(1)?;
        lock(buffer.bytes())?;
        Ok(Image { file, buffer })
    }

    /// The `n`th MiB of the image.
    fn mib(&mut self, n: usize) -> io::Result<&[u8]> {
        self.file
            .read_exact_at(self.buffer.bytes(), (n * MIB) as u64)?;
        Ok(self.buffer.bytes())
    }
}

/// Tells every few seconds how far `what` is.
struct Progress {
    what: &'static str,
    mib: usize,
    told: Instant,
}

impl Progress {
    fn new(what: &'static str, mib: usize) -> Self {
        Progress {
            what,
            mib,
            told: Instant::now(),
        }
    }

    fn tell(&mut self, n: usize) {
        if self.told.elapsed() >= Duration::from_secs(4) {
            self.told = Instant::now();
            println!("progress={} {n} of {} MiB", self.what, self.mib);
        }
    }
}

/// Memory in equal parts, one for each node that was named, or in one part. The data
/// goes round them, MiB by MiB, so that memory becomes short on all nodes at once.
struct Parts<'a> {
    parts: Vec<Memory>,
    nodes: &'a [u32],
}

impl<'a> Parts<'a> {
    fn map(mib: usize, nodes: &'a [u32]) -> io::Result<Self> {
        let count = nodes.len().max(1);
        let mut parts = Vec::with_capacity(count);
        for n in 0..count {
            let mut part = Memory::map(mib / count)?;
            if let Some(&node) = nodes.get(n) {
                part.bind(node)?;
            }
            parts.push(part);
        }
        Ok(Parts { parts, nodes })
    }

    fn len_mib(&self) -> usize {
        self.parts.iter().map(|part| part.len / MIB).sum()
    }

    /// The `n`th MiB of the data.
    fn mib(&mut self, n: usize) -> &mut [u8] {
        let count = self.parts.len();
        &mut self.parts[n % count].bytes()[n / count * MIB..][..MIB]
    }

    /// Prints, for each node that was named, how many pages are swapped out.
    fn tell_swapped(&self, key: &str) -> io::Result<()> {
        for node in self.nodes.iter().collect::<BTreeSet<_>>() {
            let mut swapped = 0;
            for (part, at) in self.parts.iter().zip(self.nodes) {
                if at == node {
                    swapped += part.swapped()?;
                }
            }
            println!("{key}{node}={swapped}");
        }
        Ok(())
    }
}

/// Says `key` and waits for a line on standard input.
fn wait_after(key: &str, mib: usize) -> io::Result<()> {
    println!("{key}={}", mib * MIB / PAGE);
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn lock_program() -> io::Result<()> {
    // SAFETY: locks what is mapped now, the program itself; changes no byte.
    check(unsafe { mlockall(MCL_CURRENT) })
}

fn hold(reserve: usize, each: usize) -> io::Result<()> {
    lock_program()?;
    let scattered = scatter(reserve, each)?;
    wait_after("held", scattered.len / MIB)
}

fn fill(path: &str, mib: usize, reserve: usize, nodes: &[u32]) -> io::Result<()> {
    lock_program()?;
    let mut image = Image::open(path)?;
    let scattered = scatter(reserve, 2)?;

    let mut memory = Parts::map(mib, nodes)?;
    let mib = memory.len_mib();
    let mut progress = Progress::new("stored", mib);
    for n in 0..mib {
        if n == mib / 4 && !nodes.is_empty() {
            memory.parts.iter_mut().try_for_each(Memory::page_out)?;
            memory.tell_swapped("cold")?;
            wait_after("cold", n)?;
        }
        memory.mib(n).copy_from_slice(image.mib(n)?);
        progress.tell(n);
    }
    memory.tell_swapped("swapped")?;
    drop(scattered);
    wait_after("filled", mib)?;

    let (mut verified, mut wrong) = (0, 0);
    let mut progress = Progress::new("verified", mib);
    for n in 0..mib {
        let expected = image.mib(n)?.chunks_exact(PAGE);
        for (page, expected) in memory.mib(n).chunks_exact(PAGE).zip(expected) {
            if page == expected {
                verified += 1;
            } else {
                wrong += 1;
            }
        }
        progress.tell(n);
    }
    println!("verified={verified}\nwrong={wrong}");
    Ok(())
}

/// Bits of /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst) of a page
/// whose use is known: LRU, SLAB, BUDDY, MMAP, ANON, SWAPCACHE, SWAPBACKED,
/// COMPOUND_HEAD and _TAIL, HUGE, UNEVICTABLE, HWPOISON, NOPAGE, OFFLINE, ZERO,
/// PGTABLE, RESERVED, MLOCKED.
const KNOWN_USE: u64 = bits(&[
    5, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 26, 32, 33,
]);

const fn bits(numbers: &[u32]) -> u64 {
    let (mut set, mut i) = (0, 0);
    while i < numbers.len() {
        set |= 1 << numbers[i];
        i += 1;
    }
    set
}

fn plain_pages() -> io::Result<()> {
    let block_size = fs::read_to_string("/sys/devices/system/memory/block_size_bytes")?;
    let block_size = usize::from_str_radix(block_size.trim(), 16).map_err(io::Error::other)?;
    let flags = File::open("/proc/kpageflags")?;
    let mut words = vec![0; block_size / PAGE * size_of::<u64>()];
    for node in 0.. {
        let Ok(directory) = fs::read_dir(format!("/sys/devices/system/node/node{node}")) else {
            break;
        };
        let mut plain = 0;
        for entry in directory {
            let name = entry?.file_name();
            let block = name.to_str().and_then(|name| name.strip_prefix("memory"));
            let Some(Ok(block)) = block.map(str::parse::<usize>) else {
                continue;
            };
            let offset = block * words.len();
            flags.read_exact_at(&mut words, offset as u64)?;
            plain += words
                .chunks_exact(size_of::<u64>())
                .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
                .filter(|word| word & KNOWN_USE == 0)
                .count();
        }
        println!("node{node}={plain}");
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().map_err(io::Error::other);
    match arguments[..] {
        ["fill", image, mib, reserve, ref nodes @ ..] => {
            let nodes: Result<Vec<u32>, _> = nodes.iter().map(|node| node.parse()).collect();
            let nodes = nodes.map_err(io::Error::other)?;
            fill(image, number(mib)?, number(reserve)?, &nodes)
        }
        ["hold", reserve, each] => hold(number(reserve)?, number(each)?),
        ["plain-pages"] => plain_pages(),
        _ => Err(io::Error::other(
            "usage: memory fill IMAGE MIB RESERVE_MIB [NODE...] | \
             memory hold RESERVE_MIB EACH | memory plain-pages",
        )),
    }
}
