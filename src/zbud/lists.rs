// SPDX-License-Identifier: GPL-2.0

//! Everything that L protects: the lists of unbuddied pages of each node, the
//! leaves with free descriptors, the pages that wait for their page lock.

use super::chunk::NCHUNKS;
use super::descriptor::{Descriptor, State};
use super::error::Error;
use super::id::{DescId, Nid};
use super::leaf::{Leaf, Table, NONE};
use super::node_set::NodeSet;
use super::primitive::Ordering;

/// The unbuddied pages of one node, and what the pool has on that node.
pub struct NodeLists {
    /// Bit n is set exactly when `unbuddied[n]` is not empty.
    occupied: u64,
    /// Heads of the lists of pages with one zpage and n free chunks.
    unbuddied: [u32; NCHUNKS],
    pages: u64,
    zpages: u64,
    unbuddied_pages: u64,
    /// Whether zpages may be put there.
    allowed: bool,
}

const _: () = assert!(NCHUNKS == u64::BITS as usize);

impl Default for NodeLists {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeLists {
    /// A node on which the pool has nothing.
    pub const fn new() -> Self {
        Self {
            occupied: 0,
            unbuddied: [NONE; NCHUNKS],
            pages: 0,
            zpages: 0,
            unbuddied_pages: 0,
            allowed: true,
        }
    }

    /// Host pages on this node, those that wait to be given back included.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Zpages on this node.
    pub fn zpages(&self) -> u64 {
        self.zpages
    }

    /// Pages with one zpage on this node, those being moved left out.
    pub fn unbuddied_pages(&self) -> u64 {
        self.unbuddied_pages
    }

    /// The fewest free chunks, `chunks` at least, that some page has to which a
    /// zpage may be added. O(1).
    #[inline]
    pub(super) fn best_fit(&self, chunks: usize) -> Option<usize> {
        if !self.allowed {
            return None;
        }
        // A zpage of a whole page fits beside nothing: the shift has no result.
        let fitting = self.occupied & u64::MAX.checked_shl(u32::try_from(chunks).ok()?)?;
        // CAST: below 64.
        (fitting != 0).then(|| fitting.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn head(&self, free_chunks: usize) -> u32 {
        self.unbuddied.get(free_chunks).copied().unwrap_or(NONE)
    }

    /// Links an unbuddied page at the head of its list.
    #[inline]
    pub(super) fn link<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
    ) -> Result<(), Error> {
        let free_chunks = desc.free_chunks();
        let head = self.unbuddied.get_mut(free_chunks).ok_or(Error::Corrupt)?;
        link(table, head, id, desc)?;
        self.occupied |= 1 << free_chunks;
        self.unbuddied_pages = self.unbuddied_pages.wrapping_add(1);
        Ok(())
    }

    /// Unlinks an unbuddied page, whose free chunks must be as when it was linked.
    #[inline]
    pub(super) fn unlink<T: Table>(&mut self, table: &T, desc: &Descriptor) -> Result<(), Error> {
        let free_chunks = desc.free_chunks();
        let head = self.unbuddied.get_mut(free_chunks).ok_or(Error::Corrupt)?;
        unlink(table, head, desc)?;
        if *head == NONE {
            self.occupied &= !(1 << free_chunks);
        }
        self.unbuddied_pages = self.unbuddied_pages.wrapping_sub(1);
        Ok(())
    }

    #[inline]
    pub(super) fn add(&mut self, pages: u64, zpages: u64) {
        self.pages = self.pages.wrapping_add(pages);
        self.zpages = self.zpages.wrapping_add(zpages);
    }

    #[inline]
    pub(super) fn sub(&mut self, pages: u64, zpages: u64) {
        self.pages = self.pages.wrapping_sub(pages);
        self.zpages = self.zpages.wrapping_sub(zpages);
    }

    pub(super) fn occupied(&self) -> u64 {
        self.occupied
    }
}

/// Links `desc` at the head of a list threaded through descriptors.
#[inline]
fn link<T: Table>(table: &T, head: &mut u32, id: DescId, desc: &Descriptor) -> Result<(), Error> {
    if let Some(first) = DescId::from_raw(*head) {
        table.descriptor(first)?.set_prev(id.raw());
    }
    desc.set_next(*head);
    desc.set_prev(NONE);
    *head = id.raw();
    Ok(())
}

/// Unlinks `desc` from the list that begins at `head`.
#[inline]
fn unlink<T: Table>(table: &T, head: &mut u32, desc: &Descriptor) -> Result<(), Error> {
    let (next, prev) = (desc.next(), desc.prev());
    if let Some(next) = DescId::from_raw(next) {
        table.descriptor(next)?.set_prev(prev);
    }
    match DescId::from_raw(prev) {
        Some(prev) => table.descriptor(prev)?.set_next(next),
        None => *head = next,
    }
    Ok(())
}

/// Everything that L protects. `N` is where the per-node lists are kept: a
/// slice-like of [`NodeLists`], index = node id.
///
/// # Invariants
///
/// - A descriptor is on a list of its node exactly when it is
///   [`State::Unbuddied`], on the list of its free chunks.
/// - It is on the deferred list exactly when it is [`State::Empty`].
/// - A leaf is on the list of leaves exactly when it has a free descriptor.
pub struct Lists<N> {
    pub(super) nodes: N,
    /// First leaf that has a free descriptor.
    leaves: u32,
    /// First page without zpages whose page lock was taken when the last went.
    pub(super) deferred: u32,
    pub(super) pages: u64,
    pub(super) stored_bytes: u64,
}

impl<N: AsRef<[NodeLists]> + AsMut<[NodeLists]>> Lists<N> {
    /// An empty pool over the nodes of `nodes`.
    pub fn new(nodes: N) -> Self {
        Self {
            nodes,
            leaves: NONE,
            deferred: NONE,
            pages: 0,
            stored_bytes: 0,
        }
    }

