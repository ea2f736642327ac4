//! Closes settlements: one journal batch for each of its months, once it is complete.
//!
//! A settlement is complete when Amazon has closed it, when transactions have been read past its end by the time
//! that Amazon takes to show them all, when each is booked, and when they sum to the total that Amazon states.
//! Until then it waits, and says why. Where it crosses a month's end in the ledger's zone, it is cut there
//! ([`ml_connector_domain::settlement`]); its journals are planned together or not at all. One in another currency than the
//! ledger's is converted by the rate at which Amazon paid it out ([`crate::own_rate`]).

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Group, Transaction};
use ml_connector_domain::document::{Body, CarryAccounts, Document, JournalOf, Kind};
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::own_rate::Decision;
use ml_connector_domain::settlement::{Part, Row, split};
use ml_connector_domain::validate::Module;
use ml_connector_domain::{Currency, DocumentKey, Money, Timestamp};
use ml_connector_ports::Stream;
use ml_connector_storage::{BookedTransaction, Change};

use crate::archive::settlement_total;
use crate::journal::{self, Journal};
use crate::map::{Facts, ToReview};
use crate::own_rate;
use crate::{Parts, Seller, StageError, audit, kind, leg, stage, stored};

/// After a settlement's end, how long transactions may still turn up in it ("the last 48 hours may be missing").
pub const LATE_ARRIVALS: SignedDuration = SignedDuration::from_hours(48);

/// Settlements looked at in one cycle.
const GROUPS_MAX: u32 = 1_000;

/// Journals every settlement that is complete; says how many those were.
///
/// # Errors
/// The store or a question to Fusion failed; what is not journaled waits.
pub async fn settle(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let Some(read_to) = read_to(parts, seller).await? else { return Ok(0) };
    let mut journaled = 0;
    for json in parts.store.at_stage(&seller.id, kind::GROUP, stage::READY, GROUPS_MAX).await? {
        let group: Group = stored("group", &json)?;
        let Some(end) = group.end else { continue };
        let complete_at = end.saturating_add(LATE_ARRIVALS).unwrap_or(end);
        if read_to >= complete_at && close(parts, seller, &group, end).await? {
            journaled += 1;
        }
    }
    Ok(journaled)
}

/// Up to when the transactions of all regions have been read.
pub(crate) async fn read_to(parts: &Parts, seller: &Seller) -> Result<Option<Timestamp>, StageError> {
    let mut earliest = None;
    for region in &seller.regions {
        let cursor = parts.store.cursor(&seller.id, *region, Stream::Transactions.as_str()).await?;
        let Some(cursor) = cursor else { return Ok(None) };
        earliest = Some(earliest.map_or(cursor.position, |so_far: Timestamp| so_far.min(cursor.position)));
    }
    Ok(earliest)
}

async fn close(parts: &Parts, seller: &Seller, group: &Group, end: Timestamp) -> Result<bool, StageError> {
    let now = parts.clock.now();
    let review =
        ToReview { seller, kind: kind::GROUP, subject: group.id.as_str(), at_stake: group.stated_total, now };
    if !all_are_mapped(parts, &review, group).await? {
        return Ok(false);
    }
    let bookings = parts.store.bookings(&seller.id, &group.id).await?;
    let Some(first) = bookings.first() else {
        let skipped = audit(now, &seller.id, group.id.as_str(), Action::Skipped, "no transactions");
        return changed(parts, vec![review.stage(stage::SKIPPED), skipped]).await.map(|()| false);
    };
    let totals: Vec<Money> = bookings.iter().map(|booking| booking.total).collect();
    if let Err(reason) = footed(parts, seller, group, (&first.transaction, &totals)).await? {
        return changed(parts, review.once(parts, &[reason]).await?).await.map(|()| false);
    }
    let rate = own_rate::of_settlement(parts, seller, group, end, &bookings).await?;
    if rate == Decision::Wait {
        return Ok(false);
    }
    let due = Due { group, end, bookings: &bookings, adjustment: None, rate };
    match journals(parts, seller, &due).await? {
        Ok(journals) => changed(parts, planned(&review, journals, &bookings)).await.map(|()| true),
        Err(reasons) => changed(parts, review.once(parts, &reasons).await?).await.map(|()| false),
    }
}

