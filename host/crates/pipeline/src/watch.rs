//! What changes in Fusion after a posting: statuses and balances of documents, and accounts and periods that stop
//! taking postings.
//!
//! Documents are asked for by the time of their last change, with a cursor by Fusion's clock and an overlap, since a
//! change may be committed after a later one was read. What was seen already is dropped by its time. A document that
//! changed is due for comparison at once: somebody may have edited it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Group;
use ml_connector_domain::document::Kind;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::validate::Module;
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::Shown;
use ml_connector_storage::{AccountUse, Change, FusionChange, Ledger, ReviewDraft, ShownDocument};

use crate::{Parts, Seller, StageError, audit, kind, stage, stored};

/// Read again before the cursor: seconds are cut off, and commits come late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// Between two questions about accounts and periods.
const LEDGER_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// An account is in use if a document of this age has it.
const IN_USE: SignedDuration = SignedDuration::from_hours(35 * 24);
/// The collections, with the documents that are in them.
const COLLECTIONS: [(&str, Kind); 4] = [
    ("receivablesInvoices", Kind::Invoice),
    ("receivablesCreditMemos", Kind::CreditMemo),
    ("journalBatches", Kind::Journal),
    ("standardReceipts", Kind::Receipt),
];
/// The cursor that says when accounts and periods were asked for.
const LEDGER: &str = "ledger";
/// Open settlements looked at.
const GROUPS_MAX: u32 = 1_000;

/// Review: an account that documents use was disabled.
pub const ACCOUNT_DISABLED: &str = "account-disabled";
/// Review: a period closed, and something is still to be posted in it.
pub const PERIOD_CLOSED: &str = "period-closed";

/// What a round of watching found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// Documents of ours that Fusion shows for the first time or changed.
    pub changed: usize,
    /// Accounts and periods that stopped taking postings.
    pub stopped: usize,
}

/// Reads what changed since the last round.
///
/// # Errors
/// The store or a question failed; what was read until then is kept.
pub async fn watch(parts: &Parts, seller: &Seller) -> Result<Watched, StageError> {
    let mut watched = Watched::default();
    let Some(first) = parts.store.first_planned(&seller.id).await? else { return Ok(watched) };
    let receipts = seller.ledger.receipts.is_some();
    for (resource, kind) in COLLECTIONS.into_iter().filter(|(_, kind)| *kind != Kind::Receipt || receipts) {
        watched.changed += documents(parts, seller, (resource, kind), first).await?;
    }
    let now = parts.clock.now();
    let asked = parts.store.fusion_cursor(&seller.id, LEDGER).await?;
    if asked.is_none_or(|(_, at)| now.duration_since(at) >= LEDGER_EVERY) {
        let mut changes = accounts(parts, seller, now).await?;
        changes.extend(periods(parts, seller, now).await?);
        watched.stopped = changes.iter().filter(|change| matches!(change, Change::Review(_))).count();
        let (seller, resource) = (seller.id.clone(), LEDGER);
        changes.push(Change::Fusion(FusionChange::Cursor { seller, resource, position: now, at: now }));
        parts.store.apply(changes).await?;
    }
    Ok(watched)
}

