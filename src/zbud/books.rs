// SPDX-License-Identifier: GPL-2.0

//! The books of a pool: everything that the pool lock protects outside of the
//! descriptors.

use super::audit::{Audit, Sums};
use super::demand::SHARE;
use super::error::Error;
use super::id::Nid;
use super::list::List;
use super::node_books::NodeBooks;
use super::open_leaves::OpenLeaves;
use super::table::Table;

/// The sums over all nodes of a pool.
pub(super) struct Totals {
    pub(super) pages: u64,
    pub(super) stored_bytes: u64,
}

impl Totals {
    #[inline]
    pub(super) fn add(&mut self, pages: u64, bytes: usize) {
        self.pages = self.pages.wrapping_add(pages);
        // CAST: at most a page.
        self.stored_bytes = self.stored_bytes.wrapping_add(bytes as u64);
    }

    #[inline]
    pub(super) fn sub(&mut self, pages: u64, bytes: usize) {
        self.pages = self.pages.wrapping_sub(pages);
        // CAST: at most a page.
        self.stored_bytes = self.stored_bytes.wrapping_sub(bytes as u64);
    }
}

/// The books of a pool. Every method is called under the pool lock. `N` is where
/// the books of the nodes are kept: a slice-like of [`NodeBooks`], index = node id.
///
/// A method that returns an error has changed nothing.
///
/// # Invariants
///
/// - A descriptor is on a list of its node exactly when it is `Unbuddied`, on the
///   list of its free chunks.
/// - It is on the list of its node's empty pages exactly when it is `Empty`, on that of the
///   vacated ones exactly when it is `Vacated`.
/// - It is on the list of lost pages exactly when it is `Lost` and has a page that is not
///   being dropped.
/// - A leaf is among the open leaves exactly when it has a free descriptor.
pub struct Books<N> {
    pub(super) nodes: N,
    pub(super) leaves: OpenLeaves,
    /// Pages in the state `Leaving`.
    pub(super) leaving: u64,
    /// Empty pages that are kept on each node at least when others are released at once.
    pub(super) kept: Option<u64>,
    /// Pages beyond which none is kept without zpages.
    pub(super) limit: u64,
    /// Pages whose memory is broken.
    pub(super) lost: List,
    /// How many these are.
    pub(super) lost_pages: u64,
    /// Such that are being dropped.
    pub(super) dropping: u64,
    /// Zpages that were in such pages.
    pub(super) lost_zpages: u64,
    pub(super) totals: Totals,
    pub(super) audit: Audit,
}

/// How many pages without zpages are kept on a node.
#[inline]
pub(super) fn kept(least: Option<u64>, node: &NodeBooks) -> u64 {
    let pages = node.pages();
    least.map_or(0, |least| {
        let share = least.max(pages / SHARE);
        share.saturating_add(node.demand.more(pages))
    })
}

/// The books of node `nid` among those of all nodes.
#[inline]
pub(super) fn node_mut<N: AsMut<[NodeBooks]>>(
    nodes: &mut N,
    nid: Nid,
) -> Result<&mut NodeBooks, Error> {
    let nodes = nodes.as_mut();
    nodes.get_mut(nid.index()).ok_or(Error::BadNode)
}

impl<N: AsRef<[NodeBooks]> + AsMut<[NodeBooks]>> Books<N> {
    /// An empty pool over the nodes of `nodes`.
    pub fn new(nodes: N) -> Self {
        let mut books = Self {
            nodes,
            leaves: OpenLeaves::NONE,
            leaving: 0,
            kept: None,
            limit: u64::MAX,
            lost: List::EMPTY,
            lost_pages: 0,
            dropping: 0,
            lost_zpages: 0,
            totals: Totals {
                pages: 0,
                stored_bytes: 0,
            },
            audit: Audit::NONE,
        };
        books.allow(|nid| nid);
        books
    }

    /// From now on `pages` pages that lost their last zpage are kept on each node for the
    /// next zpages, or a [`SHARE`]th of its pages there, if that is more; and besides as many
    /// as were missed after they had been released as too many, up to another [`SHARE`]th. At
    /// first none.
    pub fn keep(&mut self, pages: u64) {
        self.kept = Some(pages);
    }

    /// How many are kept on node `nid`.
    pub fn kept_on(&self, nid: Nid) -> u64 {
        let node = self.nodes.as_ref().get(nid.index());
        node.map_or(0, |node| kept(self.kept, node))
    }

