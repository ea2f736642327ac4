//! Amazon's bad days: storms of 429, data sets that fail, slow bodies, cut connections, clocks that differ.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ml_connector_amazon::OrdersApi;
use ml_connector_domain::canonical::Transaction;
use ml_connector_domain::{Clock as _, Region};
use ml_connector_pipeline::backfill;
use ml_connector_pipeline::report::report;
use ml_connector_ports::{Account, AmazonSource as _, Ask, Pause, Stream, Urgency, Window};
use ml_connector_simulator::control::{AmazonFaults, FaultRates};
use ml_connector_simulator::scenario::ScenarioOptions;
use ml_connector_storage::{Backfill, Books as _, Store as _, Upkeep as _};

use crate::support::{Connected, Pauses, amazon_after, small};

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).expect("in range")
}

fn set(connected: &Connected, amazon: AmazonFaults) {
    connected.simulator.world.faults.set(FaultRates { amazon, ..FaultRates::default() });
}

/// How often all of Amazon's operations were answered with a status.
fn answered(connected: &Connected, status: &str) -> u64 {
    let requests = connected.simulator.world.journal.to_json();
    let operations = requests["amazon"].as_object().expect("operations").values();
    operations.filter_map(|by_status| by_status[status].as_u64()).sum()
}

/// 30 % of all calls are refused for an hour, and no answer says what the rate is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_429_loses_nothing_and_costs_few_retries() {
    let connected = Connected::start("storm", ScenarioOptions { orders_per_day: 30, ..small(51) }).await;
    let world = &connected.simulator.world;
    let begins = later(world.scenario.start, SignedDuration::from_hours(60));
    connected.run_until(begins).await;
    let before = (answered(&connected, "429"), answered(&connected, "200"));
    let ends = later(connected.clock.now(), SignedDuration::from_hours(1));
    set(&connected, AmazonFaults { throttle: 0.3, until: Some(ends), ..AmazonFaults::default() });
    // Often enough for an hour to show something.
    connected.run_every(SignedDuration::from_mins(3), ends).await;
    let refused = answered(&connected, "429") - before.0;
    let succeeded = answered(&connected, "200") - before.1;
    println!(
        "{refused} refused, {succeeded} answered: {:.2} retries for each success",
        refused as f64 / succeeded as f64
    );
    assert!(refused > 20 && refused < 2 * succeeded, "{refused} refused, {succeeded} answered");
    connected.run_until(later(world.scenario.end, SignedDuration::from_hours(24))).await;
    connected.assert_books_are_right();
    let figures = report(&*connected.store).await.expect("the store answers");
    assert_eq!(figures.orders.read, world.scenario.orders.len() as u64, "every order was read");
}

