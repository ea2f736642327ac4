//! Adjusts settlements after they were journaled: by what Amazon showed later, and by what it changed.
//!
//! Amazon posts into the past, and corrects. A settlement's journal that stands is never touched: what turned up later, and
//! what a changed transaction comes to more or less ([`ml_connector_domain::adjustment`]), enters a further journal, cut at
//! the months' ends as the settlement was. It is planned only if all transactions together come to the total that Amazon
//! states by then; until they do a person is told.
//!
//! **Invariant:** a transaction that was late is recognised as any other, under [`leg::SETTLEMENT`]; a change under
//! [`leg::ADJUSTMENT`] and the number of the adjustment. Behind each journal stays what it held.

use ml_connector_domain::adjustment::difference;
use ml_connector_domain::canonical::{Group, Transaction};
use ml_connector_domain::document::{Body, JournalOf};
use ml_connector_domain::mapping::{JournalLine, Reason};
use ml_connector_domain::own_rate::Decision;
use ml_connector_domain::{Money, Timestamp};
use ml_connector_storage::{BookedTransaction, Change, CorrectionChange, DocumentRow};

use crate::journal::Journal;
use crate::map::ToReview;
use crate::settle::{self, Due};
use crate::{Parts, Seller, StageError, kind, leg, stage, stored};

/// Settlements looked at in one cycle.
const GROUPS_MAX: u32 = 100;

/// Adjusts every journaled settlement of which something was booked since; says how many.
///
/// # Errors
/// The store or a question to Fusion failed; what is not adjusted waits.
pub async fn adjust(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let mut adjusted = 0;
    for json in parts.store.groups_to_adjust(&seller.id, GROUPS_MAX).await? {
        let group: Group = stored("group", &json)?;
        let Some(end) = group.end else { continue };
        let (id, at_stake, now) = (group.id.clone(), group.stated_total, parts.clock.now());
        let review = ToReview { seller, kind: kind::GROUP, subject: id.as_str(), at_stake, now };
        let of = Adjusting { parts, seller, group, end, review };
        adjusted += usize::from(of.close().await?);
    }
    Ok(adjusted)
}

struct Adjusting<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    group: Group,
    end: Timestamp,
    review: ToReview<'a>,
}

/// A booking as it enters an adjusting journal.
struct Entering {
    booking: BookedTransaction,
    /// Whether an earlier journal holds it as it was before.
    changed: bool,
}

