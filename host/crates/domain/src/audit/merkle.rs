//! The Merkle tree of RFC 6962, section 2.1: what is appended is cheap, and proofs show that an event is in a log of
//! a known root, or that a log goes on from an earlier one.
//!
//! Ours and not a crate's, because the write path keeps only a [`Frontier`]: what there is holds every leaf in memory.
//! The tests compare with an independent crate.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A node of the tree: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// The hash of a leaf: `SHA-256(0x00 || data)`.
    pub fn leaf(data: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }

    /// The hash of an inner node: `SHA-256(0x01 || left || right)`.
    pub fn node(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// The root of a tree without leaves: the hash of nothing.
    pub fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Takes back a stored hash; `None` if it is not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// As checkpoints write it.
    pub fn base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Reads what [`Hash::base64`] writes.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_bytes(&BASE64.decode(text.as_bytes()).ok()?)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|error| error.to_string())?;
        Self::from_bytes(&bytes).ok_or_else(|| format!("{text} is not 32 bytes"))
    }
}

/// All that has to be kept of a tree to append to it and to tell its root: the roots of its complete subtrees, the
/// largest first, one for each bit that is set in its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Takes back a stored frontier: its size, and its peaks one after the other. `None` if they do not belong
    /// together.
    pub fn from_stored(size: u64, peaks: &[u8]) -> Option<Self> {
        let peaks: Option<Vec<Hash>> = peaks.chunks(HASH_BYTES).map(Hash::from_bytes).collect();
        peaks.filter(|peaks| peaks.len() == size.count_ones() as usize).map(|peaks| Self { size, peaks })
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks one after the other, as stored.
    pub fn stored_peaks(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| *peak.as_bytes()).collect()
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each bit that carries over is a complete subtree that becomes the left half of a larger one.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("there is a peak for each bit of the size");
            node = Hash::node(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return Hash::empty() };
        peaks.fold(*smallest, |right, left| Hash::node(left, &right))
    }
}

/// A whole tree in memory, for proofs.
#[derive(Debug, Clone)]
pub struct Tree {
    /// `levels[k][n]` is the root of the `n`th complete subtree of `2^k` leaves.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over `leaves`.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks_exact(2).map(|pair| Hash::node(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// Leaves.
    pub fn size(&self) -> usize {
        self.levels[0].len()
    }

    /// The root that the tree had when it had `size` leaves; `None` if it has not so many.
    pub fn root_at(&self, size: usize) -> Option<Hash> {
        match size {
            0 => Some(Hash::empty()),
            _ if size <= self.size() => Some(self.root_of(0, size)),
            _ => None,
        }
    }

    /// The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, 2.1.1: PATH), the lowest node first.
    /// `None` if there is no such leaf or tree.
    pub fn inclusion(&self, index: usize, size: usize) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut from, mut to) = (0, size);
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(self.root_of(middle, to));
                to = middle;
            } else {
                path.push(self.root_of(from, middle));
                from = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that the tree of `second` leaves goes on from that of `first` leaves (RFC 6962, 2.1.2: PROOF).
    /// `None` if `first` is 0, greater than `second`, or the tree has not so many leaves.
    pub fn consistency(&self, first: usize, second: usize) -> Option<Vec<Hash>> {
        if first == 0 || first > second || second > self.size() {
            return None;
        }
        let (mut from, mut to, mut whole) = (0, second, true);
        let mut proof = Vec::new();
        // `whole`: the subtree that remains is one that the first tree had as its own root.
        while first - from != to - from {
            let middle = from + split(to - from);
            if first <= middle {
                proof.push(self.root_of(middle, to));
                to = middle;
            } else {
                proof.push(self.root_of(from, middle));
                (from, whole) = (middle, false);
            }
        }
        if !whole {
            proof.push(self.root_of(from, to));
        }
        proof.reverse();
        Some(proof)
    }

    /// The root over the leaves `from..to`, where `from` is a multiple of the power of two that holds them.
    fn root_of(&self, from: usize, to: usize) -> Hash {
        let leaves = to - from;
        if leaves.is_power_of_two() {
            return self.levels[leaves.trailing_zeros() as usize][from / leaves];
        }
        let middle = from + split(leaves);
        Hash::node(&self.root_of(from, middle), &self.root_of(middle, to))
    }
}

/// The largest power of two below `leaves`, which is at least 2.
fn split(leaves: usize) -> usize {
    1 << (leaves - 1).ilog2()
}

/// Whether `path` shows that `leaf` stands at `index` of the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).
pub fn is_included(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut node) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            node = Hash::node(sibling, &node);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            node = Hash::node(&node, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && node == root
}

/// Whether `proof` shows that the tree of `second` goes on from that of `first`, each a size and a root (RFC 9162,
/// 2.1.4.2).
pub fn is_consistent(first: (u64, Hash), second: (u64, Hash), proof: &[Hash]) -> bool {
    let ((size, root), (later_size, later_root)) = (first, second);
    if size == 0 || size > later_size {
        return false;
    }
    if size == later_size {
        return proof.is_empty() && root == later_root;
    }
    // A first tree that is complete is its own first node, and is left out of the proof.
    let mut proof = proof.iter().copied();
    let Some(start) = (if size.is_power_of_two() { Some(root) } else { proof.next() }) else { return false };
    let below = (size - 1).trailing_ones();
    let (mut place, mut last) = ((size - 1) >> below, (later_size - 1) >> below);
    let (mut old, mut new) = (start, start);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (old, new) = (Hash::node(&sibling, &old), Hash::node(&sibling, &new));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new = Hash::node(&new, &sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && old == root && new == later_root
}

#[cfg(test)]
mod tests;
