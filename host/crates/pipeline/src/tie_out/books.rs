//! What the tie-outs of one seller read.

use std::collections::{BTreeMap, HashMap, HashSet};

use ml_connector_audit::hledger;
use ml_connector_audit::period::Period;
use ml_connector_domain::accrual::{is_held_back, month_over};
use ml_connector_domain::canonical::{Group, Payout, SettlementReport, Transaction};
use ml_connector_domain::document::{Body, Document, JournalOf};
use ml_connector_domain::fx::OwnRate;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::{Currency, Date, DocumentKey, Money, Region, Timestamp};
use ml_connector_storage::{AccruedTransaction, RecordedDocument, Store};

use super::Sums;
use crate::{Seller, StageError, kind, leg, stage, stored};

/// A transaction of a settlement, as far as it is tied out.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) economic_id: String,
    pub(super) total: Money,
    /// The sum of its legs.
    pub(super) legs: Money,
    /// Whether it waits for a person or has not been mapped.
    pub(super) waits: bool,
    /// Whether it was booked and no journal holds it, or not as it is now.
    pub(super) not_journaled: bool,
    /// What was booked of it, by account; nothing before it is mapped.
    pub(super) booked: Option<BTreeMap<String, i64>>,
    /// Of that, debits and credits on the reserve's account.
    pub(super) reserve: (i64, i64),
}

/// A settlement.
pub(super) struct Settlement {
    pub(super) group: Group,
    pub(super) region: Region,
    pub(super) currency: Currency,
    /// The day on which it ended; nothing while it is open.
    pub(super) ended: Option<Date>,
    pub(super) rows: Vec<Row>,
    /// What Amazon says that it comes to, and where.
    pub(super) statements: Vec<(&'static str, Money)>,
    /// What Amazon says that it paid out for it in another currency, and where.
    pub(super) paid_out: Vec<(&'static str, Money)>,
    /// The rate by which its journals are converted, where that is its own.
    pub(super) rate: Option<OwnRate>,
    /// Whether its money has reached the bank, and under which reference.
    pub(super) paid: Option<(String, Option<String>)>,
    /// Its journals that stand, by the day of their accounting date.
    pub(super) journals: Vec<(DocumentKey, Date)>,
    /// Whether all of its months are journaled and confirmed.
    pub(super) journaled: bool,
}

impl Settlement {
    pub(super) fn id(&self) -> &str {
        self.group.id.as_str()
    }

    pub(super) fn sum(&self) -> Result<Money, StageError> {
        Ok(Money::sum(self.currency, self.rows.iter().map(|row| row.total))?)
    }

    /// What the bank has to show: what Amazon paid out, in the ledger's currency where its journals are converted by that.
    pub(super) fn in_transit(&self) -> Result<Money, StageError> {
        let Some(rate) = &self.rate else { return self.total() };
        let stated = self.paid_out.iter().find(|(_, paid)| paid.currency == rate.converted.currency);
        Ok(stated.map_or(rate.converted, |(_, paid)| *paid))
    }

    /// What Amazon says first, else what its transactions come to.
    pub(super) fn total(&self) -> Result<Money, StageError> {
        match self.statements.first() {
            Some((_, total)) => Ok(*total),
            None => self.sum(),
        }
    }
}

/// Everything about one seller.
pub(super) struct Books<'a> {
    pub(super) seller: &'a Seller,
    pub(super) period: Period,
    pub(super) settlements: Vec<Settlement>,
    /// Confirmed documents up to the period's end, by key.
    pub(super) documents: BTreeMap<DocumentKey, RecordedDocument>,
    /// The journal that recognises a transaction.
    pub(super) journal_of: HashMap<String, DocumentKey>,
    /// The receipt that takes up a transaction's cash.
    pub(super) receipt_of: HashMap<String, DocumentKey>,
    pub(super) comparisons: HashMap<DocumentKey, Option<(String, String)>>,
    pub(super) accrued: Vec<AccruedTransaction>,
    /// What Amazon held back at the period's end and no month has accrued.
    pub(super) late: Vec<Transaction>,
    pub(super) accrued_months: Vec<(String, Option<Timestamp>)>,
    /// What the documents up to the period's end put on each account.
    pub(super) balances: Sums,
}

impl<'a> Books<'a> {
    pub(super) async fn read(
        store: &dyn Store,
        seller: &'a Seller,
        period: Period,
    ) -> Result<Books<'a>, StageError> {
        let all = store.confirmed_documents(Date::MIN, Date::MAX, Some(&seller.id)).await?;
        let reversed: HashSet<String> =
            store.recognized_under(&seller.id, leg::REVERSAL).await?.into_iter().map(|(of, _)| of).collect();
        let settlements = settlements(store, seller, &all, &reversed).await?;
        let mut balances = Sums::default();
        let mut documents = BTreeMap::new();
        for recorded in all.into_iter().filter(|one| one.row.document.date <= period.last()) {
            for (account, amount, _) in hledger::postings(&recorded, &accounts(seller)).map_err(refused)? {
                balances.add(&account, amount)?;
            }
            documents.insert(recorded.row.document.key.clone(), recorded);
        }
        let under = async |leg| -> Result<HashMap<String, DocumentKey>, StageError> {
            Ok(store.recognized_under(&seller.id, leg).await?.into_iter().collect())
        };
        let comparisons = store.comparisons(&seller.id).await?;
        Ok(Books {
            seller,
            period,
            settlements,
            documents,
            journal_of: newest(under(leg::SETTLEMENT).await?, &under(leg::REPLACEMENT).await?),
            receipt_of: under(leg::RECEIPT).await?,
            comparisons: comparisons.into_iter().map(|one| (one.document, one.finding)).collect(),
            accrued: store.accrued(&seller.id, false).await?,
            late: late(store, seller, period).await?,
            accrued_months: store.accrued_months(&seller.id).await?,
            balances,
        })
    }

