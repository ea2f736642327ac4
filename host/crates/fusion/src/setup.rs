//! Accounts and periods.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::validate::{Module, Period, PeriodStatus};
use ml_connector_domain::{Date, Timestamp};
use ml_connector_ports::SourceError;
use serde_json::Value;

use crate::client::FusionClient;
use crate::query::Query;
use crate::wire::{self, Collection};

/// Answers with the time at which they were given.
pub(crate) type Believed<K, V> = Mutex<HashMap<K, (Timestamp, V)>>;

impl FusionClient {
    pub(crate) async fn accounts_known(
        &self,
        combinations: &BTreeSet<String>,
        no_older_than: SignedDuration,
    ) -> Result<BTreeSet<String>, SourceError> {
        let mut known = BTreeSet::new();
        for combination in combinations {
            let now = self.clock.now();
            if believed(&self.accounts, combination, (now, no_older_than)).is_none() {
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

    pub(crate) async fn period_of(
        &self,
        setup: &LedgerSetup,
        module: Module,
        date: Date,
        no_older_than: SignedDuration,
    ) -> Result<Period, SourceError> {
        let now = self.clock.now();
        let name = setup.period_of(date);
        let key = (setup.ledger_id.clone(), module, name.clone());
        if let Some(period) = believed(&self.periods, &key, (now, no_older_than)) {
            return Ok(period);
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
        let period = described(found.items.first());
        believe(&self.periods, key, now, period);
        Ok(period)
    }
}

/// A period that Fusion does not know takes nothing.
fn described(found: Option<&wire::Period>) -> Period {
    let status = match found.and_then(|period| period.closing_status.as_deref()) {
        Some("O") => PeriodStatus::Open,
        Some("F") => PeriodStatus::Future,
        _ => PeriodStatus::Closed,
    };
    let date = |text: Option<&String>| text.and_then(|text| text.get(..10)?.parse().ok());
    let (start, end) =
        found.map_or((None, None), |period| (period.start_date.as_ref(), period.end_date.as_ref()));
    Period { status, start: date(start), end: date(end) }
}

/// A question for an account is asked again if the answer was no: it may have been created since.
fn believed<K: std::hash::Hash + Eq, V: Clone>(
    cache: &Believed<K, V>,
    key: &K,
    (now, no_older_than): (Timestamp, SignedDuration),
) -> Option<V> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(key).filter(|(at, _)| now.duration_since(*at) < no_older_than).map(|(_, value)| value.clone())
}

fn believe<K: std::hash::Hash + Eq, V>(cache: &Believed<K, V>, key: K, now: Timestamp, value: V) {
    cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, value));
}
