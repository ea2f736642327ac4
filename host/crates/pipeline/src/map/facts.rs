//! What validation must know of the ledger, asked once per batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ml_connector_domain::Date;
use ml_connector_domain::validate::{LedgerFacts, Module, PeriodStatus};

use crate::{Parts, Seller, StageError};

/// Answers about accounts and periods, gathered for a batch.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    accounts: BTreeSet<String>,
    periods: HashMap<(Module, Date), PeriodStatus>,
}

impl Facts {
    /// Asks Fusion which of these combinations and periods it knows.
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
            parts.target.known_accounts(&seller.ledger, &accounts).await?
        };
        let mut periods = HashMap::new();
        for (module, date) in dates {
            periods.insert((module, date), parts.target.period(&seller.ledger, module, date).await?);
        }
        Ok(Self { accounts, periods })
    }

    /// The facts that a document dated `date` is judged by.
    pub(crate) fn at(&self, date: Date) -> LedgerFacts {
        let periods: BTreeMap<Module, PeriodStatus> = [Module::Receivables, Module::GeneralLedger]
            .into_iter()
            .filter_map(|module| self.periods.get(&(module, date)).map(|status| (module, *status)))
            .collect();
        LedgerFacts { accounts: self.accounts.clone(), periods }
    }

    /// Whether a combination exists and is enabled.
    pub(crate) fn knows(&self, account: &str) -> bool {
        self.accounts.contains(account)
    }
}
