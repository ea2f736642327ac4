//! Orders and their way through the statuses.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{MARKETPLACES, Marketplace, ScenarioOptions, Seller};
use crate::clock::{DAY, HOUR};

/// Amazon's fulfilment status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Payment not authorised: no money is stated.
    Pending,
    /// To be shipped.
    Unshipped,
    /// Part of it has left.
    PartiallyShipped,
    /// All of it has left.
    Shipped,
    /// Never will.
    Cancelled,
}

impl Status {
    /// As Amazon writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Unshipped => "UNSHIPPED",
            Self::PartiallyShipped => "PARTIALLY_SHIPPED",
            Self::Shipped => "SHIPPED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// What the books should make of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// A receivable over its total.
    Invoice,
    /// Nothing until somebody maps its products.
    Review,
    /// Nothing.
    Skip,
}

/// An item; amounts in minor units.
#[derive(Debug, Clone)]
pub struct Item {
    /// Amazon's id, with leading zeros.
    pub id: String,
    /// Product.
    pub product: usize,
    /// Pieces.
    pub quantity: u32,
    /// Cancelled by itself: nothing shipped, nothing charged.
    pub cancelled: bool,
    /// Price of the goods.
    pub price: i64,
    /// Carriage.
    pub shipping: i64,
    /// Wrapping.
    pub gift_wrap: i64,
    /// What is taken off, as a positive size.
    pub discount: i64,
    /// Tax on goods, carriage and wrapping, where it comes on top.
    pub taxes: [i64; 3],
}

impl Item {
    /// What the buyer pays for it.
    pub fn total(&self) -> i64 {
        self.price + self.shipping + self.gift_wrap - self.discount + self.taxes.iter().sum::<i64>()
    }
}

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Seller.
    pub seller: usize,
    /// Amazon's id.
    pub id: String,
    /// Marketplace.
    pub marketplace: &'static Marketplace,
    /// Status changes, oldest first.
    pub timeline: Vec<(i64, Status)>,
    /// Items.
    pub items: Vec<Item>,
    /// The order that it replaces free of charge.
    pub replaces: Option<String>,
    /// Sold elsewhere and only fulfilled by Amazon (multi-channel fulfilment): no money passes through Amazon.
    pub elsewhere: bool,
    /// What the books should make of it.
    pub expectation: Expectation,
}

impl Order {
    /// The status at a time, with when it began; `None` before the order exists.
    pub fn at(&self, now: i64) -> Option<(i64, Status)> {
        self.timeline.iter().rev().find(|(at, _)| *at <= now).copied()
    }

    /// What the buyer pays.
    pub fn total(&self) -> i64 {
        self.items.iter().map(Item::total).sum()
    }

    /// Whether the seller ships it; Amazon ships most.
    pub fn by_merchant(&self) -> bool {
        self.id.as_bytes().last().is_some_and(|digit| *digit == b'3')
    }

    /// When it had wholly shipped.
    pub fn shipped(&self) -> Option<i64> {
        self.timeline.iter().find(|(_, status)| *status == Status::Shipped).map(|(at, _)| *at)
    }
}

pub(super) fn orders(
    n: usize,
    seller: &Seller,
    options: &ScenarioOptions,
    rng: &mut ChaCha8Rng,
) -> Vec<Order> {
    let start = options.start.as_millisecond();
    let mut orders: Vec<Order> = Vec::with_capacity((options.days * options.orders_per_day) as usize);
    for day in 0..i64::from(options.days) {
        for _ in 0..options.orders_per_day {
            let number = orders.len();
            let created = start + day * DAY + rng.random_range(0..DAY);
            let replaced = orders
                .last()
                .filter(|_| rng.random_ratio(1, 60))
                .map(|order| (order.id.clone(), order.marketplace));
            let id = format!(
                "{:03}-{:07}-{:07}",
                100 + n % 800,
                number / 1_000 * 7 + 1_000_000,
                1_000_000 + number
            );
            let order = order(n, seller, id, created, replaced, rng);
            // No draw: what follows stays as it is.
            let order = if number % ELSEWHERE_EVERY == 13 { sold_elsewhere(order) } else { order };
            orders.push(if number % PARTS_EVERY == 3 { in_parts(order) } else { order });
        }
    }
    orders
}