    /// How many of the empty pages on node `nid` should be released when there are more than
    /// are kept: so many that it is some way until there are too many again. 0 when there are not.
    pub fn surplus_on(&self, nid: Nid) -> u64 {
        let Some(node) = self.nodes.as_ref().get(nid.index()) else {
            return 0;
        };
        let kept = kept(self.kept, node);
        // What is kept because it was missed stays.
        let some_way = kept.saturating_sub(node.demand.more(node.pages())) / 2;
        match node.empty_pages().checked_sub(kept) {
            None | Some(0) => 0,
            Some(beyond) => beyond.saturating_add(some_way),
        }
    }

    /// From now on no page without zpages is kept while the pool has more than `pages`.
    pub fn limit(&mut self, pages: u64) {
        self.limit = pages;
    }

    /// How many pages it has less than that.
    pub fn below_limit(&self) -> u64 {
        self.limit.saturating_sub(self.totals.pages)
    }

    /// How many pages it has more than that.
    pub fn beyond_limit(&self) -> u64 {
        self.totals.pages.saturating_sub(self.limit)
    }

    /// Pages without zpages: kept, or about to be released. Not those being moved.
    pub fn empty_pages(&self) -> u64 {
        let nodes = self.nodes.as_ref().iter();
        nodes.fold(self.leaving, |sum, node| {
            let empty = node.empty_pages().saturating_add(node.vacated_pages());
            sum.saturating_add(empty)
        })
    }

    /// How many pages there would be fewer if zpages that have a page each were put together
    /// as well as they can be on their nodes. O(1).
    pub fn winnable(&self) -> u64 {
        let nodes = self.nodes.as_ref().iter();
        nodes.fold(0, |sum, node| sum.saturating_add(node.winnable()))
    }

    /// Pages of the pool, including those without zpages.
    #[inline]
    pub fn pages(&self) -> u64 {
        self.totals.pages
    }

    /// Bytes of all zpages, as they were asked for.
    pub fn stored_bytes(&self) -> u64 {
        self.totals.stored_bytes
    }

    /// The books of each node; index = node id.
    pub fn nodes(&self) -> &[NodeBooks] {
        self.nodes.as_ref()
    }

    /// From now on zpages of each node are put beside others on the node that `home`
    /// says: on itself if it is allowed. The caller decides where new pages come from.
    pub fn allow(&mut self, home: impl Fn(Nid) -> Nid) {
        for (nid, node) in (0_u16..).map(Nid).zip(self.nodes.as_mut()) {
            node.set_home(home(nid));
        }
    }

    /// Where zpages of node `nid` are put first; `nid` itself if it is allowed.
    #[inline]
    pub fn home(&self, nid: Nid) -> Nid {
        let node = self.nodes.as_ref().get(nid.index());
        node.map_or(nid, NodeBooks::home)
    }

    /// Whether [`Books::reserve`](Self::reserve) would find a free descriptor.
    #[inline]
    pub fn has_descriptor(&self) -> bool {
        self.leaves.any()
    }

    /// Sets up a leaf that the table has under `number`, and its descriptors
    /// with it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the table does not have it.
    pub fn add_leaf<T: Table>(&mut self, table: &T, number: u32) -> Result<(), Error> {
        self.leaves.add(table, number, self.audit.mark())
    }

    /// Whether there are so few free descriptors that a leaf should be added.
    #[inline]
    pub fn wants_leaf(&self) -> bool {
        self.leaves.wanted()
    }

    /// From now on it [wants a leaf](Self::wants_leaf) when no more than `low` descriptors
    /// are free, so that several that need one at once find one while the leaf is made; at
    /// first 0.
    pub fn keep_descriptors(&mut self, low: u64) {
        self.leaves.set_low(low);
    }

    /// The sums that an audit compares.
    pub(super) fn sums(&self) -> Sums {
        let nodes = self.nodes.as_ref().iter();
        let zpages = nodes.fold(0_u64, |sum, node| sum.wrapping_add(node.zpages()));
        Sums {
            pages: self.totals.pages,
            zpages,
            stored_bytes: self.totals.stored_bytes,
            leaving: self.leaving,
            lost: self.lost_pages,
            dropping: self.dropping,
            lost_zpages: self.lost_zpages,
            live_slots: zpages.wrapping_add(self.lost_zpages),
            free_descriptors: self.leaves.free(),
        }
    }

    /// Fails unless the pool has node `nid`.
    #[inline]
    pub(super) fn check_node(&self, nid: Nid) -> Result<(), Error> {
        let node = self.nodes.as_ref().get(nid.index());
        node.map(|_| ()).ok_or(Error::BadNode)
    }
}
