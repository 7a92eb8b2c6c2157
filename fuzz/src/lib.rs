// SPDX-License-Identifier: GPL-2.0

//! What the fuzz targets do with an input; a panic is a failure.
//!
//! The modules of `zbudctl`, which is a program and no library, are compiled in: they name each
//! other from the root of their crate, so they are here at the root of this one.

#![allow(dead_code, reason = "of zbudctl and of the doubles, a part is used")]

pub mod actions;
pub mod arguments;
pub mod files;

#[path = "../../tests/common/mod.rs"]
mod common;

#[path = "../../tools/zbudctl/src/cli.rs"]
mod cli;
#[path = "../../tools/zbudctl/src/completions.rs"]
mod completions;
#[path = "../../tools/zbudctl/src/dir.rs"]
mod dir;
#[path = "../../tools/zbudctl/src/disk/mod.rs"]
mod disk;
#[path = "../../tools/zbudctl/src/errno.rs"]
mod errno;
#[path = "../../tools/zbudctl/src/error.rs"]
mod error;
#[path = "../../tools/zbudctl/src/exit.rs"]
mod exit;
#[path = "../../tools/zbudctl/src/figures.rs"]
mod figures;
#[path = "../../tools/zbudctl/src/hold.rs"]
mod hold;
#[path = "../../tools/zbudctl/src/interrupt.rs"]
mod interrupt;
#[path = "../../tools/zbudctl/src/map/mod.rs"]
mod map;
#[path = "../../tools/zbudctl/src/mapping.rs"]
mod mapping;
#[path = "../../tools/zbudctl/src/mems.rs"]
mod mems;
#[path = "../../tools/zbudctl/src/migrate.rs"]
mod migrate;
#[path = "../../tools/zbudctl/src/output.rs"]
mod output;
#[path = "../../tools/zbudctl/src/place.rs"]
mod place;
#[path = "../../tools/zbudctl/src/program.rs"]
mod program;
#[path = "../../tools/zbudctl/src/request.rs"]
mod request;
#[path = "../../tools/zbudctl/src/size.rs"]
mod size;
#[path = "../../tools/zbudctl/src/status.rs"]
mod status;
#[path = "../../tools/zbudctl/src/sysfs.rs"]
mod sysfs;
#[path = "../../tools/zbudctl/src/table.rs"]
mod table;
#[path = "../../tools/zbudctl/src/terminal.rs"]
mod terminal;
#[path = "../../tools/zbudctl/src/verify.rs"]
mod verify;
