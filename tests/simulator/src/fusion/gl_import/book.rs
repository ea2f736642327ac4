//! Batches, journals and lines, as an import makes them.

use super::check::{account, given, net};
use super::load::{InterfaceRow, iso};
use crate::World;
use crate::fusion::{FusionState, lov};
use crate::scenario::{Currency, combination, names, rates};

/// An imported batch.
#[derive(Debug, Clone)]
pub struct JournalBatch {
    /// JeBatchId.
    pub id: u64,
    /// BatchName, decorated by the import.
    pub name: String,
    /// BatchDescription.
    pub description: String,
    /// Seller whose ledger it is in.
    pub seller: usize,
    /// UserJeSourceName.
    pub source: String,
    /// DefaultPeriodName.
    pub period: String,
    /// Journals.
    pub journals: Vec<Journal>,
    /// When it was posted, in milliseconds; none while it is not.
    pub posted: Option<i64>,
    /// CompletionStatusMeaning.
    pub completion: String,
    /// The period in which it is marked to be reversed.
    pub reversal_period: Option<String>,
    /// How it is to be reversed.
    pub reversal_method: Option<String>,
    /// When it was created, in milliseconds.
    pub created: i64,
    /// When it was changed last.
    pub updated: i64,
}

impl JournalBatch {
    /// The lines of all its journals.
    pub fn lines(&self) -> impl Iterator<Item = &GlLine> {
        self.journals.iter().flat_map(|journal| &journal.lines)
    }
}

/// A journal.
#[derive(Debug, Clone)]
pub struct Journal {
    /// JournalName, decorated by the import.
    pub name: String,
    /// JournalDescription.
    pub description: String,
    /// PeriodName.
    pub period: String,
    /// DefaultEffectiveDate.
    pub date: String,
    /// UserJeCategoryName.
    pub category: String,
    /// Currency.
    pub currency: Currency,
    /// UserCurrencyConversionType.
    pub conversion: Option<String>,
    /// ExternalReference: REFERENCE6.
    pub reference: Option<String>,
    /// Lines.
    pub lines: Vec<GlLine>,
}

/// A journal line.
#[derive(Debug, Clone)]
pub struct GlLine {
    /// Combination.
    pub account: String,
    /// Currency.
    pub currency: Currency,
    /// Debit in minor units; negative for a credit.
    pub net: i64,
    /// The same in the ledger's currency.
    pub accounted: i64,
    /// CurrencyConversionDate; none where the amount came along, or nothing is converted.
    pub converted_on: Option<String>,
    /// Description.
    pub description: String,
    /// REFERENCE21: the line's own key.
    pub key: String,
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Makes the batches of a group: by batch name, then by journal name, period, category and currency.
pub(super) fn batches(
    world: &World,
    state: &mut FusionState,
    seller: usize,
    rows: &[InterfaceRow],
    request: u64,
    codes: &[Vec<&'static str>],
) -> Vec<JournalBatch> {
    let mut batches: Vec<(String, JournalBatch)> = Vec::new();
    for (row, codes) in rows.iter().zip(codes) {
        let reference = row.at(43).to_owned();
        let at = batches.iter().position(|(known, _)| *known == reference).unwrap_or_else(|| {
            batches.push((reference, batch(world, state, seller, row, request)));
            batches.len() - 1
        });
        add(world, &mut batches[at].1, row, codes.contains(&"WF02"));
    }
    let mut batches: Vec<JournalBatch> = batches.into_iter().map(|(_, batch)| batch).collect();
    batches.iter_mut().flat_map(|batch| &mut batch.journals).for_each(even_out);
    batches
}

/// What rounding leaves of the lines that were converted by one day's rate goes to the largest of them (assumed: General
/// Ledger balances a journal in its own currency).
fn even_out(journal: &mut Journal) {
    let mut days: Vec<String> = journal.lines.iter().filter_map(|line| line.converted_on.clone()).collect();
    days.sort_unstable();
    days.dedup();
    for day in days {
        let own = |line: &&mut GlLine| line.converted_on.as_ref() == Some(&day);
        let sum: i64 = journal.lines.iter_mut().filter(own).map(|line| line.accounted).sum();
        // Under suspense posting a journal may not balance: then nothing is rounded away.
        let entered: i64 = journal.lines.iter_mut().filter(own).map(|line| line.net).sum();
        let largest = journal.lines.iter_mut().filter(own).rev().max_by_key(|line| line.net.abs());
        if let (0, Some(line)) = (entered, largest) {
            line.accounted -= sum;
        }
    }
}

/// What a row is worth in the ledger's currency, and the day of the rate by which that was worked out.
fn accounted(world: &World, ledger: Currency, row: &InterfaceRow) -> (i64, Option<String>) {
    let (Some(currency), Some(net)) = (Currency::of(row.at(6)), net(row)) else { return (0, None) };
    if currency == ledger {
        return (net, None);
    }
    if let Some(given) = given(row, ledger) {
        return (given, None);
    }
    let day = iso(row.at(65)).unwrap_or_default();
    let rate = match row.at(64) {
        "User" => decimal_rate(row.at(66), currency, ledger),
        conversion => lov::rate(world, conversion, (currency, ledger), &day),
    };
    (rates::at(net, rate.unwrap_or(0)), Some(day))
}

/// A rate that came along, for minor units.
fn decimal_rate(text: &str, from: Currency, to: Currency) -> Option<rates::PerMillion> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<6.6}").parse::<i64>().ok()?;
    Some(digits * 10_i64.pow(to.places()) / 10_i64.pow(from.places()))
}

