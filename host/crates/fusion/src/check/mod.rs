//! `fusion check`: reads a seller's set-up back from the instance and says what is missing. It only reads.
//!
//! # To check one thing more
//!
//! Add a question to [`structures`], [`receivables`] or [`ledger`], with a code of its own in [`Report::missing`]; what
//! Fusion cannot be asked goes into [`unreadable`] with the words that the first posting would bring.

mod ledger;
mod receivables;
mod report;
mod structures;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};

use ml_connector_domain::Date;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::reach::Reached;
use ml_connector_ports::SourceError;
use serde::de::DeserializeOwned;

pub use report::{Level, Missing, Report, Unreadable};

use crate::client::FusionClient;
use crate::privilege::{self, Access};
use crate::query::Query;
use crate::wire::Collection;

/// What is to be found.
pub struct Wanted<'a> {
    /// The seller's books.
    pub setup: &'a LedgerSetup,
    /// The combinations that configuration and catalog lead to.
    pub combinations: &'a BTreeMap<String, Reached>,
    /// Today, in the ledger's zone.
    pub today: Date,
}

/// The questions about one seller, and what was learnt.
struct Check<'a> {
    client: &'a FusionClient,
    setup: &'a LedgerSetup,
    report: Report,
    /// Resources that answer no question, whatever it is.
    closed: BTreeSet<&'static str>,
}

impl FusionClient {
    /// Checks a seller's set-up. Nothing is written, and no failure ends it: what cannot be asked is said.
    pub async fn check(&self, wanted: &Wanted<'_>) -> Report {
        let mut check =
            Check { client: self, setup: wanted.setup, report: Report::default(), closed: BTreeSet::new() };
        if let Err(error) = self.token().await {
            check.report.missing(
                "FUS-CHECK-TOKEN",
                format!("no access token: {error}"),
                "set the identity domain, client, scope and fusion.auth right; nothing else can be asked before",
            );
            return check.report;
        }
        check.structures().await;
        if check.report.signed_in() {
            check.receivables().await;
            check.ledger(wanted.today).await;
            check.combinations(wanted.combinations).await;
        }
        check.report
    }
}

impl Check<'_> {
    /// The first rows that answer a question; `None` if it could not be asked, which the report then says. A privilege
    /// that is missing is said once, whatever it closes.
    async fn rows<T: DeserializeOwned>(
        &mut self,
        path: &'static str,
        query: Result<Query, SourceError>,
    ) -> Option<Vec<T>> {
        let asked = match query {
            Ok(query) => self.client.get::<Collection<T>>(path, &query.first(2)).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(page) => Some(page.items),
            Err(error) => {
                self.could_not_ask(path, &error);
                None
            }
        }
    }

    fn could_not_ask(&mut self, path: &'static str, error: &SourceError) {
        if !matches!(error, SourceError::Refused { code: "FUS-QUERY", .. }) {
            self.closed.insert(path);
        }
        let report = &mut self.report;
        match error {
            SourceError::Refused { code: "FUS-FORBIDDEN", message } => {
                let name = privilege::of(path).name(Access::Read);
                let remedy = format!("give the integration user {name} in the Security Console");
                report.missing_once("FUS-CHECK-ROLE", name, message.clone(), remedy);
            }
            SourceError::Refused { code: "FUS-UNAUTHORIZED", message } => report.not_signed_in(message),
            SourceError::Refused { code: "FUS-QUERY", .. } => {
                let remedy = "rename it in Fusion, or configure the name of another";
                report.missing("FUS-CHECK-NAME", format!("{path}: {error}"), remedy);
            }
            SourceError::Transient { .. } => {
                let remedy = "run the check again; if it stays, look at the instance's address and state";
                report.missing_once("FUS-CHECK-DOWN", path, format!("{path}: {error}"), remedy.to_owned());
            }
            _ => {
                let remedy = "look at Fusion's words; a resource or attribute may not exist in this release";
                report.missing_once("FUS-CHECK-REFUSED", path, format!("{path}: {error}"), remedy.to_owned());
            }
        }
    }
}
