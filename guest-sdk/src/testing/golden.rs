//! Golden cases: a folder for each, with `input.json` and `expected.json`.
//!
//! ```text
//! tests/golden/first_order/input.json      {"context": ..., "orders": [...], "transactions": [...]}
//! tests/golden/first_order/expected.json   {"orders": [...], "transactions": [...]}
//! ```
//!
//! The names are the contract's (`wit/types.wit`) with `_` for `-`; money is `{"minor": 1080, "currency": "USD"}`; a
//! variant is an object with one member, `{"Skip": "it has not shipped"}`. An empty `extra` and a missing value may be
//! left out. `ml-connector mapper test` checks the same files on the built component, and
//! `ml-connector mapper test --bless` writes `expected.json` as the component answers, to be looked at and committed.

use std::fs;
use std::path::Path;

use super::json::{Json, JsonError, ToJson as _};
use crate::{BatchContext, Mapper, Order, Transaction};

/// Checks every case below `folder`.
///
/// # Panics
/// There is none; a file cannot be read; or a case differs: the message shows where.
#[track_caller]
pub fn assert_golden<M: Mapper>(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}: golden cases are folders in here", folder.display()));
    let mut cases: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} holds no case: each is a folder with input.json", folder.display());
    let failed: Vec<String> = cases.iter().filter_map(|case| check::<M>(case).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check<M: Mapper>(case: &Path) -> Result<(), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", case.display());
    let read = |name: &str| {
        fs::read_to_string(case.join(name)).map_err(|error| format!("{}: {error}", case.join(name).display()))
    };
    let mapped = map::<M>(&read("input.json")?).map_err(|error| named(&error))?;
    let expected = read("expected.json").map_err(|error| {
        format!("{error}\n  write it, or have it written: ml-connector mapper test --bless")
    })?;
    let expected = Json::parse(&expected).map_err(|error| named(&error))?;
    match expected.without_empties().difference(&mapped.without_empties()) {
        None => Ok(()),
        Some(difference) => Err(named(&difference)),
    }
}

/// Maps a case's input; its outcomes as JSON.
///
/// # Errors
/// The input is no JSON, or not what the contract says: with the place.
pub fn map<M: Mapper>(input: &str) -> Result<Json, JsonError> {
    let input = Json::parse(input)?;
    let context: BatchContext = input.member("context")?;
    let orders: Vec<Order> = input.member_or_default("orders")?;
    let transactions: Vec<Transaction> = input.member_or_default("transactions")?;
    Ok(Json::object([
        ("orders", M::map_orders(&context, &orders).to_json()),
        ("transactions", M::map_transactions(&context, &transactions).to_json()),
    ]))
}

/// A case's input, to be written into `input.json`.
pub fn input(context: &BatchContext, orders: &[Order], transactions: &[Transaction]) -> Json {
    Json::object([
        ("context", context.to_json()),
        ("orders", orders.to_vec().to_json()),
        ("transactions", transactions.to_vec().to_json()),
    ])
    .without_empties()
}

impl Json {
    fn member<T: super::json::FromJson>(&self, name: &str) -> Result<T, JsonError> {
        T::from_json(self.get(name)).map_err(|error| error.at(name))
    }

    fn member_or_default<T: super::json::FromJson + Default>(&self, name: &str) -> Result<T, JsonError> {
        match self.get(name) {
            Json::Null => Ok(T::default()),
            _ => self.member(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::FromJson as _;
    use super::*;
    use crate::testing::{any_orders, any_transactions, context};

    #[test]
    fn an_input_survives_its_file() {
        let context = context(&["settlement"]).with_product("MUG", "US", "41000").with_setting("a", "b");
        let (orders, transactions) = (any_orders(&context, 7, 30), any_transactions(&context, 7, 30));
        let text = input(&context, &orders, &transactions).to_string();
        let read = Json::parse(&text).expect("JSON");
        assert_eq!(BatchContext::from_json(read.get("context")), Ok(context));
        assert_eq!(Vec::<Order>::from_json(read.get("orders")), Ok(orders));
        assert_eq!(Vec::<Transaction>::from_json(read.get("transactions")), Ok(transactions));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let order = r#"{"orders": [{"id": "1", "marketplace": "US", "status": 3}]}"#;
        let error = Json::parse(order).expect("JSON").member::<Vec<Order>>("orders").expect_err("a number");
        assert_eq!(error.to_string(), "orders[0].status: text is wanted, not 3");
    }
}
