// SPDX-License-Identifier: GPL-2.0

//! The part of the program whose instructions are counted.

use crate::pool::Pool;
use std::hint::black_box;
use zbud_movable_core::zbud::Error;

/// Something that is done several times; says how often.
pub type Work<'w> = dyn FnMut(&mut Pool) -> Result<usize, Error> + 'w;

/// Does it. scripts/instructions has valgrind count from entry to return, by this name.
#[inline(never)]
fn counted(pool: &mut Pool, work: &mut Work<'_>) -> Result<usize, Error> {
    // Not the last call: that would be a jump, and valgrind would see no return from here.
    black_box(work(pool))
}

/// Has it counted, and prints how often it was done, and what it was.
pub fn count(
    pool: &mut Pool,
    what: &str,
    mut work: impl FnMut(&mut Pool) -> Result<usize, Error>,
) -> Result<(), Error> {
    let times = counted(pool, &mut work)?;
    println!("{times} {what}");
    Ok(())
}
