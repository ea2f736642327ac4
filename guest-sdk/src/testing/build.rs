//! Builders for what comes in.

use crate::{BatchContext, CatalogEntry, Charge, Ledger, Leg, Money, Order, OrderItem, Transaction};

/// A context with a dollar ledger: combinations are `01-{cost_center}-{account}`, and each of `purposes` has an
/// account of its own, from 10001 on.
pub fn context(purposes: &[&str]) -> BatchContext {
    let accounts = purposes
        .iter()
        .zip(10_001..)
        .map(|(purpose, n): (&&str, u32)| ((*purpose).to_owned(), n.to_string()));
    BatchContext {
        seller: "A1".to_owned(),
        settings: Vec::new(),
        ledger: Ledger {
            name: "US Primary Ledger".to_owned(),
            currency: "USD".to_owned(),
            time_zone: "America/Los_Angeles".to_owned(),
            combination: "01-{cost_center}-{account}".to_owned(),
            default_cost_center: "000".to_owned(),
            accounts: accounts.collect(),
            extra: Vec::new(),
        },
        catalog: Vec::new(),
        extra: Vec::new(),
    }
}

impl BatchContext {
    /// Adds a product to the catalog, with its natural revenue account, at cost centre 110.
    #[must_use]
    pub fn with_product(mut self, sku: &str, marketplace: &str, revenue: &str) -> Self {
        self.catalog.push(CatalogEntry {
            sku: sku.to_owned(),
            marketplace: marketplace.to_owned(),
            revenue_account: revenue.to_owned(),
            cogs_account: None,
            cost_center: "110".to_owned(),
            rule: format!("catalog:{sku}"),
            extra: Vec::new(),
        });
        self.catalog.sort_by(|a, b| (&a.sku, &a.marketplace).cmp(&(&b.sku, &b.marketplace)));
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A shipped order of items, each a SKU with its charges `(kind, minor units)`.
pub fn order(marketplace: &str, currency: &str, items: &[(&str, &[(&str, i64)])]) -> Order {
    let items: Vec<OrderItem> =
        items.iter().enumerate().map(|(n, (sku, charges))| item(n, sku, currency, charges)).collect();
    let total = items.iter().flat_map(|item| &item.charges).map(|charge| charge.amount.minor).sum();
    Order {
        id: "113-0000001-0000001".to_owned(),
        marketplace: marketplace.to_owned(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        created: 0,
        updated: 0,
        shipped_on: Some("2026-10-01".to_owned()),
        replaces: None,
        total: Some(Money::new(total, currency)),
        items,
        extra: Vec::new(),
    }
}

fn item(n: usize, sku: &str, currency: &str, charges: &[(&str, i64)]) -> OrderItem {
    let charge = |(kind, minor): &(&str, i64)| Charge {
        kind: (*kind).to_owned(),
        amount: Money::new(*minor, currency),
        extra: Vec::new(),
    };
    OrderItem {
        id: format!("0{n}"),
        sku: sku.to_owned(),
        title: format!("A {sku}"),
        quantity_ordered: 1,
        quantity_fulfilled: 1,
        charges: charges.iter().map(charge).collect(),
        tax_collection: String::new(),
        extra: Vec::new(),
    }
}

/// A transaction of legs `(path, minor units)`, all about one SKU if one is named.
pub fn transaction(
    kind: &str,
    marketplace: &str,
    currency: &str,
    sku: Option<&str>,
    legs: &[(&str, i64)],
) -> Transaction {
    let leg = |(path, minor): &(&str, i64)| Leg {
        path: (*path).to_owned(),
        amount: Money::new(*minor, currency),
        sku: sku.map(str::to_owned),
        order_item_id: None,
        extra: Vec::new(),
    };
    Transaction {
        id: "T1".to_owned(),
        kind: kind.to_owned(),
        description: String::new(),
        posted: 0,
        group: Some("G1".to_owned()),
        order_id: Some("113-0000001-0000001".to_owned()),
        marketplace: Some(marketplace.to_owned()),
        total: Money::new(legs.iter().map(|(_, minor)| minor).sum(), currency),
        legs: legs.iter().map(leg).collect(),
        extra: Vec::new(),
    }
}

impl Order {
    /// Under another id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// In another status, e.g. `CANCELLED`; what has not shipped has no day of shipping.
    #[must_use]
    pub fn with_status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        if status != "SHIPPED" {
            self.shipped_on = None;
        }
        self
    }

    /// With its taxes collected and remitted by Amazon.
    #[must_use]
    pub fn taxed_by_amazon(mut self) -> Self {
        for item in &mut self.items {
            "MARKETPLACE_FACILITATOR".clone_into(&mut item.tax_collection);
        }
        self
    }
}

impl Transaction {
    /// Under another id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// About another order, or about none.
    #[must_use]
    pub fn about(mut self, order: Option<&str>) -> Self {
        self.order_id = order.map(str::to_owned);
        self
    }
}
