//! The catalog: which accounts a product's money goes to, where and from when to when.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{MarketplaceId, Sku};
use crate::money::Money;
use crate::region::{self, Region};

/// One rule of the catalog. A rule names a SKU or a product type, and may be limited to one marketplace or one region
/// and to a span of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whom it is for.
    pub subject: Subject,
    /// The one marketplace it holds in; `None` means all.
    pub marketplace: Option<MarketplaceId>,
    /// The one region it holds in; never beside a marketplace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The first day it holds on, in the ledger's zone; `None` means ever since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// The last day it holds on; `None` means for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// The product's type, on a SKU's rule: joins it to the type's rule for whatever it leaves open.
    pub product_type: Option<String>,
    /// Natural revenue account.
    pub revenue: Option<String>,
    /// Natural cost-of-goods account.
    pub cogs: Option<String>,
    /// Cost centre.
    pub cost_center: Option<String>,
    /// What one piece costs the seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_cost: Option<Money>,
    /// `file:line`, for whoever asks why.
    pub place: String,
}

impl Rule {
    /// A rule that says nothing yet, for everywhere and always.
    pub fn about(subject: Subject, place: impl Into<String>) -> Self {
        Self {
            subject,
            marketplace: None,
            region: None,
            valid_from: None,
            valid_to: None,
            product_type: None,
            revenue: None,
            cogs: None,
            cost_center: None,
            unit_cost: None,
            place: place.into(),
        }
    }

    /// Whether it holds on a day.
    pub fn holds_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }

    /// The first day on which both hold, if there is any: `Date::MIN` where neither has a beginning.
    pub fn overlap(&self, other: &Self) -> Option<Date> {
        let first = self.valid_from.unwrap_or(Date::MIN).max(other.valid_from.unwrap_or(Date::MIN));
        (self.holds_on(first) && other.holds_on(first)).then_some(first)
    }

    /// Whether it holds in a marketplace, and how closely it says so: 2 names it, 1 names its region, 0 is for all.
    fn nearness(&self, marketplace: &MarketplaceId) -> Option<u8> {
        match (&self.marketplace, self.region) {
            (Some(own), _) => (own == marketplace).then_some(2),
            (None, Some(own)) => (region::of_marketplace(marketplace.as_str()) == Some(own)).then_some(1),
            (None, None) => Some(0),
        }
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// One product.
    Sku(Sku),
    /// All products of a type.
    ProductType(String),
}

/// All rules of one seller, in one immutable version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
}

/// What the catalog says of one SKU in one marketplace on one day, wholly decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// The product.
    pub sku: Sku,
    /// Where it was sold.
    pub marketplace: MarketplaceId,
    /// Natural revenue account.
    pub revenue: String,
    /// Natural cost-of-goods account.
    pub cogs: Option<String>,
    /// Cost centre.
    pub cost_center: String,
    /// The rules that decided, most specific first.
    pub rule: String,
    /// What the contract has no field for: `unit_cost` in minor units and `unit_cost_currency`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<(String, String)>,
}

/// A product where it was sold, on the day that decides: an order's shipping day, a transaction's posted day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked<'a> {
    /// The product.
    pub sku: &'a Sku,
    /// Where it was sold.
    pub marketplace: &'a MarketplaceId,
    /// The day, in the ledger's zone.
    pub day: Date,
}

impl Catalog {
    /// Decides for a SKU in a marketplace on a day; see [`Index::resolve`]. For many, make an [`Index`] once.
    pub fn resolve(&self, asked: Asked<'_>, default_cost_center: &str) -> Option<CatalogEntry> {
        self.index().resolve(asked, default_cost_center)
    }

