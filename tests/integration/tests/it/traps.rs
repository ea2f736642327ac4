//! What Amazon does that its documentation does not say, or says where nobody looks: one test for each.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::{OrdersApi, marketplace, notification};
use ml_connector_domain::canonical::{Order, SettlementReport};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Clock as _, Money, Region};
use ml_connector_pipeline::{normalize, stage};
use ml_connector_ports::{AmazonSource as _, Ask, SourceError, Stream, Urgency, Window};
use ml_connector_remote::{HttpClient, HttpOptions, Request};
use ml_connector_simulator::control::{AmazonFaults, FaultRates};
use ml_connector_simulator::scenario::{self, Currency, ScenarioOptions};
use ml_connector_storage::{Change, Store as _, Upkeep as _};
use serde_json::Value;

use crate::support::{Connected, amazon, small};

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).expect("in range")
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// A pipeline at the end of its scenario: everything has happened, nothing has been read.
async fn at_the_end(name: &str, options: ScenarioOptions) -> Connected {
    let connected = Connected::start(name, options).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    connected
}

/// A whole span of the scenario in one window.
fn ask(connected: &Connected, stream: Stream) -> Ask<'static> {
    let scenario = &connected.simulator.world.scenario;
    let window = Window { from: scenario.start, to: later(scenario.end, -hours(1)) };
    Ask { stream, window, token: None, urgency: Urgency::Live }
}

fn count(connected: &Connected, operation: &str, status: &str) -> u64 {
    connected.simulator.world.journal.to_json()["amazon"][operation][status].as_u64().unwrap_or(0)
}

