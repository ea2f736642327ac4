//! Leases: one holder at a time, and nothing written by who was one.

use std::time::Duration;

use super::*;
use crate::{Fence, Leases as _};

const LONG: Duration = Duration::from_secs(600);
/// Over by the time that it is taken.
const GONE: Duration = Duration::ZERO;

async fn taken(fresh: &Fresh, holder: &str, life: Duration) -> Option<Fence> {
    fresh.store.take_lease(&seller(), "worker", holder, life).await.expect("asks")
}

#[tokio::test]
async fn a_lease_has_one_holder_and_its_fence_only_grows() {
    let Some(fresh) = Fresh::open().await else { return };
    let first = taken(&fresh, "one", LONG).await.expect("nobody has it");
    assert_eq!(taken(&fresh, "two", LONG).await, None);
    assert_eq!(taken(&fresh, "one", LONG).await, None, "nor does its holder get a second fence");
    assert!(fresh.store.renew_lease(&first, LONG).await.expect("asks"));
    fresh.store.give_back(&first).await.expect("gives back");
    assert!(!fresh.store.renew_lease(&first, LONG).await.expect("asks"), "what is given back is gone");
    let second = taken(&fresh, "two", GONE).await.expect("it was given back");
    assert_eq!((first.token, second.token), (1, 2));
    assert!(!fresh.store.renew_lease(&second, LONG).await.expect("asks"), "what ran out is not revived");
    let third = taken(&fresh, "one", LONG).await.expect("it ran out");
    fresh.store.give_back(&second).await.expect("is not its own any more");
    let leases = fresh.store.leases().await.expect("reads");
    assert_eq!((third.token, leases[0].holder.as_str(), leases[0].held), (3, "one", true));
    let other = fresh.store.take_lease(&SellerId::new("B2"), "worker", "two", LONG).await.expect("asks");
    assert_eq!(other.map(|fence| fence.token), Some(1), "each seller has its own");
}

#[tokio::test]
async fn who_comes_under_a_lease_that_is_over_writes_nothing() {
    let Some(fresh) = Fresh::open().await else { return };
    let paused = fresh.store.fenced(taken(&fresh, "one", GONE).await.expect("nobody has it"));
    let write = || vec![event("O1"), raw("O1", "body", 0)];
    for other in [false, true] {
        if other {
            let fence = taken(&fresh, "two", LONG).await.expect("it ran out");
            let holder = fresh.store.fenced(fence);
            holder.may_write().await.expect("it holds it");
            holder.apply(vec![event("O2")]).await.expect("it holds it");
        }
        for refused in [paused.may_write().await, paused.apply(write()).await] {
            let refused = refused.expect_err("its lease is over");
            assert!(matches!(refused, StoreError::Fenced { .. }), "{refused:?}");
            assert!(refused.to_string().starts_with("STO-FENCED"), "{refused}");
        }
    }
    assert!(fresh.pending().await.is_empty());
    assert!(fresh.store.story(&["O1".to_owned()]).await.expect("reads").is_empty());
    fresh.store.may_write().await.expect("who has no lease is not asked for one");
}

/// Eight at once, twenty times: one gets it each time.
#[tokio::test]
async fn of_those_who_race_for_a_lease_one_gets_it() {
    let Some(fresh) = Fresh::open().await else { return };
    for round in 0..20 {
        let mut racers = tokio::task::JoinSet::new();
        for n in 0..8 {
            let store = fresh.store.clone();
            racers.spawn(async move {
                store.take_lease(&seller(), "worker", &n.to_string(), LONG).await.expect("asks")
            });
        }
        let won: Vec<Fence> = racers.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.iter().map(|fence| fence.token).collect::<Vec<_>>(), [round + 1]);
        fresh.store.give_back(&won[0]).await.expect("gives back");
    }
}

#[tokio::test]
async fn daemons_that_are_up_are_known() {
    let Some(fresh) = Fresh::open().await else { return };
    assert_eq!(fresh.store.attend("b", LONG).await.expect("says"), ["b"]);
    assert_eq!(fresh.store.attend("a", LONG).await.expect("says"), ["a", "b"]);
    assert_eq!(fresh.store.attend("b", GONE).await.expect("says"), ["a"], "it has died");
    fresh.store.leave("a").await.expect("leaves");
    assert_eq!(fresh.store.attend("b", LONG).await.expect("says"), ["b"]);
}
