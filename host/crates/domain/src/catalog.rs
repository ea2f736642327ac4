//! The catalog: which accounts a product's money goes to.

use serde::{Deserialize, Serialize};

use crate::id::{MarketplaceId, Sku};

/// One rule of the catalog. A rule names a SKU or a product type, and may be limited to one marketplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whom it is for.
    pub subject: Subject,
    /// The one marketplace it holds in; `None` means all.
    pub marketplace: Option<MarketplaceId>,
    /// The product's type, on a SKU's rule: joins it to the type's rule for whatever it leaves open.
    pub product_type: Option<String>,
    /// Natural revenue account.
    pub revenue: Option<String>,
    /// Natural cost-of-goods account.
    pub cogs: Option<String>,
    /// Cost centre.
    pub cost_center: Option<String>,
    /// `file:line`, for whoever asks why.
    pub place: String,
}

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the catalog says of one SKU in one marketplace, wholly decided.
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
}

impl Catalog {
    /// Decides for a SKU in a marketplace. From most to least specific: the SKU in this marketplace, the SKU
    /// anywhere, its product type in this marketplace, its product type anywhere; each field comes from the first
    /// rule that has it. `None` if the SKU is not named at all, or no rule gives a revenue account: nothing is
    /// ever posted to a default account.
    pub fn resolve(
        &self,
        sku: &Sku,
        marketplace: &MarketplaceId,
        default_cost_center: &str,
    ) -> Option<CatalogEntry> {
        let here = |rule: &&Rule| rule.marketplace.as_ref() == Some(marketplace);
        let anywhere = |rule: &&Rule| rule.marketplace.is_none();
        let of_sku = || self.rules.iter().filter(|rule| matches!(&rule.subject, Subject::Sku(s) if s == sku));
        let product_type =
            of_sku().filter(here).chain(of_sku().filter(anywhere)).find_map(|r| r.product_type.clone());
        let of_type = || {
            let wanted = product_type.as_deref();
            self.rules.iter().filter(
                move |rule| matches!(&rule.subject, Subject::ProductType(t) if Some(t.as_str()) == wanted),
            )
        };
        let by_precedence: Vec<&Rule> = of_sku()
            .filter(here)
            .chain(of_sku().filter(anywhere))
            .chain(of_type().filter(here))
            .chain(of_type().filter(anywhere))
            .collect();
        let first =
            |field: fn(&Rule) -> Option<&String>| by_precedence.iter().find_map(|rule| field(rule)).cloned();
        let places: Vec<&str> = by_precedence.iter().map(|rule| rule.place.as_str()).collect();
        Some(CatalogEntry {
            sku: sku.clone(),
            marketplace: marketplace.clone(),
            revenue: first(|rule| rule.revenue.as_ref())?,
            cogs: first(|rule| rule.cogs.as_ref()),
            cost_center: first(|rule| rule.cost_center.as_ref())
                .unwrap_or_else(|| default_cost_center.to_owned()),
            rule: places.join(" < "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(subject: Subject, marketplace: Option<&str>, fields: [Option<&str>; 3], place: &str) -> Rule {
        let [product_type, revenue, cost_center] = fields.map(|field| field.map(str::to_owned));
        Rule {
            subject,
            marketplace: marketplace.map(MarketplaceId::from),
            product_type,
            revenue,
            cogs: None,
            cost_center,
            place: place.to_owned(),
        }
    }

    fn catalog() -> Catalog {
        let sku = || Subject::Sku(Sku::from("MUG-1"));
        let kind = || Subject::ProductType("mugs".to_owned());
        Catalog {
            rules: vec![
                rule(kind(), None, [None, Some("41000"), Some("110")], "c:2"),
                rule(kind(), Some("DE"), [None, Some("41100"), None], "c:3"),
                rule(sku(), None, [Some("mugs"), None, None], "c:4"),
                rule(sku(), Some("UK"), [None, Some("41200"), Some("120")], "c:5"),
            ],
        }
    }

    #[test]
    fn the_most_specific_rule_that_has_a_field_gives_it() {
        let rows = [("US", "41000", "110"), ("DE", "41100", "110"), ("UK", "41200", "120")];
        for (marketplace, revenue, cost_center) in rows {
            let entry = catalog().resolve(&"MUG-1".into(), &marketplace.into(), "000").expect("mapped");
            assert_eq!(
                (entry.revenue.as_str(), entry.cost_center.as_str()),
                (revenue, cost_center),
                "{marketplace}"
            );
        }
    }

    #[test]
    fn what_is_not_named_is_not_mapped() {
        assert_eq!(catalog().resolve(&"MUG-2".into(), &"US".into(), "000"), None);
        let only_type =
            Catalog { rules: vec![rule(Subject::Sku("A".into()), None, [Some("x"), None, None], "c:2")] };
        assert_eq!(only_type.resolve(&"A".into(), &"US".into(), "000"), None);
    }
}
