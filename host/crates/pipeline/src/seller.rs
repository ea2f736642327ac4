//! A seller as the pipeline knows it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::catalog::{Asked, Catalog, CatalogEntry};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::{Date, Region, SellerId, Timestamp};

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
    /// Its catalog: the configuration's file until [`crate::catalogs::choose`] has put the active version in its place.
    pub catalog: Arc<Catalog>,
    /// The catalog's hash: its version.
    pub catalog_hash: ContentHash,
}

impl Seller {
    /// The day of `at` in the ledger's zone.
    pub fn day(&self, at: Timestamp) -> Date {
        ml_connector_domain::canonical::day_in(at, &self.zone)
    }

    /// The context of a batch that touches these products. What the catalog says of a product must be the same for
    /// every record of the batch: see [`Seller::batches`].
    pub fn context<'a>(&self, products: impl IntoIterator<Item = Asked<'a>>) -> BatchContext {
        let mut wanted: Vec<_> = products.into_iter().collect();
        wanted.sort();
        wanted.dedup_by_key(|asked| (asked.sku, asked.marketplace));
        let index = self.catalog.index();
        let entries: Vec<CatalogEntry> = wanted
            .into_iter()
            .filter_map(|asked| index.resolve(asked, &self.ledger.default_cost_center))
            .collect();
        BatchContext {
            seller: self.id.clone(),
            settings: self.settings.clone(),
            ledger: self.ledger.clone(),
            catalog: entries,
        }
    }

    /// Cuts records into batches within which the catalog says one thing only of each product: with rules that begin
    /// and end, an entry depends on the record's day, and a batch has one entry for a product. Their order stays.
    pub(crate) fn batches<T: Dated>(&self, records: Vec<T>) -> Vec<Vec<T>> {
        if !self.catalog.is_dated() {
            return vec![records];
        }
        let index = self.catalog.index();
        let mut batches: Vec<Vec<T>> = Vec::new();
        let mut known = HashMap::new();
        for record in records {
            let own: Vec<_> = record
                .products(self)
                .into_iter()
                .map(|asked| {
                    let entry = index.resolve(asked, &self.ledger.default_cost_center);
                    ((asked.sku.clone(), asked.marketplace.clone()), entry)
                })
                .collect();
            let fits = |known: &HashMap<_, Option<CatalogEntry>>| {
                own.iter().all(|(product, entry)| known.get(product).is_none_or(|other| other == entry))
            };
            match batches.last_mut() {
                Some(batch) if fits(&known) => batch.push(record),
                _ => {
                    known.clear();
                    batches.push(vec![record]);
                }
            }
            known.extend(own);
        }
        batches
    }
}

/// A record that decides the day on which the catalog is asked.
pub(crate) trait Dated {
    /// The products that it touches, on its day.
    fn products<'a>(&'a self, seller: &Seller) -> Vec<Asked<'a>>;
}

impl Dated for Order {
    /// On the day that it shipped: the invoice's.
    fn products<'a>(&'a self, seller: &Seller) -> Vec<Asked<'a>> {
        let day = crate::map::invoice_date(seller, self);
        let asked = |item: &'a ml_connector_domain::canonical::OrderItem| Asked {
            sku: &item.sku,
            marketplace: &self.marketplace,
            day,
        };
        self.items.iter().map(asked).collect()
    }
}

impl Dated for Transaction {
    /// On the day that Amazon posted it.
    fn products<'a>(&'a self, seller: &Seller) -> Vec<Asked<'a>> {
        let day = seller.day(self.posted);
        let Some(marketplace) = &self.marketplace else { return Vec::new() };
        let skus = self.legs.iter().filter_map(|leg| leg.sku.as_ref());
        skus.map(|sku| Asked { sku, marketplace, day }).collect()
    }
}
