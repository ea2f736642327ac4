//! Accrues, at each month's end, what Amazon holds back, and takes it back once it is released.
//!
//! Deferred money is earned but in no settlement yet. A month that is over, and has been read past its end by the time
//! that Amazon takes to show everything, gets one journal for each currency ([`ml_connector_domain::accrual`]): what is
//! held back then and no earlier month has accrued, and the opposite of what an earlier month accrued and was released in
//! this one. Settlements are journaled as if there were no accrual, so what is paid out never moves.
//!
//! Without an account for deferred money in the ledger nothing is accrued. What turns up only after its month's journal
//! was made is accrued with the next month, if it is still held back then. What the mapper cannot map waits in review and
//! is accrued with the month in which it can.
//!
//! **Invariant:** each deferred transaction is accrued once and taken back once, under [`leg::ACCRUAL`] and
//! [`leg::ACCRUAL_REVERSAL`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use ml_connector_domain::accrual::{accrued, is_held_back, last_day, month_over, released};
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Transaction, TransactionStatus};
use ml_connector_domain::document::{Accrual, Body, Document, JournalOf, Kind, month, summarize};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::mapping::{JournalLine, Reason, TransactionOutcome};
use ml_connector_domain::validate::{self, Module};
use ml_connector_domain::{Currency, Date, DocumentKey, Money, Timestamp};
use ml_connector_storage::{AccruedTransaction, Change, MadeBy};

use crate::journal::{self, Journal};
use crate::map::{self, Facts, ToReview};
use crate::settle::{LATE_ARRIVALS, read_to};
use crate::{Parts, Seller, StageError, audit, catalogs, kind, leg, stored, versions};

/// When a month whose journal may not be posted is looked at again.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// Makes the journals of every month that is over and has not got them; says how many.
///
/// # Errors
/// The store, the sandbox or a question to Fusion failed; what is not planned stays due.
pub async fn accrue(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let (Some(settlement), Some(deferred)) =
        (seller.ledger.account(purpose::SETTLEMENT), seller.ledger.account(purpose::DEFERRED))
    else {
        return Ok(0);
    };
    let Some(read_to) = read_to(parts, seller).await? else { return Ok(0) };
    let looked: BTreeMap<String, Option<Timestamp>> =
        parts.store.accrued_months(&seller.id).await?.into_iter().collect();
    let due: Vec<(Date, Timestamp)> = months_over(seller, read_to)
        .into_iter()
        .filter(|(day, _)| !matches!(looked.get(&month(*day)), Some(None)))
        .collect();
    let now = parts.clock.now();
    let mut planned = 0;
    for (place, (day, over)) in due.iter().enumerate() {
        let look = looked.get(&month(*day)).copied().flatten();
        // A month that could not be closed until the next one was over is closed with that.
        let last = place + 1 == due.len();
        if look.is_none_or(|at| at <= now) || !last {
            let of = Month {
                parts,
                seller,
                settlement: &settlement,
                deferred: &deferred,
                day: *day,
                over: *over,
                now,
            };
            planned += of.close(last).await?;
        }
    }
    Ok(planned)
}

/// The months from the seller's beginning that are over and read, by their last days, with the moment they were over.
fn months_over(seller: &Seller, read_to: Timestamp) -> Vec<(Date, Timestamp)> {
    let mut months = Vec::new();
    let mut day = seller.day(seller.start_from).last_of_month();
    while let Ok(over) = month_over(day, &seller.zone) {
        if over.saturating_add(LATE_ARRIVALS).unwrap_or(over) > read_to {
            break;
        }
        months.push((day, over));
        match day.tomorrow() {
            Ok(next) => day = next.last_of_month(),
            Err(_) => break,
        }
    }
    months
}

/// A deferred transaction that the month accrues.
struct New {
    transaction: Transaction,
    lines: Vec<JournalLine>,
    batch: ContentHash,
    made_by: MadeBy,
}

/// What one journal is made of.
#[derive(Default)]
struct Pile {
    new: Vec<New>,
    back: Vec<AccruedTransaction>,
}

struct Month<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    settlement: &'a str,
    deferred: &'a str,
    /// Its last day.
    day: Date,
    /// The first moment after it.
    over: Timestamp,
    now: Timestamp,
}

