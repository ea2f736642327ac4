//! What the control port sets: the instance's set-up, and what people and processes do there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Privilege;
use super::integrations::post_batches;
use super::receipts::automatch;
use super::receivables::minor;
use super::{FusionState, Kind, lov, settle};
use crate::http::{Incoming, Reply};
use crate::scenario::Currency;
use crate::{World, locked};

/// A resource just created is not in collections yet for so many milliseconds.
const VISIBILITY_LAG: i64 = 2_000;
/// Seconds that an access token lives.
const TOKEN_SECONDS: u32 = 3_600;

/// The instance's set-up, where it is not as the scenario says.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    /// Unbalanced journals are accepted.
    pub(super) suspense: bool,
    /// Every transaction source numbers by itself.
    pub(super) auto_numbering: bool,
    /// The release has the actions of receipts.
    pub(super) apply_receipt: bool,
    /// AutoInvoice gives up.
    pub(super) consolidated_billing: bool,
    /// Statuses of periods by module and name.
    pub(super) periods: BTreeMap<(u32, String), char>,
    /// The General Ledger period that closes when the next import runs.
    pub(super) close_on_import: Option<String>,
    pub(super) revoked: BTreeSet<Privilege>,
    pub(super) unknown_customers: BTreeSet<String>,
    pub(super) removed_units: BTreeSet<String>,
    pub(super) removed_journal_sources: BTreeSet<String>,
    pub(super) removed_transaction_sources: BTreeSet<String>,
    /// Rows of imports, from 1, that are refused.
    pub(super) reject_rows: Vec<usize>,
    lag_ms: Option<i64>,
    token_seconds: Option<u32>,
}

impl Knobs {
    pub(super) fn lag(&self) -> i64 {
        self.lag_ms.unwrap_or(VISIBILITY_LAG)
    }

    pub(super) fn token_seconds(&self) -> u32 {
        self.token_seconds.unwrap_or(TOKEN_SECONDS)
    }
}

/// A period of a module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    application: u32,
    period: String,
}

/// A document that somebody edits or deletes, by its number or a part of its batch's name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    resource: String,
    number: Option<String>,
    batch: Option<String>,
    amount: Option<Value>,
    /// In the ledger's currency, of a journal line.
    accounted: Option<Value>,
    account: Option<String>,
}

/// What is set; what is not named stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Change {
    suspense: Option<bool>,
    auto_numbering: Option<bool>,
    apply_receipt: Option<bool>,
    consolidated_billing: Option<bool>,
    close_period: Option<Period>,
    open_period: Option<Period>,
    close_period_on_import: Option<String>,
    disable_account: Option<String>,
    enable_account: Option<String>,
    revoke_privilege: Option<Privilege>,
    grant_privilege: Option<Privilege>,
    unknown_customer: Option<String>,
    known_customer: Option<String>,
    remove_business_unit: Option<String>,
    remove_journal_source: Option<String>,
    remove_transaction_source: Option<String>,
    edit: Option<Target>,
    delete: Option<Target>,
    post_batches: bool,
    run_automatch: bool,
    reject_rows: Option<Vec<usize>>,
    lag_ms: Option<i64>,
    token_seconds: Option<u32>,
}

/// Answers PUT /control/fusion.
pub(crate) fn put(world: &World, request: &Incoming) -> Reply {
    match serde_json::from_slice::<Change>(&request.body) {
        Err(error) => Reply::text(400, error.to_string()),
        Ok(change) => match set(world, change) {
            Ok(()) => Reply::json(200, &json!({})),
            Err(words) => Reply::text(404, words),
        },
    }
}

/// Sets the instance's set-up, for tests in the simulator's process: `change` is the body of PUT /control/fusion.
///
/// # Errors
/// It is not understood, or names what does not exist.
pub fn change(world: &World, change: &Value) -> Result<(), String> {
    set(world, serde_json::from_value(change.clone()).map_err(|error| error.to_string())?)
}

fn set(world: &World, change: Change) -> Result<(), String> {
    let mut state = locked(&world.fusion);
    let state = &mut *state;
    settle(world, state);
    switches(&mut state.knobs, &change);
    if let Some(Period { application, period }) = change.close_period {
        module(application)?;
        state.knobs.periods.insert((application, period), 'C');
    }
    if let Some(Period { application, period }) = change.open_period {
        module(application)?;
        state.knobs.periods.insert((application, period), 'O');
    }
    for (account, enabled) in [(change.disable_account, false), (change.enable_account, true)] {
        if account.as_ref().is_some_and(|account| !state.chart.enable(account, enabled)) {
            return Err(format!("no account {}", account.unwrap_or_default()));
        }
    }
    let now = world.clock.now();
    if let Some(target) = change.edit {
        edit(world, state, &target, now)?;
    }
    if let Some(target) = change.delete {
        delete(state, &target)?;
    }
    if change.post_batches {
        post_batches(world, state);
    }
    if change.run_automatch {
        automatch(state, now);
    }
    Ok(())
}

