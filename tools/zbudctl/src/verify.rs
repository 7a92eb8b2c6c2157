// SPDX-License-Identifier: GPL-2.0

//! `zbudctl verify`: runs the module's validator and checks that the figures add up.

use crate::error::Error;
use crate::exit::Exit;
use crate::figures::{Node, Pool, Total};
use crate::output::Output;
use crate::sysfs::Sysfs;
use serde::Serialize;
use std::fmt;
use std::thread;
use std::time::Duration;

/// How often the figures are read before a check that never held has failed: the
/// figures of a pool in use are of different moments.
const TRIES: u32 = 10;
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The output of `verify`.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    /// Whether the validator found no violation.
    validator_ok: bool,
    checks: Vec<Check>,
    tries: u32,
    /// Whether figures changed between tries.
    changing: bool,
}

/// A condition that the figures must meet.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    left: u128,
    #[serde(skip)]
    left_is: &'static str,
    right: u128,
    #[serde(skip)]
    right_is: &'static str,
}

impl Check {
    fn equal(name: &'static str, nodes: u128, pool: u64) -> Self {
        let pool = u128::from(pool);
        Self {
            name,
            ok: nodes == pool,
            left: nodes,
            left_is: "the nodes have",
            right: pool,
            right_is: "the pools",
        }
    }

    /// All checks, for figures of one moment.
    fn all(pool: &Pool, total: &Total) -> [Self; 5] {
        [
            Self::equal("pages", total.pages, pool.pages),
            Self::equal("zpages", total.zpages, pool.zpages),
            Self::equal(
                "unbuddied_pages",
                total.unbuddied_pages,
                pool.unbuddied_pages,
            ),
            Self::equal("empty_pages", total.empty_pages, pool.empty_pages),
            Self {
                name: "moves",
                ok: total.moved_in == total.moved_out,
                left: total.moved_in,
                left_is: "in:",
                right: total.moved_out,
                right_is: "out:",
            },
        ]
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, left, right, ..
        } = self;
        let (left_is, right_is) = (self.left_is, self.right_is);
        write!(f, "{name}: {left_is} {left}, {right_is} {right}")
    }
}

impl Verdict {
    /// Reads the figures until each check has held once, `TRIES` times at most.
    fn read(sysfs: &Sysfs) -> Result<Self, Error> {
        let validator_ok = match sysfs.module.text("verify")?.as_str() {
            "ok" => true,
            "violated" => false,
            other => {
                return Err(Error::Format {
                    path: sysfs.module.path("verify"),
                    wanted: "'ok' or 'violated'",
                    got: other.to_owned(),
                })
            }
        };
        let mut checks: Vec<Check> = Vec::new();
        let mut last: Option<(Pool, Vec<Node>)> = None;
        let mut changing = false;
        let mut tries = 0;
        while tries < TRIES && (tries == 0 || checks.iter().any(|check| !check.ok)) {
            if tries != 0 {
                thread::sleep(PAUSE);
            }
            tries = tries.saturating_add(1);
            let figures = (Pool::read(sysfs)?, Node::read_all(sysfs)?);
            let now = Check::all(&figures.0, &Total::of(&figures.1));
            checks = match checks.as_slice() {
                [] => now.to_vec(),
                before => before
                    .iter()
                    .zip(now)
                    .map(|(before, now)| if before.ok { *before } else { now })
                    .collect(),
            };
            changing |= last.as_ref().is_some_and(|last| *last != figures);
            last = Some(figures);
        }
        Ok(Self {
            ok: validator_ok && checks.iter().all(|check| check.ok),
            validator_ok,
            checks,
            tries,
            changing,
        })
    }

    fn complaints(&self) -> Vec<String> {
        let meanwhile = if self.changing {
            " (the pools were in use: try again when they are idle)"
        } else {
            ""
        };
        let validator = (!self.validator_ok)
            .then(|| "verify: violated: the kernel's log says what is wrong".to_owned());
        let wrong = self.checks.iter().filter(|check| !check.ok);
        let figures = wrong.map(|check| format!("{check}{meanwhile}"));
        validator.into_iter().chain(figures).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ok { "ok" } else { "violated" })
    }
}

/// Verifies and prints the verdict.
///
/// # Errors
///
/// Any.
pub fn run(sysfs: &Sysfs, output: Output) -> Result<Exit, Error> {
    let verdict = Verdict::read(sysfs)?;
    output.say(&verdict)?;
    for complaint in verdict.complaints() {
        output.complain(&complaint);
    }
    Ok(if verdict.ok {
        Exit::Success
    } else {
        Exit::NotVerified
    })
}
