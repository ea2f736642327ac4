//! What validation must know of the ledger, asked once per batch, and where a closed period moves a document.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::SignedDuration;
use ml_connector_domain::Date;
use ml_connector_domain::document::Document;
use ml_connector_domain::ledger::{ClosedPeriod, LedgerSetup};
use ml_connector_domain::validate::{LedgerFacts, Module, PeriodStatus};

use crate::{Parts, Seller, StageError};

/// How old an answer may be that a document is planned with. Before it is sent, it is asked for again.
const BELIEVED: SignedDuration = SignedDuration::from_mins(60);

/// Periods that are asked for until an open one is found.
const PERIODS_AHEAD: u32 = 12;

/// Answers about accounts and periods, gathered for a batch.
#[derive(Debug)]
pub(crate) struct Facts {
    accounts: BTreeSet<String>,
    periods: HashMap<(Module, Date), PeriodStatus>,
    moved: HashMap<(Module, Date), Date>,
    setup: Arc<LedgerSetup>,
}

impl Facts {
    /// Asks Fusion which of these combinations and periods it knows, and for closed periods, if the seller's policy is
    /// to move on, where the next open one begins.
    ///
    /// # Errors
    /// A question failed; the batch is mapped again later.
    pub(crate) async fn gather(
        parts: &Parts,
        seller: &Seller,
        accounts: BTreeSet<String>,
        dates: BTreeSet<(Module, Date)>,
    ) -> Result<Self, StageError> {
        let accounts = if accounts.is_empty() {
            BTreeSet::new()
        } else {
            parts.target.known_accounts(&seller.ledger, &accounts, BELIEVED).await?
        };
        let mut facts = Self {
            accounts,
            periods: HashMap::new(),
            moved: HashMap::new(),
            setup: Arc::new(seller.ledger.clone()),
        };
        for (module, date) in dates {
            let period = parts.target.period(&seller.ledger, module, date, BELIEVED).await?;
            facts.periods.insert((module, date), period.status);
            if !module.takes(period.status)
                && let Some((day, status)) = open_from(parts, seller, module, date, BELIEVED).await?
            {
                facts.moved.insert((module, date), day);
                facts.periods.insert((module, day), status);
            }
        }
        Ok(facts)
    }

    /// Dates a document on the first day of the next open period, if its own is closed and the policy is to move it;
    /// says so in words for the audit log.
    pub(crate) fn place(&self, document: &mut Document) -> String {
        let module = Module::of(document);
        match self.moved.get(&(module, document.date)) {
            Some(day) => moved(document, module, *day),
            None => String::new(),
        }
    }

    /// The facts that a document dated `date` is judged by.
    pub(crate) fn at(&self, date: Date) -> LedgerFacts {
        let periods: BTreeMap<Module, PeriodStatus> = [Module::Receivables, Module::GeneralLedger]
            .into_iter()
            .filter_map(|module| self.periods.get(&(module, date)).map(|status| (module, *status)))
            .collect();
        LedgerFacts { accounts: self.accounts.clone(), periods, setup: Some(self.setup.clone()) }
    }

    /// Whether a combination exists and is enabled.
    pub(crate) fn knows(&self, account: &str) -> bool {
        self.accounts.contains(account)
    }
}

/// Moves a document's accounting date and says so; the day on which it happened stays.
pub(crate) fn moved(document: &mut Document, module: Module, day: Date) -> String {
    let words = format!(", moved from {}: the {module:?} period of that day is closed", document.date);
    document.moved_from = Some(document.transaction_date());
    document.date = day;
    words
}

/// The first day of the next period that takes documents, if the seller's policy is to move on and there is one.
///
/// # Errors
/// A question failed.
pub(crate) async fn open_from(
    parts: &Parts,
    seller: &Seller,
    module: Module,
    date: Date,
    no_older_than: SignedDuration,
) -> Result<Option<(Date, PeriodStatus)>, StageError> {
    if seller.ledger.closed_period != ClosedPeriod::NextOpen {
        return Ok(None);
    }
    let mut day = date;
    for _ in 0..PERIODS_AHEAD {
        let period = parts.target.period(&seller.ledger, module, day, no_older_than).await?;
        if day > date && module.takes(period.status) {
            return Ok(Some((period.start.filter(|start| *start > date).unwrap_or(day), period.status)));
        }
        match period.day_after(day) {
            Some(next) => day = next,
            None => break,
        }
    }
    Ok(None)
}
