//! Transactions: lines for their settlement's journal, and a credit memo for a refund.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::{Body, Credit, CreditedLines, Document, Kind};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, Reason, TransactionOutcome,
};
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{DocumentKey, Money, OrderId, Timestamp};
use ml_connector_storage::Change;

use super::{BATCH, Facts, HOST_FAULT, ToReview, fault_reason, origin};
use crate::invoices::{invoices_of, refunds, taken_back};
use crate::seller::Dated as _;
use crate::versions::{self, Batch};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stage, stored};

/// How long a refund waits for its order to be decided before a person has to look.
const ORDER_PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Maps every transaction that is ready, and those held back for their order; says how many were ready.
///
/// # Errors
/// A question to Fusion, the sandbox or the store failed; what is not mapped stays where it is.
pub async fn map_transactions(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let held = parts.store.at_stage(&seller.id, kind::TRANSACTION, stage::HELD, 10 * BATCH).await?;
    for chunk in held.chunks(BATCH as usize) {
        let parts = &versions::choose(parts, seller).await?;
        let seller = &*catalogs::choose(parts, seller).await?;
        map_each(parts, seller, read(chunk)?).await?;
    }
    let mut total = 0;
    loop {
        let parts = &versions::choose(parts, seller).await?;
        let seller = &*catalogs::choose(parts, seller).await?;
        let records = parts.store.at_stage(&seller.id, kind::TRANSACTION, stage::READY, BATCH).await?;
        if records.is_empty() {
            return Ok(total);
        }
        total += records.len();
        map_each(parts, seller, read(&records)?).await?;
    }
}

async fn map_each(parts: &Parts, seller: &Seller, records: Vec<Transaction>) -> Result<(), StageError> {
    for batch in seller.batches(records) {
        map_batch(parts, seller, &batch).await?;
    }
    Ok(())
}

fn read(records: &[String]) -> Result<Vec<Transaction>, StageError> {
    records.iter().map(|json| stored("transaction", json)).collect()
}

fn map_batch<'a>(
    parts: &'a Parts,
    seller: &'a Seller,
    transactions: &'a [Transaction],
) -> Pin<Box<dyn Future<Output = Result<(), StageError>> + Send + 'a>> {
    Box::pin(async move {
        let context = context(seller, transactions);
        let input = Batch::of(parts, "transactions", &context, transactions)?;
        let result = parts.mapper.map_transactions(&context, transactions).await;
        let mut batch = input.kept(parts, seller, &result)?;
        match result {
            Ok(mapped) => {
                let outcomes = &mapped.outcomes;
                batch.extend(
                    versions::shadow_transactions(parts, seller, &context, transactions, outcomes).await,
                );
                judge(parts, seller, transactions, mapped.outcomes, (&input.name, batch)).await
            }
            Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
            Err(fault) => match transactions {
                [transaction] => {
                    let now = parts.clock.now();
                    let id = transaction.id.as_str();
                    let mut changes = batch;
                    versions::count_fault(parts, seller, &fault, &changes).await?;
                    changes.push(audit(now, &seller.id, id, Action::MapperFault, fault.to_string()));
                    changes.extend(to_review(seller, transaction, now).and_stage(&[fault_reason(&fault)]));
                    Ok(parts.store.apply(changes).await?)
                }
                _ => {
                    parts.store.apply(batch).await?;
                    let (left, right) = transactions.split_at(transactions.len() / 2);
                    map_batch(parts, seller, left).await?;
                    map_batch(parts, seller, right).await
                }
            },
        }
    })
}

fn context(seller: &Seller, transactions: &[Transaction]) -> BatchContext {
    seller.context(transactions.iter().flat_map(|one| one.products(seller)))
}

/// What the mapper makes of transactions, judged by nobody yet.
pub(crate) struct Proposed {
    /// For each transaction what it means, and the batch that it was mapped in.
    pub(crate) outcomes: Vec<(TransactionOutcome, ContentHash)>,
    /// The changes that keep the batches.
    pub(crate) kept: Vec<Change>,
}

