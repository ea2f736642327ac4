//! Makes standard receipts of settlement cash: the money by which buyers' invoices are paid.
//!
//! A settlement's journal debits the bank side and credits the clearing account with what buyers paid. Where
//! `ledger.receipts` is configured, that cash is then taken up by receipts, one for each customer (and for as many references
//! as one receipt may have): debit clearing, credit receivable. In the end clearing is zero and the invoices are paid.
//!
//! A settlement's cash is looked at once its journal is confirmed. It waits for documents under way; for a week it waits for
//! orders that are not invoiced yet. After that the receipts are made over what there is, a person is told what is not,
//! and what turns up later is taken up by a further receipt.
//!
//! **Invariant:** each transaction's cash is recognised once, under [`leg::RECEIPT`].

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Group, Transaction};
use ml_connector_domain::document::{Body, Document, JournalOf, Kind, Origin, Remittance};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::posted::paid_part;
use ml_connector_domain::posting::State;
use ml_connector_domain::shipment::Shipment;
use ml_connector_domain::validate::{self, Expectation, Module};
use ml_connector_domain::{Currency, Date, DocumentKey, Money, Timestamp};
use ml_connector_storage::{Change, DocumentRow, SettledTransaction};

use crate::invoices::{invoices_of, shipment};
use crate::map::{Facts, ToReview};
use crate::{Parts, Seller, StageError, audit, kind, leg, stored};

/// References on one receipt.
const REFERENCES_MAX: usize = 500;
/// Settlements looked at in one cycle.
const GROUPS_MAX: u32 = 100;
/// How long a settlement's cash waits for orders that are not invoiced.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// When cash that waits for a document under way is looked at again.
const SOON: SignedDuration = SignedDuration::from_hours(1);
/// When cash that waits for a person is looked at again.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// Plans the receipts of every journaled settlement that is due; says how many.
///
/// # Errors
/// The store or a question to Fusion failed; what is not planned stays due.
pub async fn receipts(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let Some(setup) = &seller.ledger.receipts else { return Ok(0) };
    let Some(clearing) = seller.ledger.account(&setup.clearing) else { return Ok(0) };
    let now = parts.clock.now();
    let mut planned = 0;
    for json in parts.store.groups_with_cash(&seller.id, now, GROUPS_MAX).await? {
        let group: Group = stored("group", &json)?;
        let Some(end) = group.end else { continue };
        let date = seller.day(end);
        let cashing = Cashing { parts, seller, group: &group, clearing: &clearing, end, date, now };
        let wanted = setup.from.is_none_or(|from| date >= from);
        planned +=
            if wanted { cashing.take_up().await? } else { cashing.look_again(None, Vec::new()).await? };
    }
    Ok(planned)
}

/// What a transaction's cash belongs to.
enum Belongs {
    /// To this document of this customer.
    To { document: DocumentKey, customer: String },
    /// To a document that is not confirmed yet.
    NotYet,
    /// To none that is in Fusion.
    Nowhere,
}

/// The cash of one customer.
#[derive(Default)]
struct Pile {
    references: BTreeMap<DocumentKey, Money>,
    transactions: BTreeMap<DocumentKey, Vec<String>>,
}

struct Cashing<'a> {
    parts: &'a Parts,
    seller: &'a Seller,
    group: &'a Group,
    clearing: &'a str,
    end: Timestamp,
    date: Date,
    now: Timestamp,
}

