//! What comes with every batch.

use crate::{BatchContext, CatalogEntry, Description, Ledger, Setting};

impl BatchContext {
    /// What the catalog says of a product in a marketplace; `None` if it is not mapped. The host hands the catalog
    /// in sorted by SKU and marketplace.
    pub fn product(&self, sku: &str, marketplace: &str) -> Option<&CatalogEntry> {
        let at = self
            .catalog
            .binary_search_by(|e| (e.sku.as_str(), e.marketplace.as_str()).cmp(&(sku, marketplace)));
        self.catalog.get(at.ok()?)
    }

    /// A setting's value.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The whole combination for the ledger's account of a purpose, at a cost centre or the default one.
    pub fn account(&self, purpose: &str, cost_center: Option<&str>) -> Option<String> {
        let (_, account) = self.ledger.accounts.iter().find(|(name, _)| name == purpose)?;
        Some(self.ledger.combination_of(account, cost_center.unwrap_or(&self.ledger.default_cost_center)))
    }

    /// The account of a product's revenue, with the rule that decided it.
    pub fn revenue(&self, product: &CatalogEntry) -> (String, String) {
        (self.ledger.combination_of(&product.revenue_account, &product.cost_center), product.rule.clone())
    }
}

impl Ledger {
    /// The whole combination for a natural account and a cost centre.
    pub fn combination_of(&self, account: &str, cost_center: &str) -> String {
        self.combination.replace("{account}", account).replace("{cost_center}", cost_center)
    }
}

impl Description {
    /// A mapper that reads no settings.
    pub fn new(name: &str, version: &str) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), settings: Vec::new(), extra: Vec::new() }
    }

    /// Adds a setting that it reads.
    #[must_use]
    pub fn reads(mut self, key: &str, required: bool, description: &str) -> Self {
        self.settings.push(Setting {
            key: key.to_owned(),
            description: description.to_owned(),
            required,
            extra: Vec::new(),
        });
        self
    }
}
