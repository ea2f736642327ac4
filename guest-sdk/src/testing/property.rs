//! What must hold of every mapper, whatever comes in.

use std::collections::BTreeMap;

use super::{assert_balanced, order, transaction};
use crate::{
    BatchContext, CreditMemoOutcome, DocumentLine, Mapper, Order, OrderOutcome, Transaction,
    TransactionOutcome,
};

/// Runs [`assert_idempotent`], [`assert_order_independent`] and [`assert_all_balanced`] over made-up batches of a
/// hundred orders and a hundred transactions, of the products in the context. A failure names the seed.
///
/// # Panics
/// A property does not hold.
#[track_caller]
pub fn assert_properties<M: Mapper>(context: &BatchContext, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let (orders, transactions) = (any_orders(context, seed, 100), any_transactions(context, seed, 100));
        let checked = std::panic::catch_unwind(|| {
            assert_idempotent::<M>(context, &orders, &transactions);
            assert_order_independent::<M>(context, &orders, &transactions);
            assert_all_balanced::<M>(context, &orders, &transactions);
        });
        if let Err(panic) = checked {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            panic!("seed {seed}: {}", words.unwrap_or_else(|| "a property does not hold".to_owned()));
        }
    }
}

/// The same batch gives the same outcomes again: a mapper keeps nothing between calls.
///
/// # Panics
/// It does not.
#[track_caller]
pub fn assert_idempotent<M: Mapper>(context: &BatchContext, orders: &[Order], transactions: &[Transaction]) {
    assert_eq!(M::map_orders(context, orders), M::map_orders(context, orders), "the second time it differs");
    let map = || M::map_transactions(context, transactions);
    assert_eq!(map(), map(), "the second time it differs");
}

/// A record means the same alone, first or last in its batch; and the order in which Amazon lists an order's items
/// or a transaction's legs moves no amount to another account.
///
/// # Panics
/// It does not, or it does.
#[track_caller]
pub fn assert_order_independent<M: Mapper>(
    context: &BatchContext,
    orders: &[Order],
    transactions: &[Transaction],
) {
    let together = M::map_orders(context, orders);
    assert_eq!(together.len(), orders.len(), "not one outcome for each order");
    let backwards: Vec<Order> = orders.iter().rev().cloned().collect();
    let mut backwards = M::map_orders(context, &backwards);
    backwards.reverse();
    for ((order, outcome), other) in orders.iter().zip(&together).zip(&backwards) {
        assert_eq!(outcome, other, "{} means something else in another place of its batch", order.id);
        let alone = M::map_orders(context, std::slice::from_ref(order));
        assert_eq!(Some(outcome), alone.first(), "{} means something else alone", order.id);
        let mut turned = order.clone();
        turned.items.reverse();
        let turned = M::map_order(context, &turned);
        assert_eq!(of_order(outcome), of_order(&turned), "{}: the items' order matters", order.id);
    }
    let together = M::map_transactions(context, transactions);
    assert_eq!(together.len(), transactions.len(), "not one outcome for each transaction");
    for (transaction, outcome) in transactions.iter().zip(&together) {
        let alone = M::map_transactions(context, std::slice::from_ref(transaction));
        assert_eq!(Some(outcome), alone.first(), "{} means something else alone", transaction.id);
        let mut turned = transaction.clone();
        turned.legs.reverse();
        let turned = of_transaction(&M::map_transaction(context, &turned));
        assert_eq!(of_transaction(outcome), turned, "{}: the legs' order matters", transaction.id);
    }
}

/// Every invoice sums to its order's total, every booking balances.
///
/// # Panics
/// One does not.
#[track_caller]
pub fn assert_all_balanced<M: Mapper>(
    context: &BatchContext,
    orders: &[Order],
    transactions: &[Transaction],
) {
    for (order, outcome) in orders.iter().zip(M::map_orders(context, orders)) {
        if let (OrderOutcome::Invoice(invoice), Some(total)) = (outcome, &order.total) {
            super::assert_sums_to(&invoice.lines, total);
        }
    }
    for (transaction, outcome) in transactions.iter().zip(M::map_transactions(context, transactions)) {
        if let TransactionOutcome::Booking(booking) = outcome {
            assert_balanced(context, transaction, &booking);
        }
    }
}

/// Amounts by account; what is no document is one entry in words.
type Amounts = BTreeMap<String, i64>;

fn add(to: &mut Amounts, prefix: &str, lines: &[DocumentLine]) {
    for line in lines {
        *to.entry(format!("{prefix}{}", line.account)).or_default() += line.amount.minor;
    }
}

fn of_order(outcome: &OrderOutcome) -> Amounts {
    let mut amounts = Amounts::new();
    match outcome {
        OrderOutcome::Invoice(invoice) => add(&mut amounts, "", &invoice.lines),
        OrderOutcome::Review(reasons) => {
            amounts.extend(reasons.iter().map(|reason| (format!("review {}", reason.subject), 0)));
        }
        OrderOutcome::Skip(why) => {
            amounts.insert(format!("skip {why}"), 0);
        }
    }
    amounts
}

