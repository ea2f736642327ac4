//! Assertions that an accountant would name. Each says what is wrong in the accounts' own terms.

use std::collections::BTreeMap;

use crate::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, Money, Order, OrderOutcome, Reason, Transaction,
    TransactionOutcome,
};

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
/// ```
/// # use ml_connector_sdk::{testing::*, *};
/// let context = context(&["settlement", "commission"]);
/// let fee = transaction("ServiceFee", "US", "USD", None, &[("AmazonFees/Commission", -150)]);
/// let booked = booking(Booking::settling(&context, &fee, |_| Ok(("commission", "Fees"))));
/// assert_balanced(&context, &fee, &booked);
/// ```
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

/// Lines are in the currency of `money` and sum to it: an invoice's to what the buyer paid.
///
/// ```
/// # use ml_connector_sdk::{testing::*, *};
/// # let item = &order("US", "USD", &[("MUG", &[])]).items[0];
/// let line = |minor| DocumentLine::of_item(item, "ITEM", Money::new(minor, "USD"), ("01".into(), "rule".into()));
/// assert_sums_to(&[line(1_000), line(80)], &Money::new(1_080, "USD"));
/// ```
///
/// # Panics
/// They are not, or do not.
#[track_caller]
pub fn assert_sums_to(lines: &[DocumentLine], money: &Money) {
    let foreign = lines.iter().find(|line| line.amount.currency != money.currency);
    assert!(foreign.is_none(), "a line is not in {}: {:?}", money.currency, foreign);
    assert_total(lines, money.minor);
}

/// Every item of the order is in the lines once: the lines of each item sum to its charges, and none is about
/// something else.
///
/// ```should_panic
/// # use ml_connector_sdk::{testing::*, *};
/// let order = order("US", "USD", &[("MUG", &[("ITEM", 1_000)])]);
/// let line = DocumentLine::of_item(&order.items[0], "ITEM", Money::new(1_000, "USD"), ("01".into(), "rule".into()));
/// assert_recognises_once(&order, &[line.clone(), line]); // the same money twice
/// ```
///
/// # Panics
/// An item is missing, doubled or unknown.
#[track_caller]
pub fn assert_recognises_once(order: &Order, lines: &[DocumentLine]) {
    let mut left: BTreeMap<Option<&str>, i64> = BTreeMap::new();
    for item in &order.items {
        let charged: i64 = item.charges.iter().map(|charge| charge.amount.minor).sum();
        *left.entry(Some(&item.id)).or_default() += charged;
    }
    for line in lines {
        *left.entry(line.order_item_id.as_deref()).or_default() -= line.amount.minor;
    }
    for (item, minor) in left {
        let about = item.unwrap_or("no item");
        assert!(minor >= 0, "{about}: recognised {} more than was charged", -minor);
        assert!(minor == 0, "{about}: {minor} was charged and not recognised");
    }
}

/// A credit memo takes back, account by account, no more than an invoice put there, in the other direction.
///
/// ```
/// # use ml_connector_sdk::{testing::*, *};
/// # let item = &order("US", "USD", &[("MUG", &[])]).items[0];
/// let line = |minor| DocumentLine::of_item(item, "ITEM", Money::new(minor, "USD"), ("01".into(), "rule".into()));
/// assert_reverses(&[line(1_000)], &[line(-400)]);
/// ```
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
