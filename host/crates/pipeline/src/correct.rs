//! Corrects the invoice of an order that changed after it was posted.
//!
//! Fusion's PATCH changes no line, account or amount of an invoice. So a correction is two documents: a credit memo that takes
//! back all that stands of the posted invoice, and the next revision of the invoice. Each is recognised under the key of
//! the invoice that it takes back or replaces, so neither can be planned twice. Where the order is no sale any more
//! (cancelled after it was invoiced), there is the credit memo only: the invoice is taken back whole.
//!
//! What refunds have credited already stands as it is, and no invoice is credited beyond what it came to: the
//! correction's credit memo is over what is left of the posted invoice, by account, and the new invoice over what is left of the
//! order. For that, the refunds are mapped again, so that the new invoice is lessened in the accounts of today's mapping.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::{Body, Credit, CreditedLines, Document, Kind, Origin};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{
    CreditMemoOutcome, DocumentLine, Mapped, OrderOutcome, Reason, TransactionOutcome,
};
use ml_connector_domain::posting::State;
use ml_connector_domain::shipment::slice;
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{Date, DocumentKey, Money, OrderId};
use ml_connector_storage::{Change, DocumentRow};

use crate::invoices::{invoices_of, refunded, refunds, shipment};
use crate::map::{self, Facts, ToReview};
use crate::seller::Dated as _;
use crate::versions::{self, Batch};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stored};

/// How old an answer about the period may be: a person decides by it.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// A correction that can be planned.
#[derive(Debug, Clone)]
pub struct Correction {
    /// The invoice as it stands.
    pub posted: DocumentRow,
    /// Takes back what is left of it.
    pub credit_memo: Document,
    /// Takes its place; `None` where the order is no sale any more and the invoice is taken back whole.
    pub invoice: Option<Document>,
    /// What is to be said behind it in the audit log; empty if nothing.
    why: String,
    /// What the mapper was asked for it.
    batches: Vec<Change>,
}

/// One account before and after a correction, in minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// The combination.
    pub account: String,
    /// What the posted invoice and the refunds since leave on it.
    pub before: Money,
    /// What the new invoice puts on it.
    pub after: Money,
}

impl Correction {
    /// Every account that has an amount before or after.
    pub fn accounts(&self) -> Vec<AccountChange> {
        let currency = self.credit_memo.currency;
        let mut sums = BTreeMap::<&str, (i64, i64)>::new();
        for line in self.credit_memo.lines() {
            sums.entry(&line.account).or_default().0 -= line.amount.minor;
        }
        for line in self.invoice.iter().flat_map(Document::lines) {
            sums.entry(&line.account).or_default().1 += line.amount.minor;
        }
        let change = |(account, (before, after)): (&str, (i64, i64))| AccountChange {
            account: account.to_owned(),
            before: Money::new(before, currency),
            after: Money::new(after, currency),
        };
        sums.into_iter().map(change).collect()
    }
}

