//! A settlement's journal, made again of the transactions behind it.
//!
//! A mapper decides everything about a transaction's lines but what they put on the settlement account: that is
//! Amazon's total. So what the host made of the settlement account's lines (a part's carry-forward) stays, and only the
//! other lines are put in the place of those that the posted journal has of its bookings. What a month accrues or takes
//! back is made again as it was then, and stands for what is taken back later. A journal that was converted by its
//! settlement's own rate is converted by it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::Transaction;
use ml_connector_domain::document::{Body, Document, Kind, Origin, summarize};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::{JournalLine, Reason, TransactionOutcome};
use ml_connector_domain::validate::{self, Module};
use ml_connector_domain::{Date, DocumentKey, Money, accrual, own_rate};
use ml_connector_storage::{BehindJournal, Change, CorrectionChange, DocumentRow};

use super::{AccountChange, Again, Pair, Worked, named};
use crate::invoices::last_revision;
use crate::map::Facts;
use crate::own_rate::converted_as;
use crate::reverse::{self, ReverseError};
use crate::seller::Dated as _;
use crate::versions::Batch;
use crate::{Parts, Seller, StageError, audit, kind, leg, map, stored};

/// A transaction as it is mapped now.
struct Mapped {
    transaction: String,
    leg: String,
    total: Money,
    lines: Vec<JournalLine>,
    batch: ContentHash,
}

/// Why there is none, or what was asked for.
type Or<T> = Result<Result<T, Vec<Reason>>, StageError>;

/// Makes a posted journal again.
///
/// # Errors
/// The store, the mapper's host or a question to Fusion failed.
pub(super) async fn again(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    in_range: &BTreeSet<DocumentKey>,
) -> Result<Again, StageError> {
    let key = &row.document.key;
    let behind = parts.store.behind_journal(key).await?;
    if behind.is_empty() {
        let message = "no transaction is known that stands behind it";
        return Ok(Again::Left(vec![Reason::new("not-recorded", key.as_str(), message)]));
    }
    let adjusted = parts.store.adjusted(&seller.id).await?;
    if let Some(one) = behind.iter().find(|one| adjusted.contains(&one.transaction)) {
        let message = "it changed after it was journaled, and an adjusting journal holds the difference";
        return Ok(Again::Left(vec![Reason::new("changed-after-journal", &one.transaction, message)]));
    }
    let (mut mapped, batches) = match map_again(parts, seller, &behind).await? {
        Ok(mapped) => mapped,
        Err(reasons) => return Ok(Again::Left(reasons)),
    };
    let left = keep_halves(parts, seller, (&behind, &mut mapped), in_range).await?;
    let Body::Journal { lines: posted, .. } = &row.document.body else { return Ok(Again::Same) };
    let plain = own_rate::unconverted(posted);
    let now = mapped.iter().flat_map(|one| one.lines.iter().cloned()).collect();
    let lines = match replaced_lines(seller, &row.document, plain.clone(), &behind, now)? {
        Ok(lines) => lines,
        Err(reasons) => return Ok(Again::Left(reasons)),
    };
    if sums(&plain) == sums(&lines) {
        return Ok(if left.is_empty() { Again::Same } else { Again::Left(left) });
    }
    let lines = match converted_as(seller, &row.document, posted, lines)? {
        Ok(lines) => lines,
        Err(reason) => return Ok(Again::Left(vec![reason])),
    };
    match replace(parts, seller, row, lines, (mapped, batches)).await? {
        Ok(worked) => Ok(Again::Differs(Box::new(Worked { left, ..worked }))),
        Err(reasons) => Ok(Again::Left(reasons)),
    }
}