/// Where Amazon refuses a data set that an order can be booked without, it is left out; where it is needed, orders wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_data_set_is_dropped_or_waited_for() {
    let connected = Connected::start("data-set", small(52)).await;
    let world = &connected.simulator.world;
    set(&connected, AmazonFaults { refuse_data_set: Some("PACKAGES".to_owned()), ..AmazonFaults::default() });
    connected.set_clock(world.scenario.end).await;
    assert!(connected.poll(Region::Eu, Stream::Orders).await.records > 0, "read without ship dates");
    set(
        &connected,
        AmazonFaults { refuse_data_set: Some("FULFILLMENT".to_owned()), ..AmazonFaults::default() },
    );
    let window =
        Window { from: world.scenario.start, to: later(world.scenario.end, -SignedDuration::from_hours(1)) };
    let ask = Ask { stream: Stream::Orders, window, token: None, urgency: Urgency::Live };
    let error = connected.amazon.page(&connected.account(Region::Na), ask).await.expect_err("needed");
    assert!(error.to_string().starts_with("AMZ-DATA-SET"), "{error}");
    let cursor = connected.store.cursor(&connected.seller.id, Region::Na, "orders").await.expect("reads");
    assert!(cursor.is_none(), "nothing was passed over");
    set(&connected, AmazonFaults::default());
    assert!(connected.poll(Region::Na, Stream::Orders).await.records > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_cut_connections_and_a_clock_ahead_end_in_the_same_books() {
    let connected = Connected::start("weather", small(53)).await;
    let end = connected.simulator.world.scenario.end;
    // Amazon's clock is 25 s behind ours: our bounds must be old enough there, too.
    set(
        &connected,
        AmazonFaults { cut: 0.1, slow_body_ms: 5, clock_ahead_ms: -25_000, ..AmazonFaults::default() },
    );
    connected.run_until(later(end, SignedDuration::from_hours(48))).await;
    connected.assert_books_are_right();
    assert!(answered(&connected, "0") > 0, "no connection was cut: the test shows nothing");
}

/// A back-fill brings history that is kept and never booked, and goes on where it was interrupted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_fill_keeps_history_and_books_none_of_it() {
    let mut connected =
        Connected::start("backfill", ScenarioOptions { days: 20, orders_per_day: 20, ..small(54) }).await;
    let world = Arc::clone(&connected.simulator.world);
    let cut = later(world.scenario.start, SignedDuration::from_hours(40 * 24));
    connected.set_clock(later(world.scenario.end, SignedDuration::from_hours(24))).await;
    connected.seller.start_from = cut;
    let now = connected.clock.now();
    let of = |region| (connected.seller.id.clone(), region, Stream::Orders.as_str());
    let span = (world.scenario.start, cut);
    let jobs = Region::ALL.map(|region| Backfill::request(of(region), span, now, backfill::REQUESTED, now));
    connected.store.apply(jobs.to_vec()).await.expect("writes");
    // The first pages only: then the process ends.
    set(&connected, AmazonFaults { throttle: 1.0, ..AmazonFaults::default() });
    connected.run_until(later(now, SignedDuration::from_mins(10))).await;
    let stuck = connected.store.backfills(backfill::REQUESTED).await.expect("reads");
    assert!(stuck.iter().all(|backfill| backfill.done_at.is_none()));
    set(&connected, AmazonFaults::default());
    connected.run_until(later(now, SignedDuration::from_hours(3))).await;
    let done = connected.store.backfills(backfill::REQUESTED).await.expect("reads");
    assert!(done.iter().all(|backfill| backfill.done_at.is_some()), "{done:?}");
    let figures = report(&*connected.store).await.expect("the store answers");
    let all = world.scenario.orders.len() as u64;
    assert_eq!(figures.orders.history, all, "each once, and counted nowhere else");
    assert_eq!((figures.orders.read, figures.documents.invoices, figures.orders.review), (0, 0, 0));
    let unexpected = world.journal.all_unexpected();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

/// Fetching history waits; a poll of what is new does not, whoever's it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_holds_up_neither_its_own_sellers_polls_nor_anothers() {
    let connected = Connected::start("fair", ScenarioOptions { sellers: 2, ..small(57) }).await;
    let scenario = &connected.simulator.world.scenario;
    connected.set_clock(scenario.end).await;
    let of = |n: usize| Account { seller: scenario.sellers[n].id.as_str().into(), region: Region::Na };
    let window = Window { from: scenario.start, to: later(scenario.end, -SignedDuration::from_hours(1)) };
    let ask = |urgency| Ask { stream: Stream::Orders, window, token: None, urgency };
    let _guard = connected.clock.worker();
    let began = connected.clock.now();
    let page = async |n: usize, urgency| {
        connected.amazon.page(&of(n), ask(urgency)).await.expect("a page");
        connected.clock.now().duration_since(began).as_secs()
    };
    for _ in 0..17 {
        assert_eq!(page(0, Urgency::Backfill).await, 0, "the burst, less what is left in hand");
    }
    assert_eq!(page(1, Urgency::Live).await, 0, "another seller has limits of its own");
    assert_eq!(page(0, Urgency::Live).await, 0, "and this one's poll finds a call in hand");
    assert!(page(0, Urgency::Backfill).await > 100, "the backlog waits until it would leave two");
    assert_eq!(answered(&connected, "429"), 0);
}

/// A month after its end a settlement is read once more. What differs is a new version; where the settlement no longer
/// comes to what Amazon states, nothing is posted and a person is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_amazon_corrects_weeks_later_is_a_new_version_and_waits_for_a_person() {
    let connected = Connected::start("corrected", small(58)).await;
    let world = Arc::clone(&connected.simulator.world);
    let first_end = world.scenario.groups.iter().map(|group| group.end).min().expect("settlements");
    let first_end = Timestamp::from_millisecond(first_end).expect("in range");
    let days = |count: i64| SignedDuration::from_hours(24 * count);
    connected.run_until(later(first_end, days(29))).await;
    let corrected = world.scenario.transactions.iter().find(|transaction| {
        let group = transaction.group.map(|group| &world.scenario.groups[group]);
        transaction.items.is_empty() && group.is_some_and(|group| group.end == first_end.as_millisecond())
    });
    let id = corrected.expect("a fee").id.clone();
    let total = async || {
        let kept = connected.store.newest(&connected.seller.id, "transaction", &id).await.expect("reads");
        let kept = kept.expect("was read");
        let transaction: Transaction = serde_json::from_str(&kept.record).expect("reads");
        (transaction.total.minor, kept.stage)
    };
    let before = total().await;
    assert_eq!(before.1, "documented", "it is in its settlement's journal");
    set(&connected, AmazonFaults { amend: Some(id.clone()), ..AmazonFaults::default() });
    connected.run_until(later(first_end, days(31))).await;
    assert_eq!(
        total().await,
        (before.0 + 1, "booked".to_owned()),
        "the newest version is what Amazon says now"
    );
    let group = world.scenario.groups.iter().find(|group| group.end == first_end.as_millisecond());
    let group = group.expect("a settlement").id.clone();
    let open = connected.store.open_reviews(1_000).await.expect("reads");
    let item = open.iter().find(|item| item.subject == group).expect("waits for a person");
    assert_eq!(item.code, "does-not-foot");
    let journals =
        connected.store.journals_of(&connected.seller.id, &group.as_str().into()).await.expect("reads");
    assert_eq!(journals.len(), 1, "nothing more is journaled");
    connected.assert_books_are_right();
}

