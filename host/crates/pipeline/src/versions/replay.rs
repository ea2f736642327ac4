//! Makes documents again from what was recorded, and compares byte for byte: years later, the books can still be shown
//! to follow from what Amazon sent, the settings and the mapper of that day.

use std::collections::HashMap;

use ml_connector_domain::Timestamp;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::{Body, Credit, Document};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{
    CreditMemoOutcome, DocumentLine, Mapped, OrderOutcome, TransactionOutcome,
};
use ml_connector_ports::Mapper;
use ml_connector_storage::{Difference, RecordedBatch};

use super::compare::{differences, order_effects, transaction_effects};
use super::record::{Records, outcome_hash, unpack};
use super::replay_journals;
use crate::{Parts, Seller, StageError, stored, to_stored};

/// Batches read from the store at once.
const CHUNK: u32 = 50;

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Batches mapped again.
    pub batches: u64,
    /// Batches whose input is not kept (any more).
    pub not_kept: u64,
    /// Records in the batches.
    pub records: u64,
    /// Invoices and credit memos made again, byte for byte.
    pub documents: u64,
    /// Transactions' journal lines made again, byte for byte.
    pub bookings: u64,
    /// Journals made again whole, byte for byte.
    pub journals: u64,
    /// Journals behind which something is not kept (any more), or that adjust what a correction has replaced.
    pub journals_not_kept: u64,
    /// What came out otherwise, in words: outcomes, fuel, a document's lines.
    pub wrong: Vec<String>,
}

/// Maps a seller's recorded batches since a time again, each by the version it was mapped by, and makes the journals dated
/// since then again of what that gives.
///
/// # Errors
/// The store failed, a version cannot be loaded, or a recorded input is not what its batch is named by.
pub async fn replay(parts: &Parts, seller: &Seller, since: Timestamp) -> Result<Replayed, StageError> {
    let mut found = Replayed::default();
    let mut after = String::new();
    loop {
        let batches = parts.store.recorded_batches(&seller.id, since, &after, CHUNK).await?;
        let Some(last) = batches.last() else { break };
        last.input.as_str().clone_into(&mut after);
        for batch in &batches {
            match &batch.packed {
                None => found.not_kept += 1,
                Some(packed) => again(parts, batch, packed, &mut found).await?,
            }
        }
    }
    replay_journals::journals(parts, seller, since, &mut found).await?;
    Ok(found)
}

async fn again(
    parts: &Parts,
    batch: &RecordedBatch,
    packed: &[u8],
    found: &mut Replayed,
) -> Result<(), StageError> {
    let input = unpack(&batch.input, &batch.kind, packed)?;
    let mapper = super::load(parts, &batch.mapper).await?;
    found.batches += 1;
    let lines = match &input.records {
        Records::Orders(orders) => {
            let mapped = mapper.map_orders(&input.context, orders).await;
            found.records += orders.len() as u64;
            let Some(mapped) = same(batch, mapped.map_err(|fault| fault.to_string()), found)? else {
                return Ok(());
            };
            invoices(orders, mapped)
        }
        Records::Transactions(transactions) => {
            let mapped = mapper.map_transactions(&input.context, transactions).await;
            found.records += transactions.len() as u64;
            let Some(mapped) = same(batch, mapped.map_err(|fault| fault.to_string()), found)? else {
                return Ok(());
            };
            bookings(parts, batch, transactions, &mapped, found).await?;
            credit_memos(transactions, mapped)
        }
    };
    documents(parts, batch, &lines, found).await
}

/// The outcomes, compared by hash and fuel with what was kept.
fn same<T: serde::Serialize>(
    batch: &RecordedBatch,
    mapped: Result<Mapped<T>, String>,
    found: &mut Replayed,
) -> Result<Option<Vec<T>>, StageError> {
    let mapped = match mapped {
        Ok(mapped) => mapped,
        Err(fault) => {
            found.wrong.push(format!("batch {}: the mapper fails now: {fault}", batch.input));
            return Ok(None);
        }
    };
    let outcome = outcome_hash(&mapped.outcomes)?;
    if batch.outcome.as_ref().is_some_and(|kept| *kept != outcome) {
        found.wrong.push(format!("batch {}: the outcomes have other bytes", batch.input));
    }
    if batch.fuel != mapped.fuel {
        let message = format!("batch {}: it took {} fuel, now {}", batch.input, batch.fuel, mapped.fuel);
        found.wrong.push(message);
    }
    Ok(Some(mapped.outcomes))
}

type Lines = HashMap<String, Vec<DocumentLine>>;

fn invoices(orders: &[Order], outcomes: Vec<OrderOutcome>) -> Lines {
    let lines = orders.iter().zip(outcomes).filter_map(|(order, outcome)| match outcome {
        OrderOutcome::Invoice(lines) => Some((order.subject(), lines)),
        _ => None,
    });
    lines.collect()
}

