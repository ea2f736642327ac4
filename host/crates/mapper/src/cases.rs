//! Golden cases: a mapper called with the contract's own types as JSON, as `ml-connector-sdk` writes and reads them.
//!
//! Nothing is converted through the domain's types: what a case says is what the component gets, `extra` included.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::runtime::LoadedMapper;
use crate::v0_1;
use ml_connector_ports::MapperFault;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRun {
    /// `{"orders": [...], "transactions": [...]}`, without members that are null or an empty list.
    pub output: Value,
    /// Fuel burnt by both calls.
    pub fuel: u64,
    /// Fuel that they might have burnt.
    pub fuel_max: u64,
    /// What the mapper logged.
    pub log: Vec<String>,
}

/// Why a case has no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// The input is not what the contract says.
    #[error("MAP-CASE: the input is not what the contract says: {0}")]
    Input(String),
    /// The mapper failed on it.
    #[error("MAP-FAULT: {0}")]
    Fault(#[from] MapperFault),
}

/// A case's input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseInput {
    pub(crate) context: v0_1::WitBatchContext,
    #[serde(default)]
    pub(crate) orders: Vec<v0_1::WitOrder>,
    #[serde(default)]
    pub(crate) transactions: Vec<v0_1::WitTransaction>,
}

impl CaseInput {
    /// Reads `{"context": ..., "orders": [...], "transactions": [...]}`.
    ///
    /// # Errors
    /// It is no JSON, or not what the contract says.
    pub(crate) fn read(text: &str) -> Result<Self, CaseError> {
        let wrong = |error: serde_json::Error| CaseError::Input(error.to_string());
        let mut value: Value = serde_json::from_str(text).map_err(wrong)?;
        for name in ["context", "orders", "transactions"] {
            if let Some(member) = value.get_mut(name) {
                with_extra(member);
            }
        }
        serde_json::from_value(value).map_err(wrong)
    }

    pub(crate) fn lines(&self) -> (usize, usize) {
        let items = self.orders.iter().map(|order| order.items.len()).sum();
        (items, self.transactions.iter().map(|transaction| transaction.legs.len()).sum())
    }
}

/// Gives every record the lists that may be left out. A record of the input holds no variant, so every object is one.
fn with_extra(value: &mut Value) {
    const LISTS: [&str; 7] = ["extra", "settings", "catalog", "accounts", "items", "charges", "legs"];
    match value {
        Value::Array(list) => list.iter_mut().for_each(with_extra),
        Value::Object(members) => {
            members.values_mut().for_each(with_extra);
            for name in LISTS {
                members.entry(name).or_insert_with(|| json!([]));
            }
        }
        _ => {}
    }
}

/// Without members that are null or an empty list, as the SDK writes it.
pub(crate) fn without_empties(value: Value) -> Value {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Array(list) => list.into_iter().map(without_empties).collect(),
        Value::Object(members) => {
            let left = members.into_iter().filter(|(_, value)| !empty(value));
            Value::Object(left.map(|(name, value)| (name, without_empties(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

impl LoadedMapper {
    /// Maps a golden case's input. Blocking.
    ///
    /// # Errors
    /// See [`CaseError`].
    pub fn run_case(&self, input: &str) -> Result<CaseRun, CaseError> {
        let input = CaseInput::read(input)?;
        let (items, legs) = input.lines();
        let CaseInput { context, orders, transactions } = &input;
        let (mut run, mut output) =
            (CaseRun { output: Value::Null, fuel: 0, fuel_max: 0, log: Vec::new() }, Map::new());
        let written = |outcomes: serde_json::Result<Value>| {
            outcomes.map_err(|error| CaseError::Input(format!("an outcome cannot be written: {error}")))
        };
        if !orders.is_empty() {
            let budget = self.limits().fuel(orders.len(), items);
            let called = self.call(budget, |world, store| world.call_map_orders(store, context, orders))?;
            output.insert("orders".to_owned(), written(serde_json::to_value(&called.value))?);
            run.take(called.fuel, budget, called.log);
        }
        if !transactions.is_empty() {
            let budget = self.limits().fuel(transactions.len(), legs);
            let called =
                self.call(budget, |world, store| world.call_map_transactions(store, context, transactions))?;
            output.insert("transactions".to_owned(), written(serde_json::to_value(&called.value))?);
            run.take(called.fuel, budget, called.log);
        }
        run.output = without_empties(Value::Object(output));
        Ok(run)
    }
}

impl CaseRun {
    fn take(&mut self, fuel: u64, budget: u64, log: Vec<String>) {
        self.fuel += fuel;
        self.fuel_max += budget;
        self.log.extend(log);
    }
}
