//! Fixtures: recorded batches, mapped twice in two fresh instances and compared byte for byte and fuel for fuel.

use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{BatchContext, Mapped};
use ml_connector_ports::MapperFault;
use serde::{Deserialize, Serialize};

use crate::mapper::{LoadedMapper, Run, Usage};

/// A batch with a name: what a mapper is tried on before it may map anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixture {
    /// What it shows.
    pub name: String,
    /// What it is mapped with.
    pub context: BatchContext,
    /// What is mapped.
    pub batch: Batch,
}

/// Records of a fixture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// Orders.
    Orders(Vec<Order>),
    /// Transactions.
    Transactions(Vec<Transaction>),
}

/// What a batch was mapped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The outcomes as JSON, always written alike.
    pub output: Vec<u8>,
    /// SHA-256 of the output.
    pub digest: ContentHash,
    /// Fuel burnt.
    pub fuel: u64,
    /// What was logged.
    pub log: Vec<String>,
    /// What was used of the limits.
    pub usage: Usage,
}

/// Why a fixture does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FixtureFault {
    /// It was not mapped.
    #[error("MAP-FIXTURE-FAULT: {0}")]
    Fault(#[from] MapperFault),
    /// Two runs differ: the mapper is not a pure function of what it is given.
    #[error(
        "MAP-FIXTURE-DIFFERS: two runs on the same input differ in {what}: {first} and {second}; a mapper keeps nothing between calls and draws on nothing but its input"
    )]
    Differs {
        /// In what.
        what: &'static str,
        /// What the first run had.
        first: String,
        /// What the second had.
        second: String,
    },
}

impl LoadedMapper {
    /// Maps a batch once, in a fresh instance.
    ///
    /// # Errors
    /// As for every call.
    pub fn run_batch(&self, context: &BatchContext, batch: &Batch) -> Result<Replayed, MapperFault> {
        match batch {
            Batch::Orders(orders) => replayed(self.run_orders(context, orders)),
            Batch::Transactions(transactions) => replayed(self.run_transactions(context, transactions)),
        }
    }

    /// Maps a fixture twice, in two fresh instances, and compares.
    ///
    /// # Errors
    /// See [`FixtureFault`].
    pub fn replay(&self, fixture: &Fixture) -> Result<Replayed, FixtureFault> {
        let run = || self.run_batch(&fixture.context, &fixture.batch);
        let (first, second) = (run()?, run()?);
        let differs = |what, first: String, second: String| {
            if first == second { Ok(()) } else { Err(FixtureFault::Differs { what, first, second }) }
        };
        differs("bytes", first.digest.to_string(), second.digest.to_string())?;
        differs("fuel", first.fuel.to_string(), second.fuel.to_string())?;
        differs("log", format!("{:?}", first.log), format!("{:?}", second.log))?;
        Ok(first)
    }
}

fn replayed<T: Serialize>(run: Run<T>) -> Result<Replayed, MapperFault> {
    let Run { result, usage, .. } = run;
    let Mapped { outcomes, fuel, log } = result?;
    let output = serde_json::to_vec(&outcomes).map_err(|error| crate::faults::host(error.to_string()))?;
    Ok(Replayed { digest: ContentHash::of(&output), output, fuel, log, usage })
}