/// Finances v0 refuses a page that would be too large, as an invalid input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_would_be_too_large_is_read_in_smaller_ones() {
    let connected = Connected::start("large", ScenarioOptions { orders_per_day: 30, ..small(59) }).await;
    let world = Arc::clone(&connected.simulator.world);
    connected.set_clock(world.scenario.end).await;
    let _guard = connected.clock.worker();
    let of_na = world.scenario.groups.iter().filter(|group| group.region as usize == Region::Na as usize);
    let largest = of_na.max_by_key(|group| group.transactions).expect("settlements");
    let account = connected.account(Region::Na);
    let whole = connected.amazon.group_events(&account, &largest.id).await.expect("events");
    let before = answered(&connected, "400");
    set(&connected, AmazonFaults { page_bytes: Some(8_192), ..AmazonFaults::default() });
    let parts = connected.amazon.group_events(&account, &largest.id).await.expect("events");
    assert_eq!((before, parts.len()), (0, whole.len()));
    assert!(parts.iter().all(|event| whole.contains(event)), "the same events");
    assert!(answered(&connected, "400") > 0, "nothing was too large: the test shows nothing");
    set(&connected, AmazonFaults { page_bytes: Some(600), ..AmazonFaults::default() });
    let window =
        Window { from: world.scenario.start, to: later(world.scenario.end, -SignedDuration::from_hours(1)) };
    let ask = Ask { stream: Stream::Groups, window, token: None, urgency: Urgency::Live };
    let page = connected.amazon.page(&account, ask).await.expect("a page");
    assert!(page.records.len() < 100 && page.next.is_some(), "{}", page.records.len());
}

/// What an earlier process was told to wait for, the next one waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_waiting() {
    let connected = Connected::start("restart", small(56)).await;
    connected.set_clock(connected.simulator.world.scenario.end).await;
    let scenario = connected.simulator.world.scenario.for_the_operator();
    let pauses = Arc::new(Pauses::default());
    let process = || {
        let how = (OrdersApi::Current, false);
        amazon_after(&connected.simulator, &scenario, &connected.clock, how, Arc::clone(&pauses))
    };
    let span = (
        connected.simulator.world.scenario.start,
        later(connected.clock.now(), -SignedDuration::from_hours(1)),
    );
    let window = Window { from: span.0, to: span.1 };
    let ask = Ask { stream: Stream::Transactions, window, token: None, urgency: Urgency::Live };
    let account = connected.account(Region::Na);
    let guard = connected.clock.worker();
    set(&connected, AmazonFaults { throttle: 1.0, ..AmazonFaults::default() });
    let first = process();
    // A second worker is awake, so that the clock stands still: the first process ends in the middle of its wait.
    let awake = connected.clock.worker();
    let waiting = async {
        while pauses.first().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = first.page(&account, ask) => panic!("not throttled: {answer:?}"),
        () = waiting => {}
    }
    drop((first, awake));
    let pause = pauses.first().expect("it was kept");
    assert!(pause.attempt == 1 && pause.until >= connected.clock.now(), "{pause:?}");
    // However long it was told to wait.
    let until = later(connected.clock.now(), SignedDuration::from_mins(7));
    pauses.set_all(Pause { attempt: 1, until });
    set(&connected, AmazonFaults::default());
    process().page(&account, ask).await.expect("a page");
    assert!(connected.clock.now() >= until, "the next process did not wait");
    assert!(pauses.first().is_none(), "forgotten after the first success");
    drop(guard);
}

/// Asked for with the orders, and taken out in time: from the file, and from what SQLite leaves behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyer_data_is_gone_from_the_database_a_month_after_shipping() {
    let connected = Connected::start_as("buyer", small(55), OrdersApi::Current, true).await;
    let end = connected.simulator.world.scenario.end;
    let shown =
        || std::fs::read(connected.database()).map(|bytes| contains(&bytes, b"Quillfeather")).expect("reads");
    connected
        .run_until(later(connected.simulator.world.scenario.start, SignedDuration::from_hours(72)))
        .await;
    connected.store.empty_the_log().await.expect("empties");
    assert!(shown(), "it is there while it may be: the test shows something");
    connected.run_until(later(end, SignedDuration::from_hours(24))).await;
    connected.assert_books_are_right();
    assert!(!shown(), "still in the database file");
    let log = std::fs::read(format!("{}-wal", connected.database().display())).unwrap_or_default();
    assert!(!contains(&log, b"Quillfeather"), "still in the log");
    let shipped = connected.simulator.world.scenario.orders.iter().find(|order| order.shipped().is_some());
    let story = connected.store.story(&[shipped.expect("one").id.clone()]).await.expect("reads");
    assert!(story.iter().any(|event| event.action == "redacted"), "the audit says so");
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