    /// Settlements that ended in the period.
    pub(super) fn of_period(&self) -> impl Iterator<Item = &Settlement> {
        let (first, last) = (self.period.first(), self.period.last());
        self.settlements.iter().filter(move |of| of.ended.is_some_and(|day| first <= day && day <= last))
    }

    /// Whether a document is confirmed and dated by the period's end.
    pub(super) fn stands_by_the_end(&self, key: Option<&DocumentKey>) -> bool {
        key.is_some_and(|key| self.documents.contains_key(key))
    }

    pub(super) fn account(&self, purpose: &str) -> Option<String> {
        self.seller.ledger.account(purpose)
    }

    pub(super) fn clearing(&self) -> Option<String> {
        match &self.seller.ledger.receipts {
            Some(receipts) => self.seller.ledger.account(&receipts.clearing),
            None => self.seller.ledger.account("clearing"),
        }
    }
}

/// What is recognised stands in the newest revision of the document that recognises it.
fn newest(
    mut recognized: HashMap<String, DocumentKey>,
    replaced: &HashMap<String, DocumentKey>,
) -> HashMap<String, DocumentKey> {
    for key in recognized.values_mut() {
        while let Some(next) = replaced.get(key.as_str()) {
            *key = next.clone();
        }
    }
    recognized
}

async fn late(store: &dyn Store, seller: &Seller, period: Period) -> Result<Vec<Transaction>, StageError> {
    let Ok(over) = month_over(period.last(), &seller.zone) else { return Ok(Vec::new()) };
    let mut late = Vec::new();
    for one in store.not_accrued(&seller.id, over).await? {
        let transaction: Transaction = stored("transaction", &one.record)?;
        let ours = transaction.posted >= seller.start_from;
        if ours && is_held_back(transaction.posted, one.released, over) {
            late.push(transaction);
        }
    }
    Ok(late)
}

/// The accounts that documents do not name themselves.
pub(super) fn accounts(seller: &Seller) -> hledger::Accounts {
    let ledger = &seller.ledger;
    let clearing = ledger.receipts.as_ref().and_then(|receipts| ledger.account(&receipts.clearing));
    hledger::Accounts { receivable: ledger.account(purpose::RECEIVABLE).unwrap_or_default(), clearing }
}

fn refused(error: ml_connector_audit::AuditError) -> StageError {
    StageError::Corrupt { what: "a document", message: error.to_string() }
}

async fn settlements(
    store: &dyn Store,
    seller: &Seller,
    documents: &[RecordedDocument],
    reversed: &HashSet<String>,
) -> Result<Vec<Settlement>, StageError> {
    let mut journals = HashMap::<&str, Vec<&Document>>::new();
    for recorded in documents {
        let document = &recorded.row.document;
        if let Body::Journal { of: JournalOf::Settlement { group, .. }, reverses: None, .. } = &document.body
            && !reversed.contains(document.key.as_str())
        {
            journals.entry(group.as_str()).or_default().push(document);
        }
    }
    let mut settlements = Vec::new();
    for row in store.settlements(&seller.id).await? {
        if row.stage == stage::HISTORY {
            continue;
        }
        let group: Group = stored("group", &row.record)?;
        let own = journals.remove(group.id.as_str()).unwrap_or_default();
        settlements.extend(settlement(store, seller, (group, row.region), &own).await?);
    }
    settlements.sort_by(|a, b| (a.group.start, &a.group.id).cmp(&(b.group.start, &b.group.id)));
    Ok(settlements)
}

