//! Stand-ins: nothing is asked of Amazon, Fusion knows every account, and orders become an invoice of one line.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use ml_connector_domain::canonical::{
    Group, Order, Participation, Payout, Product, SettlementReport, Transaction,
};
use ml_connector_domain::document::{Document, Kind};
use ml_connector_domain::id::{ContentHash, FusionId};
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::{
    BatchContext, DocumentLine, LineClass, Mapped, MapperIdentity, OrderOutcome, Reason, TransactionOutcome,
};
use ml_connector_domain::reconcile::{Observed, Sent};
use ml_connector_domain::refusal::Refusal as FusionRefusal;
use ml_connector_domain::validate::{Module, Period, PeriodStatus};
use ml_connector_domain::{Clock, Date, MarketplaceId, Region, SellerId, Sku, Timestamp};
use ml_connector_ports::{
    Account, AmazonSource, Answer, Ask, JobStatus, Mapper, MapperFault, Page, Shown, SourceError, Target,
    Unreadable,
};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::{Actions, Admitted, Refusal};

/// A clock that stands where it is put.
pub(super) struct SetClock {
    /// Seconds since 1970.
    pub(super) now: AtomicI64,
    /// The latest time that somebody sleeps until.
    pub(super) asleep_until: AtomicI64,
    /// Wakes whoever waits for one of them.
    moved: Notify,
}

impl SetClock {
    /// One that shows this many seconds since 1970.
    pub(super) fn at(seconds: i64) -> Self {
        Self { now: AtomicI64::new(seconds), asleep_until: AtomicI64::new(0), moved: Notify::new() }
    }

    /// Moves it.
    pub(super) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Before it is looked at: nothing that moves in between is missed.
            moved.as_mut().enable();
            if holds(self) {
                return;
            }
            moved.await;
        }
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now.load(Ordering::SeqCst)).expect("in range")
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.asleep_until.fetch_max(deadline.as_second(), Ordering::SeqCst);
        self.moved.notify_waiters();
        Box::pin(self.until(move |clock| clock.now() >= deadline))
    }
}

fn unasked() -> SourceError {
    SourceError::Refused { code: "TEST", message: "nothing is asked for here".to_owned() }
}

fn unreadable<T>() -> Result<T, Unreadable> {
    Err(Unreadable { path: "$".to_owned(), message: "nothing is read here".to_owned() })
}

/// Amazon.
pub(super) struct Nothing;

#[async_trait]
impl AmazonSource for Nothing {
    async fn page(&self, _: &Account, _: Ask<'_>) -> Result<Page, SourceError> {
        Err(unasked())
    }

    async fn report_file(&self, _: &Account, _: &str) -> Result<Vec<u8>, SourceError> {
        Err(unasked())
    }

    async fn participations(&self, _: &Account) -> Result<Vec<Participation>, SourceError> {
        Err(unasked())
    }

    async fn products(&self, _: &Account, _: &MarketplaceId, _: &[Sku]) -> Result<Vec<Product>, SourceError> {
        Err(unasked())
    }

    fn order(&self, _: &str) -> Result<Order, Unreadable> {
        unreadable()
    }

    fn transaction(&self, _: &str) -> Result<Transaction, Unreadable> {
        unreadable()
    }

    fn group(&self, _: &str) -> Result<Group, Unreadable> {
        unreadable()
    }

    fn payout(&self, _: &str) -> Result<Payout, Unreadable> {
        unreadable()
    }

    fn settlement_report(&self, _: &[u8]) -> Result<SettlementReport, Unreadable> {
        unreadable()
    }

    fn without_buyer_data(&self, _: &str) -> Result<String, Unreadable> {
        unreadable()
    }
}

#[async_trait]
impl Target for Nothing {
    async fn send(&self, _: &LedgerSetup, _: &Document, _: u32) -> Answer {
        Answer::Lost("nothing is sent here".to_owned())
    }

    async fn send_bulk(&self, _: &LedgerSetup, _: &[&Document]) -> Answer {
        Answer::Lost("nothing is sent here".to_owned())
    }

    async fn follow_up(&self, _: &Document, _: &FusionId) -> Result<Option<String>, SourceError> {
        Err(unasked())
    }

    fn takes_in_bulk(&self, _: &LedgerSetup, _: &Document) -> bool {
        false
    }

    async fn job(&self, _: &LedgerSetup, _: &str) -> Result<JobStatus, SourceError> {
        Err(unasked())
    }

    fn content_of(&self, _: &LedgerSetup, _: &Document) -> Result<Sent, FusionRefusal> {
        Err(FusionRefusal::new("TEST", "nothing is sent here", "nothing"))
    }

