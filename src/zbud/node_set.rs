// SPDX-License-Identifier: GPL-2.0

//! Sets of nodes.

use super::id::Nid;

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = 16;

/// Node ids in a [`NodeSet`] are below this, as in the largest kernel configuration
/// (CONFIG_NODES_SHIFT=10).
pub const MAX_NODES: usize = WORDS * WORD_BITS;

/// A set of nodes, laid out as the kernel's `nodemask_t` on 64-bit machines.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSet([u64; WORDS]);

impl NodeSet {
    /// No node.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The set whose nodes are the set bits of `words`.
    pub const fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }

    /// One bit for each node.
    pub const fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    /// The same, to be written.
    pub fn words_mut(&mut self) -> &mut [u64; WORDS] {
        &mut self.0
    }

    /// Whether `nid` is in it.
    #[inline]
    pub fn contains(&self, nid: Nid) -> bool {
        let word = self.0.get(nid.index() / WORD_BITS);
        word.is_some_and(|word| (word >> (nid.index() % WORD_BITS)) & 1 != 0)
    }

    /// Whether there is no node in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// How many nodes are in it.
    pub fn len(&self) -> usize {
        // Not `count`, which has a panic path in kernels that check for overflow.
        let nodes = self.0.iter().map(|word| word.count_ones());
        // CAST: at most MAX_NODES.
        nodes.fold(0, u32::wrapping_add) as usize
    }

    /// Its nodes, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Nid> + '_ {
        // CAST: MAX_NODES fits in 16 bits.
        let all = (0..MAX_NODES as u16).map(Nid);
        all.filter(|&nid| self.contains(nid))
    }

    /// The nodes of both.
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one & other)
    }

    /// The nodes that `other` does not have.
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |one, other| one & !other)
    }

    /// Whether all its nodes are in `other`, too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    fn combine(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(other.0) {
            *word = op(*word, other);
        }
        Self(words)
    }

    /// The node of the set with the least `distance`, the lowest of several.
    pub fn nearest(&self, distance: impl Fn(Nid) -> u32) -> Option<Nid> {
        self.iter().min_by_key(|&nid| distance(nid))
    }

    /// The node that has `k` nodes of the set below it.
    pub(super) fn nth(&self, k: usize) -> Option<Nid> {
        self.iter().nth(k)
    }

    /// How many nodes of the set are below `nid`, if it is one of them.
    pub(super) fn rank(&self, nid: Nid) -> Option<usize> {
        // Not `position`: as in `len`.
        let below = self.iter().take_while(|&node| node != nid);
        let rank = below.fold(0_usize, |rank, _| rank.wrapping_add(1));
        self.contains(nid).then_some(rank)
    }
}

impl FromIterator<Nid> for NodeSet {
    /// Node ids from [`MAX_NODES`] on are left out.
    fn from_iter<I: IntoIterator<Item = Nid>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        for nid in nodes {
            if let Some(word) = set.0.get_mut(nid.index() / WORD_BITS) {
                *word |= 1 << (nid.index() % WORD_BITS);
            }
        }
        set
    }
}