/// Hands transactions to the mapper without deciding anything. One that it fails on comes back for review.
///
/// # Errors
/// The sandbox or the store failed.
pub(crate) async fn propose(
    parts: &Parts,
    seller: &Seller,
    transactions: &[Transaction],
) -> Result<Proposed, StageError> {
    let mut proposed = Proposed { outcomes: Vec::with_capacity(transactions.len()), kept: Vec::new() };
    let batches = seller.batches(transactions.to_vec());
    // The next chunk is on top, so that outcomes come in the order of the transactions.
    let mut chunks: Vec<&[Transaction]> =
        batches.iter().flat_map(|batch| batch.chunks(BATCH as usize)).rev().collect();
    while let Some(chunk) = chunks.pop() {
        let context = context(seller, chunk);
        let input = Batch::of(parts, "transactions", &context, chunk)?;
        let result = parts.mapper.map_transactions(&context, chunk).await;
        proposed.kept.extend(input.kept(parts, seller, &result)?);
        match result {
            Ok(mapped) => {
                proposed.outcomes.extend(mapped.outcomes.into_iter().map(|one| (one, input.name.clone())))
            }
            Err(fault) if fault.code == HOST_FAULT => return Err(StageError::MapperHost(fault.message)),
            Err(fault) if chunk.len() == 1 => {
                let reasons = vec![fault_reason(&fault)];
                proposed.outcomes.push((TransactionOutcome::Review(reasons), input.name.clone()));
            }
            Err(_) => {
                let (left, right) = chunk.split_at(chunk.len() / 2);
                chunks.extend([right, left]);
            }
        }
    }
    Ok(proposed)
}

fn to_review<'a>(seller: &'a Seller, transaction: &'a Transaction, now: Timestamp) -> ToReview<'a> {
    ToReview {
        seller,
        kind: kind::TRANSACTION,
        subject: transaction.id.as_str(),
        at_stake: Some(transaction.total),
        now,
    }
}

async fn judge(
    parts: &Parts,
    seller: &Seller,
    transactions: &[Transaction],
    outcomes: Vec<TransactionOutcome>,
    kept: (&ContentHash, Vec<Change>),
) -> Result<(), StageError> {
    let changes = decide(parts, seller, transactions, outcomes, kept).await?;
    Ok(parts.store.apply(changes).await?)
}

/// What would be changed if a transaction were mapped now, by the very mapper and catalog of `parts` and `seller`; of a
/// refund whose transaction is booked already only its credit memo. Changes nothing.
///
/// # Errors
/// A question to Fusion, the sandbox or the store failed.
pub(crate) async fn attempt(
    parts: &Parts,
    seller: &Seller,
    transaction: &Transaction,
    only_refund: bool,
) -> Result<Vec<Change>, StageError> {
    let transactions = std::slice::from_ref(transaction);
    let context = seller.context(transaction.products(seller));
    let input = Batch::of(parts, "transactions", &context, transactions)?;
    let result = parts.mapper.map_transactions(&context, transactions).await;
    let batch = input.kept(parts, seller, &result)?;
    match result {
        Ok(mapped) if only_refund => {
            let outcome = mapped.outcomes.into_iter().next();
            refund_again(parts, seller, transaction, outcome, (&input.name, batch)).await
        }
        Ok(mapped) => decide(parts, seller, transactions, mapped.outcomes, (&input.name, batch)).await,
        Err(fault) if fault.code == HOST_FAULT => Err(StageError::MapperHost(fault.message)),
        Err(fault) => {
            Ok(to_review(seller, transaction, parts.clock.now()).and_stage(&[fault_reason(&fault)]))
        }
    }
}

/// The credit memo of a refund that is booked: what its transaction does to its settlement stays.
async fn refund_again(
    parts: &Parts,
    seller: &Seller,
    transaction: &Transaction,
    outcome: Option<TransactionOutcome>,
    (input, batch): (&ContentHash, Vec<Change>),
) -> Result<Vec<Change>, StageError> {
    let credit_memo = match outcome {
        Some(TransactionOutcome::Booking(Booking { credit_memo: Some(credit_memo), .. })) => credit_memo,
        Some(TransactionOutcome::Review(reasons)) => CreditMemoOutcome::Review(reasons),
        _ => {
            let reason =
                Reason::new("no-credit-memo", transaction.id.as_str(), "the mapper credits nothing for it");
            CreditMemoOutcome::Review(vec![reason])
        }
    };
    let outcomes = [TransactionOutcome::Booking(Booking {
        journal: Vec::new(),
        credit_memo: Some(credit_memo.clone()),
    })];
    let facts = facts(parts, seller, std::slice::from_ref(transaction), &outcomes).await?;
    let now = parts.clock.now();
    let mut judge = Judge { parts, seller, facts, input, now, credited: HashMap::new() };
    // Nothing as long as the order is not decided: the item waits on.
    let decided = judge.refund(transaction, credit_memo).await?;
    Ok(decided.map(|own| batch.into_iter().chain(own).collect()).unwrap_or_default())
}

