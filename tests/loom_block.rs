// SPDX-License-Identifier: GPL-2.0

//! Loom models of a disk's block: reading and writing it against a free that waits for
//! nobody.

#![cfg(loom)]

mod common;

use common::model::{explore, join};
use common::Trouble;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use zbud_movable_core::zbud::{Block, BlockState, BlockValue, Content, Locked, Unlocked};

const OLD: u64 = 1;
const NEW: u64 = 2;

/// A block, and the zpages that it may hold: their bytes, and how often each was freed.
struct World {
    state: BlockState,
    value: BlockValue,
    bytes: [AtomicUsize; 3],
    freed: [AtomicUsize; 3],
}

impl World {
    /// A block that holds [`OLD`].
    fn new() -> Result<Arc<Self>, Trouble> {
        let world = Arc::new(Self {
            state: BlockState::new(),
            value: BlockValue::new(),
            bytes: Default::default(),
            freed: Default::default(),
        });
        world.write(OLD)?;
        Ok(world)
    }

    fn block(&self) -> Block<'_> {
        Block::new(&self.state, &self.value)
    }

    /// Locks the block as the module does, which waits between two tries.
    fn lock(&self) -> Locked<'_> {
        for _ in 0..3 {
            if let Some(locked) = self.block().try_lock() {
                return locked;
            }
            thread::yield_now();
        }
        // What goes on waiting takes no other way.
        loom::skip_branch();
        loop {
            if let Some(locked) = self.block().try_lock() {
                return locked;
            }
            thread::yield_now();
        }
    }

    fn set(&self, locked: &mut Locked<'_>, content: Content) {
        let old = locked.content();
        locked.set(content);
        if let Some(freed) = number(old).and_then(|zpage| self.freed.get(zpage)) {
            freed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Unlocks the block as the module does; says whether it was freed meanwhile.
    fn unlock(&self, mut locked: Locked<'_>) -> bool {
        let mut freed = false;
        while locked.unlock() == Unlocked::Freed {
            freed = true;
            self.set(&mut locked, Content::Empty);
        }
        freed
    }

    /// Stores a zpage; says whether the block was freed meanwhile.
    fn write(&self, zpage: u64) -> Result<bool, Trouble> {
        let bytes = common::some(self.bytes.get(index(zpage)), "such zpage")?;
        bytes.store(index(zpage), Ordering::Relaxed);
        let mut locked = self.lock();
        self.set(&mut locked, Content::Zpage(zpage));
        Ok(self.unlock(locked))
    }

    /// Reads the block, and looks whether its zpage stays as it is as long as that takes;
    /// says what it holds.
    fn read(&self) -> Result<Content, Trouble> {
        let locked = self.lock();
        let content = locked.content();
        for _ in 0..2 {
            if let Some(zpage) = number(content) {
                let bytes = self
                    .bytes
                    .get(zpage)
                    .map(|bytes| bytes.load(Ordering::Relaxed));
                ensure!(bytes == Some(zpage), "{content:?} has the bytes {bytes:?}");
                let freed = self
                    .freed
                    .get(zpage)
                    .map(|freed| freed.load(Ordering::Relaxed));
                ensure!(freed == Some(0), "{content:?} was freed while it was read");
            }
        }
        self.unlock(locked);
        Ok(content)
    }

    /// As swap does: whether it was freed at once.
    fn free(&self) -> bool {
        let Some(mut locked) = self.block().free() else {
            return false;
        };
        self.set(&mut locked, Content::Empty);
        self.unlock(locked);
        true
    }

    /// What the block holds in the end: each of the zpages `there` was freed once, unless it
    /// is that.
    fn end(&self, there: &[u64]) -> Result<Content, Trouble> {
        let content = self.read()?;
        for &zpage in there {
            let freed = self
                .freed
                .get(index(zpage))
                .map(|freed| freed.load(Ordering::Relaxed));
            let expected = usize::from(number(content) != Some(index(zpage)));
            ensure!(
                freed == Some(expected),
                "the block holds {content:?}, and {zpage} was freed {freed:?} times"
            );
        }
        Ok(content)
    }
}

/// Runs `act` on another thread.
fn beside<T: 'static>(
    world: &Arc<World>,
    act: impl FnOnce(&World) -> Result<T, Trouble> + 'static,
) -> JoinHandle<Result<T, Trouble>> {
    let world = world.clone();
    thread::spawn(move || act(&world))
}

fn index(zpage: u64) -> usize {
    usize::try_from(zpage).unwrap_or(usize::MAX)
}

fn number(content: Content) -> Option<usize> {
    match content {
        Content::Zpage(zpage) => Some(index(zpage)),
        _ => None,
    }
}

/// A free comes at any time of a read, does not wait, and takes effect.
#[test]
fn a_free_is_never_missed() -> Result<(), Trouble> {
    explore(6, &["false", "true"], |seen| {
        let world = World::new()?;
        let reader = beside(&world, World::read);
        seen.note(world.free());
        join(reader)?;
        let content = world.end(&[OLD])?;
        ensure!(content == Content::Empty, "{content:?} is left");
        Ok(())
    })
}

/// What swap writes after it has freed the block is not freed, whoever else is at it.
#[test]
fn what_is_written_after_a_free_stays() -> Result<(), Trouble> {
    explore(5, &["(false, false)", "(true, false)"], |seen| {
        let world = World::new()?;
        let reader = beside(&world, World::read);
        let freed = world.free();
        seen.note((freed, world.write(NEW)?));
        join(reader)?;
        let content = world.end(&[OLD, NEW])?;
        ensure!(content == Content::Zpage(NEW), "{content:?} is left");
        Ok(())
    })
}

/// Two frees, and a write at the same time: all is freed once that is not there.
#[test]
fn nothing_is_freed_twice() -> Result<(), Trouble> {
    explore(3, &["Empty", "Zpage(2)"], |seen| {
        let world = World::new()?;
        let other = beside(&world, |world| Ok(world.free()));
        let writer = beside(&world, |world| world.write(NEW));
        world.free();
        join(other)?;
        join(writer)?;
        seen.note(world.end(&[OLD, NEW])?);
        Ok(())
    })
}

/// A reader sees the bytes that the writer had stored before.
#[test]
fn a_reader_sees_the_bytes_of_the_writer() -> Result<(), Trouble> {
    explore(6, &["Zpage(1)", "Zpage(2)"], |seen| {
        let world = World::new()?;
        let writer = beside(&world, |world| world.write(NEW));
        seen.note(world.read()?);
        join(writer)?;
        let content = world.end(&[OLD, NEW])?;
        ensure!(content == Content::Zpage(NEW), "{content:?} is left");
        Ok(())
    })
}

/// Whoever empties the block sees what the one who freed it did before.
#[test]
fn a_free_comes_after_what_was_done_before_it() -> Result<(), Trouble> {
    explore(6, &["false", "true"], |seen| {
        let world = World::new()?;
        let done = Arc::new(AtomicUsize::new(0));
        let holder = beside(&world, {
            let done = done.clone();
            move |world| {
                let freed = world.unlock(world.lock());
                let done = done.load(Ordering::Relaxed);
                ensure!(!freed || done == 1, "emptied before it was freed");
                Ok(freed)
            }
        });
        done.store(1, Ordering::Relaxed);
        world.free();
        seen.note(join(holder)?);
        Ok(())
    })
}