async fn documents(
    parts: &Parts,
    seller: &Seller,
    (resource, kind): (&'static str, Kind),
    first: Timestamp,
) -> Result<usize, StageError> {
    let cursor = parts.store.fusion_cursor(&seller.id, resource).await?;
    let cursor = cursor.map_or(first, |(position, _)| position);
    let since = cursor.saturating_add(-OVERLAP).unwrap_or(cursor);
    let rows = parts.target.changed_since(&seller.ledger, kind, since).await?;
    let now = parts.clock.now();
    // By Fusion's clock, which need not agree with ours; a document that is not ours moves it, too.
    let position = rows.iter().map(|row| row.updated).max().unwrap_or(cursor).max(cursor);
    let mut changes = Vec::new();
    let mut changed = 0;
    for row in rows {
        let made = seen(parts, seller, kind, row, now).await?;
        changed += usize::from(!made.is_empty());
        changes.extend(made);
    }
    let seller = seller.id.clone();
    changes.push(Change::Fusion(FusionChange::Cursor { seller, resource, position, at: now }));
    parts.store.apply(changes).await?;
    Ok(changed)
}

/// The changes that follow from what Fusion shows of one document; none if it is not ours or nothing is new.
async fn seen(
    parts: &Parts,
    seller: &Seller,
    kind: Kind,
    row: Shown,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let Some(known) = parts.store.watched(&seller.id, kind, row.fusion_id.as_str()).await? else {
        return Ok(Vec::new());
    };
    let shown = ShownDocument { status: row.status, balance: row.balance, updated: row.updated };
    if known.shown.as_ref() == Some(&shown) {
        return Ok(Vec::new());
    }
    let detail = words(known.key.as_str(), known.shown.as_ref(), &shown);
    // Its own creation is the first change: only what came after it was compared is a reason to compare again.
    let older_than = known.shown.is_none().then_some(shown.updated);
    Ok(vec![
        audit(now, &seller.id, known.subject, Action::Changed, detail),
        Change::Fusion(FusionChange::CompareAgain { key: known.key.clone(), older_than }),
        Change::Fusion(FusionChange::Document { seller: seller.id.clone(), key: known.key, shown, at: now }),
    ])
}

/// A change in words and figures.
fn words(key: &str, before: Option<&ShownDocument>, now: &ShownDocument) -> String {
    let open = |shown: &ShownDocument| match shown.balance {
        Some(balance) => format!("{}, open {balance}", shown.status),
        None => shown.status.clone(),
    };
    match before {
        None => format!("{key}: Fusion shows it as {}", open(now)),
        Some(before) if open(before) == open(now) => {
            format!("{key}: changed in Fusion at {}; still {}", now.updated, open(now))
        }
        Some(before) => format!("{key}: from {} to {}", open(before), open(now)),
    }
}

/// Asks whether the accounts in use still take postings.
async fn accounts(parts: &Parts, seller: &Seller, now: Timestamp) -> Result<Vec<Change>, StageError> {
    let since = now.saturating_add(-IN_USE).unwrap_or(now);
    let mut uses: BTreeMap<String, AccountUse> = BTreeMap::new();
    for used in parts.store.accounts_in_use(&seller.id, since).await? {
        uses.insert(used.account.clone(), used);
    }
    // Of every document, though no line names it.
    for account in
        [purpose::RECEIVABLE, purpose::SETTLEMENT].iter().filter_map(|of| seller.ledger.account(of))
    {
        uses.entry(account.clone()).or_insert(AccountUse { account, posted: 0, waiting: 0 });
    }
    let combinations: BTreeSet<String> = uses.keys().cloned().collect();
    let enabled = parts.target.known_accounts(&seller.ledger, &combinations, SignedDuration::ZERO).await?;
    let before: BTreeMap<_, _> =
        parts.store.ledger_states(&seller.id, Ledger::Account).await?.into_iter().collect();
    let mut changes = Vec::new();
    for (account, used) in uses {
        let usable = enabled.contains(&account);
        // What never was usable is found when a document needs it.
        if before.get(&account).is_some_and(|was| *was != usable)
            || (!before.contains_key(&account) && !usable && used.posted > 0)
        {
            let message = format!(
                "{account} does not take postings any more: {} documents with it were posted, {} documents and transactions with it wait; enable it in Fusion, or change the catalog or ledger.accounts",
                used.posted, used.waiting
            );
            changes.extend(turned(seller, (ACCOUNT_DISABLED, &account), usable, message, now));
        }
        changes.push(usable_now(seller, Ledger::Account, account, usable, now));
    }
    Ok(changes)
}

/// Asks whether periods that were open closed since.
async fn periods(parts: &Parts, seller: &Seller, now: Timestamp) -> Result<Vec<Change>, StageError> {
    let waiting = waiting_by_period(parts, seller).await?;
    let before: BTreeMap<_, _> =
        parts.store.ledger_states(&seller.id, Ledger::Period).await?.into_iter().collect();
    let mut wanted: BTreeSet<(Module, Date)> = waiting.keys().copied().collect();
    for module in [Module::Receivables, Module::GeneralLedger] {
        wanted.insert((module, seller.day(now).first_of_month()));
        // One that was open last time is asked for again, wherever the calendar stands now.
        let open = before.iter().filter(|(_, open)| **open).filter_map(|(name, _)| named(module, name));
        wanted.extend(open.map(|date| (module, date)));
    }
    let mut changes = Vec::new();
    for (module, date) in wanted {
        let period = parts.target.period(&seller.ledger, module, date, SignedDuration::ZERO).await?;
        let open = module.takes(period.status);
        let name = format!("{}/{date}", prefix(module));
        if before.get(&name).is_some_and(|was| *was != open) {
            let subject = format!("{} {}", seller.ledger.period_of(date), prefix(module));
            let count = waiting.get(&(module, date)).copied().unwrap_or_default();
            let message = format!(
                "the period closed in Fusion; {count} documents and open settlements are still dated in it: open it again, or let them move to the next open period (ledger.closed_period)"
            );
            match open || count > 0 {
                true => changes.extend(turned(seller, (PERIOD_CLOSED, &subject), open, message, now)),
                // A month that was closed when all was posted is how it should be.
                false => changes.push(audit(
                    now,
                    &seller.id,
                    &subject,
                    Action::Changed,
                    "the period closed; nothing waits in it",
                )),
            }
        }
        changes.push(usable_now(seller, Ledger::Period, name, open, now));
    }
    Ok(changes)
}

/// How many documents and open settlements are dated in each period and not posted.
async fn waiting_by_period(
    parts: &Parts,
    seller: &Seller,
) -> Result<BTreeMap<(Module, Date), u64>, StageError> {
    let mut waiting: BTreeMap<(Module, Date), u64> = BTreeMap::new();
    for (of, date, count) in parts.store.dates_waiting(&seller.id).await? {
        let module = if of == Kind::Journal.as_str() { Module::GeneralLedger } else { Module::Receivables };
        let date: Date = date.parse().map_err(|error: jiff::Error| StageError::Corrupt {
            what: "document's date",
            message: error.to_string(),
        })?;
        *waiting.entry((module, date.first_of_month())).or_default() += count;
    }
    for at in [stage::WAITING, stage::READY] {
        for record in parts.store.at_stage(&seller.id, kind::GROUP, at, GROUPS_MAX).await? {
            let group: Group = stored("settlement", &record)?;
            if let Some(end) = group.end {
                *waiting.entry((Module::GeneralLedger, seller.day(end).first_of_month())).or_default() += 1;
            }
        }
    }
    Ok(waiting)
}

/// How a module is called in names that are stored.
fn prefix(module: Module) -> &'static str {
    match module {
        Module::Receivables => "Receivables",
        Module::GeneralLedger => "General Ledger",
    }
}