    /// Host pages of the pool, those that wait to be given back included.
    #[inline]
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Bytes of all zpages, as they were asked for.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// What the pool has on each node; index = node id.
    pub fn nodes(&self) -> &[NodeLists] {
        self.nodes.as_ref()
    }

    /// From now on zpages are put beside others on the nodes of `allowed` only.
    /// Under L. Where new host pages come from is the caller's matter.
    pub fn allow(&mut self, allowed: &NodeSet) {
        for (index, node) in self.nodes.as_mut().iter_mut().enumerate() {
            let nid = u16::try_from(index).map(Nid);
            node.allowed = nid.is_ok_and(|nid| allowed.contains(nid));
        }
    }

    /// Whether [`Lists::insert`] would find a free descriptor.
    #[inline]
    pub fn has_descriptor(&self) -> bool {
        self.leaves != NONE
    }

    #[inline]
    pub(super) fn node(&mut self, nid: Nid) -> Result<&mut NodeLists, Error> {
        self.nodes
            .as_mut()
            .get_mut(nid.index())
            .ok_or(Error::BadNode)
    }

    /// Sets a leaf up that the table has under `number`, and its descriptors
    /// with it. Under L.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the table does not have it.
    pub fn add_leaf<T: Table>(&mut self, table: &T, number: u32) -> Result<(), Error> {
        let leaf = table.leaf(number).ok_or(Error::Corrupt)?;
        leaf.set_up(number);
        self.link_leaf(table, leaf)
    }

    fn link_leaf<T: Table>(&mut self, table: &T, leaf: &Leaf) -> Result<(), Error> {
        if self.leaves != NONE {
            let first = table.leaf(self.leaves).ok_or(Error::Corrupt)?;
            first.prev.store(leaf.number(), Ordering::Relaxed);
        }
        leaf.next.store(self.leaves, Ordering::Relaxed);
        leaf.prev.store(NONE, Ordering::Relaxed);
        self.leaves = leaf.number();
        Ok(())
    }

    fn unlink_leaf<T: Table>(&mut self, table: &T, leaf: &Leaf) -> Result<(), Error> {
        let next = leaf.next.load(Ordering::Relaxed);
        let prev = leaf.prev.load(Ordering::Relaxed);
        if next != NONE {
            let next = table.leaf(next).ok_or(Error::Corrupt)?;
            next.prev.store(prev, Ordering::Relaxed);
        }
        if prev != NONE {
            let prev = table.leaf(prev).ok_or(Error::Corrupt)?;
            prev.next.store(next, Ordering::Relaxed);
        } else {
            self.leaves = next;
        }
        Ok(())
    }

    /// Takes a free descriptor. Under L.
    #[inline]
    pub(super) fn take_descriptor<'t, T: Table>(
        &mut self,
        table: &'t T,
    ) -> Result<(DescId, &'t Descriptor), Error> {
        if self.leaves == NONE {
            return Err(Error::NoDescriptor);
        }
        let leaf = table.leaf(self.leaves).ok_or(Error::Corrupt)?;
        let taken = leaf.take().ok_or(Error::Corrupt)?;
        if leaf.full() {
            self.unlink_leaf(table, leaf)?;
        }
        Ok(taken)
    }

    /// Gives a descriptor back. Under L. Returns the number of its leaf if the
    /// leaf is not needed any more; one unused leaf is kept, so that a pool
    /// that grows and shrinks by a page does not allocate each time.
    #[inline]
    pub(super) fn give_descriptor<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
    ) -> Result<Option<u32>, Error> {
        let leaf = table.leaf(id.leaf()).ok_or(Error::Corrupt)?;
        let was_full = leaf.full();
        desc.set_state(State::Free);
        leaf.give_back(id);
        if was_full {
            self.link_leaf(table, leaf)?;
        }
        let alone =
            leaf.next.load(Ordering::Relaxed) == NONE && leaf.prev.load(Ordering::Relaxed) == NONE;
        if leaf.used() != 0 || alone {
            return Ok(None);
        }
        self.unlink_leaf(table, leaf)?;
        Ok(Some(leaf.number()))
    }

    /// Puts a page that lost its last zpage on the deferred list. Under L.
    pub(super) fn link_deferred<T: Table>(
        &mut self,
        table: &T,
        id: DescId,
        desc: &Descriptor,
    ) -> Result<(), Error> {
        desc.set_state(State::Empty);
        link(table, &mut self.deferred, id, desc)
    }

    /// Takes it off again. Under L.
    pub(super) fn unlink_deferred<T: Table>(
        &mut self,
        table: &T,
        desc: &Descriptor,
    ) -> Result<(), Error> {
        unlink(table, &mut self.deferred, desc)
    }

    pub(super) fn first_leaf(&self) -> u32 {
        self.leaves
    }
}