async fn decide(
    parts: &Parts,
    seller: &Seller,
    transactions: &[Transaction],
    outcomes: Vec<TransactionOutcome>,
    (input, batch): (&ContentHash, Vec<Change>),
) -> Result<Vec<Change>, StageError> {
    let facts = facts(parts, seller, transactions, &outcomes).await?;
    let mut judge = Judge { parts, seller, facts, input, now: parts.clock.now(), credited: HashMap::new() };
    let mut changes = batch;
    for (transaction, outcome) in transactions.iter().zip(outcomes) {
        changes.extend(judge.decide(transaction, outcome).await?);
    }
    Ok(changes)
}

async fn facts(
    parts: &Parts,
    seller: &Seller,
    transactions: &[Transaction],
    outcomes: &[TransactionOutcome],
) -> Result<Facts, StageError> {
    let (mut accounts, mut dates) = (BTreeSet::new(), BTreeSet::new());
    for (transaction, outcome) in transactions.iter().zip(outcomes) {
        let TransactionOutcome::Booking(booking) = outcome else { continue };
        accounts.extend(booking.journal.iter().map(|line| line.account.clone()));
        if let Some(CreditMemoOutcome::CreditMemo { lines, .. }) = &booking.credit_memo {
            accounts.extend(lines.iter().map(|line| line.account.clone()));
            dates.insert((Module::Receivables, seller.day(transaction.posted)));
        }
    }
    Facts::gather(parts, seller, accounts, dates).await
}

/// What a refund's order allows.
enum Refundable {
    /// Its receivable exists, over this much.
    Yes(Money),
    /// It has not been decided yet.
    NotYet,
    /// It never will be, and why.
    No(Reason),
}

struct Judge<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    facts: Facts,
    input: &'a ContentHash,
    now: Timestamp,
    /// What refunds of this batch credit, in minor units: the store does not know of them yet.
    credited: HashMap<OrderId, i64>,
}