    async fn look_up(&self, _: &LedgerSetup, _: &Document) -> Result<Observed, SourceError> {
        Err(unasked())
    }

    async fn changed_since(&self, _: &LedgerSetup, _: Kind, _: Timestamp) -> Result<Vec<Shown>, SourceError> {
        Err(unasked())
    }

    async fn post_batches(&self, _: &LedgerSetup) -> Result<Option<String>, SourceError> {
        Err(unasked())
    }

    async fn known_accounts(
        &self,
        _: &LedgerSetup,
        combinations: &BTreeSet<String>,
        _: SignedDuration,
    ) -> Result<BTreeSet<String>, SourceError> {
        Ok(combinations.clone())
    }

    async fn period(
        &self,
        _: &LedgerSetup,
        _: Module,
        _: Date,
        _: SignedDuration,
    ) -> Result<Period, SourceError> {
        Ok(Period { status: PeriodStatus::Open, start: None, end: None })
    }
}

/// Maps orders of a mug; others wait for a person.
pub(super) struct Mugs(pub(super) MapperIdentity);

fn invoice(order: &Order) -> OrderOutcome {
    if order.items.iter().any(|item| item.sku.as_str() != "MUG") {
        return OrderOutcome::Review(vec![Reason::new("unmapped-sku", "HAT", "no rule names it")]);
    }
    OrderOutcome::Invoice(vec![DocumentLine {
        description: "A mug".to_owned(),
        amount: order.total.expect("a total"),
        quantity: 1,
        account: "01-000-41000".to_owned(),
        sku: None,
        order_item: None,
        rule: "r".to_owned(),
        class: LineClass::Revenue,
    }])
}

#[async_trait]
impl Mapper for Mugs {
    fn identity(&self) -> &MapperIdentity {
        &self.0
    }

    async fn map_orders(
        &self,
        _: &BatchContext,
        orders: &[Order],
    ) -> Result<Mapped<OrderOutcome>, MapperFault> {
        Ok(Mapped { outcomes: orders.iter().map(invoice).collect(), fuel: 0, log: Vec::new() })
    }

    async fn map_transactions(
        &self,
        _: &BatchContext,
        _: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault> {
        Ok(Mapped { outcomes: Vec::new(), fuel: 0, log: Vec::new() })
    }
}

/// Loads whatever the store has: the mapper of mugs.
pub(super) struct Loads;

impl ml_connector_ports::MapperLoader for Loads {
    fn load(&self, bytes: &[u8], _: &[String]) -> Result<std::sync::Arc<dyn Mapper>, String> {
        let digest = ContentHash::of(bytes);
        let [name, version, contract] = ["mugs", "1", "0.1.0"].map(str::to_owned);
        Ok(std::sync::Arc::new(Mugs(MapperIdentity { name, version, digest, contract })))
    }
}

/// The daemon: takes components that begin as one does, and counts random bytes up.
#[derive(Default)]
pub(super) struct Daemon {
    pub(super) counter: AtomicI64,
    /// Each upload waits for a permit, where a test holds them back.
    pub(super) held: Option<tokio::sync::Semaphore>,
    pub(super) sealed: std::sync::Mutex<Vec<(SellerId, Region)>>,
}

/// Bytes of the largest component.
pub(super) const COMPONENT_BYTES_MAX: usize = 64 << 10;

#[async_trait]
impl Actions for Daemon {
    fn component_bytes_max(&self, _: &SellerId) -> usize {
        COMPONENT_BYTES_MAX
    }

    async fn admit(
        &self,
        _: &SellerId,
        component: Vec<u8>,
        signatures: Vec<String>,
        who: &str,
    ) -> Result<Admitted, Refusal> {
        if let Some(held) = &self.held {
            let _permit = held.acquire().await.expect("it stays open");
        }
        assert!(component != b"panic", "a defect of ours");
        if !component.starts_with(b"\0asm") {
            return Err(Refusal::Refused("MAP-FORM: it is no component".to_owned()));
        }
        let why = format!("mugs uploaded by {who} with {} signatures", signatures.len());
        Ok(Admitted { digest: ContentHash::of(&component), why, fixtures: 8 })
    }

    async fn may_map(&self, _: &SellerId, _: Option<&ContentHash>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn seal_refresh_token(
        &self,
        seller: &SellerId,
        region: Region,
        _: SecretString,
        _: &str,
    ) -> Result<Timestamp, Refusal> {
        self.sealed.lock().expect("no panic").push((seller.clone(), region));
        Ok(Timestamp::UNIX_EPOCH)
    }

    fn random(&self, into: &mut [u8]) {
        let n = self.counter.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        into.iter_mut().zip(n.iter().rev().cycle()).for_each(|(byte, n)| *byte = *n);
    }
}
