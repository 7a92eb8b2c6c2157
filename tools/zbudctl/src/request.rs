// SPDX-License-Identifier: GPL-2.0

//! A request to the kernel that moves pages, and its outcome.
//!
//! A child does the write. The write takes as long as the move, and only a fatal
//! signal ends it early. A process that dies of one cannot report how many pages have
//! moved, nor restore a knob. So the child dies, and this process reports.

use crate::cli::Knob;
use crate::errno::Errno;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::sysfs::Sysfs;
use serde::Serialize;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

/// How long to wait for the child at first, and at most. A signal ends the wait.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// The outcome of a request.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Pages that have moved: those of this request, unless another ran at about the
    /// same time.
    pub moved: u64,
    /// Pages that should have moved but did not.
    pub not_moved: u64,
    /// The reason if it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

impl Outcome {
    /// The exit status for it.
    pub fn exit(&self) -> Exit {
        match &self.error {
            Some(error) => error.exit(),
            None if self.not_moved != 0 => Exit::NotMoved,
            None => Exit::Success,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} moved, {} not moved", self.moved, self.not_moved)
    }
}

/// Writes `value` to `knob` and waits until the request has ended. One of `interrupts`
/// ends it early.
///
/// # Errors
///
/// Any, if no request has run or if its counts cannot be read.
pub fn run(
    sysfs: &Sysfs,
    knob: Knob,
    value: &str,
    interrupts: &Interrupts,
) -> Result<Outcome, Error> {
    let before = sysfs.module.number("stats/user_moved")?;
    let refused = |errno: Errno| Error::Os {
        doing: format!(
            "write '{value}' to {}",
            sysfs.module.path(knob.name()).display()
        ),
        errno,
        hint: errno.request_hint(),
    };
    let status = spawn(knob, value)
        .and_then(|child| wait(child, interrupts))
        .map_err(|error| refused(Errno::of(&error)))?;
    let errno = errno_of(status);
    if let Some(errno) = errno.filter(|errno| !errno.request_ran()) {
        return Err(refused(errno));
    }
    Ok(Outcome {
        moved: sysfs
            .module
            .number("stats/user_moved")?
            .saturating_sub(before),
        not_moved: sysfs.module.number("stats/not_moved")?,
        error: errno.map(refused),
    })
}

/// Does the write, as the child.
pub fn perform(sysfs: &Sysfs, knob: Knob, value: &str) -> ExitCode {
    match sysfs.module.write(knob.name(), value) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let errno = u8::try_from(Errno::of(&error).0);
            errno.map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn spawn(knob: Knob, value: &str) -> io::Result<Child> {
    // The running program, even if another has been installed in its place.
    Command::new("/proc/self/exe")
        .arg0("zbudctl")
        .args(["request", "--", knob.name(), value])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn wait(mut child: Child, interrupts: &Interrupts) -> io::Result<ExitStatus> {
    let mut time = SHORTEST;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupts.wait(time) {
            // The child gets the terminal's signals by itself, but no others.
            child.kill()?;
            return child.wait();
        }
        time = time.saturating_mul(2).min(LONGEST);
    }
}

/// The kernel's answer, from the exit status of the child.
fn errno_of(status: ExitStatus) -> Option<Errno> {
    match status.code() {
        Some(0) => None,
        Some(errno) => Some(Errno(errno)),
        // Killed.
        None => Some(Errno::EINTR),
    }
}

#[cfg(test)]
mod tests {
    use super::{errno_of, Errno, Exit, Outcome};
    use crate::error::Error;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn the_childs_status_is_an_errno() {
        let errno = |raw| errno_of(ExitStatus::from_raw(raw));
        assert_eq!(errno(0), None);
        assert_eq!(errno(16 << 8), Some(Errno::EBUSY));
        assert_eq!(errno(12 << 8), Some(Errno::ENOMEM));
        // SIGKILL
        assert_eq!(errno(9), Some(Errno::EINTR));
    }

    #[test]
    fn an_early_end_matters_more_than_what_stayed() {
        let outcome = |not_moved, errno: Option<Errno>| {
            let error = errno.map(|errno| Error::Os {
                doing: "write".to_owned(),
                errno,
                hint: None,
            });
            Outcome {
                moved: 1,
                not_moved,
                error,
            }
            .exit()
        };
        assert_eq!(outcome(0, None), Exit::Success);
        assert_eq!(outcome(1, None), Exit::NotMoved);
        assert_eq!(outcome(1, Some(Errno::ENOMEM)), Exit::Refused);
        assert_eq!(outcome(0, Some(Errno::EINTR)), Exit::Refused);
    }
}