/// Puts back the lines of what a month accrues, or takes back, where the other of the two lies outside the range: each by
/// itself would leave a balance that nothing takes back. Says how many of them would have come out otherwise.
async fn keep_halves(
    parts: &Parts,
    seller: &Seller,
    (behind, mapped): (&[BehindJournal], &mut [Mapped]),
    in_range: &BTreeSet<DocumentKey>,
) -> Result<Vec<Reason>, StageError> {
    let (mut kept, mut first) = (0, None);
    for now in mapped {
        let other = match now.leg.as_str() {
            leg::ACCRUAL => leg::ACCRUAL_REVERSAL,
            leg::ACCRUAL_REVERSAL => leg::ACCRUAL,
            _ => continue,
        };
        let Some(key) = parts.store.recognized_by(&seller.id, &now.transaction, other).await? else {
            continue;
        };
        let key = last_revision(parts, seller, key).await?;
        let before = behind.iter().find(|one| (&one.transaction, &one.leg) == (&now.transaction, &now.leg));
        let Some(before) = before.filter(|_| !in_range.contains(&key)) else { continue };
        if sums(&before.lines) != sums(&now.lines) {
            kept += 1;
            first.get_or_insert(key);
        }
        now.lines.clone_from(&before.lines);
        now.batch = before.batch.clone();
    }
    let reason = |key: DocumentKey| {
        let message = format!(
            "{kept} deferred transactions stay as they are: {key}, the other month's journal, lies outside the range"
        );
        Reason::new("deferred-outside", key.as_str(), message)
    };
    Ok(first.map(reason).into_iter().collect())
}

