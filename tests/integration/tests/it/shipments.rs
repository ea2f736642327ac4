//! Orders that leave in several shipments: an invoice for each, paid for by its own money, corrected by itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::{Clock as _, Date, DocumentKey};
use ml_connector_pipeline::{correct, invoices};
use ml_connector_simulator::scenario::{Order, Profile, ScenarioOptions};
use ml_connector_storage::{AuditLog as _, Store as _};

use crate::support::{Connected, small};

/// A month with enough orders that leave in parts, at rest.
async fn at_rest(name: &str, seed: u64, profile: Profile) -> Connected {
    let options = ScenarioOptions { days: 12, orders_per_day: 12, profile, ..small(seed) };
    let connected = Connected::start(name, options).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    connected.assert_books_are_right();
    connected
}

async fn documents(connected: &Connected) -> Vec<Document> {
    let all = connected.store.confirmed_documents(Date::MIN, Date::MAX, Some(&connected.seller.id)).await;
    all.expect("reads").into_iter().map(|one| one.row.document).collect()
}

/// The invoices of shipments, by order.
fn parts(documents: &[Document]) -> BTreeMap<String, Vec<&Document>> {
    let mut parts = BTreeMap::<String, Vec<&Document>>::new();
    for document in documents {
        if let Body::Invoice { order, shipment: Some(_), .. } = &document.body {
            parts.entry(order.as_str().to_owned()).or_default().push(document);
        }
    }
    parts
}

fn order<'a>(connected: &'a Connected, id: &str) -> &'a Order {
    connected.simulator.world.scenario.orders.iter().find(|order| order.id == id).expect("a known order")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shipment_has_an_invoice_of_its_day_and_they_sum_to_the_order() {
    let connected = at_rest("shipments", 93, Profile::Month).await;
    let documents = documents(&connected).await;
    let (mut by_merchant, mut by_amazon) = (0, 0);
    for (id, invoices) in parts(&documents) {
        let order = order(&connected, &id);
        let total: i64 = invoices.iter().map(|one| one.total().expect("fits").minor).sum();
        assert_eq!((invoices.len(), total), (2, order.total()), "order {id}");
        let (left, _) = order.first_part().expect("left in parts");
        for (invoice, at) in invoices.iter().zip([left, order.shipped().expect("shipped")]) {
            let at = Timestamp::from_millisecond(at).expect("in range");
            assert_eq!(invoice.date, connected.seller.day(at), "{}", invoice.subject());
        }
        *if order.by_merchant() { &mut by_merchant } else { &mut by_amazon } += 1;
    }
    assert!(by_merchant > 0 && by_amazon > 0, "{by_merchant} by the seller, {by_amazon} by Amazon");
}

/// The cash of each shipment pays its own invoice: in the end none is open, and none was paid twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shipments_cash_pays_its_own_invoice() {
    let connected = at_rest("shipments-paid", 94, Profile::Year).await;
    let documents = documents(&connected).await;
    let mut paid = BTreeMap::<&DocumentKey, i64>::new();
    for document in &documents {
        let Body::Receipt { references, .. } = &document.body else { continue };
        for reference in references {
            *paid.entry(&reference.document).or_default() += reference.amount.minor;
        }
    }
    let parts = parts(&documents);
    for invoice in parts.values().flatten() {
        let total = invoice.total().expect("fits").minor;
        assert_eq!(paid.get(&invoice.key), Some(&total), "{}", invoice.subject());
    }
    assert!(parts.len() > 2, "{} orders in parts: the test shows nothing", parts.len());
}

/// A correction is of one shipment's invoice, in its month, and leaves the other alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_shipments_invoice_is_corrected_by_itself() {
    let mut connected = at_rest("shipments-corrected", 95, Profile::Month).await;
    let before = documents(&connected).await;
    let refunded = |id: &str| {
        let orders = &connected.simulator.world.scenario.orders;
        let place = orders.iter().position(|order| order.id == id);
        connected
            .simulator
            .world
            .scenario
            .transactions
            .iter()
            .any(|one| one.order == place && one.is_refund())
    };
    let (id, _) = parts(&before).into_iter().find(|(id, _)| !refunded(id)).expect("one without a refund");
    let of = id.as_str().into();
    let nothing = correct::proposal(&connected.parts, &connected.seller, &of).await.expect("works");
    let codes = |reasons: Vec<Reason>| reasons.into_iter().map(|reason| reason.code).collect::<Vec<_>>();
    assert_eq!(codes(nothing.expect_err("is as it would be")), ["nothing-to-correct"]);

    // The second shipment's product is sold under another account from now on.
    let standing = invoices::invoices_of(&connected.parts, &connected.seller, &of).await.expect("reads");
    let [first, second] = standing.as_slice() else { panic!("{standing:?}") };
    let sku = second.document.lines().iter().find_map(|line| line.sku.clone()).expect("a product");
    let shared = first.document.lines().iter().any(|line| line.sku.as_ref() == Some(&sku));
    crate::support::recatalog(&mut connected.seller, sku.as_str(), "41900");
    let proposal = correct::proposal(&connected.parts, &connected.seller, &of).await.expect("works");
    let correction = proposal.unwrap_or_else(|reasons| panic!("{reasons:?}"));
    let (expected, invoice) = if shared { (first, "/1") } else { (second, "/2") };
    assert_eq!(correction.posted.document.key, expected.document.key);
    let new = correction.invoice.as_ref().expect("takes its place");
    assert_eq!((new.subject(), new.revision), (format!("{id}{invoice}").as_str(), 1));
    assert_eq!(new.total().expect("fits"), expected.document.total().expect("fits"));
    correct::plan(&connected.parts, &connected.seller, &correction).await.expect("plans");
    let later = connected.clock.now().saturating_add(SignedDuration::from_hours(30)).expect("in range");
    connected.run_until(later).await;
    for state in ["planned", "submitted", "unknown", "rejected"] {
        let left = connected.store.postings_in(&connected.seller.id, state, 10).await.expect("reads");
        assert!(left.is_empty(), "{state}: {left:?}");
    }
    let now = invoices::invoices_of(&connected.parts, &connected.seller, &of).await.expect("reads");
    let keys: Vec<_> = now.iter().map(|row| (row.document.key.clone(), row.document.revision)).collect();
    assert!(keys.contains(&(new.key.clone(), 1)) && now.len() == 2, "{keys:?}");
}
