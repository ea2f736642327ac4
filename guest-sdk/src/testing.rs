//! Testing a mapper natively, without Wasm: builders for what comes in, and assertions that an accountant would name.

use crate::{
    BatchContext, Booking, CatalogEntry, Charge, CreditMemoOutcome, DocumentLine, Ledger, Leg, Money, Order,
    OrderItem, OrderOutcome, Reason, Transaction, TransactionOutcome,
};

/// A context with a dollar ledger: combinations are `01-{cost_center}-{account}`, and each of `purposes` has an
/// account of its own, from 10001 on.
pub fn context(purposes: &[&str]) -> BatchContext {
    let accounts = purposes
        .iter()
        .zip(10_001..)
        .map(|(purpose, n): (&&str, u32)| ((*purpose).to_owned(), n.to_string()));
    BatchContext {
        seller: "A1".to_owned(),
        settings: Vec::new(),
        ledger: Ledger {
            name: "US Primary Ledger".to_owned(),
            currency: "USD".to_owned(),
            time_zone: "America/Los_Angeles".to_owned(),
            combination: "01-{cost_center}-{account}".to_owned(),
            default_cost_center: "000".to_owned(),
            accounts: accounts.collect(),
            extra: Vec::new(),
        },
        catalog: Vec::new(),
        extra: Vec::new(),
    }
}

impl BatchContext {
    /// Adds a product to the catalog, with its natural revenue account, at cost centre 110.
    #[must_use]
    pub fn with_product(mut self, sku: &str, marketplace: &str, revenue: &str) -> Self {
        self.catalog.push(CatalogEntry {
            sku: sku.to_owned(),
            marketplace: marketplace.to_owned(),
            revenue_account: revenue.to_owned(),
            cogs_account: None,
            cost_center: "110".to_owned(),
            rule: format!("catalog:{sku}"),
            extra: Vec::new(),
        });
        self.catalog.sort_by(|a, b| (&a.sku, &a.marketplace).cmp(&(&b.sku, &b.marketplace)));
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A shipped order of items, each a SKU with its charges `(kind, minor units)`.
pub fn order(marketplace: &str, currency: &str, items: &[(&str, &[(&str, i64)])]) -> Order {
    let items: Vec<OrderItem> =
        items.iter().enumerate().map(|(n, (sku, charges))| item(n, sku, currency, charges)).collect();
    let total = items.iter().flat_map(|item| &item.charges).map(|charge| charge.amount.minor).sum();
    Order {
        id: "113-0000001-0000001".to_owned(),
        marketplace: marketplace.to_owned(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        created: 0,
        updated: 0,
        shipped_on: Some("2026-10-01".to_owned()),
        replaces: None,
        total: Some(Money::new(total, currency)),
        items,
        extra: Vec::new(),
    }
}

fn item(n: usize, sku: &str, currency: &str, charges: &[(&str, i64)]) -> OrderItem {
    let charge = |(kind, minor): &(&str, i64)| Charge {
        kind: (*kind).to_owned(),
        amount: Money::new(*minor, currency),
        extra: Vec::new(),
    };
    OrderItem {
        id: format!("0{n}"),
        sku: sku.to_owned(),
        title: format!("A {sku}"),
        quantity_ordered: 1,
        quantity_fulfilled: 1,
        charges: charges.iter().map(charge).collect(),
        tax_collection: String::new(),
        extra: Vec::new(),
    }
}

/// A transaction of legs `(path, minor units)`, all about one SKU if one is named.
pub fn transaction(
    kind: &str,
    marketplace: &str,
    currency: &str,
    sku: Option<&str>,
    legs: &[(&str, i64)],
) -> Transaction {
    let leg = |(path, minor): &(&str, i64)| Leg {
        path: (*path).to_owned(),
        amount: Money::new(*minor, currency),
        sku: sku.map(str::to_owned),
        order_item_id: None,
        extra: Vec::new(),
    };
    Transaction {
        id: "T1".to_owned(),
        kind: kind.to_owned(),
        description: String::new(),
        posted: 0,
        group: Some("G1".to_owned()),
        order_id: Some("113-0000001-0000001".to_owned()),
        marketplace: Some(marketplace.to_owned()),
        total: Money::new(legs.iter().map(|(_, minor)| minor).sum(), currency),
        legs: legs.iter().map(leg).collect(),
        extra: Vec::new(),
    }
}

/// The lines of an invoice.
///
/// # Panics
/// It is no invoice.
#[track_caller]
pub fn invoice(outcome: OrderOutcome) -> Vec<DocumentLine> {
    match outcome {
        OrderOutcome::Invoice(invoice) => invoice.lines,
        other => panic!("expected an invoice, got {other:?}"),
    }
}

/// A booking.
///
/// # Panics
/// It is none.
#[track_caller]
pub fn booking(outcome: TransactionOutcome) -> Booking {
    match outcome {
        TransactionOutcome::Booking(booking) => booking,
        other => panic!("expected a booking, got {other:?}"),
    }
}

/// A booking's credit memo's lines.
///
/// # Panics
/// It has none.
#[track_caller]
pub fn credit_memo(booking: &Booking) -> &[DocumentLine] {
    match &booking.credit_memo {
        Some(CreditMemoOutcome::CreditMemo(memo)) => &memo.lines,
        other => panic!("expected a credit memo, got {other:?}"),
    }
}

/// The codes and subjects for which a person has to look.
///
/// # Panics
/// Nobody has to.
#[track_caller]
pub fn reasons(outcome: OrderOutcome) -> Vec<(String, String)> {
    match outcome {
        OrderOutcome::Review(reasons) => codes(&reasons),
        other => panic!("expected a review, got {other:?}"),
    }
}

/// Codes and subjects.
pub fn codes(reasons: &[Reason]) -> Vec<(String, String)> {
    reasons.iter().map(|reason| (reason.code.clone(), reason.subject.clone())).collect()
}

/// Debits equal credits, and the settlement account moves by the transaction's total.
///
/// # Panics
/// They do not, or it does not.
#[track_caller]
pub fn assert_balanced(context: &BatchContext, transaction: &Transaction, booking: &Booking) {
    let sum: i64 = booking.journal.iter().map(|line| line.amount.minor).sum();
    assert_eq!(sum, 0, "debits exceed credits by {sum}: {:?}", booking.journal);
    let settlement = context.account("settlement", None).expect("the context has a settlement account");
    let settled = booking.journal.iter().filter(|line| line.account == settlement);
    let settled: i64 = settled.map(|line| line.amount.minor).sum();
    assert_eq!(settled, transaction.total.minor, "the settlement account moves by something else");
}

/// Lines sum to an amount.
///
/// # Panics
/// They do not.
#[track_caller]
pub fn assert_total(lines: &[DocumentLine], minor: i64) {
    let sum: i64 = lines.iter().map(|line| line.amount.minor).sum();
    assert_eq!(sum, minor, "{lines:?}");
}

/// A credit memo takes back, account by account, no more than an invoice put there, in the other direction.
///
/// # Panics
/// An account gets back something it never had, or more.
#[track_caller]
pub fn assert_reverses(invoice: &[DocumentLine], memo: &[DocumentLine]) {
    let on = |lines: &[DocumentLine], account: &str| -> i64 {
        lines.iter().filter(|line| line.account == account).map(|line| line.amount.minor).sum()
    };
    for line in memo {
        let (had, back) = (on(invoice, &line.account), on(memo, &line.account));
        let fits = back == 0 || (had.signum() == -back.signum() && back.abs() <= had.abs());
        assert!(fits, "account {} had {had} and gets back {back}", line.account);
    }
}
