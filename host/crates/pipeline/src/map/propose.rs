//! Hands transactions to the mapper for a stage that decides by itself what becomes of them.

use ml_connector_domain::canonical::Transaction;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::TransactionOutcome;
use ml_connector_storage::Change;

use super::transactions::context;
use super::{BATCH, HOST_FAULT, fault_reason};
use crate::versions::Batch;
use crate::{Parts, Seller, StageError};

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
