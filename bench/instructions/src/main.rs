// SPDX-License-Identifier: GPL-2.0

//! instructions PAGES: does each operation of the core some hundred times to a pool of so many
//! pages, and prints how often, for scripts/instructions, which runs it under valgrind.

mod counted;
mod leaves;
mod operations;
mod pool;
#[path = "../../../tests/common/sizes.rs"]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow would show as another count"
)]
mod sizes;

use std::process::ExitCode;

fn run() -> Result<(), String> {
    // Assertions would be most of what is counted.
    if cfg!(debug_assertions) {
        return Err("built with debug assertions".into());
    }
    let pages = std::env::args().nth(1).and_then(|pages| pages.parse().ok());
    let pages = pages.ok_or("usage: instructions PAGES")?;
    let mut pool = pool::Pool::of(pages).map_err(|error| format!("{error:?}"))?;
    operations::all(&mut pool).map_err(|error| format!("{error:?}"))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}
