//! The day of an invoice is the seller's choice: of purchase, of shipment, or of the day on which Amazon posted its money.

use jiff::Timestamp;
use ml_connector_domain::Date;
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::ledger::InvoiceDate;
use ml_connector_simulator::scenario::{Order, Scenario};
use ml_connector_storage::{AuditLog as _, Store as _};

use crate::support::{Connected, small};

/// All invoices of a month under a policy, in books that are right.
async fn invoices(name: &str, seed: u64, policy: InvoiceDate) -> (Connected, Vec<Document>) {
    let mut connected = Connected::start(name, small(seed)).await;
    connected.seller.ledger.invoice_date = policy;
    connected.run_until(connected.simulator.world.scenario.end).await;
    connected.assert_books_are_right();
    let seller = &connected.seller.id;
    let all = connected.store.confirmed_documents(Date::MIN, Date::MAX, Some(seller)).await.expect("reads");
    let invoice = |document: &Document| matches!(document.body, Body::Invoice { .. });
    let found: Vec<Document> = all.into_iter().map(|one| one.row.document).filter(invoice).collect();
    assert!(found.len() > 10, "{} invoices", found.len());
    (connected, found)
}

/// An order's invoice is dated by one of its times.
fn assert_dated(
    connected: &Connected,
    invoices: &[Document],
    time: impl Fn(&Scenario, (usize, &Order), Option<u32>) -> i64,
) {
    let scenario = &connected.simulator.world.scenario;
    for invoice in invoices {
        let Body::Invoice { order: id, shipment, .. } = &invoice.body else { continue };
        let number = shipment.as_ref().map(|shipment| shipment.number);
        let mut orders = scenario.orders.iter().enumerate();
        let (place, order) = orders.find(|(_, order)| order.id == id.as_str()).expect("a known order");
        let at = Timestamp::from_millisecond(time(scenario, (place, order), number)).expect("in range");
        assert_eq!(invoice.date, connected.seller.day(at), "order {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_purchase_an_invoice_bears_the_day_on_which_the_buyer_ordered() {
    let (connected, found) = invoices("by-purchase", 91, InvoiceDate::Purchased).await;
    assert_dated(&connected, &found, |_, (_, order), _| order.timeline[0].0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_posting_an_invoice_waits_for_amazons_money_and_bears_its_day() {
    let (connected, found) = invoices("by-posting", 92, InvoiceDate::Posted).await;
    let posted = |scenario: &Scenario, (place, _): (usize, &Order), number: Option<u32>| {
        let of_order = scenario.transactions.iter().filter(|one| one.order == Some(place));
        let shipments = of_order.filter(|one| one.kind == "Shipment" && one.deferred.is_none());
        let mut times: Vec<i64> = shipments.map(|one| one.posted).collect();
        times.sort_unstable();
        number.map_or(times[times.len() - 1], |number| times[number as usize - 1])
    };
    assert_dated(&connected, &found, posted);
    let moved = |invoice: &&Document| {
        let Body::Invoice { order: id, .. } = &invoice.body else { return false };
        let order = connected.simulator.world.scenario.orders.iter().find(|order| order.id == id.as_str());
        let shipped = order.and_then(Order::shipped).expect("shipped");
        connected.seller.day(Timestamp::from_millisecond(shipped).expect("in range")) != invoice.date
    };
    assert!(
        found.iter().any(|invoice| moved(&invoice)),
        "all were posted on the day of shipment: nothing is shown"
    );
    let held = connected.store.at_stage(&connected.seller.id, "order", "held", 10).await.expect("reads");
    assert_eq!(held, Vec::<String>::new(), "nothing waits any more");
}
