// SPDX-License-Identifier: GPL-2.0

//! loom's atomics, with an addition that loom 0.7 leaves to its users.
//!
//! It remembers one last access for each atomic, so a thread that loads
//! before it exchanges (as all slot operations do) hides its race with the
//! other thread, and interleavings are left out. Here each access begins
//! with a relaxed read-modify-write of a companion. That makes no
//! happens-before edge, but any two of them conflict: loom explores both
//! orders.

use core::sync::atomic::Ordering;

macro_rules! explored {
    ($($name:ident of $int:ty),*) => {$(
        pub(super) struct $name {
            value: loom::sync::atomic::$name,
            step: loom::sync::atomic::AtomicBool,
        }

        #[allow(dead_code, reason = "the same for all widths")]
        impl $name {
            pub(super) fn new(value: $int) -> Self {
                Self {
                    value: loom::sync::atomic::$name::new(value),
                    step: loom::sync::atomic::AtomicBool::new(false),
                }
            }

            fn step(&self) -> &loom::sync::atomic::$name {
                self.step.swap(true, Ordering::Relaxed);
                &self.value
            }

            pub(super) fn load(&self, order: Ordering) -> $int {
                self.step().load(order)
            }

            pub(super) fn store(&self, value: $int, order: Ordering) {
                self.step().store(value, order);
            }

            pub(super) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                self.step().fetch_add(value, order)
            }

            pub(super) fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                self.step().fetch_sub(value, order)
            }

            pub(super) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.step().compare_exchange(current, new, success, failure)
            }

            pub(super) fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.step().compare_exchange_weak(current, new, success, failure)
            }
        }
    )*};
}

explored!(AtomicU8 of u8, AtomicU16 of u16, AtomicU32 of u32, AtomicU64 of u64, AtomicUsize of usize);