impl Month<'_> {
    /// Plans its journals; says how many. What may not be posted goes to review and, in the last month that is over, is
    /// looked at again.
    async fn close(&self, last: bool) -> Result<usize, StageError> {
        let (new, mut changes) = self.map_new().await?;
        let mut piles = BTreeMap::<Currency, Pile>::new();
        for one in new {
            piles.entry(one.transaction.total.currency).or_default().new.push(one);
        }
        for one in self.parts.store.accrued(&self.seller.id, true).await? {
            if one.released.is_some_and(|released| released < self.over) {
                piles.entry(one.total.currency).or_default().back.push(one);
            }
        }
        let (mut planned, mut waits) = (0, false);
        for (currency, pile) in piles {
            match self.journal(currency, &pile).await? {
                None => {}
                Some(Ok(journal)) => {
                    changes.extend(self.planned(journal, pile));
                    planned += 1;
                }
                Some(Err(reasons)) => {
                    let subject = Accrual::of(self.day, currency).subject;
                    changes.extend(self.review(kind::ACCRUAL, &subject).once(self.parts, &reasons).await?);
                    waits = last;
                }
            }
        }
        changes.push(Change::AccruedMonth {
            seller: self.seller.id.clone(),
            month: month(self.day),
            next_look: waits.then(|| self.now.saturating_add(DAILY).unwrap_or(self.now)),
        });
        self.parts.store.apply(changes).await?;
        Ok(planned)
    }

    fn review<'a>(&'a self, kind: &'static str, subject: &'a str) -> ToReview<'a> {
        ToReview { seller: self.seller, kind, subject, at_stake: None, now: self.now }
    }

    /// What is held back when the month is over and no month has accrued, mapped; what cannot be mapped goes to review.
    async fn map_new(&self) -> Result<(Vec<New>, Vec<Change>), StageError> {
        let mut held = Vec::new();
        for one in self.parts.store.not_accrued(&self.seller.id, self.over).await? {
            let transaction: Transaction = stored("transaction", &one.record)?;
            let deferred = matches!(
                transaction.status,
                TransactionStatus::Deferred | TransactionStatus::DeferredReleased
            );
            let ours = transaction.posted >= self.seller.start_from;
            if deferred && ours && is_held_back(transaction.posted, one.released, self.over) {
                held.push(transaction);
            }
        }
        if held.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let parts = &versions::choose(self.parts, self.seller).await?;
        let seller = &*catalogs::choose(parts, self.seller).await?;
        let proposed = map::propose(parts, seller, &held).await?;
        let identity = parts.mapper.identity();
        let made_by = MadeBy {
            mapper: identity.digest.clone(),
            contract: identity.contract.clone(),
            catalog: seller.catalog_hash.clone(),
            settings: versions::settings_hash(&seller.settings),
        };
        let (mut new, mut changes) = (Vec::with_capacity(held.len()), proposed.kept);
        for (transaction, (outcome, batch)) in held.into_iter().zip(proposed.outcomes) {
            match self.lines(&transaction, outcome) {
                Ok(lines) => new.push(New { transaction, lines, batch, made_by: made_by.clone() }),
                Err(reasons) => {
                    let mut review = self.review(kind::TRANSACTION, transaction.id.as_str());
                    review.at_stake = Some(transaction.total);
                    changes.extend(review.once(self.parts, &reasons).await?);
                }
            }
        }
        Ok((new, changes))
    }

    /// A transaction's lines as they are accrued.
    fn lines(
        &self,
        transaction: &Transaction,
        outcome: TransactionOutcome,
    ) -> Result<Vec<JournalLine>, Vec<Reason>> {
        let booking = match outcome {
            TransactionOutcome::Booking(booking) => booking,
            TransactionOutcome::Review(reasons) => return Err(reasons),
            TransactionOutcome::Skip(_) if transaction.total.minor == 0 => return Ok(Vec::new()),
            TransactionOutcome::Skip(why) => {
                let message = format!("the mapper skips a transaction over {}: {why}", transaction.total);
                return Err(vec![Reason::new("skipped-money", transaction.kind.as_str(), message)]);
            }
        };
        let violations = validate::booking(&booking.journal, self.settlement, transaction.total);
        if violations.is_empty() {
            Ok(accrued(&booking.journal, self.settlement, self.deferred))
        } else {
            Err(violations)
        }
    }

    /// The journal of one currency, or why there may be none; `None` where nothing is to be journaled.
    async fn journal(
        &self,
        currency: Currency,
        pile: &Pile,
    ) -> Result<Option<Result<Journal, Vec<Reason>>>, StageError> {
        let accrual = Accrual::of(self.day, currency);
        let key = DocumentKey::derive(Kind::Journal.letter(), &self.seller.id, &accrual.subject, 0);
        let lines = summarize(
            pile.new
                .iter()
                .flat_map(|one| one.lines.iter().cloned())
                .chain(pile.back.iter().flat_map(|one| released(&one.lines, self.converted_on(one)))),
        )?;
        // What is late for a journal that exists already is accrued with the next month.
        if lines.is_empty() || self.parts.store.document(&key).await?.is_some() {
            return Ok(None);
        }
        let held = pile.new.iter().map(|one| one.transaction.total);
        let held = Money::sum(currency, held.chain(pile.back.iter().map(|one| one.total.negated())))?;
        let new = pile.new.iter().map(|one| (one.batch.clone(), one.made_by.clone()));
        let back = pile.back.iter().map(|one| (one.batch.clone(), one.made_by.clone()));
        let document = Document {
            key,
            seller: self.seller.id.clone(),
            revision: 0,
            date: self.day,
            moved_from: None,
            currency,
            body: Body::Journal {
                of: JournalOf::Deferred { accrual },
                lines,
                transactions: u32::try_from(pile.new.len() + pile.back.len()).unwrap_or(u32::MAX),
                reverses: None,
                rate: None,
            },
            origin: journal::origin(new.chain(back).collect()),
        };
        let nothing = Money::zero(currency);
        let recognized = |id: &str, leg| (id.to_owned(), leg);
        let journal = Journal {
            document,
            expected: nothing,
            moves: vec![(self.settlement.to_owned(), nothing), (self.deferred.to_owned(), held)],
            recognizes: (pile.new.iter().map(|one| recognized(one.transaction.id.as_str(), leg::ACCRUAL)))
                .chain(pile.back.iter().map(|one| recognized(&one.transaction, leg::ACCRUAL_REVERSAL)))
                .collect(),
            said: String::new(),
        };
        let accounts: BTreeSet<String> = journal.accounts().into_iter().collect();
        let dates = [(Module::GeneralLedger, self.day)].into();
        let facts = Facts::gather(self.parts, self.seller, accounts, dates).await?;
        let judged = journal::place_and_judge(vec![journal], &facts);
        Ok(judged.map(|journals| journals.into_iter().next()).transpose())
    }

    /// The day of whose rate Fusion converted what is taken back now.
    fn converted_on(&self, one: &AccruedTransaction) -> Option<Date> {
        let foreign = one.total.currency != self.seller.ledger.ledger_currency;
        last_day(&one.month).filter(|_| foreign)
    }

    fn planned(&self, journal: Journal, pile: Pile) -> Vec<Change> {
        let subject = journal.document.subject().to_owned();
        let mut changes = vec![self.review(kind::ACCRUAL, &subject).resolved()];
        for one in pile.new {
            let detail = format!(
                "{} accrued: Amazon holds it back at the end of {}",
                one.transaction.total,
                month(self.day)
            );
            changes.push(audit(
                self.now,
                &self.seller.id,
                one.transaction.id.as_str(),
                Action::Planned,
                detail,
            ));
            changes.push(Change::Accrual {
                seller: self.seller.id.clone(),
                transaction: one.transaction.id.as_str().to_owned(),
                month: month(self.day),
                total: one.transaction.total,
                lines: one.lines,
                batch: one.batch,
            });
        }
        for one in pile.back {
            let detail = format!("{} was released: its accrual of {} is taken back", one.total, one.month);
            changes.push(audit(self.now, &self.seller.id, one.transaction, Action::Planned, detail));
        }
        changes.extend(journal.plan(&subject, self.now));
        changes
    }
}
