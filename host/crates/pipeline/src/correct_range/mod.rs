//! Corrects all documents of a range of days after a catalog or a mapper was changed.
//!
//! First a preview: every document dated in the range is made again with what is proposed, and where accounts or amounts
//! come out otherwise, a pair is worked out: what takes the posted document back, and the revision that takes its place.
//! The preview is named by a hash over the bytes of all these documents. Whoever approves gives that hash; the pairs are
//! then worked out again, and unless every byte is as it was shown nothing is planned.
//!
//! An order's invoice is corrected as in [`crate::correct`], together with the credit memos of its refunds, by the
//! invoice's date. A settlement's journals are taken back and made again one by one. What a month accrues and what takes
//! that back are corrected together or not at all: where one of the two lies outside the range, both stay as they are.
//!
//! **Invariant:** a pair is planned in one transaction, recognised under the key of the document that it replaces. So
//! none can be planned twice, and an approval that was cut short goes on with what is not recognised yet.

mod approve;
mod journals;

use std::collections::{BTreeMap, BTreeSet};

use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::{Date, DocumentKey, OrderId};
use ml_connector_storage::{Change, CorrectionChange, DocumentRow};
use serde::{Deserialize, Serialize};

use crate::invoices::{invoices_of, refunded};
use crate::{Parts, Seller, StageError, correct, leg, stored, to_stored};

pub use approve::{ApproveError, approve, find};
pub(crate) use journals::{as_recognised, made_again};

/// Documents of a kind read at once to find those that are not confirmed yet.
const PENDING_MAX: u32 = 10_000;

/// What a correction over a range would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Whose books.
    pub seller: String,
    /// The first accounting date.
    pub from: Date,
    /// The last accounting date.
    pub to: Date,
    /// Digest of the proposed mapper.
    pub mapper: ContentHash,
    /// Hash of the proposed catalog.
    pub catalog: ContentHash,
    /// What changes.
    pub pairs: Vec<Pair>,
    /// What cannot be made again, and why. It stays as it is.
    pub left: Vec<Left>,
    /// Documents that come out as they were posted.
    pub unchanged: u64,
}

/// A document that is replaced, with what takes it back and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The posted document's key.
    pub replaced: DocumentKey,
    /// `invoice` or `journal`.
    pub kind: String,
    /// The order or the settlement.
    pub subject: String,
    /// What takes it back.
    pub reversal: Named,
    /// What takes its place.
    pub replacement: Named,
    /// Accounts that change.
    pub accounts: Vec<AccountChange>,
}

/// A document by its key and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its key.
    pub key: DocumentKey,
    /// Its accounting date.
    pub date: Date,
    /// SHA-256 of its bytes as they are stored.
    pub sha256: ContentHash,
}

/// One account before and after, in minor units: what a receivable credits, what a journal debits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// The combination.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// As posted, less what refunds took back.
    pub before: i64,
    /// As it would be.
    pub after: i64,
}

/// A document that is left as it is, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its key.
    pub key: DocumentKey,
    /// The order or the settlement.
    pub subject: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A pair with the changes that plan it.
pub(crate) struct Worked {
    pub(crate) pair: Pair,
    /// Why some of what stands behind it stays as it is.
    pub(crate) left: Vec<Reason>,
    pub(crate) changes: Vec<Change>,
}

/// What became of a document when it was made again.
pub(crate) enum Again {
    Same,
    Differs(Box<Worked>),
    Left(Vec<Reason>),
}

impl Preview {
    /// Its name: a hash over what is proposed and the bytes of all documents that would be posted.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn hash(&self) -> Result<ContentHash, StageError> {
        let Self { seller, from, to, mapper, catalog, pairs, .. } = self;
        let text = to_stored("preview", &(seller, from, to, mapper, catalog, pairs))?;
        Ok(ContentHash::of(text.as_bytes()))
    }

    /// What changes on each account over all pairs: account, currency, before, after, in minor units. Receivables'
    /// lines count as debits with their sign turned.
    pub fn by_account(&self) -> Vec<AccountChange> {
        let mut sums = BTreeMap::<(&str, &str), (i64, i64)>::new();
        for pair in &self.pairs {
            let sign = if pair.kind == "journal" { 1 } else { -1 };
            for row in &pair.accounts {
                let sum = sums.entry((&row.account, &row.currency)).or_default();
                *sum = (sum.0 + sign * row.before, sum.1 + sign * row.after);
            }
        }
        let row = |((account, currency), (before, after)): ((&str, &str), (i64, i64))| AccountChange {
            account: account.to_owned(),
            currency: currency.to_owned(),
            before,
            after,
        };
        sums.into_iter().filter(|(_, (before, after))| before != after).map(row).collect()
    }
}

/// Works out what a correction would do and keeps the preview. `parts` and `seller` hold the mapper and the catalog that
/// are proposed.
///
/// # Errors
/// The store, the mapper's host or a question to Fusion failed.
pub async fn preview(
    parts: &Parts,
    seller: &Seller,
    (from, to): (Date, Date),
) -> Result<Preview, StageError> {
    let (preview, _) = work_out(parts, seller, (from, to)).await?;
    let keep = CorrectionChange::Preview {
        seller: seller.id.clone(),
        hash: preview.hash()?,
        body: to_stored("preview", &preview)?,
        at: parts.clock.now(),
    };
    parts.store.apply(vec![Change::Correction(keep)]).await?;
    Ok(preview)
}

