//! SIGHUP: the file is read again. Cadences and catalogs count from the next cycle on; what else has changed is named and waits
//! for a restart. A file with a mistake changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use ml_connector_domain::SellerId;
use ml_connector_pipeline::worker::Live;
use ml_connector_storage::{CatalogChange, Change};
use tokio::sync::watch;

use crate::app::{App, configured_catalog};
use crate::commands::with_causes;
use crate::config::{Config, SellerConfig};
use crate::config_load::{self, Source};
use crate::service;

type Failure = Box<dyn std::error::Error>;

/// Tells the workers what was read again.
pub(crate) struct Reload {
    source: Source,
    /// As TOML, without what may change: what is compared with the file.
    fixed: toml::Table,
    workers: HashMap<SellerId, watch::Sender<Live>>,
}

impl Reload {
    /// For workers that began with a configuration.
    ///
    /// # Errors
    /// None: a configuration that was read can be written.
    pub(crate) fn new(
        source: Source,
        config: &Config,
        workers: HashMap<SellerId, watch::Sender<Live>>,
    ) -> Result<Self, Failure> {
        Ok(Self { source, fixed: fixed(config)?, workers })
    }

    /// Reads the file again at every SIGHUP, for as long as it is polled.
    pub(crate) async fn run(self, app: &App) {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGHUP: the configuration is not read again");
                return std::future::pending().await;
            }
        };
        while hangups.recv().await.is_some() {
            service::reloading();
            let again = self.again(app).await;
            service::ready();
            match again {
                Ok(told) => tracing::info!(sellers = told, "the configuration was read again"),
                Err(error) => {
                    tracing::error!(error = %with_causes(&*error), "the configuration has a mistake: what was read before counts");
                }
            }
        }
        std::future::pending().await
    }

    /// Reads it once; says how many workers were told.
    ///
    /// # Errors
    /// The file or a catalog has a mistake, or the store failed: nobody is told then.
    async fn again(&self, app: &App) -> Result<usize, Failure> {
        let config = config_load::load(&self.source)?;
        let waiting = differing(&self.fixed, &fixed(&config)?);
        if !waiting.is_empty() {
            tracing::warn!(code = "CFG-RESTART", keys = %waiting.join(", "), "these have changed and wait for a restart");
        }
        let mut read = Vec::new();
        for seller in &config.sellers {
            if let Some(worker) = self.workers.get(&seller.id) {
                read.push((worker, live(app, &config, seller).await?));
            }
        }
        let told = read.len();
        for (worker, live) in read {
            worker.send_replace(live);
        }
        Ok(told)
    }
}

/// What a seller's worker is told; its catalog is kept for ever first.
async fn live(app: &App, config: &Config, of: &SellerConfig) -> Result<Live, Failure> {
    let seller = app.seller_of(config, of)?;
    let version = configured_catalog(config, of, &seller, app.clock.shared().now())?;
    app.store.apply(vec![Change::Catalog(CatalogChange::Keep(Box::new(version)))]).await?;
    Ok(Live {
        cadence: config.cadence(of),
        catalog: Arc::clone(&seller.catalog),
        catalog_hash: seller.catalog_hash,
    })
}

/// A configuration without what may change while the daemon runs.
fn fixed(config: &Config) -> Result<toml::Table, Failure> {
    let mut table = toml::Table::try_from(config)?;
    table.remove("cadence");
    for seller in table.get_mut("seller").and_then(toml::Value::as_array_mut).into_iter().flatten() {
        if let Some(own) = seller.as_table_mut() {
            own.remove("cadence");
            own.remove("catalog");
        }
    }
    Ok(table)
}

/// The keys at the top whose values differ.
fn differing(one: &toml::Table, other: &toml::Table) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named() {
        let table = |text: &str| toml::from_str::<toml::Table>(text).expect("TOML");
        let (one, other) = (table("a = 1\nb = 2\n[c]\nd = 1"), table("a = 1\nb = 3\n[c]\nd = 2\n[e]"));
        assert_eq!(differing(&one, &other), ["b", "c", "e"]);
        assert_eq!(differing(&one, &one), Vec::<String>::new());
    }
}