    /// The rules by whom they are for.
    pub fn index(&self) -> Index<'_> {
        let mut index = Index { by_sku: HashMap::new(), by_type: HashMap::new() };
        for rule in &self.rules {
            match &rule.subject {
                Subject::Sku(sku) => index.by_sku.entry(sku).or_default().push(rule),
                Subject::ProductType(kind) => index.by_type.entry(kind).or_default().push(rule),
            }
        }
        index
    }

    /// Whether what it says depends on the day.
    pub fn is_dated(&self) -> bool {
        self.rules.iter().any(|rule| rule.valid_from.is_some() || rule.valid_to.is_some())
    }

    /// Days on which something may begin to hold or hold no more, and one before all of them: on every other day the
    /// catalog says what it said the day before.
    pub fn edges(&self) -> BTreeSet<Date> {
        let after = |rule: &Rule| rule.valid_to.and_then(|to| to.tomorrow().ok());
        let edges = self.rules.iter().flat_map(|rule| rule.valid_from.into_iter().chain(after(rule)));
        edges.chain([Date::MIN]).collect()
    }
}

/// A catalog's rules by whom they are for.
#[derive(Debug)]
pub struct Index<'a> {
    by_sku: HashMap<&'a Sku, Vec<&'a Rule>>,
    by_type: HashMap<&'a str, Vec<&'a Rule>>,
}

impl<'a> Index<'a> {
    /// All rules that bear on a product anywhere and at any time: its own and those of its types.
    pub fn bearing_on(&self, sku: &Sku) -> impl Iterator<Item = &'a Rule> {
        let own = self.by_sku.get(sku).map(Vec::as_slice).unwrap_or_default();
        let types: BTreeSet<&str> = own.iter().filter_map(|rule| rule.product_type.as_deref()).collect();
        let joined = types.into_iter().flat_map(|kind| self.by_type.get(kind).into_iter().flatten());
        own.iter().chain(joined).copied()
    }

    /// Decides for a SKU in a marketplace on a day. From most to least specific: the SKU in this marketplace, in its
    /// region, anywhere; then its product type in this marketplace, in its region, anywhere. Of these the rules count
    /// that hold on the day; each field comes from the first that has it. `None` if no rule names the SKU, or none
    /// gives a revenue account: nothing is ever posted to a default account.
    pub fn resolve(&self, asked: Asked<'_>, default_cost_center: &str) -> Option<CatalogEntry> {
        let own = nearest_first(self.by_sku.get(asked.sku), asked);
        let product_type = own.iter().find_map(|rule| rule.product_type.as_deref());
        let mut by_precedence = own;
        by_precedence.extend(nearest_first(product_type.and_then(|kind| self.by_type.get(kind)), asked));
        let first =
            |field: fn(&Rule) -> Option<&String>| by_precedence.iter().find_map(|rule| field(rule)).cloned();
        let places: Vec<&str> = by_precedence.iter().map(|rule| rule.place.as_str()).collect();
        let cost = by_precedence.iter().find_map(|rule| rule.unit_cost);
        Some(CatalogEntry {
            sku: asked.sku.clone(),
            marketplace: asked.marketplace.clone(),
            revenue: first(|rule| rule.revenue.as_ref())?,
            cogs: first(|rule| rule.cogs.as_ref()),
            cost_center: first(|rule| rule.cost_center.as_ref())
                .unwrap_or_else(|| default_cost_center.to_owned()),
            rule: places.join(" < "),
            extra: cost.map(cost_extra).unwrap_or_default(),
        })
    }
}

/// The rules that hold, the one that names the place most closely first; of equals the file's order.
fn nearest_first<'a>(rules: Option<&Vec<&'a Rule>>, asked: Asked<'_>) -> Vec<&'a Rule> {
    let holding = rules.into_iter().flatten().filter(|rule| rule.holds_on(asked.day));
    let mut near: Vec<(u8, &Rule)> =
        holding.filter_map(|rule| Some((rule.nearness(asked.marketplace)?, *rule))).collect();
    near.sort_by_key(|(nearness, _)| std::cmp::Reverse(*nearness));
    near.into_iter().map(|(_, rule)| rule).collect()
}

fn cost_extra(cost: Money) -> Vec<(String, String)> {
    vec![
        ("unit_cost".to_owned(), cost.minor.to_string()),
        ("unit_cost_currency".to_owned(), cost.currency.code().to_owned()),
    ]
}

#[cfg(test)]
mod tests;
