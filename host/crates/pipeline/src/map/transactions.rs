//! Transactions: lines for their settlement's journal, and a credit memo for a refund.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Transaction;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::{BatchContext, Booking, CreditMemoOutcome, Reason, TransactionOutcome};
use ml_connector_domain::validate::{self, Module};
use ml_connector_domain::{OrderId, Timestamp};
use ml_connector_storage::Change;

use super::{BATCH, Facts, HOST_FAULT, ToReview, fault_reason};
use crate::seller::Dated as _;
use crate::versions::{self, Batch};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stage, stored};

/// How long a refund waits for its order to be decided before a person has to look.
pub(super) const ORDER_PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

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

pub(super) fn context(seller: &Seller, transactions: &[Transaction]) -> BatchContext {
    seller.context(transactions.iter().flat_map(|one| one.products(seller)))
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

pub(super) struct Judge<'a> {
    pub(super) parts: &'a Parts,
    pub(super) seller: &'a Seller,
    pub(super) facts: Facts,
    pub(super) input: &'a ContentHash,
    pub(super) now: Timestamp,
    /// What refunds of this batch credit, in minor units: the store does not know of them yet.
    pub(super) credited: HashMap<OrderId, i64>,
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
}