fn credit_memos(transactions: &[Transaction], outcomes: Vec<TransactionOutcome>) -> Lines {
    let lines = transactions.iter().zip(outcomes).filter_map(|(transaction, outcome)| match outcome {
        TransactionOutcome::Booking(booking) => match booking.credit_memo {
            Some(CreditMemoOutcome::CreditMemo { lines, .. }) => {
                Some((transaction.economic_id().as_str().to_owned(), lines))
            }
            _ => None,
        },
        _ => None,
    });
    lines.collect()
}

async fn documents(
    parts: &Parts,
    batch: &RecordedBatch,
    lines: &Lines,
    found: &mut Replayed,
) -> Result<(), StageError> {
    for body in parts.store.made_in_batch(&batch.input).await?.documents {
        let document: Document = stored("document", &body)?;
        let kept = match &document.body {
            Body::Invoice { lines, net_of, .. } if net_of.is_empty() => lines,
            Body::CreditMemo { lines, cause: Credit::Refund { .. }, .. } => lines,
            // Journals are made again as wholes; the others are made of what several batches said, or of other documents.
            Body::Invoice { .. } | Body::CreditMemo { .. } | Body::Journal { .. } | Body::Receipt { .. } => {
                continue;
            }
        };
        let made = lines.get(document.subject());
        let same = match made {
            Some(made) => to_stored("lines", made)? == to_stored("lines", kept)?,
            None => false,
        };
        if same {
            found.documents += 1;
        } else {
            found.wrong.push(format!(
                "document {}: its lines do not follow from batch {}",
                document.key, batch.input
            ));
        }
    }
    Ok(())
}

async fn bookings(
    parts: &Parts,
    batch: &RecordedBatch,
    transactions: &[Transaction],
    outcomes: &[TransactionOutcome],
    found: &mut Replayed,
) -> Result<(), StageError> {
    let mut journals = HashMap::new();
    for (transaction, outcome) in transactions.iter().zip(outcomes) {
        if let TransactionOutcome::Booking(booking) = outcome {
            journals.insert(transaction.id.as_str(), to_stored("journal lines", &booking.journal)?);
        }
    }
    for (transaction, kept) in parts.store.made_in_batch(&batch.input).await?.bookings {
        if journals.get(transaction.as_str()) == Some(&kept) {
            found.bookings += 1;
        } else {
            found.wrong.push(format!("booking {transaction}: it does not follow from batch {}", batch.input));
        }
    }
    Ok(())
}

/// What another version would have booked of a seller's recorded batches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Batches compared.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Batches that either failed on, in words.
    pub faults: Vec<String>,
    /// Where they differ, by record.
    pub differences: Vec<Difference>,
}

/// Maps recorded batches by two mappers and compares them by account and amount.
///
/// # Errors
/// The store failed, or a recorded input is not what its batch is named by.
pub async fn compare(
    parts: &Parts,
    seller: &Seller,
    (one, other): (&dyn Mapper, &dyn Mapper),
    since: Timestamp,
) -> Result<Compared, StageError> {
    let mut found = Compared::default();
    let mut after = String::new();
    loop {
        let batches = parts.store.recorded_batches(&seller.id, since, &after, CHUNK).await?;
        let Some(last) = batches.last() else { return Ok(found) };
        last.input.as_str().clone_into(&mut after);
        for batch in &batches {
            let Some(packed) = &batch.packed else { continue };
            let input = unpack(&batch.input, &batch.kind, packed)?;
            found.batches += 1;
            let compared = compare_records(&input.context, &input.records, (one, other)).await;
            match compared {
                Ok((records, differences)) => {
                    found.records += records;
                    found.differences.extend(differences);
                }
                Err(fault) => found.faults.push(format!("batch {}: {fault}", batch.input)),
            }
        }
    }
}

async fn compare_records(
    context: &ml_connector_domain::mapping::BatchContext,
    records: &Records,
    (one, other): (&dyn Mapper, &dyn Mapper),
) -> Result<(u64, Vec<Difference>), ml_connector_ports::MapperFault> {
    match records {
        Records::Orders(orders) => {
            let one = one.map_orders(context, orders).await?.outcomes;
            let other = other.map_orders(context, orders).await?.outcomes;
            let pairs = orders.iter().zip(one.iter().zip(&other));
            let differ = pairs.flat_map(|(order, (one, other))| {
                differences(order.id.as_str(), &order_effects(one), &order_effects(other))
            });
            Ok((orders.len() as u64, differ.collect()))
        }
        Records::Transactions(transactions) => {
            let one = one.map_transactions(context, transactions).await?.outcomes;
            let other = other.map_transactions(context, transactions).await?.outcomes;
            let pairs = transactions.iter().zip(one.iter().zip(&other));
            let differ = pairs.flat_map(|(transaction, (one, other))| {
                differences(transaction.id.as_str(), &transaction_effects(one), &transaction_effects(other))
            });
            Ok((transactions.len() as u64, differ.collect()))
        }
    }
}

/// Whether a hash is what a name begins: people write the first digits of a digest.
pub fn begins(digest: &ContentHash, with: &str) -> bool {
    with.len() >= 6 && digest.as_str().starts_with(with)
}