/// Works out what a correction of an order's invoice would be, or why there is none. Plans nothing.
///
/// # Errors
/// The store, the mapper's host or a question to Fusion failed.
pub async fn proposal(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Result<Correction, Vec<Reason>>, StageError> {
    // By the versions in use, as the next order would be.
    let parts = &versions::choose(parts, seller).await?;
    let seller = &*catalogs::choose(parts, seller).await?;
    proposal_as(parts, seller, order).await
}

/// As [`proposal`], by the very mapper and catalog of `parts` and `seller`.
///
/// # Errors
/// As for [`proposal`].
pub(crate) async fn proposal_as(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
) -> Result<Result<Correction, Vec<Reason>>, StageError> {
    let invoices = invoices_of(parts, seller, order).await?;
    let mut none =
        vec![Reason::new("not-invoiced", order.as_str(), "the order has no invoice that could be corrected")];
    for (place, _) in invoices.iter().enumerate() {
        // Of several shipments' invoices one after the other: the first that differs.
        match proposal_for(parts, seller, order, (&invoices, place)).await? {
            Ok(correction) => return Ok(Ok(correction)),
            Err(reasons) if reasons.iter().all(|reason| reason.code == NOTHING) => none = reasons,
            Err(reasons) => return Ok(Err(reasons)),
        }
    }
    Ok(Err(none))
}

/// The code that says that an invoice is as it would be made now.
pub(crate) const NOTHING: &str = "nothing-to-correct";

/// As [`proposal_as`], for one of the order's invoices.
///
/// # Errors
/// As for [`proposal`].
pub(crate) async fn proposal_for(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
    (invoices, place): (&[DocumentRow], usize),
) -> Result<Result<Correction, Vec<Reason>>, StageError> {
    let no = |code: &str, message: &str| Ok(Err(vec![Reason::new(code, order.as_str(), message)]));
    let newest = parts.store.newest(&seller.id, kind::ORDER, order.as_str()).await?;
    let (Some(posted), Some(newest)) = (invoices.get(place).cloned(), newest) else {
        return no("not-invoiced", "the order's invoice or record is missing");
    };
    let key = posted.document.key.clone();
    if !matches!(posted.state, State::Confirmed { .. }) {
        let message =
            format!("its invoice {key} is {}: wait until Fusion has confirmed it", posted.state.name());
        return no("invoice-not-confirmed", &message);
    }
    if parts.store.recognized_by(&seller.id, key.as_str(), leg::REVERSAL).await?.is_some() {
        return no("already-reversed", "its invoice has been taken back already");
    }
    let mut credited = refunds(parts, seller, order).await?;
    credited.retain(|memo| refunded(memo, invoices) == place);
    if let Some(memo) = credited.iter().find(|memo| !matches!(memo.state, State::Confirmed { .. })) {
        let message =
            format!("credit memo {} is {}: wait until it is confirmed", memo.document.key, memo.state.name());
        return no("refund-under-way", &message);
    }
    let mut order: Order = stored("order", &newest.record)?;
    if let (Some(shipment), false) = (shipment(&posted), order.is_dead()) {
        order = slice(&order, shipment)?;
    }
    Correcting { parts, seller, order: &order, posted, credited }.propose().await
}

/// Plans the documents of a correction.
///
/// # Errors
/// The store failed, or somebody has planned it meanwhile ([`ml_connector_storage::StoreError::Twice`]).
pub async fn plan(parts: &Parts, seller: &Seller, correction: &Correction) -> Result<(), StageError> {
    Ok(parts.store.apply(planned(parts, seller, correction)?).await?)
}

/// The changes that plan both documents of a correction.
///
/// # Errors
/// A sum does not fit.
pub(crate) fn planned(
    parts: &Parts,
    seller: &Seller,
    correction: &Correction,
) -> Result<Vec<Change>, StageError> {
    let now = parts.clock.now();
    let Correction { posted, credit_memo, invoice, why, .. } = correction;
    let replaced = posted.document.key.as_str();
    let order = match &posted.document.body {
        Body::Invoice { order, .. } => order.as_str(),
        _ => posted.document.subject(),
    };
    let review = ToReview { seller, kind: kind::ORDER, subject: order, at_stake: Some(posted.expected), now };
    let mut changes = correction.batches.clone();
    changes.push(review.resolved());
    let documents = std::iter::once((credit_memo, leg::REVERSAL))
        .chain(invoice.iter().map(|one| (one, leg::REPLACEMENT)));
    for (document, leg) in documents {
        let (total, key) = (document.total()?, &document.key);
        let words = if leg == leg::REVERSAL { "takes back" } else { "replaces" };
        let detail = format!("{} {key} over {total} {words} {replaced}{why}", document.kind().as_str());
        changes.push(audit(now, &seller.id, order, Action::Planned, detail));
        changes.push(Change::Plan {
            document: Box::new(document.clone()),
            expected: total,
            recognizes: vec![(replaced.to_owned(), leg)],
            at: now,
        });
    }
    Ok(changes)
}

struct Correcting<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    order: &'a Order,
    posted: DocumentRow,
    credited: Vec<DocumentRow>,
}