/// Documents dated in a range that are not confirmed yet, so that no correction takes them in.
///
/// # Errors
/// The store failed.
pub async fn pending(parts: &Parts, seller: &Seller, (from, to): (Date, Date)) -> Result<u64, StageError> {
    let mut count = 0;
    for state in ["planned", "sending", "submitted", "unknown"] {
        let rows = parts.store.postings_in(&seller.id, state, PENDING_MAX).await?;
        count += rows.iter().filter(|row| (from..=to).contains(&row.document.date)).count() as u64;
    }
    Ok(count)
}

pub(crate) async fn work_out(
    parts: &Parts,
    seller: &Seller,
    (from, to): (Date, Date),
) -> Result<(Preview, Vec<Worked>), StageError> {
    let mut preview = Preview {
        seller: seller.id.as_str().to_owned(),
        from,
        to,
        mapper: parts.mapper.identity().digest.clone(),
        catalog: seller.catalog_hash.clone(),
        pairs: Vec::new(),
        left: Vec::new(),
        unchanged: 0,
    };
    let documents = parts.store.confirmed_documents(from, to, Some(&seller.id)).await?;
    let in_range: BTreeSet<DocumentKey> =
        documents.iter().map(|recorded| recorded.row.document.key.clone()).collect();
    let mut worked = Vec::new();
    for recorded in &documents {
        let row = &recorded.row;
        let Some(again) = again(parts, seller, row, &in_range).await? else { continue };
        let mut left = Vec::new();
        match again {
            Again::Same => preview.unchanged += 1,
            Again::Differs(mut one) => {
                left.append(&mut one.left);
                preview.pairs.push(one.pair.clone());
                worked.push(*one);
            }
            Again::Left(reasons) => left = reasons,
        }
        if !left.is_empty() {
            let (key, subject) = (row.document.key.clone(), row.document.subject().to_owned());
            preview.left.push(Left { key, subject, reasons: left });
        }
    }
    Ok((preview, worked))
}

/// Makes a document again; `None` for one that does not stand any more, or that is corrected with another.
async fn again(
    parts: &Parts,
    seller: &Seller,
    row: &DocumentRow,
    in_range: &BTreeSet<DocumentKey>,
) -> Result<Option<Again>, StageError> {
    let key = &row.document.key;
    if parts.store.recognized_by(&seller.id, key.as_str(), leg::REVERSAL).await?.is_some() {
        return Ok(None);
    }
    match &row.document.body {
        Body::Invoice { order, .. } => invoice(parts, seller, order, key).await.map(Some),
        Body::Journal { reverses: None, .. } => journals::again(parts, seller, row, in_range).await.map(Some),
        Body::CreditMemo { order, cause: ml_connector_domain::document::Credit::Refund { .. }, .. } => {
            let invoices = invoices_of(parts, seller, order).await?;
            match invoices.get(refunded(row, &invoices)) {
                // With its invoice.
                Some(invoice) if in_range.contains(&invoice.document.key) => Ok(None),
                _ => {
                    let message = "its invoice lies outside the range: widen the range to correct both";
                    Ok(Some(Again::Left(vec![Reason::new("invoice-outside", order.as_str(), message)])))
                }
            }
        }
        Body::CreditMemo { .. } | Body::Journal { .. } | Body::Receipt { .. } => Ok(None),
    }
}

async fn invoice(
    parts: &Parts,
    seller: &Seller,
    order: &OrderId,
    key: &DocumentKey,
) -> Result<Again, StageError> {
    let invoices = invoices_of(parts, seller, order).await?;
    let place = invoices.iter().position(|row| row.document.key == *key).unwrap_or(invoices.len());
    let correction = match correct::proposal_for(parts, seller, order, (&invoices, place)).await? {
        Ok(correction) => correction,
        Err(reasons) if reasons.iter().all(|reason| reason.code == correct::NOTHING) => {
            return Ok(Again::Same);
        }
        Err(reasons) => return Ok(Again::Left(reasons)),
    };
    let Some(invoice) = &correction.invoice else {
        let message =
            "it was cancelled after it was invoiced: `ml-connector correct` takes it back by itself";
        return Ok(Again::Left(vec![Reason::new("taken-back-whole", order.as_str(), message)]));
    };
    let currency = invoice.currency.code();
    let account = |row: correct::AccountChange| AccountChange {
        account: row.account,
        currency: currency.to_owned(),
        before: row.before.minor,
        after: row.after.minor,
    };
    let changed = correction.accounts().into_iter().filter(|row| row.before != row.after);
    let pair = Pair {
        replaced: correction.posted.document.key.clone(),
        kind: "invoice".to_owned(),
        subject: correction.posted.document.subject().to_owned(),
        reversal: named(&correction.credit_memo)?,
        replacement: named(invoice)?,
        accounts: changed.map(account).collect(),
    };
    let changes = correct::planned(parts, seller, &correction)?;
    Ok(Again::Differs(Box::new(Worked { pair, left: Vec::new(), changes })))
}

fn named(document: &Document) -> Result<Named, StageError> {
    let body = to_stored("document", document)?;
    let sha256 = ContentHash::of(body.as_bytes());
    Ok(Named { key: document.key.clone(), date: document.date, sha256 })
}

fn read(body: &str) -> Result<Preview, StageError> {
    stored("preview", body)
}