/// A settlement; nothing if it has no transactions and no total.
async fn settlement(
    store: &dyn Store,
    seller: &Seller,
    (group, region): (Group, Region),
    journals: &[&Document],
) -> Result<Option<Settlement>, StageError> {
    let reserve = seller.ledger.account(purpose::RESERVE).unwrap_or_default();
    let (mut rows, mut settlement_id) = (Vec::new(), None);
    let mut revised = HashMap::new();
    for journal in journals.iter().filter(|journal| journal.revision > 0) {
        let behind = store.behind_journal(&journal.key).await?;
        revised.extend(behind.into_iter().map(|one| (one.transaction, one.lines)));
    }
    // Of what changed after it was journaled, the newest booking is what all its journals come to.
    for changed in store.adjusted(&seller.id).await? {
        revised.remove(&changed);
    }
    for one in store.settlement_transactions(&seller.id, &group.id).await? {
        let transaction: Transaction = stored("transaction", &one.record)?;
        if !transaction.counts() || one.stage == stage::HISTORY {
            continue;
        }
        settlement_id = settlement_id.or(transaction.settlement.clone());
        let mapped = [stage::BOOKED, stage::DOCUMENTED, stage::SKIPPED].contains(&one.stage.as_str());
        let lines = revised.remove(transaction.id.as_str()).or(one.lines).filter(|_| mapped);
        rows.push(Row {
            id: transaction.id.as_str().to_owned(),
            economic_id: one.economic_id,
            total: transaction.total,
            legs: Money::sum(transaction.total.currency, transaction.legs.iter().map(|leg| leg.amount))?,
            waits: !mapped,
            not_journaled: one.stage == stage::BOOKED,
            reserve: lines.iter().flatten().filter(|line| line.account == reserve).fold(
                (0, 0),
                |(debit, credit), line| match line.amount.minor {
                    minor if minor > 0 => (debit + minor, credit),
                    minor => (debit, credit - minor),
                },
            ),
            booked: lines.map(|lines| by_account(&lines)),
        });
    }
    let currency =
        rows.first().map(|row| row.total.currency).or(group.stated_total.map(|total| total.currency));
    let Some(currency) = currency else { return Ok(None) };
    let (mut statements, paid) = statements(store, seller, settlement_id.as_deref()).await?;
    statements.extend(group.stated_total.map(|total| ("the group", total)));
    statements.extend(group.converted_total.map(|total| ("the group", total)));
    let (mut paid_out, mut own) = (Vec::new(), Vec::new());
    for (source, stated) in statements {
        if stated.currency == currency { &mut own } else { &mut paid_out }.push((source, stated));
    }
    let months = journals.iter().filter_map(|document| match &document.body {
        Body::Journal { of: JournalOf::Settlement { part, adjustment: None, .. }, .. } => {
            Some(part.as_ref().map_or(1, |part| part.of))
        }
        _ => None,
    });
    let (standing, wanted) = (months.clone().count(), months.max().unwrap_or(1));
    Ok(Some(Settlement {
        ended: group.end.map(|end| seller.day(end)),
        group,
        region,
        currency,
        rows,
        statements: own,
        paid_out,
        rate: journals.iter().find_map(|document| document.own_rate().copied()),
        paid,
        journaled: u32::try_from(standing) == Ok(wanted),
        journals: journals.iter().map(|document| (document.key.clone(), document.date)).collect(),
    }))
}

fn by_account(lines: &[ml_connector_domain::mapping::JournalLine]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry(line.account.clone()).or_default() += line.amount.minor;
    }
    sums
}

type Stated = (Vec<(&'static str, Money)>, Option<(String, Option<String>)>);

/// What Amazon says elsewhere that a settlement comes to, and what became of its payout.
async fn statements(
    store: &dyn Store,
    seller: &Seller,
    settlement: Option<&str>,
) -> Result<Stated, StageError> {
    let (mut statements, mut paid) = (Vec::new(), None);
    let Some(settlement) = settlement else { return Ok((statements, paid)) };
    if let Some(found) = store.newest_about(&seller.id, kind::REPORT, settlement).await? {
        let report: SettlementReport = stored("settlement report", &found.record)?;
        statements.push(("its settlement report", report.total));
    }
    if let Some(found) = store.newest_about(&seller.id, kind::PAYOUT, settlement).await? {
        let payout: Payout = stored("payout", &found.record)?;
        // A payout of several settlements says nothing about each.
        if let (Some(amount), 1) = (payout.amount, payout.settlements.len()) {
            statements.push(("its payout", amount));
        }
        paid = Some((payout.status, payout.trace));
    }
    Ok((statements, paid))
}
