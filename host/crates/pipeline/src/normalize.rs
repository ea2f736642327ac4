//! Makes canonical records of payloads, and decides what each waits for.

use std::collections::HashSet;

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Group, Order, Payout, Transaction};
use ml_connector_domain::{GroupId, Timestamp};
use ml_connector_ports::{Stream, Unreadable};
use ml_connector_storage::{Change, Previous, RawPayload, ReviewDraft};

use crate::backfill::rereads;
use crate::{Parts, Seller, StageError, audit, kind, stage, stored, to_stored};

/// Payloads in one transaction.
const CHUNK: u32 = 500;

/// Normalizes all that is pending; says how many payloads that were.
///
/// # Errors
/// The store failed. A payload that cannot be read is no error here: it goes to the review queue.
pub async fn normalize(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let mut total = 0;
    loop {
        let pending = parts.store.pending_raw(&seller.id, CHUNK).await?;
        if pending.is_empty() {
            return Ok(total);
        }
        total += pending.len();
        let mut chunk =
            Chunk { parts, seller, now: parts.clock.now(), released: HashSet::new(), changes: Vec::new() };
        for raw in pending {
            chunk.add(raw).await?;
        }
        parts.store.apply(chunk.changes).await?;
    }
}

struct Chunk<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    now: Timestamp,
    /// Deferred transactions whose release is in this chunk.
    released: HashSet<String>,
    changes: Vec<Change>,
}

/// A canonical record, ready to be stored.
struct Made {
    kind: &'static str,
    natural_id: String,
    record: String,
    stage: &'static str,
    group: Option<GroupId>,
    economic_id: String,
}

/// Kept as a witness of what a settlement came to; nothing is booked from it.
fn payout_record(payout: &Payout) -> Result<Made, StageError> {
    Ok(Made {
        kind: kind::PAYOUT,
        natural_id: payout.id.clone(),
        record: to_stored("payout", payout)?,
        stage: stage::SKIPPED,
        group: None,
        economic_id: payout.settlements.first().cloned().unwrap_or_else(|| payout.id.clone()),
    })
}

