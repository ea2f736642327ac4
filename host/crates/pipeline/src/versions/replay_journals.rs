//! Journals made again whole: each from the recorded batches in which its transactions were mapped, through the same
//! arithmetic that made it, and compared byte for byte.
//!
//! A settlement's journals are made again together, in the order in which they were made: the months of the settlement
//! itself, and then each adjustment, less what the journals before it hold. A month's deferred money, what took a journal
//! back, and a revision that a correction put in a journal's place are made again one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ml_connector_domain::adjustment::difference;
use ml_connector_domain::canonical::{Group, Transaction};
use ml_connector_domain::document::{Body, Document, JournalOf, summarize};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::{JournalLine, Reason, TransactionOutcome};
use ml_connector_domain::own_rate::Decision;
use ml_connector_domain::{Date, GroupId, Money, Timestamp, accrual, reversal};
use ml_connector_storage::{BehindJournal, BookedTransaction, MadeBy};

use super::record::{Records, settings_hash, unpack};
use super::replay::Replayed;
use crate::settle::{self, Due};
use crate::{Parts, Seller, StageError, correct_range, leg, stored, to_stored};

/// Batches that are held at once: those of one settlement are read for all of its journals.
const HELD_MAX: usize = 200;

/// A batch as it is mapped again.
struct Again {
    made_by: MadeBy,
    ledger: LedgerSetup,
    /// By id, with the journal lines where it is booked.
    rows: HashMap<String, (Transaction, Option<Vec<JournalLine>>)>,
}

/// A transaction of a journal, mapped again.
struct Row {
    behind: BehindJournal,
    transaction: Transaction,
    lines: Vec<JournalLine>,
    made_by: MadeBy,
}

/// Why there is nothing to compare.
enum Not {
    /// What went into a batch is not kept, or not any more.
    Kept,
    /// The mapper says something else now, in words.
    Same(String),
}

struct Journals<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    batches: HashMap<ContentHash, Option<Arc<Again>>>,
    found: &'a mut Replayed,
}

/// Makes a seller's posted journals dated since a time again.
///
/// # Errors
/// As for [`super::replay::replay`].
pub(super) async fn journals(
    parts: &Parts,
    seller: &Seller,
    since: Timestamp,
    found: &mut Replayed,
) -> Result<(), StageError> {
    let posted = parts.store.confirmed_documents(seller.day(since), Date::MAX, Some(&seller.id)).await?;
    let mut all = Journals { parts, seller, batches: HashMap::new(), found };
    let mut settlements = BTreeSet::new();
    for document in posted.into_iter().map(|recorded| recorded.row.document) {
        let Body::Journal { of, reverses, .. } = &document.body else { continue };
        let made = match (reverses, of) {
            (Some(original), _) => all.opposite(&document, original).await?,
            (None, _) if document.revision > 0 => all.revision(&document).await?,
            (None, JournalOf::Deferred { .. }) => all.deferred(&document).await?,
            (None, JournalOf::Settlement { group, .. }) => {
                settlements.insert(group.clone());
                continue;
            }
        };
        all.count(&[document], made)?;
    }
    for group in settlements {
        all.settlement(&group).await?;
    }
    Ok(())
}