fn of_transaction(outcome: &TransactionOutcome) -> Amounts {
    let mut amounts = Amounts::new();
    match outcome {
        TransactionOutcome::Booking(booking) => {
            for line in &booking.journal {
                *amounts.entry(line.account.clone()).or_default() += line.amount.minor;
            }
            if let Some(CreditMemoOutcome::CreditMemo(memo)) = &booking.credit_memo {
                add(&mut amounts, "credit memo ", &memo.lines);
            }
        }
        TransactionOutcome::Review(reasons) => {
            amounts.extend(reasons.iter().map(|reason| (format!("review {}", reason.subject), 0)));
        }
        TransactionOutcome::Skip(why) => {
            amounts.insert(format!("skip {why}"), 0);
        }
    }
    amounts
}

/// Numbers drawn from a seed (SplitMix64): the same on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of the numbers below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn minor(&mut self, end: u64) -> i64 {
        i64::try_from(self.below(end)).unwrap_or(0)
    }
}

/// Products to draw from: the catalog's, and one that it does not name.
fn products(context: &BatchContext) -> Vec<(String, String)> {
    let mut products: Vec<_> =
        context.catalog.iter().map(|entry| (entry.sku.clone(), entry.marketplace.clone())).collect();
    let place = products.first().map_or_else(|| "US".to_owned(), |(_, place)| place.clone());
    products.push(("NOT-IN-THE-CATALOG".to_owned(), place));
    products
}

/// Made-up orders of the context's products: one to four items of up to five charges, most of them shipped.
pub fn any_orders(context: &BatchContext, seed: u64, count: usize) -> Vec<Order> {
    let (products, mut draw) = (products(context), Draw(seed));
    let one = |n: usize, draw: &mut Draw| {
        let (_, place) = &products[pick(draw, products.len())];
        let here: Vec<&String> =
            products.iter().filter(|(_, other)| other == place).map(|(sku, _)| sku).collect();
        let items = 1 + draw.below(4);
        let drawn: Vec<(&str, Vec<(&str, i64)>)> = (0..items)
            .map(|_| {
                let price = 100 + draw.minor(50_000);
                let mut charges = vec![("ITEM", price), ("TAX/ITEM", price / 10)];
                for (kind, most) in [("SHIPPING", 2_000), ("GIFT_WRAP", 500)] {
                    if draw.below(3) == 0 {
                        charges.push((kind, 1 + draw.minor(most)));
                    }
                }
                if draw.below(3) == 0 {
                    charges.push(("DISCOUNT", -1 - draw.minor(99)));
                }
                (here[pick(draw, here.len())].as_str(), charges)
            })
            .collect();
        let items: Vec<(&str, &[(&str, i64)])> =
            drawn.iter().map(|(sku, charges)| (*sku, charges.as_slice())).collect();
        let made = order(place, &context.ledger.currency, &items).with_id(&format!("113-{seed:07}-{n:07}"));
        if draw.below(10) == 0 { made.with_status("CANCELLED") } else { made }
    };
    (0..count).map(|n| one(n, &mut draw)).collect()
}

/// Made-up transactions about the context's products: sales, refunds and fees of up to four legs.
pub fn any_transactions(context: &BatchContext, seed: u64, count: usize) -> Vec<Transaction> {
    const KINDS: [(&str, i64, &[&str]); 4] = [
        ("Shipment", 1, &["ProductCharges/Principal", "AmazonFees/Commission", "ProductCharges/Tax"]),
        ("Refund", -1, &["ProductCharges/Principal", "AmazonFees/Commission", "AmazonFees/RefundCommission"]),
        ("ServiceFee", -1, &["AmazonFees/Subscription"]),
        ("FBAStorageFee", -1, &["AmazonFees/StorageFee", "AmazonFees/LongTermStorageFee"]),
    ];
    let (products, mut draw) = (products(context), Draw(seed ^ 0x7478));
    let one = |n: usize, draw: &mut Draw| {
        let (kind, sign, paths) = KINDS[pick(draw, KINDS.len())];
        let (sku, place) = &products[pick(draw, products.len())];
        let legs: Vec<(&str, i64)> = paths
            .iter()
            .map(|path| {
                let fee = path.starts_with("AmazonFees") && kind == "Shipment";
                (*path, if fee { -sign } else { sign } * (1 + draw.minor(20_000)))
            })
            .collect();
        let sold = matches!(kind, "Shipment" | "Refund");
        let sku = sold.then_some(sku.as_str());
        let made = transaction(kind, place, &context.ledger.currency, sku, &legs);
        let about = format!("113-{seed:07}-{n:07}");
        made.with_id(&format!("T-{seed}-{n}")).about(sold.then_some(about.as_str()))
    };
    (0..count).map(|n| one(n, &mut draw)).collect()
}

fn pick(draw: &mut Draw, among: usize) -> usize {
    usize::try_from(draw.below(among as u64)).unwrap_or(0)
}
