//! The figures of a run, as the report and the demo print them.

use ml_connector_storage::{Counts, Store, StoreError};
use serde::Serialize;

use crate::{kind, stage, watch};

/// What was read, decided, posted and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Orders.
    pub orders: Orders,
    /// Transactions; a deferred one and its release count once.
    pub transactions: Transactions,
    /// Documents.
    pub documents: Documents,
    /// Comparison with Fusion.
    pub reconciliation: Reconciliation,
    /// What changed in Fusion after it was posted.
    pub watch: Watch,
    /// What bears witness to settlements.
    pub witnesses: Witnesses,
    /// The audit log.
    pub audit: Audit,
    /// Mappers.
    pub mapper: Mapper,
}

/// Orders by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orders {
    /// Known at all.
    pub read: u64,
    /// Shipped and wholly mapped.
    pub invoiceable: u64,
    /// Whose invoice Fusion has confirmed.
    pub invoiced: u64,
    /// Shipped but not wholly mapped: in the review queue.
    pub review: u64,
    /// Cancelled, replaced or otherwise no sale.
    pub skipped: u64,
    /// Not shipped yet.
    pub waiting: u64,
    /// From before the seller's start: kept, never booked, and counted nowhere else.
    pub history: u64,
    /// Versions of all of them: one more wherever Amazon changed an order after it was read.
    pub versions: u64,
}

/// Transactions by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transactions {
    /// Known at all.
    pub read: u64,
    /// In a settlement's journal.
    pub journaled: u64,
    /// In the review queue.
    pub review: u64,
    /// Deferred, or in a settlement that is not journaled yet.
    pub waiting: u64,
    /// From before the seller's start.
    pub history: u64,
}

/// Documents that Fusion has confirmed, and what is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Documents {
    /// Receivables invoices confirmed.
    pub invoices: u64,
    /// Receivables credit memos confirmed.
    pub credit_memos: u64,
    /// Journal batches confirmed.
    pub journals: u64,
    /// Standard receipts confirmed.
    pub receipts: u64,
    /// Documents whose outcome nobody knows.
    pub unknown: u64,
    /// Documents planned, being sent, or taken by a job.
    pub under_way: u64,
    /// Documents that Fusion refused.
    pub rejected: u64,
}

/// Comparison with Fusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Documents compared.
    pub checks: u64,
    /// Of these, how many did not tie out.
    pub differences: u64,
}

/// What changed in Fusion after it was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Watch {
    /// Documents that Fusion has shown.
    pub shown: u64,
    /// Of these, journal batches that are posted.
    pub batches_posted: u64,
    /// Accounts in use that stopped taking postings, waiting in review.
    pub accounts_disabled: u64,
    /// Periods that closed before all was posted, waiting in review.
    pub periods_closed: u64,
}

/// Amazon's other statements about settlements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnesses {
    /// Settlement reports archived and read.
    pub reports: u64,
    /// Payouts.
    pub payouts: u64,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Events.
    pub events: u64,
}

/// Mappers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapper {
    /// Batches.
    pub batches: u64,
    /// Batches that failed.
    pub faults: u64,
    /// Records.
    pub records: u64,
    /// Fuel burnt.
    pub fuel: u64,
}

/// Counts everything.
///
/// # Errors
/// The store failed.
pub async fn report(store: &dyn Store) -> Result<Report, StoreError> {
    let counts = store.counts().await?;
    let watch = watched(store).await?;
    let at = |of: &str, stages: &[&str]| stages_sum(&counts, of, stages);
    let posted = |of: &str, state: &str| postings_sum(&counts, Some(of), &[state]);
    let seen = [
        stage::WAITING,
        stage::READY,
        stage::HELD,
        stage::BOOKED,
        stage::DOCUMENTED,
        stage::REVIEW,
        stage::SKIPPED,
    ];
    Ok(Report {
        orders: Orders {
            read: at(kind::ORDER, &seen),
            invoiceable: at(kind::ORDER, &[stage::DOCUMENTED]),
            // A corrected order has an invoice for each revision, of which the last one stands, and one that left in several
            // shipments has one for each.
            invoiced: posted("invoice", "confirmed")
                .saturating_sub(counts.replaced + counts.further_shipments),
            review: at(kind::ORDER, &[stage::REVIEW]),
            skipped: at(kind::ORDER, &[stage::SKIPPED]),
            waiting: at(kind::ORDER, &[stage::WAITING, stage::READY, stage::HELD]),
            history: at(kind::ORDER, &[stage::HISTORY]),
            versions: counts.order_versions,
        },
        transactions: Transactions {
            read: at(kind::TRANSACTION, &seen),
            journaled: at(kind::TRANSACTION, &[stage::DOCUMENTED]),
            review: at(kind::TRANSACTION, &[stage::REVIEW]),
            waiting: at(kind::TRANSACTION, &[stage::WAITING, stage::READY, stage::HELD, stage::BOOKED]),
            history: at(kind::TRANSACTION, &[stage::HISTORY]),
        },
        documents: Documents {
            invoices: posted("invoice", "confirmed"),
            credit_memos: posted("credit_memo", "confirmed"),
            journals: posted("journal", "confirmed"),
            receipts: posted("receipt", "confirmed"),
            unknown: postings_sum(&counts, None, &["unknown"]),
            under_way: postings_sum(&counts, None, &["planned", "sending", "submitted"]),
            rejected: postings_sum(&counts, None, &["rejected"]),
        },
        reconciliation: Reconciliation { checks: counts.checks, differences: counts.differences },
        watch,
        witnesses: Witnesses {
            reports: at(kind::REPORT, &[stage::SKIPPED]),
            payouts: at(kind::PAYOUT, &[stage::SKIPPED]),
        },
        audit: Audit { events: counts.audit_events },
        mapper: Mapper {
            batches: counts.mapper.batches,
            faults: counts.mapper.faults,
            records: counts.mapper.records,
            fuel: counts.mapper.fuel,
        },
    })
}

async fn watched(store: &dyn Store) -> Result<Watch, StoreError> {
    let shown = store.shown_totals().await?;
    let reviews = store.review_totals().await?;
    let count = |code: &str| {
        let own = reviews.iter().filter(|row| row.kind == kind::LEDGER && row.code == code);
        own.map(|row| row.subjects).sum()
    };
    Ok(Watch {
        shown: shown.iter().map(|(_, _, count)| count).sum(),
        batches_posted: shown
            .iter()
            .filter(|(of, status, _)| of == "journal" && status == "P")
            .map(|(_, _, n)| n)
            .sum(),
        accounts_disabled: count(watch::ACCOUNT_DISABLED),
        periods_closed: count(watch::PERIOD_CLOSED),
    })
}

fn stages_sum(counts: &Counts, of: &str, stages: &[&str]) -> u64 {
    let wanted = counts.stages.iter().filter(|row| row.kind == of && stages.contains(&row.stage.as_str()));
    wanted.map(|row| row.count).sum()
}

fn postings_sum(counts: &Counts, of: Option<&str>, states: &[&str]) -> u64 {
    let wanted = counts
        .postings
        .iter()
        .filter(|(kind, state, _)| of.is_none_or(|of| kind == of) && states.contains(&state.as_str()));
    wanted.map(|(_, _, count)| count).sum()
}
