//! Calls whose answers are wanted as the mapper gave them, not only as the domain understands them.

use ml_connector_domain::mapping::{BatchContext, Mapped};
use serde_json::Value;

use crate::fixtures::Batch;
use crate::mapper::{LoadedMapper, Run};
use crate::{cost, v0_1};

impl LoadedMapper {
    /// Maps a batch, and says what came of each record in the contract's JSON, with names in snake case and the `extra` of
    /// every record. It burns what the same batch burns otherwise, and what the domain would refuse is refused. Blocks for
    /// as long as that takes.
    pub fn tell(&self, context: &BatchContext, batch: &Batch) -> Run<Value> {
        match batch {
            Batch::Orders(orders) => words(self.orders(
                context,
                orders,
                |said| Ok((v0_1::told::order_outcome(&said), v0_1::order_outcome(said)?)),
                |(_, outcome)| cost::order_outcome(outcome),
            )),
            Batch::Transactions(transactions) => words(self.transactions(
                context,
                transactions,
                |said| Ok((v0_1::told::transaction_outcome(&said), v0_1::transaction_outcome(said)?)),
                |(_, outcome)| cost::transaction_outcome(outcome),
            )),
        }
    }
}

/// A run's answers as they were given.
fn words<T>(run: Run<(Value, T)>) -> Run<Value> {
    let Run { result, usage, stack } = run;
    let result = result.map(|Mapped { outcomes, fuel, log }| Mapped {
        outcomes: outcomes.into_iter().map(|(said, _)| said).collect(),
        fuel,
        log,
    });
    Run { result, usage, stack }
}