impl Judge<'_> {
    async fn decide(
        &mut self,
        transaction: &Transaction,
        outcome: TransactionOutcome,
    ) -> Result<Vec<Change>, StageError> {
        let review = to_review(self.seller, transaction, self.now);
        match outcome {
            TransactionOutcome::Review(reasons) => Ok(review.and_stage(&reasons)),
            // A movement of the balance that is left out would leave its settlement short; a transfer to the bank is in none.
            TransactionOutcome::Skip(why) if transaction.total.minor != 0 && transaction.group.is_some() => {
                let message = format!("the mapper skips a transaction over {}: {why}", transaction.total);
                Ok(review.and_stage(&[Reason::new("skipped-money", transaction.kind.as_str(), message)]))
            }
            // What a journal holds of it is to be taken back.
            TransactionOutcome::Skip(_) if self.is_journaled(transaction).await? => {
                self.booking(transaction, Booking { journal: Vec::new(), credit_memo: None }).await
            }
            TransactionOutcome::Skip(why) => Ok(vec![
                review.resolved(),
                review.stage(stage::SKIPPED),
                audit(self.now, &self.seller.id, transaction.id.as_str(), Action::Skipped, why),
            ]),
            TransactionOutcome::Booking(booking) => self.booking(transaction, booking).await,
        }
    }

    async fn booking(
        &mut self,
        transaction: &Transaction,
        booking: Booking,
    ) -> Result<Vec<Change>, StageError> {
        let review = to_review(self.seller, transaction, self.now);
        let violations = self.violations(transaction, &booking).await?;
        let group = match (&transaction.group, violations.is_empty()) {
            (Some(group), true) => group.clone(),
            _ => return Ok(review.and_stage(&violations)),
        };
        let mut changes = match booking.credit_memo {
            None => Vec::new(),
            Some(credit_memo) => match self.refund(transaction, credit_memo).await? {
                Some(changes) => changes,
                None => return Ok(vec![review.stage(stage::HELD)]),
            },
        };
        changes.extend([
            review.resolved(),
            review.stage(stage::BOOKED),
            audit(
                self.now,
                &self.seller.id,
                transaction.id.as_str(),
                Action::Mapped,
                format!("{} over {} booked for settlement {group}", transaction.kind, transaction.total),
            ),
            Change::Booking {
                seller: self.seller.id.clone(),
                transaction: transaction.id.as_str().to_owned(),
                group,
                total: transaction.total,
                lines: booking.journal,
                batch: self.input.clone(),
            },
        ]);
        Ok(changes)
    }

    async fn violations(
        &self,
        transaction: &Transaction,
        booking: &Booking,
    ) -> Result<Vec<Reason>, StageError> {
        let Some(settlement) = self.seller.ledger.account(purpose::SETTLEMENT) else {
            let message = "the seller's ledger names no account for `settlement`";
            return Ok(vec![Reason::new("no-settlement-account", purpose::SETTLEMENT, message)]);
        };
        let mut found = validate::booking(&booking.journal, &settlement, transaction.total);
        let unknown: BTreeSet<&str> = booking
            .journal
            .iter()
            .map(|line| line.account.as_str())
            .filter(|account| !self.facts.knows(account))
            .collect();
        found.extend(unknown.into_iter().map(|account| {
            let message = format!("account combination {account} does not exist in Fusion or is disabled");
            Reason::new("unknown-account", account, message)
        }));
        if transaction.group.is_none() {
            let message = "it belongs to no settlement";
            found.push(Reason::new("no-settlement", transaction.id.as_str(), message));
        }
        Ok(found)
    }

    async fn is_journaled(&self, transaction: &Transaction) -> Result<bool, StageError> {
        let id = transaction.economic_id().as_str();
        Ok(self.parts.store.recognized_by(&self.seller.id, id, leg::SETTLEMENT).await?.is_some())
    }

    /// A credit memo that was planned before its refund changed stands as it is: a person is told by how much it is off.
    async fn credited_otherwise(
        &self,
        review: &ToReview<'_>,
        memo: &DocumentKey,
        now: &CreditMemoOutcome,
    ) -> Result<Vec<Change>, StageError> {
        let CreditMemoOutcome::CreditMemo { lines, .. } = now else { return Ok(Vec::new()) };
        let Some(planned) = self.parts.store.document(memo).await? else { return Ok(Vec::new()) };
        let currency = planned.document.currency;
        let (before, now) =
            (planned.document.total()?, Money::sum(currency, lines.iter().map(|line| line.amount))?);
        if before == now {
            return Ok(Vec::new());
        }
        let message =
            format!("the refund changed after {memo} was planned over {before}: it comes to {now} now");
        review.once(self.parts, &[Reason::new("changed-after-credit-memo", memo.as_str(), message)]).await
    }

    /// The changes for a refund's credit memo; `None` while its order has not been decided.
    async fn refund(
        &mut self,
        transaction: &Transaction,
        credit_memo: CreditMemoOutcome,
    ) -> Result<Option<Vec<Change>>, StageError> {
        let refund = transaction.economic_id();
        let before = self.parts.store.recognized_by(&self.seller.id, refund.as_str(), leg::REFUND).await?;
        let review = ToReview {
            seller: self.seller,
            kind: kind::REFUND,
            subject: refund.as_str(),
            at_stake: Some(transaction.total),
            now: self.now,
        };
        if let Some(memo) = before {
            return self.credited_otherwise(&review, &memo, &credit_memo).await.map(Some);
        }
        let (order, lines) = match credit_memo {
            CreditMemoOutcome::Review(reasons) => return Ok(Some(review.because(&reasons))),
            CreditMemoOutcome::CreditMemo { order, lines } => (order, lines),
        };
        let limit = match self.refundable(transaction, &order).await? {
            Refundable::NotYet => return Ok(None),
            Refundable::No(reason) => return Ok(Some(review.because(&[reason]))),
            Refundable::Yes(limit) => limit,
        };
        let mut document = self.credit_memo(transaction, &order, lines).await?;
        let moved = self.facts.place(&mut document);
        let total = document.total()?;
        let mut violations =
            validate::document(&document, &Expectation::Total(total), &self.facts.at(document.date));
        let before = self.credited_before(&order).await?;
        if total.currency != limit.currency || total.minor >= 0 || before - total.minor > limit.minor {
            let before = Money::new(before, limit.currency);
            let message = format!(
                "a credit memo over {total} does not fit an order over {limit} of which {before} were credited before"
            );
            violations.push(Reason::new("refund-exceeds-order", order.as_str(), message));
        }
        if !violations.is_empty() {
            return Ok(Some(review.because(&violations)));
        }
        *self.credited.entry(order.clone()).or_default() -= total.minor;
        let detail = format!(
            "credit memo {} over {total} for order {order} dated {}{moved}",
            document.key, document.date
        );
        Ok(Some(vec![
            review.resolved(),
            audit(self.now, &self.seller.id, order.as_str(), Action::Planned, detail.clone()),
            audit(self.now, &self.seller.id, transaction.id.as_str(), Action::Planned, detail),
            Change::Plan {
                document: Box::new(document),
                expected: total,
                recognizes: vec![(refund.as_str().to_owned(), leg::REFUND)],
                at: self.now,
            },
        ]))
    }

    /// What refunds of an order have credited so far, in minor units.
    async fn credited_before(&self, order: &OrderId) -> Result<i64, StageError> {
        let stored = refunds(self.parts, self.seller, order).await?;
        let stored: i64 = stored.iter().map(|memo| -memo.expected.minor).sum();
        Ok(stored + self.credited.get(order).copied().unwrap_or(0))
    }

    async fn refundable(&self, transaction: &Transaction, order: &OrderId) -> Result<Refundable, StageError> {
        let store = &self.parts.store;
        let no = |code, message: &str| Refundable::No(Reason::new(code, order.as_str(), message));
        if let Some((invoice, memo)) = taken_back(self.parts, self.seller, order).await? {
            let words = format!(
                "credit memo {memo} took invoice {invoice} back whole: the refund is credited with it"
            );
            return Ok(no("invoice-taken-back", &words));
        }
        let newest = store.newest(&self.seller.id, kind::ORDER, order.as_str()).await?;
        let recognized = store.recognized_by(&self.seller.id, order.as_str(), leg::RECEIVABLE).await?;
        let overdue = self.now.duration_since(transaction.posted) > ORDER_PATIENCE;
        Ok(match (newest, recognized) {
            (Some(newest), Some(_)) => match stored::<Order>("order", &newest.record)?.total {
                Some(total) => Refundable::Yes(total),
                None => no("no-total", "Amazon states no total for the refunded order"),
            },
            (Some(newest), None) if newest.stage == stage::REVIEW => {
                no("order-in-review", "the refunded order is in review: settle that first")
            }
            (Some(newest), None) if newest.stage == stage::HISTORY => no(
                "order-before-start",
                "the refunded order is from before these books begin: take it back where it was booked",
            ),
            (Some(newest), None) if newest.stage == stage::SKIPPED => no(
                "order-not-invoiced",
                "the refunded order was not invoiced, so there is nothing to take back",
            ),
            _ if overdue => {
                no("order-unknown", "the refunded order has not been read, or not shipped, for a week")
            }
            _ => Refundable::NotYet,
        })
    }

    async fn credit_memo(
        &self,
        transaction: &Transaction,
        order: &OrderId,
        lines: Vec<DocumentLine>,
    ) -> Result<Document, StageError> {
        let refund = transaction.economic_id().clone();
        let invoices = invoices_of(self.parts, self.seller, order).await?;
        let credits = invoices.iter().find_map(|invoice| match &invoice.document.body {
            Body::Invoice { lines: of, .. } => CreditedLines::find(&invoice.document.key, of, &lines),
            _ => None,
        });
        Ok(Document {
            key: DocumentKey::derive(Kind::CreditMemo.letter(), &self.seller.id, refund.as_str(), 0),
            seller: self.seller.id.clone(),
            revision: 0,
            date: self.seller.day(transaction.posted),
            moved_from: None,
            currency: transaction.total.currency,
            body: Body::CreditMemo {
                order: order.clone(),
                cause: Credit::Refund { refund },
                marketplace: transaction.marketplace.clone().unwrap_or_else(|| "".into()),
                lines,
                credits,
            },
            origin: origin(self.parts, self.seller, self.input),
        })
    }
}
