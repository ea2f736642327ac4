//! Shipments of an order sum to it.

use proptest::prelude::*;

use super::*;
use crate::canonical::Package;
use crate::money::Currency;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_790_812_800 + day * 86_400).expect("in range")
}

fn day(at: Timestamp) -> Date {
    crate::canonical::day_in(at, &jiff::tz::TimeZone::UTC)
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn item(id: &str, (ordered, fulfilled): (u32, u32), charges: &[(&str, i64)]) -> OrderItem {
    OrderItem {
        id: id.into(),
        sku: id.into(),
        title: String::new(),
        quantity_ordered: ordered,
        quantity_fulfilled: fulfilled,
        charges: charges
            .iter()
            .map(|(kind, minor)| Charge { kind: (*kind).to_owned(), amount: usd(*minor) })
            .collect(),
        tax_collection: String::new(),
    }
}

fn order(status: &str, items: Vec<OrderItem>) -> Order {
    let mut order = Order {
        id: "O1".into(),
        marketplace: "US".into(),
        status: status.to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        channel: "AMAZON".to_owned(),
        created: at(0),
        updated: at(5),
        shipped: (status == "SHIPPED").then(|| at(5)),
        replaces: None,
        total: None,
        items,
        packages: Vec::new(),
        shipment: None,
    };
    order.total = order.charges_total().expect("fits");
    order
}

fn mugs_and_lamp(status: &str, fulfilled: [u32; 2]) -> Order {
    let mugs = item("mug", (2, fulfilled[0]), &[("ITEM", 2_000), ("SHIPPING", 501)]);
    order(status, vec![mugs, item("lamp", (1, fulfilled[1]), &[("ITEM", 3_000), ("DISCOUNT", -100)])])
}

fn parts(due: Due) -> Vec<Shipment> {
    match due {
        Due::Parts(parts) => parts,
        other => panic!("{other:?}"),
    }
}

fn package(day: i64, items: &[(&str, u32)]) -> Package {
    let pieces = |(item, quantity): &(&str, u32)| Pieces { item: (*item).into(), quantity: *quantity };
    Package { shipped: at(day), items: items.iter().map(pieces).collect() }
}

#[test]
fn an_order_that_ships_at_once_is_left_whole() {
    assert_eq!(due(&mugs_and_lamp("SHIPPED", [2, 1]), &[], day), Due::Whole);
    let mut one_day = mugs_and_lamp("SHIPPED", [2, 1]);
    one_day.packages = vec![package(5, &[("mug", 1)]), package(5, &[("mug", 1), ("lamp", 1)])];
    assert_eq!(due(&one_day, &[], day), Due::Whole);
    assert_eq!(due(&mugs_and_lamp("UNSHIPPED", [0, 0]), &[], day), Due::Whole, "the mapper says what it is");
    assert_eq!(due(&mugs_and_lamp("PARTIALLY_SHIPPED", [0, 0]), &[], day), Due::Whole);
}

#[test]
fn what_has_left_since_is_a_shipment_and_the_last_takes_the_rest() {
    let first = parts(due(&mugs_and_lamp("PARTIALLY_SHIPPED", [1, 1]), &[], day));
    let [one] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((one.subject.as_str(), one.number, one.last, one.shipped), ("O1/1", 1, false, at(5)));
    let share = slice(&mugs_and_lamp("PARTIALLY_SHIPPED", [1, 1]), one).expect("fits");
    assert_eq!(
        (share.total, share.is_shipped(), share.subject()),
        (Some(usd(4_150)), true, "O1/1".to_owned())
    );
    assert_eq!(due(&mugs_and_lamp("PARTIALLY_SHIPPED", [1, 1]), &first, day), Due::Nothing);
    let whole = mugs_and_lamp("SHIPPED", [2, 1]);
    let rest = parts(due(&whole, &first, day));
    let [two] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!((two.subject.as_str(), two.last), ("O1/2", true));
    let share = slice(&whole, two).expect("fits");
    assert_eq!((share.total, share.items.len()), (Some(usd(1_251)), 1), "one mug and half its carriage");
    assert_eq!(due(&whole, &[one.clone(), two.clone()], day), Due::Nothing);
}

#[test]
fn packages_are_cut_by_day_even_if_they_are_seen_at_once() {
    let mut order = mugs_and_lamp("SHIPPED", [2, 1]);
    order.packages = vec![package(4, &[("mug", 1)]), package(1, &[("lamp", 1)]), package(4, &[("mug", 1)])];
    let found = parts(due(&order, &[], day));
    let shown: Vec<_> =
        found.iter().map(|one| (one.number, one.shipped, one.items.len(), one.last)).collect();
    assert_eq!(shown, [(1, at(1), 1, false), (2, at(4), 1, true)]);
    assert_eq!(found[1].items[0].quantity, 2);
    // The lamp was invoiced before the mugs' packages were known.
    let rest = parts(due(&order, &found[..1], day));
    assert_eq!(rest, found[1..]);
}

#[test]
fn what_never_ships_of_a_charge_is_in_the_last_and_nothing_is_left_alone() {
    let first = parts(due(&mugs_and_lamp("PARTIALLY_SHIPPED", [1, 1]), &[], day));
    // The second mug was cancelled, and its charges are gone: half of the mugs' is what one costs.
    let mut cancelled = mugs_and_lamp("SHIPPED", [1, 1]);
    cancelled.items[0] = item("mug", (1, 1), &[("ITEM", 1_000), ("SHIPPING", 250)]);
    cancelled.total = cancelled.charges_total().expect("fits");
    assert_eq!(due(&cancelled, &first, day), Due::Nothing);
    // It was not shipped, but the buyer pays for it.
    let kept = parts(due(&mugs_and_lamp("SHIPPED", [1, 1]), &first, day));
    assert_eq!(slice(&mugs_and_lamp("SHIPPED", [1, 1]), &kept[0]).expect("fits").total, Some(usd(1_251)));
}

#[test]
fn charges_that_do_not_come_to_the_total_wait_or_are_for_a_person() {
    let first = parts(due(&mugs_and_lamp("PARTIALLY_SHIPPED", [1, 1]), &[], day));
    let wrong = |status| Order { total: Some(usd(1)), ..mugs_and_lamp(status, [2, 1]) };
    assert_eq!(due(&wrong("PARTIALLY_SHIPPED"), &[], day), Due::Nothing);
    assert_eq!(due(&wrong("SHIPPED"), &[], day), Due::Whole);
    assert!(matches!(due(&wrong("SHIPPED"), &first, day), Due::Unclear(_)));
}

/// An order of up to four items, and how many pieces of each have left at up to four times, never fewer.
fn any_history() -> impl Strategy<Value = (Vec<OrderItem>, Vec<Vec<u32>>)> {
    let item_of = (1_u32..6, prop::collection::vec((0_usize..4, -50_000_i64..100_000), 1..4));
    prop::collection::vec(item_of, 1..4).prop_flat_map(|raw| {
        let items: Vec<OrderItem> = raw
            .iter()
            .enumerate()
            .map(|(n, (quantity, charges))| {
                let kinds = ["ITEM", "SHIPPING", "DISCOUNT", "TAX/ITEM"];
                let charges: Vec<_> = charges.iter().map(|(kind, minor)| (kinds[*kind], *minor)).collect();
                item(&format!("I{n}"), (*quantity, 0), &charges)
            })
            .collect();
        let seen: Vec<_> = raw.iter().map(|(quantity, _)| 0..=*quantity).collect();
        (Just(items), prop::collection::vec(seen, 0..4))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// However an order is seen to leave, its shipments sum to it, charge by charge, and every piece is in one.
    #[test]
    fn shipments_sum_to_their_order((items, seen) in any_history()) {
        let whole = order("SHIPPED", items);
        let mut invoiced: Vec<Shipment> = Vec::new();
        let mut slices: Vec<Order> = Vec::new();
        let mut left = vec![0; whole.items.len()];
        let all: Vec<u32> = whole.items.iter().map(|item| item.quantity_ordered).collect();
        let last = seen.len();
        for (n, now) in seen.into_iter().chain([all]).enumerate() {
            let mut order = whole.clone();
            order.status = if n == last { "SHIPPED" } else { "PARTIALLY_SHIPPED" }.to_owned();
            for ((item, left), now) in order.items.iter_mut().zip(&mut left).zip(now) {
                *left = now.max(*left);
                item.quantity_fulfilled = *left;
            }
            match due(&order, &invoiced, day) {
                Due::Nothing => {}
                Due::Whole => {
                    prop_assert!(invoiced.is_empty());
                    if order.is_shipped() {
                        return Ok(());
                    }
                }
                Due::Parts(parts) => {
                    for part in parts {
                        slices.push(slice(&order, &part).expect("fits"));
                        invoiced.push(part);
                    }
                }
                Due::Unclear(why) => prop_assert!(false, "{}", why),
            }
        }
        let sums = |orders: &[Order]| {
            let mut sums = BTreeMap::new();
            for item in orders.iter().flat_map(|order| &order.items) {
                for charge in &item.charges {
                    *sums.entry((item.id.clone(), charge.kind.clone())).or_insert(0) += charge.amount.minor;
                }
            }
            sums.retain(|_, minor| *minor != 0);
            sums
        };
        prop_assert_eq!(sums(&slices), sums(std::slice::from_ref(&whole)));
        let totals: i64 = slices.iter().filter_map(|slice| slice.total).map(|total| total.minor).sum();
        prop_assert_eq!(Some(totals), whole.total.map(|total| total.minor));
        let held = count(invoiced.iter().flat_map(|shipment| &shipment.items));
        for item in &whole.items {
            prop_assert_eq!(held.get(&item.id).copied().unwrap_or(0), item.quantity_ordered);
        }
        let numbers: Vec<u32> = invoiced.iter().map(|shipment| shipment.number).collect();
        prop_assert_eq!(numbers, (1..).take(invoiced.len()).collect::<Vec<u32>>());
    }
}

/// What a database that was put back does not know: two shipments were invoiced, and the order is seen whole.
#[test]
fn the_pieces_of_an_invoice_are_found_by_what_it_comes_to() {
    let whole = mugs_and_lamp("SHIPPED", [2, 1]);
    let over = |invoiced: &[Shipment], minor| {
        let found = crate::restored::shipments_over(&whole, invoiced, usd(minor), at(3));
        let held = |one: &Pieces| (one.item.as_str().to_owned(), one.quantity);
        found.iter().map(|one| (one.items.iter().map(held).collect::<Vec<_>>(), one.last)).collect::<Vec<_>>()
    };
    let piece = |item: &str, quantity| (item.to_owned(), quantity);
    // A mug bears half of its charges, rounded down.
    assert_eq!(over(&[], 1_250), [(vec![piece("mug", 1)], false)]);
    assert_eq!(over(&[], 2_900), [(vec![piece("lamp", 1)], false)]);
    assert_eq!(over(&[], 4_150), [(vec![piece("mug", 1), piece("lamp", 1)], false)]);
    assert_eq!(over(&[], 1_251), [], "no pieces come to this");
    let first = crate::restored::shipments_over(&whole, &[], usd(1_250), at(3)).remove(0);
    assert_eq!((first.subject.as_str(), first.number, first.shipped), ("O1/1", 1, at(3)));
    // The last one takes what is left, with what rounding left over.
    assert_eq!(over(std::slice::from_ref(&first), 4_151), [(vec![piece("mug", 1), piece("lamp", 1)], true)]);
    let rest = crate::restored::shipments_over(&whole, std::slice::from_ref(&first), usd(4_151), at(4));
    assert_eq!(due(&whole, &[first, rest[0].clone()], day), Due::Nothing);
}

#[test]
fn an_order_of_very_many_pieces_is_left_to_a_person() {
    let items = (0..13).map(|n| item(&format!("i{n}"), (1, 1), &[("ITEM", 100)])).collect();
    assert_eq!(crate::restored::shipments_over(&order("SHIPPED", items), &[], usd(100), at(3)), []);
}