/// Whether none of a settlement's transactions waits to be mapped or for a person; the latter is said in the review queue.
pub(crate) async fn all_are_mapped(
    parts: &Parts,
    review: &ToReview<'_>,
    group: &Group,
) -> Result<bool, StageError> {
    let stages = parts.store.group_stages(&review.seller.id, &group.id).await?;
    let at = |wanted: &[&str]| -> u64 {
        stages.iter().filter(|row| wanted.contains(&row.stage.as_str())).map(|row| row.count).sum()
    };
    if at(&[stage::READY, stage::HELD, stage::WAITING]) > 0 {
        return Ok(false);
    }
    let in_review = at(&[stage::REVIEW]);
    if in_review > 0 {
        let message = format!("{in_review} of its transactions are in review: settle those first");
        let reason = Reason::new("transactions-in-review", group.id.as_str(), message);
        changed(parts, review.once(parts, &[reason]).await?).await?;
    }
    Ok(in_review == 0)
}

/// What of a settlement is to be journaled.
pub(crate) struct Due<'a> {
    pub(crate) group: &'a Group,
    pub(crate) end: Timestamp,
    /// At least one.
    pub(crate) bookings: &'a [BookedTransaction],
    /// Its number, where the settlement was journaled before.
    pub(crate) adjustment: Option<u32>,
    /// Whose rate converts it.
    pub(crate) rate: Decision,
}

async fn changed(parts: &Parts, changes: Vec<Change>) -> Result<(), StageError> {
    Ok(parts.store.apply(changes).await?)
}

/// A settlement's journals, one for each of its months, dated and judged by what Fusion says, or why there are none.
pub(crate) async fn journals(
    parts: &Parts,
    seller: &Seller,
    due: &Due<'_>,
) -> Result<Result<Vec<Journal>, Vec<Reason>>, StageError> {
    let journals = match cut(seller, due)? {
        Ok(journals) if journals.is_empty() => return Ok(Ok(journals)),
        Ok(journals) => journals,
        Err(reasons) => return Ok(Err(reasons)),
    };
    let dates = journals.iter().map(|journal| (Module::GeneralLedger, journal.document.date)).collect();
    let accounts = journals.iter().flat_map(Journal::accounts).collect();
    let facts = Facts::gather(parts, seller, accounts, dates).await?;
    Ok(journal::place_and_judge(journals, &facts))
}

/// A settlement's journals as they follow from its bookings alone, one for each of its months, or why there are none.
pub(crate) fn cut(seller: &Seller, due: &Due<'_>) -> Result<Result<Vec<Journal>, Vec<Reason>>, StageError> {
    let Due { group, bookings, end, ref rate, .. } = *due;
    if let Decision::Contradiction(words) = rate {
        return Ok(Err(vec![Reason::new("payouts-differ", group.id.as_str(), words.as_str())]));
    }
    let Some(first) = bookings.first() else { return Ok(Ok(Vec::new())) };
    let total = Money::sum(first.total.currency, bookings.iter().map(|booking| booking.total))?;
    let accounts = CarryAccounts {
        settlement: seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default(),
        carry_forward: seller.ledger.account(purpose::CARRY_FORWARD).unwrap_or_default(),
    };
    let rows: Vec<Row> =
        bookings.iter().map(|booking| Row { posted: booking.posted, lines: booking.lines.clone() }).collect();
    let by_day = matches!(rate, Decision::Fusion(_));
    let cut = split(&rows, seller.day(end), &seller.zone, &accounts, by_day)?;
    if cut.len() > 1 && accounts.carry_forward.is_empty() {
        let message = format!(
            "it crosses the end of a month: name an account for `ledger.accounts.{}`",
            purpose::CARRY_FORWARD
        );
        return Ok(Err(vec![Reason::new("no-account", purpose::CARRY_FORWARD, message)]));
    }
    let mut journals = Vec::with_capacity(cut.len());
    let mut carried = Money::zero(total.currency);
    for part in cut {
        let rows: Vec<&BookedTransaction> = part.rows.iter().map(|place| &bookings[*place]).collect();
        let own = Money::sum(total.currency, rows.iter().map(|booking| booking.total))?;
        let (settled, forward) = if part.number < part.of {
            (Money::zero(total.currency), own)
        } else {
            (total, carried.negated())
        };
        carried = carried.checked_add(own)?;
        let mut moves = vec![(accounts.settlement.clone(), settled)];
        if part.of > 1 {
            moves.push((accounts.carry_forward.clone(), forward));
        }
        journals.push(Journal {
            document: document(seller, due, &part, &accounts, (&rows, total.currency)),
            expected: settled,
            moves,
            recognizes: rows.iter().map(|booking| (booking.economic_id.clone(), leg::SETTLEMENT)).collect(),
            said: rate.words(),
        });
    }
    if let Decision::Own(rate) = rate
        && let settled = due.adjustment.map_or(Ok(rate.converted), |_| rate.worth(total))?
        && let Err(reason) = own_rate::convert(seller, (rate, settled), &accounts, &mut journals)?
    {
        return Ok(Err(vec![reason]));
    }
    Ok(Ok(journals))
}