fn batch(
    world: &World,
    state: &mut FusionState,
    seller: usize,
    row: &InterfaceRow,
    request: u64,
) -> JournalBatch {
    let reference: String = row.at(43).chars().take(50).collect();
    let name = format!("{reference} {} {} {} {request} N", row.at(4), row.at(8), row.at(67));
    let now = world.clock.now();
    let marked = row.at(49) == "Yes";
    let date: Option<jiff::civil::Date> = iso(row.at(3)).and_then(|date| date.parse().ok());
    JournalBatch {
        id: state.id(),
        name: name.trim_start().chars().take(100).collect(),
        description: row.at(44).to_owned(),
        seller,
        source: row.at(4).to_owned(),
        period: date.map(lov::period_name).unwrap_or_default(),
        journals: Vec::new(),
        posted: None,
        completion: "Complete".to_owned(),
        reversal_period: marked.then(|| row.at(50).to_owned()),
        reversal_method: marked.then(|| row.at(51).to_owned()),
        created: now,
        updated: now,
    }
}

fn add(world: &World, batch: &mut JournalBatch, row: &InterfaceRow, to_suspense: bool) {
    let ledger = world.scenario.sellers[batch.seller].fusion.ledger_currency;
    let (accounted, converted_on) = accounted(world, ledger, row);
    let (Some(currency), Some(net)) = (Currency::of(row.at(6)), net(row)) else { return };
    let date = iso(row.at(3)).unwrap_or_default();
    let period = date.parse().map(lov::period_name).unwrap_or_default();
    let prefix: String = row.at(46).chars().take(25).collect();
    let name = format!("{prefix} {} {}", row.at(5), currency.code()).trim_start().to_owned();
    let same = |journal: &Journal| journal.name == name && journal.period == period;
    let at = batch.journals.iter().position(same).unwrap_or_else(|| {
        batch.journals.push(Journal {
            name: name.clone(),
            description: row.at(47).to_owned(),
            period: period.clone(),
            date,
            category: row.at(5).to_owned(),
            currency,
            conversion: match given(row, ledger) {
                Some(_) if currency != ledger => Some("User".to_owned()),
                _ => optional(row.at(64)),
            },
            reference: optional(row.at(48)),
            lines: Vec::new(),
        });
        batch.journals.len() - 1
    });
    let suspense = || combination(names::SUSPENSE_ACCOUNT, "000");
    batch.journals[at].lines.push(GlLine {
        account: if to_suspense { suspense() } else { account(row) },
        currency,
        net,
        accounted,
        converted_on,
        description: row.at(52).to_owned(),
        key: row.at(53).to_owned(),
    });
}