async fn map_again(
    parts: &Parts,
    seller: &Seller,
    behind: &[BehindJournal],
) -> Or<(Vec<Mapped>, Vec<Change>)> {
    let mut transactions = Vec::with_capacity(behind.len());
    for one in behind {
        let id = &one.transaction;
        let Some(found) = parts.store.newest(&seller.id, kind::TRANSACTION, id).await? else {
            return Ok(Err(vec![Reason::new("not-recorded", id, "the transaction's record is missing")]));
        };
        let transaction: Transaction = stored("transaction", &found.record)?;
        let taken_back = one.leg == leg::ACCRUAL_REVERSAL;
        let total = if taken_back { one.total.negated() } else { one.total };
        if transaction.total != total {
            let message = format!("it was booked over {total} and is over {} now", transaction.total);
            return Ok(Err(vec![Reason::new("changed-after-journal", id, message)]));
        }
        transactions.push(transaction);
    }
    // Batches and chunks keep the order.
    let days = converted_on(parts, seller, behind).await?;
    let mut behind = behind.iter();
    let (mut mapped, mut changes, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for batch in seller.batches(transactions) {
        for chunk in batch.chunks(map::BATCH as usize) {
            let context = seller.context(chunk.iter().flat_map(|one| one.products(seller)));
            let input = Batch::of(parts, "transactions", &context, chunk)?;
            let result = parts.mapper.map_transactions(&context, chunk).await;
            changes.extend(input.kept(parts, seller, &result)?);
            let outcomes = match result {
                Ok(mapped) => mapped.outcomes,
                Err(fault) if fault.code == map::HOST_FAULT => {
                    return Err(StageError::MapperHost(fault.message));
                }
                Err(fault) => return Ok(Err(vec![map::fault_reason(&fault)])),
            };
            for ((transaction, outcome), one) in chunk.iter().zip(outcomes).zip(behind.by_ref()) {
                match lines_of(seller, transaction, outcome) {
                    Ok(lines) => mapped.push(Mapped {
                        transaction: one.transaction.clone(),
                        leg: one.leg.clone(),
                        total: one.total,
                        lines: as_recognised(seller, &one.leg, lines, days.get(&one.transaction).copied()),
                        batch: input.name.clone(),
                    }),
                    Err(more) => reasons.extend(more),
                }
            }
        }
    }
    Ok(if reasons.is_empty() { Ok((mapped, changes)) } else { Err(reasons) })
}

fn lines_of(
    seller: &Seller,
    transaction: &Transaction,
    outcome: TransactionOutcome,
) -> Result<Vec<JournalLine>, Vec<Reason>> {
    let id = transaction.id.as_str();
    match outcome {
        TransactionOutcome::Booking(booking) => {
            let settlement = seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default();
            let found = validate::booking(&booking.journal, &settlement, transaction.total);
            if found.is_empty() { Ok(booking.journal) } else { Err(found) }
        }
        TransactionOutcome::Review(reasons) => Err(reasons),
        TransactionOutcome::Skip(why) => {
            Err(vec![Reason::new("skipped-money", id, format!("it would be skipped now: {why}"))])
        }
    }
}

/// By transaction, the day of whose rate Fusion converted what a journal in another currency takes back.
async fn converted_on(
    parts: &Parts,
    seller: &Seller,
    behind: &[BehindJournal],
) -> Result<HashMap<String, Date>, StageError> {
    let foreign = |one: &BehindJournal| one.total.currency != seller.ledger.ledger_currency;
    if !behind.iter().any(|one| one.leg == leg::ACCRUAL_REVERSAL && foreign(one)) {
        return Ok(HashMap::new());
    }
    let accrued = parts.store.accrued(&seller.id, false).await?.into_iter();
    Ok(accrued.filter_map(|one| Some((one.transaction, accrual::last_day(&one.month)?))).collect())
}

/// A booking's lines as a journal has them that recognises this leg of the transaction.
pub(crate) fn as_recognised(
    seller: &Seller,
    of: &str,
    lines: Vec<JournalLine>,
    converted_on: Option<Date>,
) -> Vec<JournalLine> {
    let account = |purpose| seller.ledger.account(purpose).unwrap_or_default();
    let accrued = || accrual::accrued(&lines, &account(purpose::SETTLEMENT), &account(purpose::DEFERRED));
    match of {
        leg::ACCRUAL => accrued(),
        leg::ACCRUAL_REVERSAL => accrual::released(&accrued(), converted_on),
        _ => lines,
    }
}

/// The posted lines, as they were before they were converted, without those of its bookings, and with those of today's.
fn replaced_lines(
    seller: &Seller,
    document: &Document,
    mut rest: Vec<JournalLine>,
    behind: &[BehindJournal],
    now: Vec<JournalLine>,
) -> Or<Vec<JournalLine>> {
    let settlement = seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default();
    let others = |line: &&JournalLine| line.account != settlement;
    let booked = behind.iter().flat_map(|one| &one.lines).filter(others).cloned().collect();
    let booked = summarize(accrual::as_entered(&rest, booked))?;
    for line in &booked {
        let same = |one: &JournalLine| {
            (&one.account, &one.label, one.amount, one.conversion)
                == (&line.account, &line.label, line.amount, line.conversion)
        };
        match rest.iter().position(same) {
            Some(at) => drop(rest.remove(at)),
            None => {
                let message = format!(
                    "its bookings put {} on {} ({}), and it does not",
                    line.amount, line.account, line.label
                );
                return Ok(Err(vec![Reason::new("not-its-bookings", document.key.as_str(), message)]));
            }
        }
    }
    let new = now.into_iter().filter(|line| others(&line));
    Ok(Ok(summarize(rest.into_iter().chain(new))?))
}

/// The lines of what takes a journal's place, whose bookings come to `now`, as it was made.
///
/// # Errors
/// Sums that do not fit.
pub(crate) fn made_again(
    seller: &Seller,
    old: &Document,
    behind: &[BehindJournal],
    now: Vec<JournalLine>,
) -> Or<Vec<JournalLine>> {
    let posted = old.journal_lines();
    match replaced_lines(seller, old, own_rate::unconverted(posted), behind, now)? {
        Ok(lines) => Ok(converted_as(seller, old, posted, lines)?.map_err(|reason| vec![reason])),
        Err(reasons) => Ok(Err(reasons)),
    }
}

/// What counts of lines: not which rule decided, and not their order.
fn sums(lines: &[JournalLine]) -> BTreeMap<(&str, &str, bool), i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry((line.account.as_str(), line.label.as_str(), line.amount.minor < 0)).or_default() +=
            line.amount.minor;
    }
    sums
}

