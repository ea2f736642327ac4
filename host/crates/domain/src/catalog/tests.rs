use super::*;
use crate::money::Currency;

fn rule(subject: Subject, marketplace: Option<&str>, fields: [Option<&str>; 3], place: &str) -> Rule {
    let [product_type, revenue, cost_center] = fields.map(|field| field.map(str::to_owned));
    let marketplace = marketplace.map(MarketplaceId::from);
    Rule { marketplace, product_type, revenue, cost_center, ..Rule::about(subject, place) }
}

fn sku() -> Subject {
    Subject::Sku(Sku::from("MUG-1"))
}

fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

fn resolve(catalog: &Catalog, sku: &str, place: &str, on: &str) -> Option<CatalogEntry> {
    let asked = Asked { sku: &sku.into(), marketplace: &place.into(), day: day(on) };
    catalog.resolve(asked, "000")
}

fn catalog() -> Catalog {
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
        let entry = resolve(&catalog(), "MUG-1", marketplace, "2026-10-01").expect("mapped");
        assert_eq!(
            (entry.revenue.as_str(), entry.cost_center.as_str()),
            (revenue, cost_center),
            "{marketplace}"
        );
    }
}

#[test]
fn what_is_not_named_is_not_mapped() {
    assert_eq!(resolve(&catalog(), "MUG-2", "US", "2026-10-01"), None);
    let only_type =
        Catalog { rules: vec![rule(Subject::Sku("A".into()), None, [Some("x"), None, None], "c:2")] };
    assert_eq!(resolve(&only_type, "A", "US", "2026-10-01"), None);
}

/// A marketplace before its region before everywhere, a SKU before its type at each; days cut between.
#[test]
fn a_region_stands_between_a_marketplace_and_everywhere() {
    let (de, fr, us) = ("A1PA6795UKMFR9", "A13V1IB3VIYZZH", "ATVPDKIKX0DER");
    let eu = |subject, revenue: &str, place| Rule {
        region: Some(Region::Eu),
        revenue: Some(revenue.to_owned()),
        ..Rule::about(subject, place)
    };
    let kind = Subject::ProductType("mugs".to_owned());
    let rules = vec![
        rule(kind.clone(), None, [None, Some("41000"), None], "c:2"),
        eu(kind, "41100", "c:3"),
        rule(sku(), None, [Some("mugs"), None, None], "c:4"),
        rule(sku(), Some(de), [None, Some("41300"), None], "c:5"),
    ];
    let mut catalog = Catalog { rules };
    let revenue = |catalog: &Catalog, place| {
        resolve(catalog, "MUG-1", place, "2026-10-01").map(|entry| entry.revenue).expect("mapped")
    };
    let all = |catalog: &Catalog| [de, fr, us, "unlisted"].map(|place| revenue(catalog, place));
    assert_eq!(all(&catalog), ["41300", "41100", "41000", "41000"]);
    catalog.rules.push(eu(sku(), "41200", "c:6"));
    assert_eq!(all(&catalog), ["41300", "41200", "41000", "41000"]);
}

#[test]
fn a_rule_holds_from_its_first_to_its_last_day() {
    let dated = |from: Option<&str>, to: Option<&str>, revenue: &str, minor| Rule {
        valid_from: from.map(day),
        valid_to: to.map(day),
        revenue: Some(revenue.to_owned()),
        unit_cost: Some(Money::new(minor, Currency::USD)),
        ..Rule::about(sku(), revenue)
    };
    let rules = vec![
        dated(None, Some("2026-10-31"), "41000", 420),
        dated(Some("2026-11-01"), Some("2026-11-30"), "41100", 450),
    ];
    assert_eq!(rules[0].overlap(&rules[1]), None);
    assert_eq!(dated(Some("2026-10-31"), None, "1", 1).overlap(&rules[0]), Some(day("2026-10-31")));
    let catalog = Catalog { rules };
    let on =
        |day| resolve(&catalog, "MUG-1", "US", day).map(|entry| (entry.revenue, entry.extra[0].1.clone()));
    assert_eq!(on("2026-10-31"), Some(("41000".to_owned(), "420".to_owned())));
    assert_eq!(on("2026-11-01"), Some(("41100".to_owned(), "450".to_owned())));
    assert_eq!(on("2026-12-01"), None);
    let edges: Vec<String> = catalog.edges().into_iter().skip(1).map(|day| day.to_string()).collect();
    assert_eq!(edges, ["2026-11-01", "2026-12-01"]);
}

/// What is stored of catalogs and batches from before there were dates keeps its bytes, and with them its hash.
#[test]
fn a_catalog_without_dates_is_stored_as_before() {
    let stored = serde_json::to_string(&catalog().rules[0]).expect("JSON");
    let before = r#"{"subject":{"ProductType":"mugs"},"marketplace":null,"product_type":null,"revenue":"41000","cogs":null,"cost_center":"110","place":"c:2"}"#;
    assert_eq!(stored, before);
    let entry = resolve(&catalog(), "MUG-1", "US", "2026-10-01").expect("mapped");
    assert!(!serde_json::to_string(&entry).expect("JSON").contains("extra"));
}
