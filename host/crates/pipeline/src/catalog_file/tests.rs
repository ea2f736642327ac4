use super::*;

const HEADER: &str = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center\n";

#[test]
fn reads_rules_with_their_places() {
    let text = format!("{HEADER},mugs,,41000,51000,110\nMUG-1,mugs,,,,\n\"MUG, big\",,UK,41200,,120\n");
    let catalog = parse("c.csv", &text).expect("good");
    let resolve = |sku: &str, place: &str| {
        let asked = Asked { sku: &sku.into(), marketplace: &place.into(), day: Date::MIN };
        catalog.resolve(asked, "000")
    };
    let entry = resolve("MUG-1", "US").expect("mapped");
    assert_eq!((entry.revenue.as_str(), entry.rule.as_str()), ("41000", "c.csv:3 < c.csv:2"));
    assert!(resolve("MUG, big", "UK").is_some());
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let rows = [
        ("MUG-1,,,41 000,,\n", "c.csv:2:9: revenue_account `41 000` is no segment value"),
        (",,,41000,,\n", "c.csv:2:1: a row needs a sku or a product_type"),
        ("MUG-1,mugs,,,,\n", "c.csv:2:1: MUG-1 has no revenue_account, and neither has product type `mugs`"),
        ("MUG-1,,,41000,\n", "c.csv:2:1: 5 fields, the header has 6"),
        ("A,,,1,,\nA,,,2,,\n", "c.csv:3:1: line 2 is about the same product and marketplace"),
    ];
    for (body, wanted) in rows {
        let errors = parse("c.csv", &format!("{HEADER}{body}")).expect_err(body);
        assert!(errors.iter().any(|e| e.to_string().contains(wanted)), "{body}: {errors:?}");
    }
    let errors = parse("c.csv", "sku,typo\n").expect_err("bad header");
    assert!(errors[0].to_string().contains("unknown column `typo`"));
}

const DATED: &str = "sku,product_type,marketplace,revenue_account,cogs_account,cost_center,region,valid_from,valid_to,unit_cost,unit_cost_currency\n";

#[test]
fn dates_regions_and_costs_are_read() {
    let text = format!(
        "{DATED},mugs,,41000,51000,110,,,,420,USD\nMUG-1,mugs,,,,,,,2026-10-31,,\nMUG-1,mugs,,41100,,,,2026-11-01,,450,USD\nMUG-1,,,41200,,,eu,2026-11-01,,,\n"
    );
    let catalog = parse("c.csv", &text).expect("good");
    let on = |place: &str, day: &str| {
        let day = day.parse().expect("a day");
        let asked = Asked { sku: &"MUG-1".into(), marketplace: &place.into(), day };
        catalog.resolve(asked, "000").map(|entry| (entry.revenue, entry.rule, entry.extra[0].1.clone()))
    };
    let row =
        |revenue: &str, rule: &str, cost: &str| Some((revenue.to_owned(), rule.to_owned(), cost.to_owned()));
    assert_eq!(on("ATVPDKIKX0DER", "2026-10-31"), row("41000", "c.csv:3 < c.csv:2", "420"));
    assert_eq!(on("ATVPDKIKX0DER", "2026-11-01"), row("41100", "c.csv:4 < c.csv:2", "450"));
    assert_eq!(on("A1PA6795UKMFR9", "2026-11-01"), row("41200", "c.csv:5 < c.csv:4 < c.csv:2", "450"));
}

#[test]
fn mistakes_about_dates_regions_and_costs_have_their_place() {
    let rows = [
        ("A,,,1,,,eu,2026-02-30,,,\n", "CAT-FILE: c.csv:2:12: valid_from `2026-02-30` is no day"),
        ("A,,,1,,,,2026-03-02,2026-03-01,,\n", "valid_from 2026-03-02 is after valid_to 2026-03-01"),
        ("A,,US,1,,,eu,,,,\n", "c.csv:2:11: a row is about marketplace US or about region eu"),
        ("A,,,1,,,asia,,,,\n", "c.csv:2:9: region: `asia` is not a region: write na, eu or fe"),
        ("A,,,1,,,,,,4.20,USD\n", "unit_cost `4.20` is no number of minor units: write 420 for 4.20"),
        ("A,,,1,,,,,,420,\n", "unit_cost and unit_cost_currency go together"),
        (
            "A,,,1,,,,,2026-03-31,,\nA,,,2,,,,2026-03-31,,,\n",
            "CAT-AMBIGUOUS: c.csv:3:1: line 2 is about the same product and marketplace, and both hold on 2026-03-31",
        ),
        (
            ",m,,1,,,,,2026-03-31,,\nA,m,,,,,,,,,\n",
            "CAT-NO-REVENUE: c.csv:3:1: A has no revenue_account from 2026-04-01 on",
        ),
    ];
    for (body, wanted) in rows {
        let errors = parse("c.csv", &format!("{DATED}{body}")).expect_err(body);
        assert!(errors.iter().any(|e| e.to_string().contains(wanted)), "{body}: {errors:?}");
    }
    assert!(parse("c.csv", &format!("{DATED}A,,,1,,,,,2026-03-31,,\nA,,,2,,,,2026-04-01,,,\n")).is_ok());
}

#[test]
fn all_mistakes_come_at_once() {
    let errors = parse("c.csv", &format!("{HEADER},,,,,\nX,,,bad one,,\n")).expect_err("two mistakes");
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3]);
}
