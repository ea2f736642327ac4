//! What is kept of a batch: its name, what went in, what came out.
//!
//! What goes into a mapper holds nothing about a buyer: an order's canonical form names products, amounts and ids. So
//! inputs may be kept for longer than buyer data.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{BatchContext, Mapped};
use ml_connector_ports::MapperFault;
use ml_connector_storage::{BatchRecord, Change, MapperChange};

use crate::{Parts, Seller, StageError, stored, to_stored};

/// A plain input's largest size in bytes when it is read back.
const PLAIN_BYTES_MAX: u64 = 256 << 20;

/// Names a mapper's settings.
pub fn settings_hash(settings: &[(String, String)]) -> ContentHash {
    let mut text = String::new();
    for (key, value) in settings {
        // Lengths first: no two lists of settings have the same text.
        text.push_str(&format!("{}:{key}{}:{value}", key.len(), value.len()));
    }
    ContentHash::of(text.as_bytes())
}

/// A batch on its way into the mapper.
pub(crate) struct Batch {
    /// A hash over all that goes in, the mapper's digest included.
    pub(crate) name: ContentHash,
    kind: &'static str,
    records: usize,
    input: String,
}

impl Batch {
    pub(crate) fn of<T: serde::Serialize>(
        parts: &Parts,
        kind: &'static str,
        context: &BatchContext,
        records: &[T],
    ) -> Result<Self, StageError> {
        let input = to_stored("batch", &(&parts.mapper.identity().digest, context, records))?;
        Ok(Self { name: ContentHash::of(input.as_bytes()), kind, records: records.len(), input })
    }

    /// What is kept of the call.
    pub(crate) fn kept<T: serde::Serialize>(
        &self,
        parts: &Parts,
        seller: &Seller,
        result: &Result<Mapped<T>, MapperFault>,
    ) -> Result<Vec<Change>, StageError> {
        let (identity, at) = (parts.mapper.identity(), parts.clock.now());
        let (fuel, fault, log, outcome) = match result {
            Ok(mapped) => (mapped.fuel, None, mapped.log.clone(), Some(outcome_hash(&mapped.outcomes)?)),
            Err(fault) => (fault.fuel, Some(fault.to_string()), fault.log.clone(), None),
        };
        count(seller, &identity.digest, fuel, result.as_ref().err());
        let mut kept = vec![Change::Batch(BatchRecord {
            input: self.name.clone(),
            seller: seller.id.clone(),
            kind: self.kind,
            at,
            mapper: identity.digest.clone(),
            contract: identity.contract.clone(),
            catalog: seller.catalog_hash.clone(),
            settings: settings_hash(&seller.settings),
            records: self.records,
            fuel,
            fault,
            log,
            outcome,
        })];
        let packed = pack(&self.input)?;
        if packed.len() <= parts.versions.policy.input_bytes_max {
            let (input, seller) = (self.name.clone(), seller.id.clone());
            kept.push(Change::Mapper(MapperChange::Input { input, seller, packed, at }));
        } else {
            tracing::warn!(seller = %seller.id, batch = %self.name, bytes = packed.len(), "input too large to be kept");
        }
        Ok(kept)
    }
}

/// Counts a call for those who watch the daemon.
fn count(seller: &Seller, mapper: &ContentHash, fuel: u64, fault: Option<&MapperFault>) {
    let labels = [("seller", seller.id.to_string()), ("mapper", mapper.to_string())];
    metrics::counter!("ml_connector_mapper_batches_total", &labels).increment(1);
    metrics::counter!("ml_connector_mapper_fuel_total", &labels).increment(fuel);
    if let Some(fault) = fault {
        let [seller, mapper] = labels;
        let labels = [seller, mapper, ("code", fault.code.to_owned())];
        metrics::counter!("ml_connector_mapper_faults_total", &labels).increment(1);
    }
}

/// Names outcomes by their bytes.
pub(super) fn outcome_hash<T: serde::Serialize>(outcomes: &[T]) -> Result<ContentHash, StageError> {
    Ok(ContentHash::of(to_stored("outcomes", &outcomes)?.as_bytes()))
}

fn pack(input: &str) -> Result<Vec<u8>, StageError> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(input.as_bytes()).and_then(|()| packer.finish());
    packed.map_err(|error| StageError::Corrupt { what: "batch", message: error.to_string() })
}

/// The records of a recorded input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Orders.
    Orders(Vec<Order>),
    /// Transactions.
    Transactions(Vec<Transaction>),
}

/// What went into a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedInput {
    /// The mapper it went into.
    pub mapper: ContentHash,
    /// The context.
    pub context: BatchContext,
    /// The records.
    pub records: Records,
}

/// Reads a recorded input back, and checks that it is what its batch is named by.
///
/// # Errors
/// It is not, or cannot be read.
pub fn unpack(name: &ContentHash, kind: &str, packed: &[u8]) -> Result<RecordedInput, StageError> {
    let corrupt = |message: String| StageError::Corrupt { what: "recorded input", message };
    let mut text = String::new();
    let taken = GzDecoder::new(packed).take(PLAIN_BYTES_MAX).read_to_string(&mut text);
    taken.map_err(|error| corrupt(error.to_string()))?;
    if ContentHash::of(text.as_bytes()) != *name {
        return Err(corrupt(format!("{name} is not the hash of what was recorded under it")));
    }
    if kind == "orders" {
        let (mapper, context, records) = stored("recorded input", &text)?;
        Ok(RecordedInput { mapper, context, records: Records::Orders(records) })
    } else {
        let (mapper, context, records) = stored("recorded input", &text)?;
        Ok(RecordedInput { mapper, context, records: Records::Transactions(records) })
    }
}

/// Forgets inputs whose time is over.
///
/// # Errors
/// The store failed.
pub(crate) async fn forget_inputs(parts: &Parts, seller: &Seller) -> Result<(), StageError> {
    let now = parts.clock.now();
    let before = now.saturating_add(-parts.versions.policy.inputs_kept).unwrap_or(now);
    let forget = MapperChange::ForgetInputs { seller: seller.id.clone(), before };
    Ok(parts.store.apply(vec![Change::Mapper(forget)]).await?)
}
