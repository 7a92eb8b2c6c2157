// SPDX-License-Identifier: GPL-2.0

//! Where the kernel's file systems are. The environment may name others, for tests.

use std::path::PathBuf;

/// sysfs.
pub fn sys() -> PathBuf {
    named("ZBUDCTL_SYSFS", "/sys")
}

/// procfs.
pub fn proc() -> PathBuf {
    named("ZBUDCTL_PROC", "/proc")
}

/// The device nodes.
pub fn dev() -> PathBuf {
    named("ZBUDCTL_DEV", "/dev")
}

fn named(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}
