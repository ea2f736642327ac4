//! Journals in the ledger's currency: what each account should be worth by the rates that Amazon and Fusion have, and what
//! it is worth in Fusion.
//!
//! What should be is worked out exactly, in thousand millionths of a minor unit, from what happened at Amazon. What is
//! there was rounded line by line, so an account may differ by a minor unit for each of its lines. Money in transit may
//! not: where Amazon shows what it paid out, that is what the bank shows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::{Value, json};

use super::DETAILS_MAX;
use super::balances::{month, of_purpose};
use crate::World;
use crate::fusion::{FusionState, Journal};
use crate::scenario::{Currency, Group, rates};

/// Parts of a minor unit that are counted.
const PARTS: i128 = 1_000_000_000;
/// What counting parts itself loses.
const LOST: i128 = PARTS / 1_000;
/// Fewest minor units of both totals of a settlement whose quotient counts as a rate.
const TELLS: u64 = 1_000;

/// What a minor unit is worth, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate(i64, i64);

impl Rate {
    /// Fusion's of a day.
    pub(super) fn daily(from: Currency, to: Currency, day: Date) -> Self {
        Self(rates::daily(from, to, day), 1_000_000)
    }

    /// That of a settlement, if Amazon shows what it paid out in the ledger's currency: in the group, or in the payout.
    pub(super) fn own(world: &World, n: usize) -> Option<Self> {
        let group = &world.scenario.groups[n];
        let ledger = world.scenario.sellers[group.seller].fusion.ledger_currency;
        let paid_in_ledger = group.deposit == ledger && group.currency != ledger;
        let shown = !group.total_missing || group.payout(n).0 == ledger;
        let tells = group.total.unsigned_abs().min(group.paid_out.unsigned_abs()) >= TELLS;
        (paid_in_ledger && shown && tells).then_some(Self(group.paid_out, group.total))
    }
}

/// Seller, month of the accounting date, combination.
type Key = (usize, String, String);

/// Worth in parts of a minor unit, and by how many minor units it may differ.
#[derive(Debug, Default)]
pub(super) struct Worth(BTreeMap<Key, (i128, i128)>);

impl Worth {
    pub(super) fn add(
        &mut self,
        seller: usize,
        month: &str,
        account: &str,
        (minor, Rate(of, to)): (i64, Rate),
    ) {
        let sum = self.0.entry((seller, month.to_owned(), account.to_owned())).or_default();
        sum.0 += i128::from(minor) * i128::from(of) * PARTS / i128::from(to);
    }

    fn of(&self, key: &Key) -> (i128, i128) {
        self.0.get(key).copied().unwrap_or_default()
    }
}

/// What the lines of journals in other currencies than their ledger's are worth.
pub(super) fn in_fusion(world: &World, state: &FusionState) -> Worth {
    let mut worth = Worth::default();
    for batch in &state.batches {
        let ledger = world.scenario.sellers[batch.seller].fusion.ledger_currency;
        for journal in batch.journals.iter().filter(|journal| journal.currency != ledger) {
            for (place, line) in journal.lines.iter().enumerate() {
                let key = (batch.seller, month(&journal.date).to_owned(), line.account.clone());
                let sum = worth.0.entry(key).or_default();
                sum.0 += i128::from(line.accounted) * PARTS;
                sum.1 += i128::try_from(rounded(journal, place)).unwrap_or(0);
            }
        }
    }
    worth
}

/// By how many minor units a line may differ from its exact worth.
fn rounded(journal: &Journal, place: usize) -> usize {
    let line = &journal.lines[place];
    let brought_along = line.converted_on.is_none();
    if line.account == of_purpose("rounding") {
        return journal.lines.len() + 1;
    }
    if brought_along {
        return usize::from(line.account != of_purpose("settlement"));
    }
    // Fusion gives what rounding leaves to the largest line.
    let largest = journal.lines.iter().map(|line| line.net.abs()).max();
    if largest == Some(line.net.abs()) { 1 + journal.lines.len() } else { 1 }
}

/// The sum of all differences that are no rounding, in minor units, and the first of them in words.
pub(super) fn compare(world: &World, expected: &Worth, observed: &Worth) -> (u64, usize, Vec<String>) {
    let keys: BTreeSet<&Key> = expected.0.keys().chain(observed.0.keys()).collect();
    let (mut difference, mut details) = (0_u64, Vec::new());
    for key in &keys {
        let ((should, _), (is, may)) = (expected.of(key), observed.of(key));
        let off = (should - is).abs();
        if off <= may * PARTS + LOST {
            continue;
        }
        difference += u64::try_from(off.div_euclid(PARTS).max(1)).unwrap_or(u64::MAX);
        if details.len() < DETAILS_MAX {
            let (seller, month, account) = key;
            let seller = &world.scenario.sellers[*seller];
            let (id, code) = (&seller.id, seller.fusion.ledger_currency.code());
            let (should, is) = (should / PARTS, is / PARTS);
            details.push(format!(
                "{id} {month} {account}: worth {is} in {code}, not {should}, of which {may} may be rounding"
            ));
        }
    }
    (difference, keys.len(), details)
}

/// Adds what differs in the ledgers' currencies to a trial balance.
pub(super) fn into_balance(balance: &mut Value, (difference, rows, details): (u64, usize, Vec<String>)) {
    let so_far = balance["difference"].as_u64().unwrap_or(0);
    balance["difference"] = json!(so_far + difference);
    balance["ledger_difference"] = json!(difference);
    balance["ledger_rows"] = json!(rows);
    if let Some(all) = balance["details"].as_array_mut() {
        all.extend(details.into_iter().map(Value::String));
    }
}

/// Whether a settlement's journals put another amount in transit than was paid out, or leave something carried forward, in
/// the ledger's currency.
pub(super) fn differs(group: &Group, rate: Option<Rate>, in_transit: i64, carried: i64) -> bool {
    rate.is_some() && (in_transit != group.paid_out || carried != 0)
}