impl Adjusting<'_> {
    async fn close(&self) -> Result<bool, StageError> {
        if !settle::all_are_mapped(self.parts, &self.review, &self.group).await? {
            return Ok(false);
        }
        let journals = self.parts.store.journals_of(&self.seller.id, &self.group.id).await?;
        if let Some(reason) = self.not_adjustable(&journals).await? {
            return self.refused(&[reason]).await;
        }
        let mut entering = Vec::new();
        for booking in self.parts.store.bookings(&self.seller.id, &self.group.id).await? {
            entering.push(self.entering(booking).await?);
        }
        let (moving, still): (Vec<_>, Vec<_>) =
            entering.into_iter().partition(|one| !one.booking.lines.is_empty());
        let number = journals.iter().filter_map(adjustment).max().unwrap_or(0) + 1;
        let bookings: Vec<BookedTransaction> = moving.iter().map(|one| one.booking.clone()).collect();
        // As the settlement was: by its own rate, or by Fusion's.
        let rate = journals.iter().find_map(|row| row.document.own_rate().copied());
        let due = Due {
            group: &self.group,
            end: self.end,
            bookings: &bookings,
            adjustment: Some(number),
            rate: rate.map_or(Decision::Domestic, Decision::Own),
        };
        let mut changes = match settle::journals(self.parts, self.seller, &due).await? {
            Ok(journals) => self.planned(journals, &moving, number).await?,
            Err(reasons) => return self.refused(&reasons).await,
        };
        let still: Vec<BookedTransaction> = still.into_iter().map(|one| one.booking).collect();
        changes.extend(settle::planned(&self.review, Vec::new(), &still));
        self.parts.store.apply(changes).await?;
        Ok(!bookings.is_empty())
    }

    async fn refused(&self, reasons: &[Reason]) -> Result<bool, StageError> {
        let changes = self.review.once(self.parts, reasons).await?;
        self.parts.store.apply(changes).await?;
        Ok(false)
    }

    /// Why the settlement may not be adjusted: it does not foot, or a person has taken a journal of it back.
    async fn not_adjustable(&self, journals: &[DocumentRow]) -> Result<Option<Reason>, StageError> {
        for row in journals {
            let key = row.document.key.as_str();
            let by = async |leg| self.parts.store.recognized_by(&self.seller.id, key, leg).await;
            let is_first = matches!(&row.document.body, Body::Journal { reverses: None, .. });
            if is_first && by(leg::REVERSAL).await?.is_some() && by(leg::REPLACEMENT).await?.is_none() {
                let message =
                    format!("its journal {key} was taken back: adjust it in Fusion, or take that back, too");
                return Ok(Some(Reason::new("journal-taken-back", key, message)));
            }
        }
        let (mut totals, mut one) = (Vec::new(), None);
        for row in self.parts.store.settlement_transactions(&self.seller.id, &self.group.id).await? {
            let transaction: Transaction = stored("transaction", &row.record)?;
            if transaction.counts() && row.stage != stage::HISTORY {
                totals.push(transaction.total);
                one = Some(transaction.id);
            }
        }
        let Some(one) = one else { return Ok(None) };
        Ok(settle::footed(self.parts, self.seller, &self.group, (one.as_str(), &totals)).await?.err())
    }

    /// A booking, less what journals that stand hold of it.
    async fn entering(&self, mut booking: BookedTransaction) -> Result<Entering, StageError> {
        let store = &self.parts.store;
        let by = store.recognized_by(&self.seller.id, &booking.economic_id, leg::SETTLEMENT).await?;
        if by.is_none() {
            return Ok(Entering { booking, changed: false });
        }
        for held in store.entered(&self.seller.id, &booking.transaction).await? {
            booking.lines = difference(&booking.lines, &held.lines)?;
            booking.total = booking.total.checked_add(held.total.negated())?;
        }
        Ok(Entering { booking, changed: true })
    }

    async fn planned(
        &self,
        mut journals: Vec<Journal>,
        moving: &[Entering],
        number: u32,
    ) -> Result<Vec<Change>, StageError> {
        let changed =
            |source: &str| moving.iter().any(|one| one.changed && one.booking.economic_id == source);
        let mut holds = Vec::new();
        for journal in &mut journals {
            for (source, of) in &mut journal.recognizes {
                if changed(source) {
                    holds.push((source.clone(), journal.document.key.clone()));
                    *source = format!("{source}/{number}");
                    *of = leg::ADJUSTMENT;
                }
            }
        }
        let bookings: Vec<BookedTransaction> = moving.iter().map(|one| one.booking.clone()).collect();
        let mut changes = settle::planned(&self.review, journals, &bookings);
        for (source, document) in holds {
            let Some(one) = bookings.iter().find(|booking| booking.economic_id == source) else { continue };
            changes.push(Change::Correction(CorrectionChange::Booking {
                document,
                transaction: one.transaction.clone(),
                total: one.total,
                leg: leg::ADJUSTMENT.to_owned(),
                lines: one.lines.clone(),
                batch: one.batch.clone(),
            }));
            changes.extend(self.cash_differs(one).await?);
        }
        changes.push(Change::Cash {
            seller: self.seller.id.clone(),
            group: self.group.id.clone(),
            next_look: Some(self.review.now),
        });
        Ok(changes)
    }

    /// A receipt that was made over a transaction's cash is not made again: a person is told by how much it is off.
    async fn cash_differs(&self, one: &BookedTransaction) -> Result<Vec<Change>, StageError> {
        let ledger = &self.seller.ledger;
        let clearing = ledger.receipts.as_ref().and_then(|setup| ledger.account(&setup.clearing));
        let Some(clearing) = clearing else { return Ok(Vec::new()) };
        let on_clearing = |line: &&JournalLine| line.account == clearing;
        let cash =
            Money::sum(one.total.currency, one.lines.iter().filter(on_clearing).map(|line| line.amount))?;
        let receipt = self.parts.store.recognized_by(&self.seller.id, &one.economic_id, leg::RECEIPT).await?;
        let (Some(receipt), true) = (receipt, cash.minor != 0) else { return Ok(Vec::new()) };
        let message = format!(
            "{receipt} took its cash up before it changed by {}: apply the difference in Fusion",
            cash.negated()
        );
        let review = ToReview {
            kind: kind::RECEIPT,
            subject: &one.transaction,
            at_stake: Some(cash.negated()),
            seller: self.seller,
            now: self.review.now,
        };
        review.once(self.parts, &[Reason::new("changed-cash", receipt.as_str(), message)]).await
    }
}

/// Which adjustment a journal belongs to, if any.
fn adjustment(row: &DocumentRow) -> Option<u32> {
    match &row.document.body {
        Body::Journal { of: JournalOf::Settlement { adjustment, .. }, .. } => *adjustment,
        _ => None,
    }
}