/// What the mapper makes of the order now, with its input and what to keep of the call.
struct MappedOrder {
    /// The invoice's lines; or why the order is no sale.
    lines: Result<Vec<DocumentLine>, String>,
    input: ContentHash,
    batches: Vec<Change>,
}

/// Why there is no correction, or what was asked for.
type Or<T> = Result<Result<T, Vec<Reason>>, StageError>;

impl Correcting<'_> {
    fn reason(&self, code: &str, message: impl Into<String>) -> Vec<Reason> {
        vec![Reason::new(code, self.order.id.as_str(), message)]
    }

    async fn propose(self) -> Or<Correction> {
        let MappedOrder { lines, input, batches } = match self.mapped_order().await? {
            Ok(mapped) => mapped,
            Err(reasons) => return Ok(Err(reasons)),
        };
        let date = self.date().await?;
        let origin = map::origin(self.parts, self.seller, &input);
        let Some(credit_memo) = self.credit_memo(date, origin.clone()) else {
            return Ok(Err(self.reason("not-invoiced", "what recognises the order is no invoice")));
        };
        match lines {
            Ok(lines) => self.anew(lines, credit_memo, origin, batches).await,
            Err(why) => self.whole(&why, credit_memo, batches).await,
        }
    }

    /// The order is no sale any more: nothing takes the invoice's place.
    async fn whole(&self, why: &str, credit_memo: Document, batches: Vec<Change>) -> Or<Correction> {
        let total = credit_memo.total()?;
        if total.minor >= 0 {
            let message =
                format!("the order is no sale any more ({why}), and refunds have taken back all of it");
            return Ok(Err(self.reason(NOTHING, message)));
        }
        let why = format!(" whole: {why}");
        let correction = Correction { posted: self.posted.clone(), credit_memo, invoice: None, why, batches };
        self.checked(correction, &[total]).await
    }

    /// The next revision of the invoice over what is left of the order.
    async fn anew(
        &self,
        mut new_lines: Vec<DocumentLine>,
        credit_memo: Document,
        origin: Origin,
        mut batches: Vec<Change>,
    ) -> Or<Correction> {
        let Some(total) = self.order.total else {
            return Ok(Err(self.reason("no-total", "Amazon states no total for the order")));
        };
        let (given_back, more) = match self.mapped_refunds().await? {
            Ok(mapped) => mapped,
            Err(reasons) => return Ok(Err(reasons)),
        };
        batches.extend(more);
        new_lines.extend(given_back);
        let mut refunded = Money::zero(total.currency);
        for memo in &self.credited {
            refunded = refunded.checked_add(memo.expected)?;
        }
        let keys = self.credited.iter().map(|memo| memo.document.key.clone()).collect();
        let invoice = self.invoice(&credit_memo, new_lines, keys, origin);
        if same_lines(&credit_memo, &invoice) {
            return Ok(Err(self.reason(NOTHING, "the posted invoice is what the mapper makes of it now")));
        }
        let left = total.checked_add(refunded)?;
        if left.minor <= 0 || credit_memo.total()?.minor >= 0 {
            let message = format!(
                "refunds took back {} and the order now comes to {total}: no invoice is left that could be corrected; book the difference in Fusion",
                refunded.negated()
            );
            return Ok(Err(self.reason("refund-exceeds-order", message)));
        }
        let totals = [credit_memo.total()?, left];
        let (posted, invoice) = (self.posted.clone(), Some(invoice));
        let correction = Correction { posted, credit_memo, invoice, why: String::new(), batches };
        self.checked(correction, &totals).await
    }

    async fn mapped_order(&self) -> Or<MappedOrder> {
        let context = self.seller.context(self.order.products(self.seller));
        let orders = std::slice::from_ref(self.order);
        let input = Batch::of(self.parts, "orders", &context, orders)?;
        let result = self.parts.mapper.map_orders(&context, orders).await;
        let batches = input.kept(self.parts, self.seller, &result)?;
        let lines = match one(result) {
            Ok(OrderOutcome::Invoice(lines)) => Ok(lines),
            Ok(OrderOutcome::Skip(why)) => Err(why),
            Ok(OrderOutcome::Review(reasons)) | Err(reasons) => return Ok(Err(reasons)),
        };
        Ok(Ok(MappedOrder { lines, input: input.name, batches }))
    }

    /// The lines of all refunds that were credited, as they are mapped now.
    async fn mapped_refunds(&self) -> Or<(Vec<DocumentLine>, Vec<Change>)> {
        let (mut lines, mut batches) = (Vec::new(), Vec::new());
        for memo in &self.credited {
            let id = memo.document.subject();
            let Some(found) = self.parts.store.newest(&self.seller.id, kind::TRANSACTION, id).await? else {
                return Ok(Err(
                    self.reason("refund-unknown", format!("the record of refund {id} is missing"))
                ));
            };
            let refund: Transaction = stored("transaction", &found.record)?;
            let context = self.seller.context(refund.products(self.seller));
            let refunds = std::slice::from_ref(&refund);
            let input = Batch::of(self.parts, "transactions", &context, refunds)?;
            let result = self.parts.mapper.map_transactions(&context, refunds).await;
            batches.extend(input.kept(self.parts, self.seller, &result)?);
            let booking = match one(result) {
                Ok(TransactionOutcome::Booking(booking)) => booking,
                Ok(TransactionOutcome::Review(reasons)) | Err(reasons) => return Ok(Err(reasons)),
                Ok(TransactionOutcome::Skip(why)) => {
                    return Ok(Err(
                        self.reason("refund-differs", format!("refund {id} would be skipped now: {why}"))
                    ));
                }
            };
            let own = match booking.credit_memo {
                Some(CreditMemoOutcome::CreditMemo { lines, .. }) => lines,
                Some(CreditMemoOutcome::Review(reasons)) => return Ok(Err(reasons)),
                None => Vec::new(),
            };
            let sum = Money::sum(memo.expected.currency, own.iter().map(|line| line.amount))?;
            if sum != memo.expected {
                let message =
                    format!("refund {id} was credited over {} and would be over {sum} now", memo.expected);
                return Ok(Err(self.reason("refund-differs", message)));
            }
            lines.extend(own);
        }
        Ok(Ok((lines, batches)))
    }

    /// The posted invoice's own date while its period is open, so that the month stays right; else the first day of the
    /// next open period, where the seller's policy is to move on; else today.
    async fn date(&self) -> Result<Date, StageError> {
        let own = self.posted.document.date;
        let module = Module::Receivables;
        let period = self.parts.target.period(&self.seller.ledger, module, own, FRESH).await?;
        if module.takes(period.status) {
            return Ok(own);
        }
        let next = map::open_from(self.parts, self.seller, module, own, FRESH).await?;
        Ok(next.map_or_else(|| self.seller.day(self.parts.clock.now()), |(day, _)| day))
    }

    /// Over all that refunds have left of the posted invoice; `None` if what is posted is no invoice.
    fn credit_memo(&self, date: Date, origin: Origin) -> Option<Document> {
        let Body::Invoice { marketplace, lines: posted, net_of, .. } = &self.posted.document.body else {
            return None;
        };
        let since: Vec<&DocumentRow> =
            self.credited.iter().filter(|memo| !net_of.contains(&memo.document.key)).collect();
        let key = self.posted.document.key.clone();
        let refunded = || since.iter().flat_map(|memo| memo.document.lines());
        let lines: Vec<DocumentLine> = posted.iter().chain(refunded()).map(negated).collect();
        let count = u32::try_from(posted.len()).unwrap_or(u32::MAX);
        let mut numbers: Option<Vec<u32>> = Some((1..=count).collect());
        for memo in &since {
            // Where a refund's lines were not found on the invoice, the whole cannot say what it credits, either.
            match (&memo.document.body, &mut numbers) {
                (Body::CreditMemo { credits: Some(own), .. }, Some(all)) if own.invoice == key => {
                    all.extend(&own.lines);
                }
                _ => numbers = None,
            }
        }
        let reverses = key.clone();
        Some(Document {
            key: DocumentKey::derive(Kind::CreditMemo.letter(), &self.seller.id, key.as_str(), 0),
            seller: self.seller.id.clone(),
            revision: 0,
            date,
            moved_from: None,
            currency: self.posted.document.currency,
            body: Body::CreditMemo {
                order: self.order.id.clone(),
                cause: Credit::Correction { reverses },
                marketplace: marketplace.clone(),
                lines,
                credits: numbers.map(|lines| CreditedLines { invoice: key, lines }),
            },
            origin,
        })
    }

    fn invoice(
        &self,
        credit_memo: &Document,
        lines: Vec<DocumentLine>,
        net_of: Vec<DocumentKey>,
        origin: Origin,
    ) -> Document {
        let (marketplace, shipment) = match &self.posted.document.body {
            Body::Invoice { marketplace, shipment, .. } => (marketplace.clone(), shipment.clone()),
            _ => (self.order.marketplace.clone(), None),
        };
        let revision = self.posted.document.revision + 1;
        let (order, subject) = (self.order.id.clone(), self.posted.document.subject());
        Document {
            key: DocumentKey::derive(Kind::Invoice.letter(), &self.seller.id, subject, revision),
            seller: self.seller.id.clone(),
            revision,
            date: credit_memo.date,
            moved_from: None,
            currency: self.posted.document.currency,
            body: Body::Invoice { order, marketplace, lines, net_of, shipment },
            origin,
        }
    }

    /// The correction, if neither of its documents breaks a rule. `totals` is what each must come to, the credit memo's
    /// first.
    async fn checked(&self, correction: Correction, totals: &[Money]) -> Or<Correction> {
        let date = correction.credit_memo.date;
        let documents = || std::iter::once(&correction.credit_memo).chain(&correction.invoice);
        let lines = documents().flat_map(Document::lines);
        let accounts = lines.map(|line| line.account.clone()).collect();
        let facts =
            Facts::gather(self.parts, self.seller, accounts, [(Module::Receivables, date)].into()).await?;
        let facts = facts.at(date);
        let violations: Vec<Reason> = documents()
            .zip(totals)
            .flat_map(|(document, total)| validate::document(document, &Expectation::Total(*total), &facts))
            .collect();
        Ok(if violations.is_empty() { Ok(correction) } else { Err(violations) })
    }
}

/// Whether the new invoice would put on every account what the credit memo takes off it.
fn same_lines(credit_memo: &Document, invoice: &Document) -> bool {
    let mut sums = BTreeMap::<&str, i64>::new();
    for line in credit_memo.lines().iter().chain(invoice.lines()) {
        *sums.entry(&line.account).or_default() += line.amount.minor;
    }
    sums.values().all(|minor| *minor == 0)
}

fn negated(line: &DocumentLine) -> DocumentLine {
    DocumentLine { amount: line.amount.negated(), ..line.clone() }
}

/// The one outcome of a batch of one.
fn one<T>(result: Result<Mapped<T>, ml_connector_ports::MapperFault>) -> Result<T, Vec<Reason>> {
    match result {
        Ok(mapped) => mapped.outcomes.into_iter().next().ok_or_else(Vec::new),
        Err(fault) => Err(vec![crate::map::fault_reason(&fault)]),
    }
}