impl Journals<'_> {
    /// Compares what was made with what was posted.
    fn count(&mut self, posted: &[Document], made: Result<Vec<Document>, Not>) -> Result<(), StageError> {
        let made = match made {
            Ok(made) => made,
            Err(Not::Kept) => {
                self.found.journals_not_kept += posted.len() as u64;
                return Ok(());
            }
            Err(Not::Same(words)) => {
                let keys: Vec<&str> = posted.iter().map(|one| one.key.as_str()).collect();
                self.found.wrong.push(format!("journal {}: {words}", keys.join(", ")));
                return Ok(());
            }
        };
        for document in posted {
            let again = made.iter().find(|one| one.key == document.key);
            let same = match again {
                Some(again) => {
                    to_stored("journal", &again.body)? == to_stored("journal", &document.body)?
                        && again.origin.input == document.origin.input
                }
                None => false,
            };
            if same {
                self.found.journals += 1;
            } else {
                let words = "it does not follow from what was recorded";
                self.found.wrong.push(format!("journal {}: {words}", document.key));
            }
        }
        Ok(())
    }

    /// A settlement's months and adjustments.
    async fn settlement(&mut self, id: &GroupId) -> Result<(), StageError> {
        let rows = self.parts.store.journals_of(&self.seller.id, id).await?;
        let (mut chains, mut revised) = (BTreeMap::<Option<u32>, Vec<Document>>::new(), false);
        for document in rows.into_iter().map(|row| row.document) {
            let Body::Journal { of: JournalOf::Settlement { adjustment, .. }, reverses: None, .. } =
                &document.body
            else {
                continue;
            };
            revised |= document.revision > 0;
            if document.revision == 0 {
                chains.entry(*adjustment).or_default().push(document);
            }
        }
        let Some(group) = self.group(id).await? else { return Ok(()) };
        let mut held = HashMap::<String, Vec<(Vec<JournalLine>, Money)>>::new();
        for (number, posted) in chains {
            // What is adjusted may be what a correction put in the first journals' place.
            let made = if number.is_some() && revised {
                Err(Not::Kept)
            } else {
                self.chain(&group, number, &posted, &mut held).await?
            };
            self.count(&posted, made)?;
        }
        Ok(())
    }

    async fn group(&self, id: &GroupId) -> Result<Option<Group>, StageError> {
        let found = self.parts.store.newest(&self.seller.id, crate::kind::GROUP, id.as_str()).await?;
        found.map(|found| stored("group", &found.record)).transpose()
    }

    /// One settlement's journals of one number, with what they hold from then on.
    async fn chain(
        &mut self,
        group: &Group,
        adjustment: Option<u32>,
        posted: &[Document],
        held: &mut HashMap<String, Vec<(Vec<JournalLine>, Money)>>,
    ) -> Result<Result<Vec<Document>, Not>, StageError> {
        let (Some(end), Some(first)) = (group.end, posted.first()) else { return Ok(Err(Not::Kept)) };
        let (rows, ledgers) = match self.rows(posted).await? {
            Ok(rows) => rows,
            Err(not) => return Ok(Err(not)),
        };
        let mut bookings = Vec::with_capacity(rows.len());
        for Row { behind, transaction, mut lines, made_by } in rows {
            let mut total = transaction.total;
            let before = held.entry(behind.transaction.clone()).or_default();
            for (entered, worth) in before.iter() {
                lines = difference(&lines, entered)?;
                total = total.checked_add(worth.negated())?;
            }
            before.push((lines.clone(), total));
            bookings.push(BookedTransaction {
                economic_id: transaction.economic_id().as_str().to_owned(),
                posted: transaction.posted,
                transaction: behind.transaction,
                batch: behind.batch,
                total,
                lines,
                made_by,
            });
        }
        bookings.sort_by(|a, b| a.transaction.cmp(&b.transaction));
        let due = Due { group, end, bookings: &bookings, adjustment, rate: rate_of(posted) };
        // Accounts may have been named after the transactions were mapped: then today's are those it was made with.
        let mut words = String::new();
        for ledger in ledgers.into_iter().chain([self.seller.ledger.clone()]) {
            match settle::cut(&under(self.seller, ledger), &due)? {
                Ok(journals) => {
                    let made: Vec<Document> = journals.into_iter().map(|one| one.document).collect();
                    if made.len() == posted.len() && made.iter().any(|one| one.key == first.key) {
                        return Ok(Ok(made));
                    }
                    words = format!("it is cut into {} now", made.len());
                }
                Err(reasons) => words = in_words(&reasons),
            }
        }
        Ok(Err(Not::Same(words)))
    }

    /// A month's deferred money.
    async fn deferred(&mut self, posted: &Document) -> Result<Result<Vec<Document>, Not>, StageError> {
        let (rows, ledgers) = match self.rows(std::slice::from_ref(posted)).await? {
            Ok(rows) => rows,
            Err(not) => return Ok(Err(not)),
        };
        let ledger = ledgers.into_iter().next().unwrap_or_else(|| self.seller.ledger.clone());
        let (new, back): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.behind.leg == leg::ACCRUAL);
        let seller = under(self.seller, ledger);
        let lines = new.iter().chain(&back).flat_map(|row| recognised(&seller, row)).collect();
        let lines = summarize(accrual::as_entered(posted.journal_lines(), lines))?;
        let behind = rows.iter().map(|row| (row.behind.batch.clone(), row.made_by.clone())).collect();
        Ok(Ok(vec![with_lines(posted, lines, crate::journal::origin(behind).input)]))
    }

    /// What took a journal back.
    async fn opposite(
        &self,
        posted: &Document,
        original: &ml_connector_domain::DocumentKey,
    ) -> Result<Result<Vec<Document>, Not>, StageError> {
        let Some(row) = self.parts.store.document(original).await? else { return Ok(Err(Not::Kept)) };
        let made = reversal::journal(&row.document, posted.date);
        Ok(made.map(|made| vec![made]).map_err(|error| Not::Same(error.to_string())))
    }

    /// What a correction over a range put in a journal's place.
    async fn revision(&mut self, posted: &Document) -> Result<Result<Vec<Document>, Not>, StageError> {
        let recognitions = self.parts.store.recognitions(&posted.key).await?;
        let replaced = recognitions.into_iter().find(|(_, leg)| leg == leg::REPLACEMENT);
        let Some((replaced, _)) = replaced else { return Ok(Err(Not::Kept)) };
        let replaced = ml_connector_domain::DocumentKey::from_stored(replaced);
        let Some(old) = self.parts.store.document(&replaced).await? else { return Ok(Err(Not::Kept)) };
        let rows = match self.rows(std::slice::from_ref(posted)).await? {
            Ok((rows, _)) => rows,
            Err(not) => return Ok(Err(not)),
        };
        let behind = self.parts.store.behind_journal(&replaced).await?;
        let lines = rows.iter().flat_map(|row| recognised(self.seller, row)).collect();
        let made = correct_range::made_again(self.seller, &old.document, &behind, lines)?;
        let batches: BTreeSet<&str> = rows.iter().map(|row| row.behind.batch.as_str()).collect();
        let batches: Vec<&str> = batches.into_iter().collect();
        let input = ContentHash::of(batches.join("\n").as_bytes());
        Ok(made.map(|lines| vec![with_lines(posted, lines, input)]).map_err(|why| Not::Same(in_words(&why))))
    }

    /// The transactions behind journals, mapped again, in the order of their ids, with the ledgers that they were mapped for.
    async fn rows(
        &mut self,
        posted: &[Document],
    ) -> Result<Result<(Vec<Row>, Vec<LedgerSetup>), Not>, StageError> {
        let (mut rows, mut ledgers) = (Vec::new(), Vec::<LedgerSetup>::new());
        for document in posted {
            for behind in self.parts.store.behind_journal(&document.key).await? {
                let again = match self.again(&behind.batch).await? {
                    Ok(again) => again,
                    Err(not) => return Ok(Err(not)),
                };
                let Some((transaction, Some(lines))) = again.rows.get(&behind.transaction) else {
                    let words = format!("batch {} does not book {} now", behind.batch, behind.transaction);
                    return Ok(Err(Not::Same(words)));
                };
                if !ledgers.contains(&again.ledger) {
                    ledgers.push(again.ledger.clone());
                }
                let (transaction, lines) = (transaction.clone(), lines.clone());
                rows.push(Row { behind, transaction, lines, made_by: again.made_by.clone() });
            }
        }
        Ok(Ok((rows, ledgers)))
    }

    /// A batch, mapped again by the version that mapped it.
    async fn again(&mut self, name: &ContentHash) -> Result<Result<Arc<Again>, Not>, StageError> {
        if let Some(known) = self.batches.get(name) {
            return Ok(known.clone().ok_or(Not::Kept));
        }
        let recorded = self.parts.store.recorded_batch(name.as_str()).await?;
        let origin = self.parts.store.batch_origin(name).await?;
        let kept = recorded.into_iter().next().and_then(|one| Some((one.packed?, one.kind, origin?)));
        let again = match kept {
            None => None,
            Some((packed, kind, origin)) => {
                let input = unpack(name, &kind, &packed)?;
                let Records::Transactions(transactions) = input.records else {
                    return Ok(Err(Not::Same(format!("batch {name} is of orders"))));
                };
                let mapper = super::load(self.parts, &origin.mapper).await?;
                let outcomes = match mapper.map_transactions(&input.context, &transactions).await {
                    Ok(mapped) => mapped.outcomes,
                    Err(fault) => {
                        return Ok(Err(Not::Same(format!("batch {name}: the mapper fails now: {fault}"))));
                    }
                };
                let rows = transactions.into_iter().zip(outcomes).map(row).collect();
                let made_by = MadeBy {
                    mapper: origin.mapper,
                    contract: origin.contract,
                    catalog: origin.catalog,
                    settings: settings_hash(&input.context.settings),
                };
                Some(Arc::new(Again { made_by, ledger: input.context.ledger, rows }))
            }
        };
        if self.batches.len() >= HELD_MAX {
            self.batches.clear();
        }
        self.batches.insert(name.clone(), again.clone());
        Ok(again.ok_or(Not::Kept))
    }
}

