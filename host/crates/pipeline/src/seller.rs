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
    /// On the day that it shipped.
    fn products<'a>(&'a self, seller: &Seller) -> Vec<Asked<'a>> {
        let day = crate::map::shipping_day(seller, self);
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

#[cfg(test)]
mod tests {
    use ml_connector_domain::{Date, Sku};
    use proptest::prelude::*;

    use super::*;
    use crate::catalog_file;

    const FILE: &str =
        "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,valid_from,valid_to
A,,,41000,,,,2026-01-10
A,,,41100,,,2026-01-11,2026-01-20
B,,,42000,,,,2026-01-15
B,,US,42100,,,2026-01-16,
C,,,43000,,,,
";

    /// A record of one product on one day of January.
    #[derive(Debug, Clone, PartialEq)]
    struct Sold(Sku, ml_connector_domain::MarketplaceId, Date);

    impl Dated for Sold {
        fn products<'a>(&'a self, _: &Seller) -> Vec<Asked<'a>> {
            vec![Asked { sku: &self.0, marketplace: &self.1, day: self.2 }]
        }
    }

    fn seller(text: &str) -> Seller {
        let ledger = serde_json::json!({
            "business_unit": "BU", "ledger_name": "L", "ledger_id": "1", "data_access_set_id": "2",
            "ledger_currency": "USD", "conversion_type": "Corporate", "time_zone": "UTC",
            "transaction_source": "S", "invoice_type": "I", "credit_memo_source": "S", "credit_memo_type": "C",
            "payment_terms": "T", "journal_source": "A", "journal_category": "B", "bill_to": {},
            "combination": { "delimiter": "-", "template": "01-{cost_center}-{account}" },
            "accounts": {}, "default_cost_center": "000",
        });
        Seller {
            id: "A1".into(),
            name: String::new(),
            start_from: Timestamp::UNIX_EPOCH,
            regions: Vec::new(),
            settings: Vec::new(),
            ledger: serde_json::from_value(ledger).expect("a ledger"),
            zone: TimeZone::UTC,
            catalog: Arc::new(catalog_file::parse("c.csv", text).expect("good")),
            catalog_hash: ContentHash::of(text.as_bytes()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever days a batch mixes, each record is decided for as on its own day.
        #[test]
        fn within_a_batch_the_catalog_says_one_thing_of_each_product(
            sold in proptest::collection::vec((0..4_usize, any::<bool>(), 1..31_i8), 0..40),
        ) {
            let seller = seller(FILE);
            let record = |(sku, us, day): (usize, bool, i8)| {
                Sold(["A", "B", "C", "D"][sku].into(), if us { "US" } else { "DE" }.into(), jiff::civil::date(2026, 1, day))
            };
            let records: Vec<Sold> = sold.into_iter().map(record).collect();
            let batches = seller.batches(records.clone());
            prop_assert_eq!(batches.concat(), records);
            for batch in batches {
                let context = seller.context(batch.iter().flat_map(|one| one.products(&seller)));
                for one in &batch {
                    let found = context.catalog.iter().find(|entry| (&entry.sku, &entry.marketplace) == (&one.0, &one.1));
                    let own = seller.catalog.resolve(one.products(&seller)[0], "000");
                    prop_assert_eq!(found, own.as_ref());
                }
            }
        }
    }

    #[test]
    fn without_dates_nothing_is_cut() {
        let undated =
            seller("sku,product_type,marketplace,revenue_account,cogs_account,cost_center\nA,,,41000,,\n");
        let day = |n| Sold("A".into(), "US".into(), jiff::civil::date(2026, 1, n));
        assert_eq!(undated.batches(vec![day(1), day(30)]).len(), 1);
        assert_eq!(seller(FILE).batches(vec![day(1), day(30)]).len(), 2);
    }
}