/// Whether what a settlement's transactions sum to is what Amazon says; one of them is named by its id.
pub(crate) async fn footed(
    parts: &Parts,
    seller: &Seller,
    group: &Group,
    (transaction, totals): (&str, &[Money]),
) -> Result<Result<(), Reason>, StageError> {
    let differs = |message: String| Ok(Err(Reason::new("does-not-foot", group.id.as_str(), message)));
    let Some(first) = totals.first() else { return differs("it has no transactions".to_owned()) };
    let total = match Money::sum(first.currency, totals.iter().copied()) {
        Ok(total) => total,
        Err(error) => return differs(error.to_string()),
    };
    let stated = group.stated_total.map(|stated| ("the group", stated));
    for (source, stated) in
        stated.into_iter().chain(witness(parts, seller, transaction, first.currency).await?)
    {
        if stated != total {
            return differs(format!(
                "its {} transactions sum to {total}, {source} says {stated}",
                totals.len()
            ));
        }
    }
    Ok(Ok(()))
}

fn document(
    seller: &Seller,
    due: &Due<'_>,
    part: &Part,
    accounts: &CarryAccounts,
    (rows, currency): (&[&BookedTransaction], Currency),
) -> Document {
    let (id, all) = (due.group.id.clone(), due.bookings);
    let of = match due.adjustment {
        None => JournalOf::part_of(id, part.number, part.of, accounts),
        Some(adjustment) => JournalOf::adjusting(id, adjustment, (part.number, part.of), accounts),
    };
    let made = |booking: &BookedTransaction| (booking.batch.clone(), booking.made_by.clone());
    // A last month without rows brings in what the others came to.
    let behind = if rows.is_empty() {
        all.iter().map(made).collect()
    } else {
        rows.iter().map(|booking| made(booking)).collect()
    };
    Document {
        key: DocumentKey::derive(Kind::Journal.letter(), &seller.id, of.subject(), 0),
        seller: seller.id.clone(),
        revision: 0,
        date: part.date,
        moved_from: None,
        currency,
        body: Body::Journal {
            of,
            lines: part.lines.clone(),
            transactions: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            reverses: None,
            rate: None,
        },
        origin: journal::origin(behind),
    }
}

/// What Amazon says elsewhere that this settlement comes to.
async fn witness(
    parts: &Parts,
    seller: &Seller,
    transaction: &str,
    currency: Currency,
) -> Result<Option<(&'static str, Money)>, StageError> {
    match settlement_id(parts, seller, transaction).await? {
        Some(settlement) => settlement_total(parts, seller, &settlement, currency).await,
        None => Ok(None),
    }
}

/// Amazon's settlement id, which stands on a settlement's transactions only.
pub(crate) async fn settlement_id(
    parts: &Parts,
    seller: &Seller,
    transaction: &str,
) -> Result<Option<String>, StageError> {
    let found = parts.store.newest(&seller.id, kind::TRANSACTION, transaction).await?;
    let Some(found) = found else { return Ok(None) };
    let transaction: Transaction = stored("transaction", &found.record)?;
    Ok(transaction.settlement)
}

/// The changes that plan a settlement's journals: its transactions are documented by them.
pub(crate) fn planned(
    review: &ToReview<'_>,
    journals: Vec<Journal>,
    bookings: &[BookedTransaction],
) -> Vec<Change> {
    let (seller, now) = (review.seller, review.now);
    let mut changes = vec![review.resolved(), review.stage(stage::DOCUMENTED)];
    for journal in journals {
        changes.extend(journal.plan(review.subject, now));
    }
    changes.extend(bookings.iter().map(|booking| Change::Stage {
        seller: seller.id.clone(),
        kind: kind::TRANSACTION,
        natural_id: booking.transaction.clone(),
        stage: stage::DOCUMENTED,
        at: now,
    }));
    changes
}