fn row(
    (transaction, outcome): (Transaction, TransactionOutcome),
) -> (String, (Transaction, Option<Vec<JournalLine>>)) {
    let lines = match outcome {
        TransactionOutcome::Booking(booking) => Some(booking.journal),
        // A transaction over nothing is booked without lines.
        TransactionOutcome::Skip(_) if transaction.total.minor == 0 => Some(Vec::new()),
        TransactionOutcome::Skip(_) | TransactionOutcome::Review(_) => None,
    };
    (transaction.id.as_str().to_owned(), (transaction, lines))
}

/// Whose rate converts a settlement was decided by what Amazon paid out, not by the mapper: the journals say it.
fn rate_of(posted: &[Document]) -> Decision {
    if let Some(rate) = posted.iter().find_map(Document::own_rate) {
        return Decision::Own(*rate);
    }
    let by_day = posted.iter().flat_map(Document::journal_lines).any(|line| line.rate_day().is_some());
    if by_day { Decision::Fusion(String::new()) } else { Decision::Domestic }
}

/// The seller with its books as a batch was mapped for them.
fn under(seller: &Seller, ledger: LedgerSetup) -> Seller {
    let zone = jiff::tz::TimeZone::get(&ledger.time_zone).unwrap_or_else(|_| seller.zone.clone());
    Seller { ledger, zone, ..seller.clone() }
}

/// A row's lines as a journal has them that accrues it or takes that back.
fn recognised(seller: &Seller, row: &Row) -> Vec<JournalLine> {
    let day = row.behind.lines.iter().find_map(JournalLine::rate_day);
    correct_range::as_recognised(seller, &row.behind.leg, row.lines.clone(), day)
}

fn with_lines(posted: &Document, lines: Vec<JournalLine>, input: ContentHash) -> Document {
    let mut made = posted.clone();
    made.origin.input = input;
    if let Body::Journal { lines: own, .. } = &mut made.body {
        *own = lines;
    }
    made
}

fn in_words(reasons: &[Reason]) -> String {
    let words: Vec<String> =
        reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.message)).collect();
    words.join("; ")
}
