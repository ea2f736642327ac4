//! Which account combinations a configuration and a catalog can lead to, so that each can be asked for before the first
//! posting needs it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Asked, Catalog, Subject};
use crate::ledger::LedgerSetup;

/// Whether a combination will be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A product's own account, or a purpose's at the default cost centre: the first posting may need it.
    Certain,
    /// A purpose's account at a product's cost centre: whether it is needed, the mapper decides.
    Possible,
}

/// A combination that can be led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Whether it will be needed.
    pub need: Need,
    /// Where it comes from: `ledger.accounts.commission`, or the catalog's `file:line`.
    pub place: String,
}

/// Every combination that `setup` and `catalog` can lead to, each with the first place that leads there.
pub fn combinations(setup: &LedgerSetup, catalog: &Catalog) -> BTreeMap<String, Reached> {
    let mut reached = BTreeMap::new();
    let mut add = |combination: String, need, place: &str| {
        let one = || Reached { need, place: place.to_owned() };
        let held: &mut Reached = reached.entry(combination).or_insert_with(one);
        if need < held.need {
            *held = one();
        }
    };
    for purpose in setup.accounts.keys() {
        if let Some(combination) = setup.account(purpose) {
            add(combination, Need::Certain, &format!("ledger.accounts.{purpose}"));
        }
    }
    let mut centers = BTreeSet::new();
    for (account, center, place) in products(setup, catalog) {
        add(setup.combination_of(&account, &center), Need::Certain, &place);
        centers.insert(center);
    }
    for center in &centers {
        for (purpose, account) in &setup.accounts {
            let place = format!("ledger.accounts.{purpose} at cost centre {center}");
            add(setup.combination_of(account, center), Need::Possible, &place);
        }
    }
    reached
}

/// Accounts with their cost centres and the rules that decide, as the catalog resolves each SKU wherever it may be sold.
fn products(setup: &LedgerSetup, catalog: &Catalog) -> BTreeSet<(String, String, String)> {
    let index = catalog.index();
    let skus = catalog.rules.iter().filter_map(|rule| match &rule.subject {
        Subject::Sku(sku) => Some(sku),
        Subject::ProductType(_) => None,
    });
    let mut found = BTreeSet::new();
    for sku in skus.collect::<BTreeSet<_>>() {
        // Few rules bear on one SKU: to resolve among all of them for each would take the square of the catalog.
        let few = Catalog { rules: index.bearing_on(sku).cloned().collect() };
        let sold = few.rules.iter().filter_map(|rule| rule.marketplace.as_ref()).chain(setup.bill_to.keys());
        let sold: BTreeSet<_> = sold.collect();
        for day in few.edges() {
            for marketplace in &sold {
                let asked = Asked { sku, marketplace, day };
                let Some(entry) = few.resolve(asked, &setup.default_cost_center) else { continue };
                for account in [Some(entry.revenue), entry.cogs].into_iter().flatten() {
                    found.insert((account, entry.cost_center.clone(), entry.rule.clone()));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rule;
    use crate::id::{MarketplaceId, Sku};

    fn setup() -> LedgerSetup {
        let json = serde_json::json!({
            "business_unit": "BU", "ledger_name": "L", "ledger_id": "1", "data_access_set_id": "2",
            "ledger_currency": "USD", "conversion_type": "Corporate", "time_zone": "UTC",
            "transaction_source": "S", "invoice_type": "I", "credit_memo_source": "S", "credit_memo_type": "C",
            "payment_terms": "T", "journal_source": "A", "journal_category": "B", "bill_to": { "US": "1", "DE": "2" },
            "combination": { "delimiter": "-", "template": "01-{cost_center}-{account}" },
            "accounts": { "receivable": "12100", "commission": "61100" }, "default_cost_center": "000",
        });
        serde_json::from_value(json).expect("a ledger")
    }

    fn rule(subject: Subject, marketplace: Option<&str>, fields: [Option<&str>; 4], place: &str) -> Rule {
        let [product_type, revenue, cogs, cost_center] = fields.map(|field| field.map(str::to_owned));
        let marketplace = marketplace.map(MarketplaceId::from);
        Rule { marketplace, product_type, revenue, cogs, cost_center, ..Rule::about(subject, place) }
    }

    #[test]
    fn what_products_and_purposes_lead_to_is_found_and_what_nothing_sells_is_not() {
        let kind = |name: &str| Subject::ProductType(name.to_owned());
        let sku = |name: &str| Subject::Sku(Sku::from(name));
        let rules = vec![
            rule(kind("mugs"), None, [None, Some("41000"), Some("51000"), Some("110")], "c:2"),
            rule(kind("mugs"), Some("DE"), [None, Some("41100"), None, None], "c:3"),
            rule(kind("unsold"), None, [None, Some("49999"), None, Some("990")], "c:4"),
            rule(sku("A"), None, [Some("mugs"), None, None, None], "c:5"),
            rule(sku("B"), None, [None, Some("42000"), None, None], "c:6"),
            rule(sku("C"), None, [None, None, None, Some("120")], "c:7"),
        ];
        let found = combinations(&setup(), &Catalog { rules });
        let of = |need| {
            let some = found.iter().filter(|(_, reached)| reached.need == need);
            some.map(|(combination, _)| combination.as_str()).collect::<Vec<_>>()
        };
        let certain =
            ["01-000-12100", "01-000-42000", "01-000-61100", "01-110-41000", "01-110-41100", "01-110-51000"];
        assert_eq!(of(Need::Certain), certain);
        assert_eq!(of(Need::Possible), ["01-110-12100", "01-110-61100"]);
        assert_eq!(found["01-110-41100"].place, "c:5 < c:3 < c:2");
        assert_eq!(found["01-000-61100"].place, "ledger.accounts.commission");
    }

    #[test]
    fn a_large_catalog_is_resolved_product_by_product() {
        let kind = |n: usize| format!("type{}", n % 50);
        let mut rules: Vec<Rule> = (0..50)
            .map(|n| rule(Subject::ProductType(kind(n)), None, [None, Some("41000"), None, Some("110")], "t"))
            .collect();
        rules.extend((0..20_000).map(|n| {
            let kind = kind(n);
            rule(Subject::Sku(format!("S{n}").as_str().into()), None, [Some(&kind), None, None, None], "s")
        }));
        assert!(combinations(&setup(), &Catalog { rules }).contains_key("01-110-41000"));
    }
}
