// SPDX-License-Identifier: GPL-2.0

//! Setting a disk up, beside others who do the same.
//!
//! A disk that has no size yet is anyone's, also one just added. zbudctl claims it by
//! opening it exclusively, so that two instances never write to the files of the same
//! disk. Others may write a size all the same: the kernel lets only the first one pass,
//! with EBUSY for the rest, who try another disk. Nothing is written before the size
//! but the algorithm, which must be; the rest may be written afterwards, to a disk that
//! is known to be ours.

use crate::dir::Dir;
use crate::disk::device::Disk;
use crate::disk::figures::algorithm;
use crate::errno::Errno;
use crate::error::Error;
use crate::sysfs::Sysfs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// How many disks of ours others may take before we give up.
const TRIES: u32 = 16;

/// What a disk is to be.
pub struct Plan<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// Its algorithm.
    pub algorithm: Option<&'a str>,
    /// The algorithm's level.
    pub level: Option<i32>,
    /// Nodes that it may use.
    pub mems: Option<&'a str>,
    /// Bytes that it may take.
    pub mem_limit: Option<u64>,
}

/// A disk that has got its size from us.
pub struct Ours {
    /// The disk.
    pub disk: Disk,
    /// Whether we have added it, too.
    added: bool,
    claim: Claim,
}

/// A disk that nobody else opens exclusively meanwhile. Nothing, where there is no device
/// node that could be opened.
struct Claim(#[expect(dead_code, reason = "open for as long as it lives")] Option<File>);

/// Why a disk is not ours.
enum Refusal {
    /// Someone else has it.
    Taken,
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.errno() {
            Some(Errno::EBUSY) => Self::Taken,
            _ => Self::Failed(error),
        }
    }
}

impl Claim {
    fn new(disk: Disk) -> Result<Self, Refusal> {
        let node = disk.node();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_EXCL)
            .open(&node);
        match opened {
            Ok(file) => Ok(Self(Some(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => match Errno::of(&error) {
                // It has been removed.
                Errno::ENXIO | Errno::ENODEV => Err(Refusal::Taken),
                _ => Err(Error::os("open", &node, &error).into()),
            },
        }
    }
}

impl Plan<'_> {
    /// Sets a disk up that has no size yet, or adds one. If it fails, no disk has been
    /// added, and one that was there is as before.
    ///
    /// # Errors
    ///
    /// Any.
    pub fn set_up(&self, sysfs: &Sysfs) -> Result<Ours, Error> {
        for disk in Disk::all(sysfs)? {
            match self.initialise(sysfs, disk, false) {
                Ok(ours) => return Ok(ours),
                Err(Refusal::Taken) => {}
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        for _ in 0..TRIES {
            let number = sysfs.control.number("hot_add")?;
            let path = sysfs.control.path("hot_add");
            let wanted = "the number of a disk";
            let disk = u32::try_from(number)
                .map(Disk)
                .map_err(|_| Error::format(&path, wanted, number.to_string().as_bytes()))?;
            match self.initialise(sysfs, disk, true) {
                Ok(ours) => return Ok(ours),
                // It is theirs now.
                Err(Refusal::Taken) => {}
                Err(Refusal::Failed(error)) => {
                    return Err(match disk.remove(sysfs) {
                        Ok(()) => error,
                        Err(second) => second.after(&error),
                    })
                }
            }
        }
        Err(Error::Os {
            doing: "set up a disk".to_owned(),
            errno: Errno::EBUSY,
            hint: Some("others take each disk before it has a size"),
        })
    }

    fn initialise(&self, sysfs: &Sysfs, disk: Disk, added: bool) -> Result<Ours, Refusal> {
        let dir = disk.dir(sysfs);
        let unset = || match dir.switch("initstate") {
            Ok(is_set) => !is_set,
            // Removed, unless it is ours: then the next step reports what is wrong.
            Err(_) => added,
        };
        // First: a claim on a disk in use would be in its user's way.
        if !unset() {
            return Err(Refusal::Taken);
        }
        let claim = Claim::new(disk)?;
        if !unset() {
            return Err(Refusal::Taken);
        }
        let before = match self.sets_algorithm() {
            true => Some(algorithm(&dir)?),
            false => None,
        };
        self.set_algorithm(&dir)?;
        let sized = dir.set("disksize", &self.size.to_string(), size_hint);
        if let Err(error) = sized {
            // One that we have added goes. Of one that someone else has initialised
            // meanwhile the kernel refuses to change the algorithm.
            if let (Some(before), false) = (before, added) {
                let _ = dir.write("comp_algorithm", &before);
            }
            return Err(error.into());
        }
        Ok(Ours { disk, added, claim })
    }

    fn sets_algorithm(&self) -> bool {
        self.algorithm.is_some() || self.level.is_some()
    }

    fn set_algorithm(&self, dir: &Dir) -> Result<(), Error> {
        match (self.algorithm, self.level) {
            (None, None) => Ok(()),
            (Some(name), None) => dir.set("comp_algorithm", name, algorithm_hint),
            (None, Some(level)) => {
                dir.set("algorithm_params", &format!("level={level}"), level_hint)
            }
            (Some(name), Some(level)) => {
                let params = format!("algo={name} level={level}");
                dir.set("algorithm_params", &params, level_hint)
            }
        }
    }

    /// Sets the rest.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn finish(&self, sysfs: &Sysfs, ours: &Ours) -> Result<(), Error> {
        let dir = ours.disk.dir(sysfs);
        if let Some(mems) = self.mems {
            dir.set("mems", mems, Errno::request_hint)?;
        }
        if let Some(limit) = self.mem_limit {
            dir.set("mem_limit", &limit.to_string(), |_| None)?;
        }
        Ok(())
    }
}

impl Ours {
    /// Lets others open it exclusively, as mkswap(8) does.
    pub fn unclaim(&mut self) {
        self.claim = Claim(None);
    }

    /// Makes it what it was before `set_up`.
    ///
    /// # Errors
    ///
    /// `Os`.
    pub fn undo(mut self, sysfs: &Sysfs) -> Result<(), Error> {
        self.unclaim();
        if self.added {
            self.disk.remove(sysfs)
        } else {
            self.disk.reset(sysfs)
        }
    }
}

fn algorithm_hint(errno: Errno) -> Option<&'static str> {
    (errno == Errno::EINVAL).then_some("this kernel does not have it: comp_algorithm lists those")
}

fn level_hint(errno: Errno) -> Option<&'static str> {
    (errno == Errno::EINVAL).then_some("the kernel has no such algorithm, or that no such level")
}

fn size_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EINVAL => Some("a disk cannot be of this size"),
        Errno::ENOMEM => Some("no memory is left for the disk's table"),
        _ => None,
    }
}