fn order(
    n: usize,
    seller: &Seller,
    id: String,
    created: i64,
    replaced: Option<(String, &'static Marketplace)>,
    rng: &mut ChaCha8Rng,
) -> Order {
    let drawn = marketplace(seller, rng);
    let marketplace = replaced.as_ref().map_or(drawn, |(_, marketplace)| marketplace);
    let timeline = timeline(created, rng);
    let shipped = timeline.iter().any(|(_, status)| *status == Status::Shipped);
    let count = rng.random_range(1..=10_u32).saturating_sub(7).max(1);
    let mut items: Vec<Item> = (0..count).map(|_| item(seller, marketplace, rng)).collect();
    let cancelled = items.len() > 1 && rng.random_ratio(1, 8);
    for item in items.iter_mut().take(if replaced.is_some() { usize::MAX } else { usize::from(cancelled) }) {
        let free = Item {
            cancelled: replaced.is_none(),
            price: 0,
            shipping: 0,
            gift_wrap: 0,
            discount: 0,
            taxes: [0; 3],
            ..item.clone()
        };
        *item = free;
    }
    let unmapped = items.iter().any(|item| !item.cancelled && !seller.products[item.product].mapped);
    let expectation = match (shipped && replaced.is_none(), unmapped) {
        (false, _) => Expectation::Skip,
        (true, true) => Expectation::Review,
        (true, false) => Expectation::Invoice,
    };
    let replaces = replaced.map(|(id, _)| id);
    Order { seller: n, id, marketplace, timeline, items, replaces, elsewhere: false, expectation }
}

/// One order in so many, of those that the seller ships, leaves in parts.
const PARTS_EVERY: usize = 4;

/// The order with half of the way from being paid to having left at which a part of it leaves.
fn in_parts(mut order: Order) -> Order {
    if let (true, [.., (paid, Status::Unshipped), (shipped, Status::Shipped)]) =
        (order.by_merchant(), order.timeline.as_slice())
    {
        let half = (*paid + *shipped) / 2;
        order.timeline.insert(order.timeline.len() - 1, (half, Status::PartiallyShipped));
    }
    order
}

/// One order in so many was sold elsewhere.
const ELSEWHERE_EVERY: usize = 67;

fn sold_elsewhere(order: Order) -> Order {
    let free = |item: Item| Item { price: 0, shipping: 0, gift_wrap: 0, discount: 0, taxes: [0; 3], ..item };
    let items = order.items.into_iter().map(free).collect();
    Order { items, replaces: None, elsewhere: true, expectation: Expectation::Skip, ..order }
}

fn marketplace(seller: &Seller, rng: &mut ChaCha8Rng) -> &'static Marketplace {
    // Of a hundred where it sells everywhere.
    let shares: u32 = seller.marketplaces().map(|marketplace| marketplace.share).sum();
    let mut drawn = rng.random_range(0..shares);
    for marketplace in seller.marketplaces() {
        if drawn < marketplace.share {
            return marketplace;
        }
        drawn -= marketplace.share;
    }
    &MARKETPLACES[0]
}

/// Shipped or cancelled within five days.
fn timeline(created: i64, rng: &mut ChaCha8Rng) -> Vec<(i64, Status)> {
    let authorised = created + rng.random_range(HOUR / 4..6 * HOUR);
    let mut timeline = vec![(created, Status::Pending)];
    if rng.random_ratio(1, 40) {
        timeline.push((authorised, Status::Cancelled));
        return timeline;
    }
    timeline.push((authorised, Status::Unshipped));
    let next = authorised + rng.random_range(2 * HOUR..60 * HOUR);
    if rng.random_ratio(1, 30) {
        timeline.push((next, Status::Cancelled));
        return timeline;
    }
    if rng.random_ratio(1, 20) {
        timeline.push((next, Status::PartiallyShipped));
    }
    timeline.push((next + rng.random_range(HOUR..40 * HOUR), Status::Shipped));
    timeline
}

fn item(seller: &Seller, marketplace: &Marketplace, rng: &mut ChaCha8Rng) -> Item {
    let product = rng.random_range(0..seller.products.len());
    let quantity = rng.random_range(1..=6_u32).saturating_sub(3).max(1);
    let local = |cents: i64| cents * marketplace.currency.per_cent() / 1_000;
    let price = local(seller.products[product].cents) * i64::from(quantity);
    let shipping = if rng.random_bool(0.3) { local(rng.random_range(299..1_299)) } else { 0 };
    let gift_wrap = if rng.random_bool(0.06) { local(rng.random_range(199..599)) } else { 0 };
    let discount = if rng.random_bool(0.15) { price * rng.random_range(5..30_i64) / 100 } else { 0 };
    // A US rate in hundredths of a percent, on what is left after the discount.
    let rate = if marketplace.vat_percent == 0 { rng.random_range(0..1_000_i64) } else { 0 };
    let tax = |amount: i64| amount * rate / 10_000;
    Item {
        id: format!("{:014}", rng.random_range(0..10_000_000_000_000_u64)),
        product,
        quantity,
        cancelled: false,
        price,
        shipping,
        gift_wrap,
        discount,
        taxes: [tax(price - discount), tax(shipping), tax(gift_wrap)],
    }
}