fn module(application: u32) -> Result<(), String> {
    let known = lov::MODULES.contains(&application);
    known.then_some(()).ok_or_else(|| format!("no module {application}: 101 or 222"))
}

fn switches(knobs: &mut Knobs, change: &Change) {
    let switch = |to: &mut bool, from: Option<bool>| *to = from.unwrap_or(*to);
    switch(&mut knobs.suspense, change.suspense);
    switch(&mut knobs.auto_numbering, change.auto_numbering);
    switch(&mut knobs.apply_receipt, change.apply_receipt);
    switch(&mut knobs.consolidated_billing, change.consolidated_billing);
    knobs.revoked.extend(change.revoke_privilege);
    if let Some(privilege) = change.grant_privilege {
        knobs.revoked.remove(&privilege);
    }
    knobs.unknown_customers.extend(change.unknown_customer.clone());
    if let Some(customer) = &change.known_customer {
        knobs.unknown_customers.remove(customer);
    }
    knobs.removed_units.extend(change.remove_business_unit.clone());
    knobs.removed_journal_sources.extend(change.remove_journal_source.clone());
    knobs.removed_transaction_sources.extend(change.remove_transaction_source.clone());
    if let Some(period) = &change.close_period_on_import {
        knobs.close_on_import = Some(period.clone());
    }
    if let Some(rows) = &change.reject_rows {
        knobs.reject_rows.clone_from(rows);
    }
    knobs.lag_ms = change.lag_ms.or(knobs.lag_ms);
    knobs.token_seconds = change.token_seconds.or(knobs.token_seconds);
}

fn receivable(state: &FusionState, target: &Target) -> Result<(Kind, u64), String> {
    let kind = match target.resource.as_str() {
        "receivablesInvoices" => Kind::Invoice,
        "receivablesCreditMemos" => Kind::CreditMemo,
        other => return Err(format!("no resource {other}")),
    };
    let number = target.number.as_deref().unwrap_or_default();
    let found = state.by_number(kind, number);
    let document = found.first().ok_or_else(|| format!("no document {number}"))?;
    Ok((kind, document.id))
}

fn batch(state: &FusionState, target: &Target) -> Result<usize, String> {
    let name = target.batch.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| "a batch is named by a part of its name".to_owned())?;
    let found = state.batches.iter().position(|batch| batch.name.contains(name));
    found.ok_or_else(|| format!("no batch {name}"))
}

/// Somebody gives the first line another amount, so that the document's total, or the journal line, is `amount`, or
/// another worth in the ledger's currency; or moves it, of a receivable its first revenue, to another account.
fn edit(world: &World, state: &mut FusionState, target: &Target, now: i64) -> Result<(), String> {
    let wrong = |_| "an amount is a decimal number".to_owned();
    let amount = |currency: Currency| {
        let given = target.amount.as_ref();
        given.map(|given| minor(Some(given), currency, "amount")).transpose().map_err(wrong)
    };
    if target.resource == "journalBatches" {
        let at = batch(state, target)?;
        let batch = &mut state.batches[at];
        if let Some(line) = batch.journals.iter_mut().flat_map(|journal| &mut journal.lines).next() {
            line.net = amount(line.currency)?.unwrap_or(line.net);
            if let Some(worth) = &target.accounted {
                let ledger = world.scenario.sellers[batch.seller].fusion.ledger_currency;
                line.accounted = minor(Some(worth), ledger, "accounted").map_err(wrong)?;
            }
            if let Some(account) = &target.account {
                line.account.clone_from(account);
            }
        }
        batch.updated = now;
        return Ok(());
    }
    let (kind, id) = receivable(state, target)?;
    if let Some(document) = state.document_mut(kind, id) {
        let total = document.total();
        document.lines[0].amount += amount(document.currency)?.unwrap_or(total) - total;
        let revenue = document.distributions.iter_mut().find(|one| one.class == "Revenue");
        if let (Some(revenue), Some(account)) = (revenue, &target.account) {
            revenue.account.clone_from(account);
        }
        document.updated = now;
    }
    Ok(())
}

fn delete(state: &mut FusionState, target: &Target) -> Result<(), String> {
    if target.resource == "journalBatches" {
        let at = batch(state, target)?;
        state.batches.remove(at);
        return Ok(());
    }
    if target.resource == "standardReceipts" {
        let number = target.number.as_deref();
        let at = state.receipts.iter().position(|receipt| Some(receipt.number.as_str()) == number);
        state.receipts.remove(at.ok_or_else(|| "no such receipt".to_owned())?);
        return Ok(());
    }
    let (kind, id) = receivable(state, target)?;
    state.remove(kind, id);
    Ok(())
}
