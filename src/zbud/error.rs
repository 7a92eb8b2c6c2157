// SPDX-License-Identifier: GPL-2.0

//! The errors of the core. The kernel module turns them into errnos in one place.

/// Why an operation on the pool was refused. The operation has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The handle names no zpage.
    BadHandle,
    /// The zpage is mapped, or its pin count is at its limit.
    Pinned,
    /// An unmap without a map.
    NotPinned,
    /// The zpage is being moved: try again. The mover needs the time of one page copy.
    Frozen,
    /// The page was released or moved since the caller looked.
    Stale,
    /// No free descriptor: add a leaf and try again.
    NoDescriptor,
    /// The node number is beyond the nodes the pool was made for.
    BadNode,
    /// The memory in which the zpage was is broken.
    Lost,
    /// A list, a descriptor or a table entry is not as its invariants say.
    Corrupt,
}

/// Why a number of bytes is not the length of a zpage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LenError {
    /// Nothing to store.
    Zero,
    /// More than a page.
    TooLong,
}