impl Cashing<'_> {
    async fn take_up(&self) -> Result<usize, StageError> {
        if !self.is_journaled().await? {
            return self.look_again(Some(SOON), Vec::new()).await;
        }
        let settled = self.parts.store.settled(&self.seller.id, &self.group.id).await?;
        let mut piles = BTreeMap::<String, Pile>::new();
        let mut without: Option<(usize, Money)> = None;
        for one in &settled {
            let Some(paid) = self.paid(one)? else { continue };
            match self.belongs(one, paid).await? {
                Belongs::NotYet => return self.look_again(Some(SOON), Vec::new()).await,
                Belongs::Nowhere => {
                    let (count, sum) = without.unwrap_or((0, Money::zero(paid.currency)));
                    without = Some((count + 1, sum.checked_add(paid)?));
                }
                Belongs::To { document, customer } => {
                    let pile = piles.entry(customer).or_default();
                    let sum = pile.references.entry(document.clone()).or_insert(Money::zero(paid.currency));
                    *sum = sum.checked_add(paid)?;
                    pile.transactions.entry(document).or_default().push(one.economic_id.clone());
                }
            }
        }
        if without.is_some() && self.now.duration_since(self.end) < PATIENCE {
            return self.look_again(Some(SOON), Vec::new()).await;
        }
        let mut changes = Vec::new();
        let (mut planned, mut waits) = (0, without.is_some());
        if let Some(first) = settled.first() {
            let origin = origin(first, &settled);
            for (customer, pile) in piles {
                let made = self.of_customer(&customer, pile, &origin).await?;
                waits |= made.waits;
                planned += made.documents;
                changes.extend(made.changes);
            }
        }
        match without {
            Some((count, sum)) => changes.extend(self.cash_without_document(count, sum).await?),
            None => changes.push(self.review(kind::RECEIPT, self.group.id.as_str(), None).resolved()),
        }
        self.look_again(waits.then_some(DAILY), changes).await?;
        Ok(planned)
    }

    /// Applies the changes and says when the settlement is looked at again.
    async fn look_again(
        &self,
        after: Option<SignedDuration>,
        mut changes: Vec<Change>,
    ) -> Result<usize, StageError> {
        changes.push(Change::Cash {
            seller: self.seller.id.clone(),
            group: self.group.id.clone(),
            next_look: after.map(|after| self.now.saturating_add(after).unwrap_or(self.now)),
        });
        self.parts.store.apply(changes).await?;
        Ok(0)
    }

    /// Whether its journals stand in Fusion, one for each of its months, and every adjustment: what was taken back has put
    /// nothing on clearing.
    async fn is_journaled(&self) -> Result<bool, StageError> {
        let (mut standing, mut wanted) = (0, 1);
        for row in self.parts.store.journals_of(&self.seller.id, &self.group.id).await? {
            let Body::Journal { of, reverses: None, .. } = &row.document.body else { continue };
            let key = row.document.key.as_str();
            let taken_back = self.parts.store.recognized_by(&self.seller.id, key, leg::REVERSAL).await?;
            let stands = taken_back.is_none() && matches!(row.state, State::Confirmed { .. });
            match of {
                JournalOf::Settlement { adjustment: Some(_), .. } if taken_back.is_none() && !stands => {
                    return Ok(false);
                }
                JournalOf::Settlement { adjustment: Some(_), .. } => {}
                JournalOf::Settlement { part, .. } if stands => {
                    standing += 1;
                    wanted = part.as_ref().map_or(wanted, |part| part.of);
                }
                _ => {}
            }
        }
        Ok(standing == wanted)
    }

    /// What a transaction's lines put on the clearing account: positive for what a buyer paid.
    fn paid(&self, one: &SettledTransaction) -> Result<Option<Money>, StageError> {
        let lines = one.lines.iter().filter(|line| line.account == self.clearing);
        let mut paid: Option<Money> = None;
        for line in lines {
            let so_far = paid.unwrap_or(Money::zero(line.amount.currency));
            paid = Some(so_far.checked_add(line.amount.negated())?);
        }
        Ok(paid.filter(|paid| paid.minor != 0))
    }

    /// What a buyer paid belongs to the order's invoice, or that of the shipment that it pays for; what one got back to the
    /// refund's credit memo, or to the invoice if that was lessened by the credit memo already.
    async fn belongs(&self, one: &SettledTransaction, paid: Money) -> Result<Belongs, StageError> {
        let transaction: Transaction = stored("transaction", &one.record)?;
        let invoices = match &transaction.order {
            Some(order) => invoices_of(self.parts, self.seller, order).await?,
            None => Vec::new(),
        };
        if paid.minor > 0 {
            let invoice = self.paid_invoice(&transaction, &invoices).await?;
            return Ok(invoice.map_or(Belongs::Nowhere, |invoice| self.to(invoice)));
        }
        let memo = self.parts.store.recognized_by(&self.seller.id, &one.economic_id, leg::REFUND).await?;
        let Some(memo) = memo else { return Ok(Belongs::Nowhere) };
        let lessened = |row: &&DocumentRow| matches!(&row.document.body, Body::Invoice { net_of, .. } if net_of.contains(&memo));
        if let Some(invoice) = invoices.iter().find(lessened) {
            return Ok(self.to(invoice));
        }
        Ok(self.parts.store.document(&memo).await?.map_or(Belongs::Nowhere, |memo| self.to(&memo)))
    }

    /// The invoice that a buyer's payment is for; `None` while its shipment has none.
    async fn paid_invoice<'a>(
        &self,
        transaction: &Transaction,
        invoices: &'a [DocumentRow],
    ) -> Result<Option<&'a DocumentRow>, StageError> {
        let shipments: Vec<Shipment> = invoices.iter().filter_map(shipment).cloned().collect();
        let Some(order) = transaction.order.as_ref().filter(|_| !shipments.is_empty()) else {
            return Ok(invoices.first());
        };
        let shown = self.parts.store.transactions_of_order(&self.seller.id, order).await?;
        let all: Vec<Transaction> =
            shown.iter().map(|json| stored("transaction", json)).collect::<Result<_, _>>()?;
        Ok(paid_part(transaction, &all, &shipments).and_then(|place| invoices.get(place)))
    }

    fn to(&self, row: &DocumentRow) -> Belongs {
        let (Body::Invoice { marketplace, .. } | Body::CreditMemo { marketplace, .. }) = &row.document.body
        else {
            return Belongs::Nowhere;
        };
        match (&row.state, self.seller.ledger.bill_to.get(marketplace)) {
            (State::Confirmed { .. }, Some(customer)) => {
                Belongs::To { document: row.document.key.clone(), customer: customer.clone() }
            }
            (State::Confirmed { .. } | State::Rejected { .. }, _) => Belongs::Nowhere,
            _ => Belongs::NotYet,
        }
    }

    fn review<'a>(&'a self, kind: &'static str, subject: &'a str, at_stake: Option<Money>) -> ToReview<'a> {
        ToReview { seller: self.seller, kind, subject, at_stake, now: self.now }
    }

    /// Tells a person, once, that some cash has no document.
    async fn cash_without_document(&self, count: usize, sum: Money) -> Result<Vec<Change>, StageError> {
        let id = self.group.id.as_str();
        let message = format!(
            "{count} of its transactions over {sum} belong to no invoice or credit memo in Fusion: their cash stays on the clearing account until they do"
        );
        let reason = Reason::new("cash-without-document", id, message);
        self.review(kind::RECEIPT, id, Some(sum)).once(self.parts, &[reason]).await
    }

    /// The receipts of one customer, or why there are none.
    async fn of_customer(&self, customer: &str, pile: Pile, origin: &Origin) -> Result<Made, StageError> {
        let subject = format!("{}/{customer}", self.group.id);
        let references: Vec<Remittance> = pile
            .references
            .into_iter()
            .filter(|(_, amount)| amount.minor != 0)
            .map(|(document, amount)| Remittance { document, amount })
            .collect();
        let Some(currency) = references.first().map(|reference| reference.amount.currency) else {
            return Ok(Made::default());
        };
        let net = Money::sum(currency, references.iter().map(|reference| reference.amount))?;
        let review = self.review(kind::RECEIPT, &subject, Some(net));
        if net.minor <= 0 {
            let message = format!(
                "the settlement takes back more from customer {customer} than it pays ({net}), and Fusion has no negative standard receipt: apply the credit memos to later receipts, or book the difference off the clearing account"
            );
            let reason = Reason::new("negative-receipt", customer, message);
            let changes = review.once(self.parts, &[reason]).await?;
            return Ok(Made { changes, ..Made::default() });
        }
        let mut made = Made::default();
        let facts =
            Facts::gather(self.parts, self.seller, [].into(), [(Module::Receivables, self.date)].into())
                .await?;
        let mut revision = self.first_free(&subject).await?;
        for references in parts_of(references, REFERENCES_MAX) {
            let mut document = self.document(&subject, customer, revision, references, currency, origin);
            let moved = facts.place(&mut document);
            let total = document.total()?;
            let violations =
                validate::document(&document, &Expectation::Total(total), &facts.at(document.date));
            if let Some(violation) = violations.into_iter().next() {
                let review = self.review(kind::RECEIPT, &subject, Some(net));
                let changes = review.once(self.parts, &[violation]).await?;
                return Ok(Made { changes, documents: 0, waits: true });
            }
            made.changes.extend(self.planned(document, total, &pile.transactions, &moved));
            made.documents += 1;
            revision += 1;
        }
        made.changes.push(self.review(kind::RECEIPT, &subject, None).resolved());
        Ok(made)
    }

    async fn first_free(&self, subject: &str) -> Result<u32, StageError> {
        let mut revision = 0;
        loop {
            let key = DocumentKey::derive(Kind::Receipt.letter(), &self.seller.id, subject, revision);
            if self.parts.store.document(&key).await?.is_none() {
                return Ok(revision);
            }
            revision += 1;
        }
    }

    fn document(
        &self,
        subject: &str,
        customer: &str,
        revision: u32,
        references: Vec<Remittance>,
        currency: Currency,
        origin: &Origin,
    ) -> Document {
        Document {
            key: DocumentKey::derive(Kind::Receipt.letter(), &self.seller.id, subject, revision),
            seller: self.seller.id.clone(),
            revision,
            date: self.date,
            moved_from: None,
            currency,
            body: Body::Receipt {
                subject: subject.to_owned(),
                group: self.group.id.clone(),
                customer: customer.to_owned(),
                references,
            },
            origin: origin.clone(),
        }
    }

    fn planned(
        &self,
        document: Document,
        total: Money,
        transactions: &BTreeMap<DocumentKey, Vec<String>>,
        moved: &str,
    ) -> Vec<Change> {
        let Body::Receipt { references, .. } = &document.body else { return Vec::new() };
        let recognizes = references
            .iter()
            .flat_map(|reference| transactions.get(&reference.document).into_iter().flatten())
            .map(|transaction| (transaction.clone(), leg::RECEIPT))
            .collect();
        let detail =
            format!("receipt {} over {total} for {} documents{moved}", document.key, references.len());
        vec![
            audit(self.now, &self.seller.id, self.group.id.as_str(), Action::Planned, detail),
            Change::Plan { document: Box::new(document), expected: total, recognizes, at: self.now },
        ]
    }
}

