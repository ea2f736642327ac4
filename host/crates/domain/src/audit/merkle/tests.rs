//! The reference implementation's vectors, an independent crate as a witness, and every proof of small trees.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;

use super::*;

/// The leaves and roots that RFC 6962's reference implementation is tested with.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hashes(leaves: &[Vec<u8>]) -> Vec<Hash> {
    leaves.iter().map(|leaf| Hash::leaf(leaf)).collect()
}

fn numbered(size: usize) -> Vec<Vec<u8>> {
    (0..size).map(|n| n.to_be_bytes().to_vec()).collect()
}

#[test]
fn roots_are_those_of_the_reference() {
    assert_eq!(
        Frontier::default().root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let mut frontier = Frontier::default();
    let tree = Tree::new(LEAVES.iter().map(|leaf| Hash::leaf(leaf)).collect());
    for (n, (leaf, root)) in LEAVES.iter().zip(ROOTS).enumerate() {
        frontier.push(Hash::leaf(leaf));
        assert_eq!(frontier.root().to_string(), root, "{} leaves", n + 1);
        assert_eq!(tree.root_at(n + 1), Some(frontier.root()));
    }
}

/// Every proof of every tree up to 40 leaves holds, and holds for nothing else.
#[test]
fn every_proof_of_small_trees_holds_where_it_belongs_only() {
    let leaves = hashes(&numbered(40));
    let tree = Tree::new(leaves.clone());
    let root = |size: usize| tree.root_at(size).expect("it has so many");
    for size in 1..=leaves.len() {
        for index in 0..size {
            let path = tree.inclusion(index, size).expect("it is there");
            let (at, of) = (index as u64, size as u64);
            assert!(is_included(leaves[index], at, of, &path, root(size)));
            assert!(!is_included(leaves[index], at + 1, of, &path, root(size)));
            assert!(!is_included(leaves[(index + 1) % 40], at, of, &path, root(size)));
            assert!(size == 1 || !is_included(leaves[index], at, of, &path[1..], root(size)));
            let longer = [&path[..], &[root(size)]].concat();
            assert!(!is_included(leaves[index], at, of, &longer, root(size)));
        }
        for first in 1..=size {
            let proof = tree.consistency(first, size).expect("there are such trees");
            let (old, new) = ((first as u64, root(first)), (size as u64, root(size)));
            assert!(is_consistent(old, new, &proof), "{first} of {size}");
            assert!(!is_consistent((old.0, root(first % 40 + 1)), new, &proof) || first == 40);
            assert!(!is_consistent(old, (new.0, Hash::empty()), &proof));
            let longer = [&proof[..], &[root(size)]].concat();
            assert!(!is_consistent(old, new, &longer));
            assert!(proof.is_empty() || !is_consistent(old, new, &proof[1..]));
        }
    }
    assert_eq!((tree.inclusion(3, 3), tree.inclusion(0, 41), tree.consistency(0, 3)), (None, None, None));
    assert_eq!((tree.consistency(4, 3), tree.root_at(41)), (None, None));
}

#[test]
fn a_frontier_comes_back_from_the_store_or_is_refused() {
    let mut frontier = Frontier::default();
    hashes(&numbered(11)).into_iter().for_each(|leaf| frontier.push(leaf));
    let peaks = frontier.stored_peaks();
    assert_eq!(peaks.len(), 3 * HASH_BYTES);
    assert_eq!(Frontier::from_stored(11, &peaks), Some(frontier));
    assert_eq!(Frontier::from_stored(12, &peaks), None);
    assert_eq!(Frontier::from_stored(11, &peaks[1..]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Roots and proofs are byte for byte those of an independent implementation.
    #[test]
    fn trees_agree_with_an_independent_witness(
        leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..200),
        (at, cut) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let mut witness = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        leaves.iter().for_each(|leaf| witness.push(leaf.clone()));
        let mut frontier = Frontier::default();
        hashes(&leaves).into_iter().for_each(|leaf| frontier.push(leaf));
        let tree = Tree::new(hashes(&leaves));
        assert_eq!(witness.root().as_bytes().as_slice(), frontier.root().as_bytes());
        prop_assert_eq!(tree.root_at(leaves.len()), Some(frontier.root()));
        let index = at.index(leaves.len());
        let joined = |proof: Vec<Hash>| proof.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>();
        let path = joined(tree.inclusion(index, leaves.len()).expect("it is there"));
        assert_eq!(witness.prove_inclusion(index).as_bytes(), path.as_slice());
        let first = 1 + cut.index(leaves.len());
        let proof = joined(tree.consistency(first, leaves.len()).expect("there are such trees"));
        let additions = leaves.len() - first;
        if additions > 0 {
            assert_eq!(witness.prove_consistency(additions).as_bytes(), proof.as_slice());
        }
    }
}