async fn replace(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    lines: Vec<JournalLine>,
    (mapped, batches): (Vec<Mapped>, Vec<Change>),
) -> Or<Worked> {
    let old = &row.document;
    let reversal = match reverse::propose(parts, seller, &old.key, None).await {
        Ok(proposal) => proposal,
        Err(ReverseError::Stage(error)) => return Err(error),
        Err(ReverseError::Refused(reasons)) => return Ok(Err(reasons)),
        Err(error) => {
            return Ok(Err(vec![Reason::new("not-reversible", old.key.as_str(), error.to_string())]));
        }
    };
    let mut new = revision(parts, seller, old, lines, &mapped);
    let accounts: BTreeSet<String> = new.accounts().into_iter().map(str::to_owned).collect();
    let dates = [(Module::GeneralLedger, new.date)].into();
    let facts = Facts::gather(parts, seller, accounts, dates).await?;
    let moved = facts.place(&mut new);
    let worth = reverse::worth(seller, old)?;
    let expectation = reverse::expectation(seller, (row.expected, worth), &new);
    let violations = validate::document(&new, &expectation, &facts.at(new.date));
    if !violations.is_empty() {
        return Ok(Err(violations));
    }
    let pair = Pair {
        replaced: old.key.clone(),
        kind: "journal".to_owned(),
        subject: old.subject().to_owned(),
        reversal: named(&reversal.document)?,
        replacement: named(&new)?,
        accounts: changed_accounts(old, &new),
    };
    let mut changes = batches;
    changes.extend(reverse::planned(parts, seller, &reversal, "a correction"));
    changes.extend(planned(parts, seller, row, (&new, &moved)));
    changes.extend(mapped.into_iter().map(|one| {
        Change::Correction(CorrectionChange::Booking {
            document: new.key.clone(),
            transaction: one.transaction,
            total: one.total,
            leg: one.leg,
            lines: one.lines,
            batch: one.batch,
        })
    }));
    Ok(Ok(Worked { pair, left: Vec::new(), changes }))
}

/// The next revision of a journal.
fn revision(
    parts: &Parts,
    seller: &Seller,
    old: &Document,
    lines: Vec<JournalLine>,
    mapped: &[Mapped],
) -> Document {
    let revision = old.revision + 1;
    let mut new = Document {
        key: DocumentKey::derive(Kind::Journal.letter(), &seller.id, old.subject(), revision),
        revision,
        origin: origin(parts, seller, mapped),
        ..old.clone()
    };
    if let Body::Journal { lines: own, .. } = &mut new.body {
        *own = lines;
    }
    new
}

/// As of any journal: its input is the hash over its batches, in order.
fn origin(parts: &Parts, seller: &Seller, mapped: &[Mapped]) -> Origin {
    let batches: BTreeSet<&str> = mapped.iter().map(|one| one.batch.as_str()).collect();
    let batches: Vec<&str> = batches.into_iter().collect();
    map::origin(parts, seller, &ContentHash::of(batches.join("\n").as_bytes()))
}

fn planned(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    (new, moved): (&Document, &str),
) -> [Change; 2] {
    let (now, old) = (parts.clock.now(), &row.document.key);
    let detail =
        format!("journal {} over {} replaces {old}, dated {}{moved}", new.key, row.expected, new.date);
    [
        audit(now, &seller.id, new.subject(), Action::Planned, detail),
        Change::Plan {
            document: Box::new(new.clone()),
            expected: row.expected,
            recognizes: vec![(old.as_str().to_owned(), leg::REPLACEMENT)],
            at: now,
        },
    ]
}

fn changed_accounts(old: &Document, new: &Document) -> Vec<AccountChange> {
    let mut sums = BTreeMap::<String, (i64, i64)>::new();
    for (document, after) in [(old, false), (new, true)] {
        let Body::Journal { lines, .. } = &document.body else { continue };
        for line in lines {
            let sum = sums.entry(line.account.clone()).or_default();
            let place = if after { &mut sum.1 } else { &mut sum.0 };
            *place += line.amount.minor;
        }
    }
    let currency = old.currency.code();
    let row =
        |(account, (before, after))| AccountChange { account, currency: currency.to_owned(), before, after };
    sums.into_iter().filter(|(_, (before, after))| before != after).map(row).collect()
}
