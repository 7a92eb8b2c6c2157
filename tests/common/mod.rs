// SPDX-License-Identifier: GPL-2.0

//! Shared by the tests of the core: doubles of the parts of the kernel module.
//!
//! - [`table`]: leaves that can be removed, so that a use after that shows;
//! - [`pages`]: pages with bytes, a node, references and a page lock;
//! - [`pool`]: all of it together, used as the module uses it;
//! - [`sizes`]: lengths of zpages, as real data have them;
//! - [`reference`]: what a pool must do, written down naively;
//! - [`driver`]: actions done to both of them;
//! - [`model`]: the same in small, over loom's types.

#![allow(dead_code, reason = "each test crate uses its part of the doubles")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test, as it should"
)]

#[cfg(not(loom))]
pub mod driver;
#[cfg(loom)]
pub mod model;
#[cfg(not(loom))]
pub mod pages;
#[cfg(not(loom))]
pub mod pool;
#[cfg(not(loom))]
pub mod reference;
#[cfg(not(loom))]
pub mod sizes;
pub mod table;

use std::fmt;
use zbud_movable_core::zbud::{Error, LenError, Violation};

/// Why a test failed, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self(format!("the core says {error:?}"))
    }
}

impl From<LenError> for Trouble {
    fn from(error: LenError) -> Self {
        Self(format!("not a length: {error:?}"))
    }
}

impl From<Violation> for Trouble {
    fn from(violation: Violation) -> Self {
        Self(format!("verify found {violation:?}"))
    }
}

/// Fails the test with a message unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::common::Trouble(format!($($message)+)));
        }
    };
}

/// The value of an option that must have one.
pub fn some<T>(option: Option<T>, what: &str) -> Result<T, Trouble> {
    option.ok_or_else(|| Trouble(format!("no {what}")))
}
