//! Accounts and periods.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::validate::{Module, PeriodStatus};
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::SourceError;
use serde_json::Value;

use crate::client::FusionClient;
use crate::query::Query;
use crate::wire::{self, Collection};

/// How long an answer about an account or a period is believed.
const BELIEVED: SignedDuration = SignedDuration::from_mins(60);

/// Answers with the time at which they were given.
pub(crate) type Believed<K, V> = Mutex<HashMap<K, (Timestamp, V)>>;

impl FusionClient {
    pub(crate) async fn accounts_known(
        &self,
        combinations: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, SourceError> {
        let mut known = BTreeSet::new();
        for combination in combinations {
            let now = self.clock.now();
            if believed(&self.accounts, combination, now).is_none() {
                // A combination that cannot be asked for cannot exist either.
                let Ok(query) = Query::by("_CODE_COMBINATION_ID").is("AccountCombination", combination)
                else {
                    continue;
                };
                let query = query.is("EnabledFlag", "Y")?.first(1);
                let found: Collection<Value> = self.get("accountCombinationsLOV", &query).await?;
                if found.items.is_empty() {
                    continue;
                }
                believe(&self.accounts, combination.clone(), now, ());
            }
            known.insert(combination.clone());
        }
        Ok(known)
    }

    pub(crate) async fn period_status(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
    ) -> Result<PeriodStatus, SourceError> {
        let now = self.clock.now();
        let name = setup.period_of(date);
        let key = (setup.ledger_id.clone(), module, name.clone());
        if let Some(status) = believed(&self.periods, &key, now) {
            return Ok(status);
        }
        let application = match module {
            Module::GeneralLedger => "101",
            Module::Receivables => "222",
        };
        // The application is mandatory in practice: without it any module's row may come.
        let query =
            Query::by("PeriodNameId").number("LedgerId", &setup.ledger_id)?.is("PeriodNameId", &name)?;
        let query = query.number("ApplicationId", application)?.first(1);
        let found: Collection<wire::Period> = self.get("accountingPeriodStatusLOV", &query).await?;
        let status = match found.items.first().and_then(|period| period.closing_status.as_deref()) {
            Some("O") => PeriodStatus::Open,
            Some("F") => PeriodStatus::Future,
            _ => PeriodStatus::Closed,
        };
        believe(&self.periods, key, now, status);
        Ok(status)
    }
}

fn believed<K: std::hash::Hash + Eq, V: Clone>(cache: &Believed<K, V>, key: &K, now: Timestamp) -> Option<V> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(key).filter(|(at, _)| now.duration_since(*at) < BELIEVED).map(|(_, value)| value.clone())
}

fn believe<K: std::hash::Hash + Eq, V>(cache: &Believed<K, V>, key: K, now: Timestamp, value: V) {
    cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, value));
}
