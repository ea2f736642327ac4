//! Balances by seller, month, account and currency: what Fusion holds, and how that differs from what it should.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::DETAILS_MAX;
use crate::World;
use crate::fusion::{Document, FusionState};
use crate::scenario::{ACCOUNTS, Currency, combination};

/// Seller, month of the accounting date (`2026-10`), combination, currency.
type Key = (usize, String, String, Currency);

/// Debits less credits, in minor units.
#[derive(Debug, Default)]
pub(super) struct Balances(BTreeMap<Key, i64>);

impl Balances {
    pub(super) fn add(&mut self, seller: usize, month: &str, account: &str, currency: Currency, net: i64) {
        let key = (seller, month.to_owned(), account.to_owned(), currency);
        *self.0.entry(key).or_default() += net;
    }

    fn of(&self, key: &Key) -> i64 {
        self.0.get(key).copied().unwrap_or(0)
    }
}

/// The combination of a purpose, with the cost centre that is no product's.
pub(super) fn of_purpose(purpose: &str) -> String {
    let found = ACCOUNTS.iter().find(|(known, _)| *known == purpose);
    combination(found.map_or("?", |(_, account)| *account), "000")
}

/// What invoices, credit memos, receipts and journals come to.
pub(super) fn in_fusion(world: &World, state: &FusionState) -> Balances {
    let mut balances = Balances::default();
    for document in state.invoices.iter().chain(&state.credit_memos) {
        receivable(&mut balances, document);
    }
    let (clearing, debtors) = (of_purpose("clearing"), of_purpose("receivable"));
    for receipt in &state.receipts {
        let month = month(&receipt.date);
        balances.add(receipt.seller, month, &clearing, receipt.currency, receipt.amount);
        balances.add(receipt.seller, month, &debtors, receipt.currency, -receipt.amount);
    }
    for batch in &state.batches {
        debug_assert!(batch.seller < world.scenario.sellers.len(), "a batch is in a seller's ledger");
        for journal in &batch.journals {
            for line in &journal.lines {
                balances.add(batch.seller, month(&journal.date), &line.account, line.currency, line.net);
            }
        }
    }
    balances
}

fn receivable(balances: &mut Balances, document: &Document) {
    for one in &document.distributions {
        let net = if one.class == "Receivable" { one.amount } else { -one.amount };
        balances.add(document.seller, month(&document.date), &one.account, document.currency, net);
    }
}

/// The month of a day.
pub(super) fn month(date: &str) -> &str {
    date.get(..7).unwrap_or(date)
}

/// The sum of all differences, and the first of them in words.
pub(super) fn compare(world: &World, expected: &Balances, observed: &Balances) -> Value {
    let keys: BTreeSet<&Key> = expected.0.keys().chain(observed.0.keys()).collect();
    let (mut difference, mut details) = (0_u64, Vec::new());
    for key in &keys {
        let (should, is) = (expected.of(key), observed.of(key));
        difference += should.abs_diff(is);
        if should != is && details.len() < DETAILS_MAX {
            let (seller, month, account, currency) = key;
            let seller = &world.scenario.sellers[*seller].id;
            let code = currency.code();
            details.push(format!("{seller} {month} {account} {code}: Fusion holds {is}, not {should}"));
        }
    }
    json!({ "difference": difference, "rows": keys.len(), "details": details })
}