fn named(module: Module, name: &str) -> Option<Date> {
    name.strip_prefix(prefix(module))?.strip_prefix('/')?.parse().ok()
}

fn usable_now(seller: &Seller, kind: Ledger, name: String, usable: bool, at: Timestamp) -> Change {
    Change::Fusion(FusionChange::Usable { seller: seller.id.clone(), kind, name, usable, at })
}

/// Something stopped taking postings, or takes them again.
fn turned(
    seller: &Seller,
    (code, subject): (&'static str, &str),
    usable: bool,
    message: String,
    at: Timestamp,
) -> Vec<Change> {
    let (id, subject) = (seller.id.clone(), subject.to_owned());
    if usable {
        let words = format!("{code}: it takes postings again");
        let resolved =
            Change::Resolve { seller: id.clone(), kind: kind::LEDGER, subject: subject.clone(), at };
        return vec![audit(at, &id, subject, Action::Resolved, words), resolved];
    }
    let said = audit(at, &id, &subject, Action::Reviewed, format!("{code}: {message}"));
    let (code, about) = (code.to_owned(), subject.clone());
    let review =
        ReviewDraft { seller: id, kind: kind::LEDGER, subject, code, about, message, at_stake: None, at };
    vec![said, Change::Review(review)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_connector_domain::{Currency, Money};

    #[test]
    fn a_change_is_told_with_what_was_and_what_is() {
        let shown = |status: &str, minor| ShownDocument {
            status: status.to_owned(),
            balance: Some(Money::new(minor, Currency::USD)),
            updated: Timestamp::UNIX_EPOCH,
        };
        let of = |before: Option<&ShownDocument>, now| words("I1", before, &now);
        assert_eq!(of(None, shown("Complete", 100)), "I1: Fusion shows it as Complete, open 1.00 USD");
        let before = shown("Complete", 100);
        assert_eq!(
            of(Some(&before), shown("Complete", 0)),
            "I1: from Complete, open 1.00 USD to Complete, open 0.00 USD"
        );
        let touched = of(Some(&before), ShownDocument { updated: Timestamp::MAX, ..before.clone() });
        assert!(touched.contains("still Complete, open 1.00 USD"), "{touched}");
    }

    #[test]
    fn a_period_is_found_again_by_its_stored_name() {
        let date: Date = "2026-09-01".parse().expect("a date");
        for module in [Module::Receivables, Module::GeneralLedger] {
            assert_eq!(named(module, &format!("{}/{date}", prefix(module))), Some(date));
        }
        assert_eq!(named(Module::Receivables, "General Ledger/2026-09-01"), None);
    }
}