#[derive(Default)]
struct Made {
    changes: Vec<Change>,
    documents: usize,
    /// Whether something may still come of it.
    waits: bool,
}

/// A receipt stands on many batches: its input is the hash over theirs, in order.
fn origin(first: &SettledTransaction, settled: &[SettledTransaction]) -> Origin {
    let mut batches: Vec<&str> = settled.iter().map(|one| one.batch.as_str()).collect();
    batches.sort_unstable();
    batches.dedup();
    let mut other_mappers: Vec<ContentHash> =
        settled.iter().map(|one| one.mapper.clone()).filter(|mapper| *mapper != first.mapper).collect();
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

/// Deals references out to receipts of about `max` each, so that each comes to more than nothing: the invoices in turn,
/// largest first, then each credit memo to the receipt that has most left. If that cannot be, all stay on one.
fn parts_of(references: Vec<Remittance>, max: usize) -> Vec<Vec<Remittance>> {
    let count = references.len().div_ceil(max.max(1));
    if count <= 1 {
        return vec![references];
    }
    let whole = references.clone();
    let (mut invoices, mut memos): (Vec<_>, Vec<_>) =
        references.into_iter().partition(|reference| reference.amount.minor > 0);
    invoices.sort_by(|a, b| b.amount.minor.cmp(&a.amount.minor).then(a.document.cmp(&b.document)));
    memos.sort_by(|a, b| a.amount.minor.cmp(&b.amount.minor).then(a.document.cmp(&b.document)));
    let mut parts = vec![Vec::new(); count];
    let mut left = vec![0_i64; count];
    for (turn, invoice) in invoices.into_iter().enumerate() {
        left[turn % count] += invoice.amount.minor;
        parts[turn % count].push(invoice);
    }
    for memo in memos {
        let most = (0..count).max_by_key(|part| (left[*part], usize::MAX - part)).unwrap_or(0);
        left[most] += memo.amount.minor;
        parts[most].push(memo);
    }
    if left.iter().all(|minor| *minor > 0) { parts } else { vec![whole] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(n: usize, minor: i64) -> Remittance {
        let document = DocumentKey::from_stored(format!("D{n:019}"));
        Remittance { document, amount: Money::new(minor, Currency::USD) }
    }

    fn sums(parts: &[Vec<Remittance>]) -> Vec<i64> {
        parts.iter().map(|part| part.iter().map(|one| one.amount.minor).sum()).collect()
    }

    #[test]
    fn many_references_are_dealt_out_and_each_receipt_comes_to_more_than_nothing() {
        let all: Vec<Remittance> =
            (0..1_203).map(|n| reference(n, if n % 7 == 0 { -900 } else { 1_000 })).collect();
        let parts = parts_of(all.clone(), 500);
        assert_eq!(parts.len(), 3);
        assert!(sums(&parts).iter().all(|sum| *sum > 0), "{:?}", sums(&parts));
        assert_eq!(sums(&parts).iter().sum::<i64>(), sums(&[all]).iter().sum::<i64>());
        assert!(parts.iter().all(|part| part.len() < 600));
    }

    #[test]
    fn what_cannot_be_dealt_out_stays_together() {
        let all = vec![reference(1, 1_000), reference(2, 10), reference(3, -990), reference(4, -15)];
        assert_eq!(parts_of(all.clone(), 2), vec![all]);
    }
}
