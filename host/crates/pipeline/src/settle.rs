//! Closes settlements: one journal batch for each, once it is complete.
//!
//! A settlement is complete when Amazon has closed it, when transactions have been read past its end by the time
//! that Amazon takes to show them all, when each is booked, and when they sum to the total that Amazon states.
//! Until then it waits, and says why.

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Group, Transaction};
use ml_connector_domain::document::{Body, Document, Kind, Origin, summarize};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{DocumentKey, Money, Timestamp};
use ml_connector_ports::Stream;
use ml_connector_storage::{BookedTransaction, Change};

use crate::archive::settlement_total;
use crate::map::{Facts, ToReview};
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
async fn read_to(parts: &Parts, seller: &Seller) -> Result<Option<Timestamp>, StageError> {
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
    let stages = parts.store.group_stages(&seller.id, &group.id).await?;
    let at = |wanted: &[&str]| -> u64 {
        stages.iter().filter(|row| wanted.contains(&row.stage.as_str())).map(|row| row.count).sum()
    };
    let review =
        ToReview { seller, kind: kind::GROUP, subject: group.id.as_str(), at_stake: group.stated_total, now };
    if at(&[stage::READY, stage::HELD, stage::WAITING]) > 0 {
        return Ok(false);
    }
    if at(&[stage::REVIEW]) > 0 {
        let message =
            format!("{} of its transactions are in review: settle those first", at(&[stage::REVIEW]));
        let reason = Reason::new("transactions-in-review", group.id.as_str(), message);
        return changed(parts, review.because(&[reason])).await.map(|()| false);
    }
    let bookings = parts.store.bookings(&seller.id, &group.id).await?;
    if bookings.is_empty() {
        let skipped = audit(now, &seller.id, group.id.as_str(), Action::Skipped, "no transactions");
        return changed(parts, vec![review.stage(stage::SKIPPED), skipped]).await.map(|()| false);
    }
    match journal(parts, seller, group, end, &bookings).await? {
        Ok((document, total, moved)) => {
            changed(parts, planned(&review, document, (total, &moved), &bookings)).await.map(|()| true)
        }
        Err(reasons) => changed(parts, review.because(&reasons)).await.map(|()| false),
    }
}

async fn changed(parts: &Parts, changes: Vec<Change>) -> Result<(), StageError> {
    Ok(parts.store.apply(changes).await?)
}

/// The settlement's journal, its total and what is to be said of its date, or why there is none.
async fn journal(
    parts: &Parts,
    seller: &Seller,
    group: &Group,
    end: Timestamp,
    bookings: &[BookedTransaction],
) -> Result<Result<(Document, Money, String), Vec<Reason>>, StageError> {
    let Some(first) = bookings.first() else { return Ok(Err(Vec::new())) };
    let currency = first.total.currency;
    let total = match Money::sum(currency, bookings.iter().map(|booking| booking.total)) {
        Ok(total) => total,
        Err(error) => {
            return Ok(Err(vec![Reason::new("does-not-foot", group.id.as_str(), error.to_string())]));
        }
    };
    let stated = group.stated_total.map(|stated| ("the group", stated));
    for (source, stated) in stated.into_iter().chain(witness(parts, seller, first).await?) {
        if stated != total {
            let message =
                format!("its {} transactions sum to {total}, {source} says {stated}", bookings.len());
            return Ok(Err(vec![Reason::new("does-not-foot", group.id.as_str(), message)]));
        }
    }
    let lines = summarize(bookings.iter().flat_map(|booking| booking.lines.iter().cloned()))?;
    let date = seller.day(end);
    let mut document = Document {
        key: DocumentKey::derive(Kind::Journal.letter(), &seller.id, group.id.as_str(), 0),
        seller: seller.id.clone(),
        revision: 0,
        date,
        moved_from: None,
        currency,
        body: Body::Journal {
            group: group.id.clone(),
            lines,
            transactions: u32::try_from(bookings.len()).unwrap_or(u32::MAX),
            reverses: None,
        },
        origin: origin(first, bookings),
    };
    let accounts = match &document.body {
        Body::Journal { lines, .. } => lines.iter().map(|line| line.account.clone()).collect(),
        _ => std::collections::BTreeSet::new(),
    };
    let facts = Facts::gather(parts, seller, accounts, [(Module::GeneralLedger, date)].into()).await?;
    let moved = facts.place(&mut document);
    let account = seller.ledger.account(purpose::SETTLEMENT).unwrap_or_default();
    let violations =
        validate::document(&document, &Expectation::Settlement { account, total }, &facts.at(document.date));
    Ok(if violations.is_empty() { Ok((document, total, moved)) } else { Err(violations) })
}

/// What Amazon says elsewhere that this settlement comes to. Its settlement id stands on its transactions only.
async fn witness(
    parts: &Parts,
    seller: &Seller,
    booking: &BookedTransaction,
) -> Result<Option<(&'static str, Money)>, StageError> {
    let found = parts.store.newest(&seller.id, kind::TRANSACTION, &booking.transaction).await?;
    let Some(found) = found else { return Ok(None) };
    let transaction: Transaction = stored("transaction", &found.record)?;
    match transaction.settlement {
        Some(settlement) => settlement_total(parts, seller, &settlement).await,
        None => Ok(None),
    }
}

/// A settlement is mapped in many batches: its input is the hash over theirs, in order.
fn origin(first: &BookedTransaction, bookings: &[BookedTransaction]) -> Origin {
    let mut batches: Vec<&str> = bookings.iter().map(|booking| booking.batch.as_str()).collect();
    batches.sort_unstable();
    batches.dedup();
    let mut other_mappers: Vec<ContentHash> =
        bookings.iter().map(|booking| booking.mapper.clone()).filter(|m| *m != first.mapper).collect();
    other_mappers.sort();
    other_mappers.dedup();
    Origin {
        mapper: first.mapper.clone(),
        input: ContentHash::of(batches.join("\n").as_bytes()),
        catalog: first.catalog.clone(),
        contract: first.contract.clone(),
        settings: Some(first.settings.clone()),
        other_mappers,
    }
}

fn planned(
    review: &ToReview<'_>,
    document: Document,
    (total, moved): (Money, &str),
    bookings: &[BookedTransaction],
) -> Vec<Change> {
    let (seller, now) = (review.seller, review.now);
    let detail = format!(
        "journal {} over {total} of {} transactions dated {}{moved}",
        document.key,
        bookings.len(),
        document.date
    );
    let mut changes = vec![
        review.resolved(),
        review.stage(stage::DOCUMENTED),
        audit(now, &seller.id, review.subject, Action::Planned, detail),
        Change::Plan {
            document: Box::new(document),
            expected: total,
            recognizes: bookings
                .iter()
                .map(|booking| (booking.economic_id.clone(), leg::SETTLEMENT))
                .collect(),
            at: now,
        },
    ];
    changes.extend(bookings.iter().map(|booking| Change::Stage {
        seller: seller.id.clone(),
        kind: kind::TRANSACTION,
        natural_id: booking.transaction.clone(),
        stage: stage::DOCUMENTED,
        at: now,
    }));
    changes
}
