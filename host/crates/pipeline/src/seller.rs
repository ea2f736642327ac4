//! A seller as the pipeline knows it.

use jiff::tz::TimeZone;
use ml_connector_domain::catalog::{Catalog, CatalogEntry};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::{Date, MarketplaceId, Region, SellerId, Sku, Timestamp};

/// All that is configured for one seller.
#[derive(Debug, Clone)]
pub struct Seller {
    /// Its merchant token.
    pub id: SellerId,
    /// Its name, for people.
    pub name: String,
    /// Nothing from before this is read.
    pub start_from: Timestamp,
    /// Where it has authorised us.
    pub regions: Vec<Region>,
    /// The mapper's settings.
    pub settings: Vec<(String, String)>,
    /// Its books.
    pub ledger: LedgerSetup,
    /// The zone in which documents are dated.
    pub zone: TimeZone,
    /// Its catalog.
    pub catalog: Catalog,
    /// The catalog's hash: its version.
    pub catalog_hash: ContentHash,
}

impl Seller {
    /// The day of `at` in the ledger's zone.
    pub fn day(&self, at: Timestamp) -> Date {
        ml_connector_domain::canonical::day_in(at, &self.zone)
    }

    /// The context of a batch that touches these products.
    pub fn context<'a>(
        &self,
        products: impl IntoIterator<Item = (&'a Sku, &'a MarketplaceId)>,
    ) -> BatchContext {
        let mut wanted: Vec<_> = products.into_iter().collect();
        wanted.sort();
        wanted.dedup();
        let entries: Vec<CatalogEntry> = wanted
            .into_iter()
            .filter_map(|(sku, place)| self.catalog.resolve(sku, place, &self.ledger.default_cost_center))
            .collect();
        BatchContext {
            seller: self.id.clone(),
            settings: self.settings.clone(),
            ledger: self.ledger.clone(),
            catalog: entries,
        }
    }
}