fn assert_nothing_malformed(connected: &Connected) {
    let unexpected = connected.simulator.world.journal.all_unexpected();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

/// Reads all payloads of a stream by the poller, as `(id, JSON)`.
async fn read_all(connected: &Connected, stream: Stream) -> Vec<(String, String)> {
    for region in Region::ALL {
        connected.poll(region, stream).await;
    }
    let raw = connected.store.pending_raw_of(&connected.seller.id, stream.as_str(), 100_000).await;
    raw.expect("reads").into_iter().map(|raw| (raw.natural_id, raw.body)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_an_expired_token_is_answered_with_403() {
    let connected = at_the_end("trap01", small(21)).await;
    let account = connected.account(Region::Na);
    let _guard = connected.clock.worker();
    connected.amazon.page(&account, ask(&connected, Stream::Orders)).await.expect("a page");
    // Amazon's clock runs ahead of ours: the token is over there and not here.
    let ahead = later(connected.clock.now(), hours(2));
    assert!(connected.simulator.world.clock.set(ahead));
    connected.amazon.page(&account, ask(&connected, Stream::Orders)).await.expect("a page all the same");
    assert_eq!((count(&connected, "searchOrders", "403"), count(&connected, "token", "200")), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_a_token_for_restricted_data_expires_in_the_same_way() {
    // Few enough for the burst: Amazon's clock, once ahead, must not be waited for.
    let few = ScenarioOptions { orders_per_day: 3, ..small(41) };
    let connected = Connected::start_as("trap01v0", few, OrdersApi::V0, false).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    let account = connected.account(Region::Na);
    let _guard = connected.clock.worker();
    let first = connected.amazon.page(&account, ask(&connected, Stream::Orders)).await.expect("a page");
    let ahead = later(connected.clock.now(), hours(2));
    assert!(connected.simulator.world.clock.set(ahead));
    let again = connected.amazon.page(&account, ask(&connected, Stream::Orders)).await;
    assert_eq!(again.expect("a page all the same").records, first.records);
    let restricted = |status| count(&connected, "createRestrictedDataToken", status);
    assert_eq!((restricted("200"), count(&connected, "getOrderItems", "403")), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_02_login_with_amazon_refuses_in_words_of_its_own() {
    let connected = at_the_end("trap02", small(22)).await;
    let rows = [
        ("/application/client_secret", "AMZ-LWA-CLIENT"),
        ("/sellers/0/authorizations/0/refresh_token", "AMZ-LWA-REVOKED"),
    ];
    for (pointer, code) in rows {
        let mut scenario = connected.simulator.world.scenario.for_the_operator();
        *scenario.pointer_mut(pointer).expect(pointer) = Value::from("Atzr|wrong");
        let client = amazon(&connected.simulator, &scenario, &connected.clock, (OrdersApi::Current, false));
        let error = client.page(&connected.account(Region::Na), ask(&connected, Stream::Orders)).await;
        let error = error.expect_err("refused");
        assert!(matches!(error, SourceError::Refused { .. }), "a person has to act: {error}");
        assert!(error.to_string().starts_with(code), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_03_orders_are_searched_once_in_three_minutes_after_a_burst_of_20() {
    let connected = at_the_end("trap03", small(23)).await;
    let _guard = connected.clock.worker();
    let began = connected.clock.now();
    for _ in 0..26 {
        let page =
            connected.amazon.page(&connected.account(Region::Eu), ask(&connected, Stream::Orders)).await;
        page.expect("a page");
    }
    let took = connected.clock.now().duration_since(began).as_secs();
    assert!((6 * 178..6 * 181).contains(&took), "six calls beyond the burst took {took} s");
    assert_eq!(count(&connected, "searchOrders", "429"), 0, "Amazon had nothing to refuse");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_orders_v0_leaves_restricted_data_out_without_a_word() {
    let options = ScenarioOptions { orders_per_day: 40, ..small(24) };
    let connected = Connected::start_as("trap04", options, OrdersApi::V0, false).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    let old: Vec<Order> = read_all(&connected, Stream::Orders)
        .await
        .iter()
        .map(|(id, json)| connected.amazon.order(json).unwrap_or_else(|error| panic!("{id}: {error}")))
        .collect();
    let wrapped = old.iter().flat_map(|order| &order.items).flat_map(|item| &item.charges);
    assert!(wrapped.filter(|charge| charge.kind == "GIFT_WRAP").count() > 0, "gift wrap has its price");
    assert!(count(&connected, "createRestrictedDataToken", "200") > 0);
    // The other version tells the same orders, line by line.
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let client = amazon(&connected.simulator, &scenario, &connected.clock, (OrdersApi::Current, false));
    let mut compared = 0;
    for region in Region::ALL {
        let _guard = connected.clock.worker();
        let page =
            client.page(&connected.account(region), ask(&connected, Stream::Orders)).await.expect("a page");
        for record in page.records {
            let new = client.order(&record.json).expect("reads");
            let old = old.iter().find(|order| order.id == new.id).expect("both versions know it");
            let plain = |order: &Order| -> BTreeMap<(String, String), i64> {
                let lines = order.items.iter().flat_map(|item| item.charges.iter().map(move |c| (item, c)));
                lines
                    .map(|(item, c)| ((item.id.as_str().to_owned(), c.kind.clone()), c.amount.minor))
                    .collect()
            };
            assert_eq!(
                (plain(old), old.total, &old.status),
                (plain(&new), new.total, &new.status),
                "{}",
                new.id
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    assert_nothing_malformed(&connected);
}

/// Asked for, it comes; and is taken out like any other, while the money beside it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_buyer_data_of_orders_v0_comes_by_a_token_of_its_own() {
    let connected = Connected::start_as("trap04buyer", small(42), OrdersApi::V0, true).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    let (mut shown, mut wrapped) = (0, 0);
    for (id, json) in read_all(&connected, Stream::Orders).await {
        shown += usize::from(json.contains("\"BuyerName\":\"Perdita Quillfeather"));
        wrapped += usize::from(json.contains("GiftWrapPrice"));
        let without = connected.amazon.without_buyer_data(&json).expect("reads");
        assert!(!without.contains("Quillfeather"), "{id}: {without}");
        assert_eq!(
            connected.amazon.order(&without).expect("reads"),
            connected.amazon.order(&json).expect("reads"),
            "{id}"
        );
    }
    assert!(shown > 20 && wrapped > 0, "{shown} {wrapped}");
    assert_nothing_malformed(&connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_05_a_reports_token_travels_alone_and_all_others_with_everything() {
    let options = ScenarioOptions { days: 40, orders_per_day: 30, ..small(25) };
    let connected = at_the_end("trap05", options).await;
    let _guard = connected.clock.worker();
    let follow = async |region, stream| {
        let (mut token, mut pages): (Option<String>, u32) = (None, 0);
        loop {
            let ask = Ask { token: token.as_deref(), ..ask(&connected, stream) };
            let page = connected.amazon.page(&connected.account(region), ask).await;
            pages += 1;
            token = page.unwrap_or_else(|error| panic!("{stream:?}, page {pages}: {error}")).next;
            if token.is_none() {
                return pages;
            }
        }
    };
    let streams = [
        (Region::Eu, Stream::Reports),
        (Region::Na, Stream::Orders),
        (Region::Na, Stream::Transactions),
        (Region::Eu, Stream::Payouts),
    ];
    for (region, stream) in streams {
        let pages = follow(region, stream).await;
        assert!(pages > 1, "{stream:?}: no token was sent: the test shows nothing");
    }
    assert_nothing_malformed(&connected);
    // Of settlements there are so few that only small pages have a successor.
    let amazon = AmazonFaults { page_bytes: Some(600), ..AmazonFaults::default() };
    connected.simulator.world.faults.set(FaultRates { amazon, ..FaultRates::default() });
    assert!(follow(Region::Na, Stream::Groups).await > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_06_a_span_of_more_than_180_days_comes_back_empty_and_is_no_error() {
    let mut connected = at_the_end("trap06", small(26)).await;
    let scenario = &connected.simulator.world.scenario;
    let from = later(scenario.start, -hours(400 * 24));
    let window = Window { from, to: later(scenario.end, -hours(1)) };
    let whole = Ask { window, ..ask(&connected, Stream::Transactions) };
    let page = connected.amazon.page(&connected.account(Region::Na), whole).await.expect("no error");
    assert_eq!((page.records.len(), page.next), (0, None), "the trap is there");
    connected.seller.start_from = from;
    let read = read_all(&connected, Stream::Transactions).await;
    assert_eq!(read.len(), connected.simulator.world.scenario.transactions.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_07_an_empty_page_may_have_a_successor() {
    let connected = at_the_end("trap07", small(27)).await;
    let page = connected.amazon.page(&connected.account(Region::Eu), ask(&connected, Stream::Payouts)).await;
    let page = page.expect("a page");
    assert!(page.records.is_empty() && page.next.is_some(), "the trap is there");
    let scenario = &connected.simulator.world.scenario;
    let paid = scenario.groups.iter().filter(|group| group.transactions > 0).count();
    assert_eq!(read_all(&connected, Stream::Payouts).await.len(), paid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_08_deferred_money_and_its_release_are_booked_once() {
    let connected = Connected::start("trap08", ScenarioOptions { orders_per_day: 20, ..small(28) }).await;
    let scenario = &connected.simulator.world.scenario;
    let held = |at: i64| {
        let deferred = scenario.transactions.iter().filter(|t| t.released.is_some());
        deferred.filter(move |t| t.visible < at - 13 * 3_600_000).map(|t| t.id.clone())
    };
    let soon = later(scenario.start, hours(5 * 24));
    connected.run_until(soon).await;
    let waiting = connected.store.at_stage(&connected.seller.id, "transaction", stage::WAITING, 10_000).await;
    let waiting = waiting.expect("reads");
    for id in held(soon.as_millisecond()) {
        assert!(waiting.iter().any(|json| json.contains(&id)), "{id} does not wait for its release");
    }
    assert!(!waiting.is_empty());
    connected.run_until(scenario.end).await;
    let twins =
        connected.simulator.world.scenario.transactions.iter().filter(|t| t.released.is_some()).count();
    let linked = connected.store.at_stage(&connected.seller.id, "transaction", stage::LINKED, 10_000).await;
    assert_eq!(linked.expect("reads").len(), twins, "each deferred one stands aside for its release");
    assert!(twins > 0);
    connected.assert_books_are_right();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_09_of_two_cuts_of_the_same_money_one_is_read() {
    let connected = at_the_end("trap09", small(29)).await;
    let mut both = 0;
    for (id, json) in read_all(&connected, Stream::Transactions).await {
        let wire: Value = serde_json::from_str(&json).expect("JSON");
        let filled = |name: &str| wire[name].as_array().is_some_and(|list| !list.is_empty());
        both += usize::from(filled("items") && filled("breakdowns"));
        let transaction = connected.amazon.transaction(&json).unwrap_or_else(|error| panic!("{id}: {error}"));
        let legs = transaction.legs.iter().map(|leg| leg.amount);
        assert_eq!(
            Money::sum(transaction.total.currency, legs).expect("one currency"),
            transaction.total,
            "{id}"
        );
    }
    assert!(both > 0, "the trap is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_a_marketplace_would_hide_what_american_merchants_ship_themselves() {
    let connected = at_the_end("trap10", ScenarioOptions { orders_per_day: 20, ..small(30) }).await;
    let scenario = &connected.simulator.world.scenario;
    let by_merchant: HashSet<&str> = scenario
        .transactions
        .iter()
        .filter(|t| t.marketplace.currency == Currency::Usd)
        .filter(|t| t.order.is_some_and(|order| scenario.orders[order].by_merchant()))
        .map(|t| t.id.as_str())
        .collect();
    assert!(!by_merchant.is_empty(), "the trap is there");
    let read = read_all(&connected, Stream::Transactions).await;
    let found: HashSet<&str> = read.iter().map(|(id, _)| id.as_str()).collect();
    assert!(by_merchant.is_subset(&found));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_11_amounts_are_numbers_here_and_strings_there_and_exact_in_both() {
    let connected = at_the_end("trap11", small(31)).await;
    let scenario = &connected.simulator.world.scenario;
    let (mut numbers, mut strings) = (0, 0);
    for (id, json) in read_all(&connected, Stream::Transactions).await {
        let wire: Value = serde_json::from_str(&json).expect("JSON");
        numbers += usize::from(wire["totalAmount"]["currencyAmount"].is_number());
        let own = scenario.transactions.iter().find(|t| t.id == id).expect("known");
        assert_eq!(connected.amazon.transaction(&json).expect("reads").total.minor, own.total(), "{id}");
    }
    for (id, json) in read_all(&connected, Stream::Orders).await {
        let wire: Value = serde_json::from_str(&json).expect("JSON");
        let Some(total) = connected.amazon.order(&json).expect("reads").total else { continue };
        strings += usize::from(wire["proceeds"]["grandTotal"]["amount"].is_string());
        let own = scenario.orders.iter().find(|order| order.id == id).expect("known");
        assert_eq!(total.minor, own.total(), "{id}");
    }
    assert!(numbers > 0 && strings > 0, "{numbers} {strings}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_12_events_of_finances_v0_have_no_id_and_refunds_hide_among_adjustments() {
    let connected = at_the_end("trap12", ScenarioOptions { orders_per_day: 30, ..small(32) }).await;
    let _guard = connected.clock.worker();
    let scenario = &connected.simulator.world.scenario;
    let (mut refunded, mut undated, mut ids) = (0, 0, HashSet::new());
    for group in scenario.groups.iter().filter(|group| group.transactions > 0) {
        let region = Region::ALL[group.region as usize];
        let events =
            connected.amazon.group_events(&connected.account(region), &group.id).await.expect("events");
        let again =
            connected.amazon.group_events(&connected.account(region), &group.id).await.expect("events");
        assert_eq!(events, again, "a second reading names the same events alike");
        let sum: i64 = events.iter().flat_map(|event| &event.amounts).map(|amount| amount.minor).sum();
        assert_eq!(sum, group.total, "{}", group.id);
        for event in events {
            refunded += usize::from(event.list == "RefundEventList" && !event.items.is_empty());
            undated += usize::from(event.posted.is_none());
            assert!(ids.insert((group.id.clone(), event.id)), "two events of one name");
        }
    }
    assert!(refunded > 0 && undated > 0, "{refunded} {undated}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_13_settlement_reports_are_found_not_asked_for_and_outlive_amazons_90_days() {
    let connected = Connected::start("trap13", small(33)).await;
    let end = connected.simulator.world.scenario.end;
    connected.run_until(later(end, hours(48))).await;
    let scenario = &connected.simulator.world.scenario;
    let closed = scenario.groups.iter().filter(|group| group.transactions > 0).count();
    connected.set_clock(later(end, hours(100 * 24))).await;
    assert_eq!(connected.poll(Region::Na, Stream::Reports).await.records, 0, "Amazon has forgotten them");
    let mut kept = 0;
    for n in 0..scenario.groups.len() {
        let file =
            connected.store.report_file(&connected.seller.id, &format!("50{n:08}")).await.expect("reads");
        kept += usize::from(file.is_some());
    }
    assert_eq!(kept, closed, "each is kept");
    assert_eq!(count(&connected, "createReport", "400"), 0);
    assert_nothing_malformed(&connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_14_every_marketplace_writes_its_settlement_report_in_its_own_way() {
    let connected = at_the_end("trap14", ScenarioOptions { orders_per_day: 20, ..small(34) }).await;
    let _guard = connected.clock.worker();
    let scenario = &connected.simulator.world.scenario;
    let mut seen = HashSet::new();
    for region in Region::ALL {
        let account = connected.account(region);
        let page = connected.amazon.page(&account, ask(&connected, Stream::Reports)).await.expect("a page");
        for record in page.records {
            let file = connected.amazon.report_file(&account, &record.json).await.expect("a file");
            assert!(!file.starts_with(&[0x1f, 0x8b]), "still packed");
            let report = connected
                .amazon
                .settlement_report(&file)
                .unwrap_or_else(|e| panic!("{}: {e}", record.natural_id));
            let n: usize = report.settlement[1..].parse().expect("a settlement's number");
            let group = &scenario.groups[n];
            assert_eq!(
                (report.total.minor, report.start.as_millisecond(), report.end.as_millisecond()),
                (group.total, group.start, group.end)
            );
            seen.insert(report.total.currency.code().to_owned());
            // Labels survive whatever character set they came in.
            let label = if region == Region::Fe { Some("商品代金") } else { None };
            let sold = report.sums.iter().any(|sum| sum.label.starts_with("Order / "));
            assert!(
                label.is_none_or(|label| !sold || report.sums.iter().any(|sum| sum.label.contains(label)))
            );
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_15_a_settlements_id_is_not_its_groups_and_payouts_are_the_bridge() {
    let connected = Connected::start("trap15", small(35)).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    let (store, seller) = (&connected.store, &connected.seller.id);
    let mut missing = 0;
    let scenario = &connected.simulator.world.scenario;
    for (n, group) in scenario.groups.iter().enumerate().filter(|(_, group)| group.transactions > 0) {
        let settlement = format!("1{n:010}");
        for kind in ["report", "payout"] {
            assert!(store.newest_about(seller, kind, &group.id).await.expect("reads").is_none(), "{kind}");
            assert!(
                store.newest_about(seller, kind, &settlement).await.expect("reads").is_some(),
                "{kind} {settlement}"
            );
        }
        let report =
            store.newest_about(seller, "report", &settlement).await.expect("reads").expect("is there");
        let report: SettlementReport = serde_json::from_str(&report.record).expect("reads");
        assert_eq!(report.total.minor, group.total);
        missing += usize::from(group.total_missing);
    }
    assert!(missing > 0, "some groups state no total: the report bears witness for them");
    connected.assert_books_are_right();
}

/// A group that states no total is journaled by its settlement report's, which is found by the settlement's id only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_15_a_report_over_the_bridge_is_heard_where_the_group_says_nothing() {
    // Nothing else keeps a settlement waiting.
    let options = ScenarioOptions { unmapped_percent: 0, ..small(43) };
    let connected = Connected::start("trap15witness", options).await;
    let scenario = &connected.simulator.world.scenario;
    let silent = |group: &&scenario::Group| group.transactions > 0 && group.total_missing;
    let group = scenario.groups.iter().find(silent).expect("some state no total");
    let n = scenario.groups.iter().position(|own| own.id == group.id).expect("is there");
    let settlement = format!("1{n:010}");
    let closed = Timestamp::from_millisecond(group.end).expect("in range");
    connected.run_until(later(closed, hours(30))).await;
    let kept = connected.store.newest_about(&connected.seller.id, "report", &settlement).await;
    let mut report: SettlementReport =
        serde_json::from_str(&kept.expect("reads").expect("archived").record).expect("reads");
    report.total.minor += 1;
    // As if made of the same listing, which will be seen again.
    let region = Region::ALL[group.region as usize];
    let window = Window { from: later(closed, -hours(1)), to: later(connected.clock.now(), -hours(1)) };
    let listed = Ask { window, ..ask(&connected, Stream::Reports) };
    let listed = {
        let _guard = connected.clock.worker();
        connected.amazon.page(&connected.account(region), listed).await.expect("a page").records
    };
    let listed = listed.iter().find(|listed| listed.natural_id == format!("50{n:08}")).expect("is listed");
    let change = Change::Canonical {
        seller: connected.seller.id.clone(),
        kind: "report",
        natural_id: format!("50{n:08}"),
        region,
        record: serde_json::to_string(&report).expect("writes"),
        raw: ContentHash::of(listed.json.as_bytes()),
        stage: stage::SKIPPED,
        group: None,
        economic_id: settlement,
        at: connected.clock.now(),
    };
    connected.store.apply(vec![change]).await.expect("writes");
    connected.run_until(scenario.end).await;
    let open = connected.store.open_reviews(1_000).await.expect("reads");
    let item = open.iter().find(|item| item.subject == group.id).expect("waits for a person");
    assert_eq!(item.code, "does-not-foot");
    assert!(item.message.contains("its settlement report says"), "{}", item.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_16_prices_include_vat_in_europe_and_japan_and_exclude_tax_in_america() {
    let connected = Connected::start("trap16", ScenarioOptions { orders_per_day: 20, ..small(36) }).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    let mut places = HashSet::new();
    for row in connected.store.postings_in(&connected.seller.id, "confirmed", 10_000).await.expect("reads") {
        let ml_connector_domain::document::Body::Invoice { lines, .. } = &row.document.body else { continue };
        let sum = lines.iter().map(|line| line.amount.minor).sum::<i64>();
        assert_eq!(sum, row.expected.minor, "the buyer pays no more than Amazon says");
        let vat: i64 =
            lines.iter().filter(|line| line.description.starts_with("VAT")).map(|l| l.amount.minor).sum();
        let percent = match row.document.currency.code() {
            "USD" => 0,
            "GBP" => 20,
            "EUR" => 19,
            _ => 10,
        };
        // Out of the price, not on top of it; rounded line by line.
        let wanted = sum * percent / (100 + percent);
        assert!(
            (vat - wanted).abs() <= i64::try_from(lines.len()).expect("few"),
            "{vat} of {sum} at {percent} %"
        );
        places.insert(percent);
    }
    assert_eq!(places.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_17_discounts_come_with_either_sign_and_are_taken_off() {
    let mut signs = HashSet::new();
    for seed in 37..60 {
        let options = ScenarioOptions { orders_per_day: 12, days: 3, ..small(seed) };
        let negative = scenario::Scenario::generate(options).sellers[0].discounts_negative;
        if !signs.insert(negative) {
            continue;
        }
        let connected = at_the_end(&format!("trap17-{seed}"), options).await;
        let mut discounts = 0;
        for (id, json) in read_all(&connected, Stream::Orders).await {
            let order = connected.amazon.order(&json).unwrap_or_else(|error| panic!("{id}: {error}"));
            let charges = order.items.iter().flat_map(|item| &item.charges);
            let off: Vec<i64> = charges.filter(|c| c.kind == "DISCOUNT").map(|c| c.amount.minor).collect();
            assert!(off.iter().all(|minor| *minor < 0), "{id}: {off:?}");
            discounts += off.len();
        }
        assert!(discounts > 0, "seed {seed}");
        if signs.len() == 2 {
            return;
        }
    }
    panic!("no seed of either sign");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_18_enumerations_are_open_and_some_marketplaces_are_no_shops() {
    let connected = Connected::start("trap18", ScenarioOptions { orders_per_day: 20, ..small(38) }).await;
    connected.run_until(connected.simulator.world.scenario.end).await;
    let places = {
        let _guard = connected.clock.worker();
        connected.amazon.participations(&connected.account(Region::Na)).await.expect("a list")
    };
    let shops: Vec<&str> = places
        .iter()
        .filter(|place| !marketplace::is_pseudo(place.marketplace.as_str(), &place.name))
        .map(|place| place.marketplace.as_str())
        .collect();
    assert_eq!((places.len(), shops), (3, vec!["ATVPDKIKX0DER"]));
    // Orders from elsewhere are skipped, not invoiced and not in review.
    let elsewhere = connected.simulator.world.scenario.orders.iter().filter(|order| order.elsewhere);
    let mut seen = 0;
    for order in elsewhere {
        let found = connected.store.newest(&connected.seller.id, "order", &order.id).await.expect("reads");
        assert_eq!(found.expect("was read").stage, stage::SKIPPED, "{}", order.id);
        let story = connected.store.story(std::slice::from_ref(&order.id)).await.expect("reads");
        assert!(story.iter().any(|event| event.detail.contains("sold elsewhere")), "{story:?}");
        seen += 1;
    }
    assert!(seen > 0);
    // A value that no model lists is data, not an error.
    let json = r#"{"orderId":"1","createdTime":"2026-09-01T10:00:00Z","lastUpdatedTime":"2026-09-01T10:00:00Z","programs":["NEW"],
        "salesChannel":{"channelName":"SOMEWHERE","marketplaceId":"A0NEW"},"fulfillment":{"fulfillmentStatus":"INVOICE_UNCONFIRMED"},"orderItems":[]}"#;
    assert_eq!(connected.amazon.order(json).expect("reads").status, "INVOICE_UNCONFIRMED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_19_a_400_may_be_a_page_and_a_get_must_announce_no_body() {
    let connected = at_the_end("trap19", small(39)).await;
    let account = connected.account(Region::Na);
    let amazon = AmazonFaults { html_error: 1.0, ..AmazonFaults::default() };
    connected.simulator.world.faults.set(FaultRates { amazon, ..FaultRates::default() });
    let error =
        connected.amazon.page(&account, ask(&connected, Stream::Groups)).await.expect_err("a page of HTML");
    assert!(error.to_string().contains("no error object"), "{error}");
    connected.simulator.world.faults.set(FaultRates::default());
    connected.amazon.page(&account, ask(&connected, Stream::Groups)).await.expect("a page");
    // The simulator answers a GET that announces a body with HTML, and notes it.
    assert_nothing_malformed(&connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_20_a_transaction_update_names_no_transaction_and_only_nudges() {
    let connected = at_the_end("trap20", small(40)).await;
    let http = HttpClient::new(HttpOptions {
        user_agent: "test/1".to_owned(),
        connect_timeout: std::time::Duration::from_secs(5),
        timeout: std::time::Duration::from_secs(5),
        body_bytes_max: 1 << 20,
        exchanges_max: 1,
        loopback_http: true,
    })
    .expect("a client");
    let url = format!("{}/control/notification", connected.simulator.urls.control);
    let body = String::from_utf8(http.send(Request::get(url)).await.expect("answers").body).expect("text");
    assert!(!body.contains("transactionId") && !body.contains("TransactionId"), "the trap is there: {body}");
    let nudge = notification::parse(&body).expect("reads").expect("a nudge");
    assert_eq!((&nudge.seller, nudge.stream), (&connected.seller.id, Stream::Transactions));
    let read = read_all(&connected, nudge.stream).await;
    let scenario = &connected.simulator.world.scenario;
    assert_eq!(read.len(), scenario.transactions.len(), "what is kept comes from listTransactions");
    normalize::normalize(&connected.parts, &connected.seller).await.expect("normalizes");
    let newest = scenario.transactions.iter().max_by_key(|t| t.visible).expect("some");
    let kept = connected.store.newest(&connected.seller.id, "transaction", &newest.id).await.expect("reads");
    assert!(kept.is_some());
}
