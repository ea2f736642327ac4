//! What a catalog means for what is stored: which products it maps, by which rule, and what another would change.

use std::collections::{BTreeMap, HashMap};

use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::catalog::{Asked, Catalog, CatalogEntry, Rule};
use ml_connector_domain::{Date, MarketplaceId, Money, Sku};

use crate::seller::Dated as _;
use crate::{Parts, Seller, StageError, kind, map, stage, stored};

/// Records read at once.
const PAGE: u32 = 500;

/// A product as it was sold, charged or moved on one day in one marketplace, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The product.
    pub sku: Sku,
    /// Where.
    pub marketplace: MarketplaceId,
    /// The day on which the catalog is asked.
    pub day: Date,
    /// Orders with it.
    pub orders: u64,
    /// Transactions with it.
    pub transactions: u64,
    /// What buyers pay for it.
    pub charged: Money,
    /// What its legs come to.
    pub moved: Money,
}

type UseKey = (Sku, MarketplaceId, Date, String);

/// What a seller's stored orders and transactions ask of a catalog, dated within a range. Orders that are no sale, and
/// what is from before the books begin, are left out.
///
/// # Errors
/// The store failed.
pub async fn uses(parts: &Parts, seller: &Seller, (from, to): (Date, Date)) -> Result<Vec<Use>, StageError> {
    let mut found = BTreeMap::new();
    for kind in [kind::ORDER, kind::TRANSACTION] {
        let mut after = String::new();
        loop {
            let page = parts.store.newest_records(&seller.id, kind, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            last.natural_id.clone_into(&mut after);
            for row in page.iter().filter(|row| row.stage != stage::HISTORY) {
                match kind {
                    kind::ORDER => of_order(seller, &stored("order", &row.record)?, (from, to), &mut found)?,
                    _ => {
                        of_transaction(seller, &stored("transaction", &row.record)?, (from, to), &mut found)?
                    }
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

fn of_order(
    seller: &Seller,
    order: &Order,
    (from, to): (Date, Date),
    found: &mut BTreeMap<UseKey, Use>,
) -> Result<(), StageError> {
    let day = map::shipping_day(seller, order);
    if order.is_dead() || !(from..=to).contains(&day) {
        return Ok(());
    }
    for item in &order.items {
        let Some(first) = item.charges.first() else { continue };
        let asked = Asked { sku: &item.sku, marketplace: &order.marketplace, day };
        let used = entry(found, asked, first.amount);
        used.orders += 1;
        for charge in item.charges.iter().filter(|one| one.amount.currency == first.amount.currency) {
            used.charged = used.charged.checked_add(charge.amount)?;
        }
    }
    Ok(())
}

fn of_transaction(
    seller: &Seller,
    transaction: &Transaction,
    (from, to): (Date, Date),
    found: &mut BTreeMap<UseKey, Use>,
) -> Result<(), StageError> {
    if !transaction.counts() {
        return Ok(());
    }
    let mut counted = std::collections::BTreeSet::new();
    let legs = transaction.legs.iter().filter(|leg| leg.sku.is_some());
    for (asked, leg) in transaction.products(seller).into_iter().zip(legs) {
        if !(from..=to).contains(&asked.day) {
            continue;
        }
        let used = entry(found, asked, leg.amount);
        used.moved = used.moved.checked_add(leg.amount)?;
        if counted.insert(asked.sku) {
            used.transactions += 1;
        }
    }
    Ok(())
}

fn entry<'a>(found: &'a mut BTreeMap<UseKey, Use>, asked: Asked<'_>, like: Money) -> &'a mut Use {
    let currency = like.currency;
    let key = (asked.sku.clone(), asked.marketplace.clone(), asked.day, currency.code().to_owned());
    found.entry(key).or_insert_with(|| Use {
        sku: asked.sku.clone(),
        marketplace: asked.marketplace.clone(),
        day: asked.day,
        orders: 0,
        transactions: 0,
        charged: Money::zero(currency),
        moved: Money::zero(currency),
    })
}

/// A product with what a catalog says of it over a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The product.
    pub sku: Sku,
    /// Where.
    pub marketplace: MarketplaceId,
    /// What the catalog says; `None` if it is not mapped.
    pub entry: Option<CatalogEntry>,
    /// Days from and to which that was asked.
    pub days: (Date, Date),
    /// Orders.
    pub orders: u64,
    /// Transactions.
    pub transactions: u64,
    /// What buyers pay, by currency.
    pub charged: Vec<Money>,
    /// What legs come to, by currency.
    pub moved: Vec<Money>,
}

/// Sums uses by product, marketplace and what the catalog says; what is not mapped first.
///
/// # Errors
/// A sum does not fit.
pub fn coverage(uses: &[Use], catalog: &Catalog, cost_center: &str) -> Result<Vec<Covered>, StageError> {
    let index = catalog.index();
    let mut found: Vec<Covered> = Vec::new();
    let mut places: HashMap<(Sku, MarketplaceId, Option<String>), usize> = HashMap::new();
    for one in uses {
        let asked = Asked { sku: &one.sku, marketplace: &one.marketplace, day: one.day };
        let entry = index.resolve(asked, cost_center);
        let rule = entry.as_ref().map(|entry| entry.rule.clone());
        let key = (one.sku.clone(), one.marketplace.clone(), rule);
        let at = *places.entry(key).or_insert(found.len());
        if at == found.len() {
            found.push(Covered {
                sku: one.sku.clone(),
                marketplace: one.marketplace.clone(),
                entry,
                days: (one.day, one.day),
                orders: 0,
                transactions: 0,
                charged: Vec::new(),
                moved: Vec::new(),
            });
        }
        let covered = &mut found[at];
        covered.days = (covered.days.0.min(one.day), covered.days.1.max(one.day));
        covered.orders += one.orders;
        covered.transactions += one.transactions;
        add(&mut covered.charged, one.charged)?;
        add(&mut covered.moved, one.moved)?;
    }
    found.sort_by_key(|covered| covered.entry.is_some());
    Ok(found)
}

/// Adds an amount to the sum of its currency; zero adds no currency.
///
/// # Errors
/// The sum does not fit.
pub fn add(sums: &mut Vec<Money>, amount: Money) -> Result<(), StageError> {
    match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
        Some(sum) => *sum = sum.checked_add(amount)?,
        None if amount.minor == 0 => {}
        None => sums.push(amount),
    }
    Ok(())
}

/// How a rule differs between two catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleChange {
    /// Only the second has it.
    Added(Rule),
    /// Only the first has it.
    Removed(Rule),
    /// Both have a rule about this, and they say different things.
    Changed(Box<(Rule, Rule)>),
}

/// Compares two catalogs' rules by what they are about: subject, place and days. Where they stand in their files does
/// not count.
pub fn compare_rules(one: &Catalog, other: &Catalog) -> Vec<RuleChange> {
    let about = |rule: &Rule| {
        (rule.subject.clone(), rule.marketplace.clone(), rule.region, rule.valid_from, rule.valid_to)
    };
    let mut rest: HashMap<_, &Rule> = other.rules.iter().map(|rule| (about(rule), rule)).collect();
    let mut found = Vec::new();
    for rule in &one.rules {
        match rest.remove(&about(rule)) {
            None => found.push(RuleChange::Removed(rule.clone())),
            Some(new) => {
                let moved = Rule { place: rule.place.clone(), ..new.clone() };
                if moved != *rule {
                    found.push(RuleChange::Changed(Box::new((rule.clone(), new.clone()))));
                }
            }
        }
    }
    let added = other.rules.iter().filter(|rule| rest.contains_key(&about(rule)));
    found.extend(added.cloned().map(RuleChange::Added));
    found
}

/// A product that two catalogs map otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remapped {
    /// The product as stored records have it.
    pub used: Use,
    /// By the first.
    pub before: Option<CatalogEntry>,
    /// By the second.
    pub after: Option<CatalogEntry>,
}

/// The uses that two catalogs map to other accounts, cost centres or costs.
pub fn compare_uses(uses: &[Use], (one, other): (&Catalog, &Catalog), cost_center: &str) -> Vec<Remapped> {
    let (one, other) = (one.index(), other.index());
    let mapping = |entry: &Option<CatalogEntry>| {
        entry.as_ref().map(|e| (e.revenue.clone(), e.cogs.clone(), e.cost_center.clone(), e.extra.clone()))
    };
    let remapped = |used: &Use| {
        let asked = Asked { sku: &used.sku, marketplace: &used.marketplace, day: used.day };
        let (before, after) = (one.resolve(asked, cost_center), other.resolve(asked, cost_center));
        (mapping(&before) != mapping(&after)).then(|| Remapped { used: used.clone(), before, after })
    };
    uses.iter().filter_map(remapped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog_file::parse;

    const HEADER: &str =
        "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,valid_from,valid_to\n";

    fn catalog(rows: &str) -> Catalog {
        parse("c.csv", &format!("{HEADER}{rows}")).expect("good")
    }

    fn used(sku: &str, day: &str, minor: i64) -> Use {
        let charged = Money::new(minor, ml_connector_domain::Currency::USD);
        Use {
            sku: sku.into(),
            marketplace: "US".into(),
            day: day.parse().expect("a day"),
            orders: 1,
            transactions: 0,
            charged,
            moved: Money::zero(charged.currency),
        }
    }

    #[test]
    fn coverage_sums_by_product_and_rule_and_names_what_is_not_mapped_first() {
        let catalog = catalog("A,,,41000,,,,2026-10-31\nA,,,41100,,,2026-11-01,\n");
        let uses = [
            used("A", "2026-10-01", 5),
            used("A", "2026-10-31", 7),
            used("A", "2026-11-01", 11),
            used("B", "2026-10-01", 13),
        ];
        let found = coverage(&uses, &catalog, "000").expect("sums");
        let rows: Vec<_> = found
            .iter()
            .map(|row| {
                (
                    row.sku.as_str(),
                    row.entry.as_ref().map(|e| e.rule.as_str()),
                    row.orders,
                    row.charged[0].minor,
                )
            })
            .collect();
        assert_eq!(rows, [("B", None, 1, 13), ("A", Some("c.csv:2"), 2, 12), ("A", Some("c.csv:3"), 1, 11)]);
    }

    #[test]
    fn two_catalogs_are_compared_by_rules_and_by_what_they_map() {
        let one = catalog("A,,,41000,,,,\nB,,,41000,,,,\nC,,,41000,,,,\n");
        let other = catalog("D,,,41000,,,,\nC,,,41000,,,,\nA,,,41100,,,,\n");
        let found: Vec<&str> = compare_rules(&one, &other)
            .iter()
            .map(|change| match change {
                RuleChange::Added(_) => "added",
                RuleChange::Removed(_) => "removed",
                RuleChange::Changed(_) => "changed",
            })
            .collect();
        assert_eq!(found, ["changed", "removed", "added"]);
        let uses = [used("A", "2026-10-01", 5), used("C", "2026-10-01", 7)];
        let remapped = compare_uses(&uses, (&one, &other), "000");
        assert_eq!(remapped.len(), 1);
        assert_eq!(remapped[0].after.as_ref().map(|entry| entry.revenue.as_str()), Some("41100"));
    }
}
