//! What those who run the daemon are shown and set.

use super::*;
use crate::{
    AnswerClaim, ApiKey, Claimed, DocumentFilter, Operations as _, OperationsChange, ReviewFilter,
    SellerPause,
};

fn key(id: &str) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        hash: ContentHash::of(id.as_bytes()),
        role: "viewer".to_owned(),
        tenant: "T".to_owned(),
        sellers: Some(vec![seller()]),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    }
}

fn kept(id: &str) -> Change {
    Change::Operations(OperationsChange::ApiKey(Box::new(key(id))))
}

#[tokio::test]
async fn a_key_is_kept_and_goes_out_of_use_once() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![kept("k1"), kept("k2")]).await;
    assert!(fresh.store.apply(vec![kept("k1")]).await.is_err(), "an id is given once");
    for seconds in [5, 9] {
        let revoked = OperationsChange::ApiKeyRevoked { id: "k1".to_owned(), at: at(seconds) };
        fresh.apply(vec![Change::Operations(revoked)]).await;
    }
    let found = fresh.store.api_key("k1").await.expect("reads");
    assert_eq!(found, Some(ApiKey { revoked_at: Some(at(5)), ..key("k1") }));
    assert_eq!(fresh.store.api_key("k3").await.expect("reads"), None);
    assert_eq!(fresh.store.api_keys().await.expect("reads").len(), 2);
}

#[tokio::test]
async fn a_request_is_taken_on_once_and_answered_alike_for_ever() {
    let Some(fresh) = Fresh::open().await else { return };
    fresh.apply(vec![kept("k1")]).await;
    let (one, other) = (ContentHash::of(b"one"), ContentHash::of(b"other"));
    let claim = async |request: &ContentHash, seconds: i64| {
        let (now, abandoned_before) = (at(seconds), at(seconds - 60));
        let claim = AnswerClaim { api_key: "k1", name: "n", request, now, abandoned_before };
        fresh.store.claim_answer(claim).await.expect("claims")
    };
    assert_eq!(claim(&one, 0).await, Claimed::New);
    assert_eq!(claim(&one, 1).await, Claimed::UnderWay);
    assert_eq!(claim(&other, 1).await, Claimed::Different);
    for seconds in [100, 50] {
        fresh.store.renew_claim("k1", "n", at(seconds)).await.expect("renews");
    }
    assert_eq!(claim(&one, 159).await, Claimed::UnderWay, "who took it on was heard of");
    assert_eq!(claim(&one, 200).await, Claimed::New, "who took it on has ended");
    fresh.store.keep_answer("k1", "n", Some((201, "made"))).await.expect("keeps");
    assert_eq!(claim(&one, 500).await, Claimed::Answered(201, "made".to_owned()));
    assert_eq!(claim(&other, 500).await, Claimed::Different);
    fresh.store.forget_answers(at(1_000)).await.expect("forgets");
    assert_eq!(claim(&other, 1_001).await, Claimed::New);
    fresh.store.keep_answer("k1", "n", None).await.expect("forgets");
    assert_eq!(claim(&one, 1_002).await, Claimed::New);
}

#[tokio::test]
async fn a_seller_rests_since_it_first_did() {
    let Some(fresh) = Fresh::open().await else { return };
    let pause = |seconds| {
        let pause = Some(SellerPause { since: at(seconds), by: "me".to_owned() });
        Change::Operations(OperationsChange::Pause { seller: seller(), pause })
    };
    fresh.apply(vec![pause(1)]).await;
    fresh.apply(vec![pause(2)]).await;
    let rests = fresh.store.seller_pause(&seller()).await.expect("reads");
    assert_eq!(rests, Some(SellerPause { since: at(1), by: "me".to_owned() }));
    fresh.apply(vec![Change::Operations(OperationsChange::Pause { seller: seller(), pause: None })]).await;
    assert_eq!(fresh.store.seller_pause(&seller()).await.expect("reads"), None);
}

#[tokio::test]
async fn pages_go_on_where_they_ended_and_show_nobody_elses() {
    let Some(fresh) = Fresh::open().await else { return };
    let documents = ["O1", "O2", "O3"].map(|order| invoice(order, 0));
    fresh.apply(documents.iter().map(|one| plan(one, one.key.as_str())).collect()).await;
    fresh.apply(vec![review("no account"), event("O1"), event("O2")]).await;
    let own = DocumentFilter { sellers: vec![seller()], ..DocumentFilter::default() };
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let filter = DocumentFilter { after: after.clone(), ..own.clone() };
        let page = fresh.store.documents_page(&filter, 2).await.expect("reads");
        let Some(last) = page.last() else { break };
        after = Some((last.planned_at, last.row.document.key.clone()));
        seen.extend(page.into_iter().map(|one| one.row.document.key));
    }
    let mut keys: Vec<DocumentKey> = documents.iter().map(|one| one.key.clone()).collect();
    keys.sort();
    assert_eq!(seen, keys);
    let planned = |state: &str| DocumentFilter { state: Some(state.to_owned()), ..own.clone() };
    assert_eq!(fresh.store.documents_page(&planned("planned"), 9).await.expect("reads").len(), 3);
    assert_eq!(fresh.store.documents_page(&planned("confirmed"), 9).await.expect("reads").len(), 0);
    for sellers in [Vec::new(), vec![SellerId::new("B2")]] {
        let foreign = DocumentFilter { sellers: sellers.clone(), ..DocumentFilter::default() };
        assert!(fresh.store.documents_page(&foreign, 9).await.expect("reads").is_empty());
        assert!(fresh.store.events_page(&sellers, None, 0, 9).await.expect("reads").is_empty());
        let foreign = ReviewFilter { sellers, ..ReviewFilter::default() };
        assert!(fresh.store.reviews_page(&foreign, 9).await.expect("reads").is_empty());
    }
    let events = fresh.store.events_page(&[seller()], Some("O2"), 0, 9).await.expect("reads");
    assert!(events.iter().all(|one| one.event.subject == "O2") && !events.is_empty());
    let mine = ReviewFilter { sellers: vec![seller()], ..ReviewFilter::default() };
    assert_eq!(fresh.store.reviews_page(&mine, 9).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn figures_are_by_seller() {
    let Some(fresh) = Fresh::open().await else { return };
    let document = invoice("O1", 0);
    fresh.apply(vec![plan(&document, "O1"), review("no account"), raw("O1", "v1", 7)]).await;
    let cursor = Cursor { position: at(3), window: None, token: None, polled_at: at(8) };
    fresh
        .apply(vec![Change::Cursor { seller: seller(), region: Region::Na, stream: "orders", cursor }])
        .await;
    let counts = fresh.store.posting_counts().await.expect("reads");
    assert_eq!(counts.iter().map(|row| (row.what.as_str(), row.count)).collect::<Vec<_>>(), [("planned", 1)]);
    assert_eq!(fresh.store.oldest_unposted().await.expect("reads"), [(seller(), at(0))]);
    let reviews = fresh.store.seller_reviews().await.expect("reads");
    assert_eq!(reviews[0].at_stake, Some(Money::new(-5, Currency::JPY)));
    let streams = fresh.store.stream_states(Some(&seller())).await.expect("reads");
    assert_eq!((streams[0].position, streams[0].read_at), (at(3), Some(at(7))));
    assert!(fresh.store.stream_states(Some(&SellerId::new("B2"))).await.expect("reads").is_empty());
    assert!(fresh.store.finding_counts().await.expect("reads").is_empty());
    assert!(fresh.store.schema_is_current().await.expect("reads"));
}
