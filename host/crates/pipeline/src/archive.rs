//! Keeps settlement reports at first sight: Amazon deletes them after 90 days, and they cannot be asked for again.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Payout, SettlementReport};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Currency, Money, Timestamp};
use ml_connector_ports::{Account, Stream};
use ml_connector_storage::{Change, RawPayload, ReviewDraft};

use crate::{Parts, Seller, StageError, audit, kind, stage, stored, to_stored};

/// Reports fetched in one cycle; Amazon gives one file a minute.
const REPORTS_MAX: u32 = 20;

/// Fetches and keeps the files of reports that are listed; says how many.
///
/// # Errors
/// A file cannot be fetched now; it stays to be fetched. A file that cannot be read is kept all the same and goes to
/// the review queue.
pub async fn archive(parts: &Parts, seller: &Seller) -> Result<usize, StageError> {
    let listed = parts.store.pending_raw_of(&seller.id, Stream::Reports.as_str(), REPORTS_MAX).await?;
    let count = listed.len();
    for report in listed {
        let account = Account { seller: seller.id.clone(), region: report.region };
        let file = parts.source.report_file(&account, &report.body).await?;
        let changes = kept(parts, seller, report, &file)?;
        parts.store.apply(changes).await?;
    }
    Ok(count)
}

fn packed(file: &[u8]) -> Result<Vec<u8>, StageError> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer.write_all(file).and_then(|()| packer.finish());
    packed.map_err(|error| StageError::Corrupt { what: "report", message: error.to_string() })
}

fn kept(parts: &Parts, seller: &Seller, listed: RawPayload, file: &[u8]) -> Result<Vec<Change>, StageError> {
    let now = parts.clock.now();
    let hash = ContentHash::of(file);
    let mut changes = vec![Change::ReportFile {
        seller: seller.id.clone(),
        report: listed.natural_id.clone(),
        hash: hash.clone(),
        packed: packed(file)?,
        at: now,
    }];
    match parts.source.settlement_report(file) {
        Ok(report) => changes.extend(canonical(seller, &listed, &report, &hash, now)?),
        Err(error) => changes.extend(unreadable(seller, &listed, &error.to_string(), now)),
    }
    changes.push(Change::RawDone {
        seller: seller.id.clone(),
        stream: listed.stream,
        natural_id: listed.natural_id,
        hash: listed.hash,
    });
    Ok(changes)
}

fn canonical(
    seller: &Seller,
    listed: &RawPayload,
    report: &SettlementReport,
    hash: &ContentHash,
    now: Timestamp,
) -> Result<Vec<Change>, StageError> {
    let detail = format!(
        "report {} of settlement {} archived: {} rows over {}, file {hash}",
        listed.natural_id, report.settlement, report.rows, report.total
    );
    Ok(vec![
        Change::Canonical {
            seller: seller.id.clone(),
            kind: kind::REPORT,
            natural_id: listed.natural_id.clone(),
            region: listed.region,
            record: to_stored("settlement report", report)?,
            raw: listed.hash.clone(),
            stage: stage::SKIPPED,
            group: None,
            economic_id: report.settlement.clone(),
            at: now,
        },
        audit(now, &seller.id, report.settlement.as_str(), Action::Read, detail),
    ])
}

fn unreadable(seller: &Seller, listed: &RawPayload, message: &str, now: Timestamp) -> Vec<Change> {
    let subject = listed.natural_id.as_str();
    vec![
        Change::Review(ReviewDraft {
            seller: seller.id.clone(),
            kind: kind::REPORT,
            subject: subject.to_owned(),
            code: "unreadable".to_owned(),
            about: subject.to_owned(),
            message: message.to_owned(),
            at_stake: None,
            at: now,
        }),
        audit(now, &seller.id, subject, Action::Reviewed, format!("unreadable: {message}")),
    ]
}

/// What Amazon says elsewhere that a settlement of this currency comes to: its report, else its payout. Groups sometimes
/// lack their total, and carry another id.
pub(crate) async fn settlement_total(
    parts: &Parts,
    seller: &Seller,
    settlement: &str,
    currency: Currency,
) -> Result<Option<(&'static str, Money)>, StageError> {
    if let Some(found) = parts.store.newest_about(&seller.id, kind::REPORT, settlement).await? {
        let report: SettlementReport = stored("settlement report", &found.record)?;
        return Ok(Some(("its settlement report", report.total)));
    }
    // In another currency it says at which rate it was paid out, and nothing of what it comes to.
    let paid = payout_of(parts, seller, settlement).await?.filter(|amount| amount.currency == currency);
    Ok(paid.map(|amount| ("its payout", amount)))
}

/// What was paid out for a settlement, in the payout's currency.
pub(crate) async fn payout_of(
    parts: &Parts,
    seller: &Seller,
    settlement: &str,
) -> Result<Option<Money>, StageError> {
    let Some(found) = parts.store.newest_about(&seller.id, kind::PAYOUT, settlement).await? else {
        return Ok(None);
    };
    let payout: Payout = stored("payout", &found.record)?;
    // A payout of several settlements says nothing about each.
    let alone = payout.settlements.len() == 1;
    Ok(payout.amount.filter(|_| alone))
}