impl Chunk<'_> {
    async fn add(&mut self, raw: RawPayload) -> Result<(), StageError> {
        let made = if raw.stream == Stream::Orders.as_str() {
            match self.parts.source.order(&raw.body) {
                Ok(order) => self.order(&order).await?,
                Err(error) => return self.unreadable(raw, kind::ORDER, &error),
            }
        } else if raw.stream == Stream::Transactions.as_str() {
            match self.parts.source.transaction(&raw.body) {
                Ok(transaction) => self.transaction(&transaction).await?,
                Err(error) => return self.unreadable(raw, kind::TRANSACTION, &error),
            }
        } else if raw.stream == Stream::Payouts.as_str() {
            match self.parts.source.payout(&raw.body) {
                Ok(payout) => payout_record(&payout)?,
                Err(error) => return self.unreadable(raw, kind::PAYOUT, &error),
            }
        } else {
            match self.parts.source.group(&raw.body) {
                Ok(group) => {
                    self.changes.extend(rereads(self.seller, raw.region, &group, self.now));
                    self.group(&group).await?
                }
                Err(error) => return self.unreadable(raw, kind::GROUP, &error),
            }
        };
        self.changes.push(audit(
            self.now,
            &self.seller.id,
            made.natural_id.as_str(),
            Action::Normalized,
            format!("{} {} from payload {}", made.kind, made.stage, raw.hash),
        ));
        self.changes.push(Change::Canonical {
            seller: self.seller.id.clone(),
            kind: made.kind,
            natural_id: made.natural_id,
            region: raw.region,
            record: made.record,
            raw: raw.hash.clone(),
            stage: made.stage,
            group: made.group,
            economic_id: made.economic_id,
            at: self.now,
        });
        self.done(raw);
        Ok(())
    }

    fn done(&mut self, raw: RawPayload) {
        self.changes.push(Change::RawDone {
            seller: self.seller.id.clone(),
            stream: raw.stream,
            natural_id: raw.natural_id,
            hash: raw.hash,
        });
    }

    fn unreadable(
        &mut self,
        raw: RawPayload,
        kind: &'static str,
        error: &Unreadable,
    ) -> Result<(), StageError> {
        self.review(kind, &raw.natural_id, "unreadable", &error.path, &error.message);
        self.done(raw);
        Ok(())
    }

    fn review(&mut self, kind: &'static str, subject: &str, code: &str, about: &str, message: &str) {
        self.changes.push(Change::Review(ReviewDraft {
            seller: self.seller.id.clone(),
            kind,
            subject: subject.to_owned(),
            code: code.to_owned(),
            about: about.to_owned(),
            message: message.to_owned(),
            at_stake: None,
            at: self.now,
        }));
        self.changes.push(audit(
            self.now,
            &self.seller.id,
            subject,
            Action::Reviewed,
            format!("{code}: {message}"),
        ));
    }

    async fn previous(&self, kind: &str, natural_id: &str) -> Result<Option<Previous>, StageError> {
        Ok(self.parts.store.newest(&self.seller.id, kind, natural_id).await?)
    }

    async fn order(&mut self, order: &Order) -> Result<Made, StageError> {
        let stage = match order.is_shipped() || order.is_dead() {
            // It came to rest before the books begin: a back-fill brought it, and somebody else has booked it.
            true if order.updated < self.seller.start_from => stage::HISTORY,
            true => stage::READY,
            false if order.is_partly_shipped() => stage::READY,
            false => stage::WAITING,
        };
        Ok(Made {
            kind: kind::ORDER,
            natural_id: order.id.as_str().to_owned(),
            record: to_stored("order", order)?,
            stage,
            group: None,
            economic_id: order.id.as_str().to_owned(),
        })
    }

    async fn transaction(&mut self, transaction: &Transaction) -> Result<Made, StageError> {
        let id = transaction.id.as_str();
        if let Some(twin) = &transaction.deferred_twin {
            self.released.insert(twin.as_str().to_owned());
            self.changes.push(Change::Stage {
                seller: self.seller.id.clone(),
                kind: kind::TRANSACTION,
                natural_id: twin.as_str().to_owned(),
                stage: stage::LINKED,
                at: self.now,
            });
        }
        let stage = match self.previous(kind::TRANSACTION, id).await? {
            Some(previous) => {
                let fresh = self.fresh_stage(transaction).await?;
                self.stage_again(transaction, &previous, fresh)?
            }
            None => self.stage_of(transaction).await?,
        };
        Ok(Made {
            kind: kind::TRANSACTION,
            natural_id: id.to_owned(),
            record: to_stored("transaction", transaction)?,
            stage,
            group: transaction.group.clone(),
            economic_id: transaction.economic_id().as_str().to_owned(),
        })
    }

    async fn stage_of(&self, transaction: &Transaction) -> Result<&'static str, StageError> {
        if transaction.posted < self.seller.start_from {
            return Ok(stage::HISTORY);
        }
        self.fresh_stage(transaction).await
    }

    /// Deferred money waits until its release is known, and then stands aside for it.
    async fn fresh_stage(&self, transaction: &Transaction) -> Result<&'static str, StageError> {
        if transaction.counts() {
            return Ok(stage::READY);
        }
        let id = transaction.id.as_str();
        let stored = self.parts.store.has_twin(&self.seller.id, kind::TRANSACTION, id, id).await?;
        Ok(if stored || self.released.contains(id) { stage::LINKED } else { stage::WAITING })
    }

    /// A transaction that was seen before: a change of words keeps it where it is, a change of money does not.
    fn stage_again(
        &mut self,
        transaction: &Transaction,
        previous: &Previous,
        fresh: &'static str,
    ) -> Result<&'static str, StageError> {
        let before: Transaction = stored("transaction", &previous.record)?;
        let same_money = before.total == transaction.total
            && before.legs.len() == transaction.legs.len()
            && before.legs.iter().zip(&transaction.legs).all(|(before, now)| before.is_same_money(now))
            && before.group == transaction.group
            && before.counts() == transaction.counts();
        Ok(match previous.stage.as_str() {
            // It is mapped again, and what differs enters an adjusting journal.
            stage::DOCUMENTED if !same_money && transaction.counts() && before.group == transaction.group => {
                stage::READY
            }
            stage::DOCUMENTED => {
                if !same_money {
                    let message =
                        format!("was {} when it was journaled, is now {}", before.total, transaction.total);
                    let id = transaction.id.as_str();
                    self.review(kind::TRANSACTION, id, "changed-after-journal", id, &message);
                }
                stage::DOCUMENTED
            }
            stage::LINKED => stage::LINKED,
            stage::HISTORY => stage::HISTORY,
            stage::BOOKED if same_money => stage::BOOKED,
            stage::SKIPPED if same_money => stage::SKIPPED,
            _ => fresh,
        })
    }

    /// A settlement that is journaled: other totals are for a person, one that shows late is told.
    fn changed_group(&mut self, before: &Group, group: &Group) {
        let id = group.id.as_str();
        if before.stated_total != group.stated_total && group.stated_total.is_some() {
            let message = "Amazon states another total than when the settlement was journaled";
            self.review(kind::GROUP, id, "changed-after-journal", id, message);
        }
        match (before.converted_total, group.converted_total) {
            (Some(before), Some(now)) if before != now => {
                let message =
                    format!("Amazon paid out {before} when the settlement was journaled, and {now} now");
                self.review(kind::GROUP, id, "changed-after-journal", id, &message);
            }
            (None, Some(now)) if group.currency != Some(now.currency) => {
                let words =
                    format!("Amazon says only now that {now} were paid out: its journals stay as they are");
                self.changes.push(audit(self.now, &self.seller.id, id, Action::Read, words));
            }
            _ => {}
        }
    }

    async fn group(&mut self, group: &Group) -> Result<Made, StageError> {
        let id = group.id.as_str();
        let previous = self.previous(kind::GROUP, id).await?;
        let stage = match previous {
            Some(previous) if previous.stage == stage::DOCUMENTED => {
                let before: Group = stored("group", &previous.record)?;
                self.changed_group(&before, group);
                stage::DOCUMENTED
            }
            Some(previous) if previous.stage == stage::SKIPPED => stage::SKIPPED,
            _ if group.end.is_some_and(|end| end <= self.seller.start_from) => stage::HISTORY,
            _ if group.closed => stage::READY,
            _ => stage::WAITING,
        };
        Ok(Made {
            kind: kind::GROUP,
            natural_id: id.to_owned(),
            record: to_stored("group", group)?,
            stage,
            group: None,
            economic_id: id.to_owned(),
        })
    }
}
