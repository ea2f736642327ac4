//! What Amazon posts: transactions with their breakdowns, and the settlements they belong to.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::breakdowns::{Breakdown, leaf, node, refund_item, shipment_item, transaction_cut};
use super::{Currency, Item, Marketplace, Order, Profile, Region, ScenarioOptions, Seller, rates, year};
use crate::clock::{DAY, HOUR};

/// A settlement's length.
pub(crate) const CYCLE: i64 = 14 * DAY;

/// How long Amazon holds deferred money back (delivery date policy).
const DEFERRAL: i64 = 7 * DAY;

/// Orders ship within five days, refunds follow within twenty, deferrals take seven.
const LONGEST_TAIL_DAYS: u32 = 34;

/// Settlement cycles until all money of a scenario has been paid out.
pub(crate) fn cycles(options: &ScenarioOptions) -> i64 {
    let tail = match options.profile {
        Profile::Month => LONGEST_TAIL_DAYS,
        Profile::Year => year::LONGEST_TAIL_DAYS,
    };
    i64::from((options.days + tail).div_ceil(14))
}

/// An item of a transaction.
#[derive(Debug, Clone)]
pub struct TransactionItem {
    /// Order item id.
    pub order_item: String,
    /// Product.
    pub product: usize,
    /// Pieces.
    pub quantity: u32,
    /// Its cut of the money.
    pub breakdowns: Vec<Breakdown>,
}

/// A transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Seller.
    pub seller: usize,
    /// Region.
    pub region: Region,
    /// Amazon's id.
    pub id: String,
    /// Amazon's type.
    pub kind: &'static str,
    /// Description.
    pub description: &'static str,
    /// When it is posted.
    pub posted: i64,
    /// When it can first be read: up to two days after it was posted.
    pub visible: i64,
    /// Marketplace.
    pub marketplace: &'static Marketplace,
    /// Order, as an index.
    pub order: Option<usize>,
    /// Items; empty for fees.
    pub items: Vec<TransactionItem>,
    /// The transaction's own cut.
    pub breakdowns: Vec<Breakdown>,
    /// Settlement, as an index; `None` for a deferred one.
    pub group: Option<usize>,
    /// On a deferred one: when it is released, and by which transaction.
    pub released: Option<(i64, String)>,
    /// On a release: the deferred one.
    pub deferred: Option<String>,
}

impl Transaction {
    /// Its effect on the balance.
    pub fn total(&self) -> i64 {
        self.breakdowns.iter().map(|breakdown| breakdown.amount).sum()
    }

    /// Whether it takes back what a buyer paid: a credit memo over the order.
    pub fn is_refund(&self) -> bool {
        matches!(self.kind, "Refund" | "GuaranteeClaim" | "Chargeback") && self.buyer_total() != 0
    }

    /// What the buyer pays or gets back in it.
    pub fn buyer_total(&self) -> i64 {
        const BUYER: [&str; 5] = ["ProductCharges", "Tax", "Shipping", "GiftWrap", "Promotions"];
        let roots = self.items.iter().flat_map(|item| &item.breakdowns);
        roots.filter(|root| BUYER.contains(&root.name)).map(|root| root.amount).sum()
    }
}

/// A settlement.
#[derive(Debug, Clone)]
pub struct Group {
    /// Seller.
    pub seller: usize,
    /// Region.
    pub region: Region,
    /// Currency.
    pub currency: Currency,
    /// Amazon's id.
    pub id: String,
    /// Beginning.
    pub start: i64,
    /// End.
    pub end: i64,
    /// Currency of the bank account that it is paid out to.
    pub deposit: Currency,
    /// Sum of its transactions.
    pub total: i64,
    /// What is paid out, in the deposit's currency.
    pub paid_out: i64,
    /// How many there are.
    pub transactions: u32,
    /// Whether Amazon leaves the total out when the group is closed.
    pub total_missing: bool,
}

impl Group {
    /// Works out what is paid out.
    pub(super) fn pay_out(&mut self) {
        self.paid_out = match self.deposit == self.currency {
            true => self.total,
            false => rates::at(self.total, rates::of_payout(self.currency, self.deposit, self.last_day())),
        };
    }

    /// Currency and amount that its payout shows; `n` is its place in the list. The model does not say whether that is the
    /// settlement's currency or the bank account's: both occur.
    pub(crate) fn payout(&self, n: usize) -> (Currency, i64) {
        if n % 2 == 1 { (self.deposit, self.paid_out) } else { (self.currency, self.total) }
    }

    fn last_day(&self) -> jiff::civil::Date {
        let end = jiff::Timestamp::from_millisecond(self.end).unwrap_or_default();
        end.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
    }
}

/// Where a marketplace's money goes: pounds and yen to the account at home, other currencies to accounts of their own.
pub(super) fn deposit(marketplace: &Marketplace, home: Currency) -> Currency {
    match marketplace.currency {
        Currency::Gbp | Currency::Jpy => home,
        own => own,
    }
}

/// A seller's finances under construction.
pub(super) struct Books<'a> {
    pub(super) seller: usize,
    pub(super) markets: Vec<&'static Marketplace>,
    pub(super) home: Currency,
    pub(super) first_order: usize,
    pub(super) first_group: usize,
    pub(super) start: i64,
    pub(super) cycles: i64,
    pub(super) transactions: Vec<Transaction>,
    pub(super) rng: &'a mut ChaCha8Rng,
}

/// All transactions and settlements of a seller. The firsts are where its own orders and settlements begin in the
/// scenario's lists.
pub(super) fn finances(
    (n, seller): (usize, &Seller),
    (first_order, first_group): (usize, usize),
    orders: &[Order],
    options: &ScenarioOptions,
    rng: &mut ChaCha8Rng,
) -> (Vec<Transaction>, Vec<Group>) {
    let (start, cycles) = (options.start.as_millisecond(), cycles(options));
    let markets: Vec<&'static Marketplace> = seller.marketplaces().collect();
    let home = seller.fusion.ledger_currency;
    let mut groups = groups((n, home), &markets, start, cycles, rng);
    let transactions = Vec::new();
    let mut books =
        Books { seller: n, markets, home, first_order, first_group, start, cycles, transactions, rng };
    if options.profile == Profile::Year {
        year::happens(&mut books, orders, &mut groups, start + i64::from(options.days) * DAY);
        return (books.transactions, groups);
    }
    for (n, order) in orders.iter().enumerate() {
        if let Some(shipped) = order.shipped()
            && order.total() != 0
        {
            books.sale(n, order, shipped);
        }
    }
    books.fees();
    (books.transactions, groups)
}

/// A settlement for each marketplace's currency and cycle.
fn groups(
    (seller, home): (usize, Currency),
    markets: &[&'static Marketplace],
    start: i64,
    cycles: i64,
    rng: &mut ChaCha8Rng,
) -> Vec<Group> {
    markets
        .iter()
        .flat_map(|marketplace| (0..cycles).map(move |cycle| (marketplace, cycle)))
        .map(|(marketplace, cycle)| Group {
            seller,
            region: marketplace.region,
            currency: marketplace.currency,
            id: format!(
                "FEG{seller:03}{}{cycle:02}x{:08x}",
                marketplace.currency.code(),
                rng.random::<u32>()
            ),
            start: start + cycle * CYCLE,
            end: start + (cycle + 1) * CYCLE,
            deposit: deposit(marketplace, home),
            total: 0,
            paid_out: 0,
            transactions: 0,
            total_missing: rng.random_ratio(1, 6),
        })
        .collect()
}

impl Books<'_> {
    /// The settlement of a marketplace that a time falls into, as a place in the scenario's list.
    pub(super) fn group(&self, marketplace: &Marketplace, at: i64) -> usize {
        let place = self.markets.iter().position(|m| m.id == marketplace.id).unwrap_or(0);
        let cycle = ((at - self.start) / CYCLE).clamp(0, self.cycles - 1);
        let index = i64::try_from(place).unwrap_or(0) * self.cycles + cycle;
        self.first_group + usize::try_from(index).unwrap_or(0)
    }

    fn id(&mut self, kind: &str) -> String {
        let number = self.transactions.len();
        format!("{kind:.1}{:03}{number:08}{:030x}", self.seller, self.rng.random::<u128>() >> 8)
    }

    /// Posts a transaction that is paid out in the settlement of its posted date.
    pub(super) fn post(
        &mut self,
        kind: &'static str,
        description: &'static str,
        posted: i64,
        marketplace: &'static Marketplace,
    ) -> &mut Transaction {
        let id = self.id(kind);
        let visible = posted + self.rng.random_range(0..46 * HOUR);
        let group = Some(self.group(marketplace, posted));
        self.transactions.push(Transaction {
            seller: self.seller,
            region: marketplace.region,
            id,
            kind,
            description,
            posted,
            visible,
            marketplace,
            order: None,
            items: Vec::new(),
            breakdowns: Vec::new(),
            group,
            released: None,
            deferred: None,
        });
        self.transactions.last_mut().expect("one was just pushed")
    }

    fn sale(&mut self, n: usize, order: &Order, shipped: i64) {
        let posted = shipped + self.rng.random_range(HOUR..8 * HOUR);
        let sold: Vec<&Item> = order.items.iter().filter(|item| item.total() != 0).collect();
        self.shipments(n, order, posted);
        if self.rng.random_ratio(1, 5) {
            self.defer();
        }
        if self.rng.random_ratio(1, 15) {
            let refunded = posted + self.rng.random_range(DAY..18 * DAY);
            let whole = sold.len() == 1 || self.rng.random_bool(0.5);
            let chosen = &sold[..if whole { sold.len() } else { 1 }];
            let items = chosen.iter().map(|item| refund_item(item)).collect();
            self.with_items("Refund", "Refund Order", refunded, order, n, items);
            if self.rng.random_ratio(1, 10) {
                self.defer();
            }
        }
    }

    /// What the buyer pays for each shipment of an order, of which the last is paid for at `posted`.
    pub(super) fn shipments(&mut self, n: usize, order: &Order, posted: i64) {
        let items = |sold: &[Item]| -> Vec<TransactionItem> {
            let sold = sold.iter().filter(|item| item.total() != 0);
            sold.map(|item| shipment_item(order.marketplace, item)).collect()
        };
        let [first, rest] = order.parts();
        if let Some((left, _)) = order.first_part() {
            self.with_items("Shipment", "Order Payment", left + 3 * HOUR, order, n, items(&first));
        }
        self.with_items("Shipment", "Order Payment", posted, order, n, items(&rest));
    }

    pub(super) fn with_items(
        &mut self,
        kind: &'static str,
        description: &'static str,
        posted: i64,
        order: &Order,
        n: usize,
        items: Vec<TransactionItem>,
    ) {
        let index = self.first_order + n;
        let transaction = self.post(kind, description, posted, order.marketplace);
        transaction.order = Some(index);
        transaction.breakdowns = transaction_cut(&items);
        transaction.items = items;
    }

    /// Turns the last transaction into a deferred one with its release, as the delivery date policy has it.
    fn defer(&mut self) {
        self.defer_for(DEFERRAL);
    }

    /// Turns the last transaction into a deferred one with its release.
    pub(super) fn defer_for(&mut self, long: i64) {
        let release_id = self.id("Release");
        let Some(deferred) = self.transactions.last_mut() else { return };
        let at = deferred.posted + long;
        let mut release = deferred.clone();
        deferred.group = None;
        deferred.released = Some((at, release_id.clone()));
        release.deferred = Some(deferred.id.clone());
        release.id = release_id;
        release.posted = at;
        let marketplace = release.marketplace;
        release.group = Some(self.group(marketplace, at));
        release.visible = at + self.rng.random_range(0..46 * HOUR);
        self.transactions.push(release);
    }

    /// What has no order: subscription, storage, advertising, reimbursements and reserves.
    pub(super) fn fees(&mut self) {
        for marketplace in self.markets.clone() {
            let local = |cents: i64| cents * marketplace.currency.per_cent() / 1_000;
            for cycle in 0..self.cycles {
                let (begins, ends) = (self.start + cycle * CYCLE, self.start + (cycle + 1) * CYCLE);
                let spent = self.rng.random_range(1_000..30_000);
                let advertising = node("AmazonFees", vec![leaf("AdvertisingFee", -local(spent))]);
                self.post("ProductAdsPayment", "Advertising", begins + 3 * DAY, marketplace).breakdowns =
                    vec![advertising];
                if cycle % 2 == 0 {
                    let subscription = node("AmazonFees", vec![leaf("Subscription", -local(3_999))]);
                    self.post("ServiceFee", "Subscription", begins + DAY, marketplace).breakdowns =
                        vec![subscription];
                    let stored = self.rng.random_range(2_000..9_000);
                    let storage = node("AmazonFees", vec![leaf("FBAStorageFee", -local(stored))]);
                    self.post("ServiceFee", "Storage", begins + 2 * DAY, marketplace).breakdowns =
                        vec![storage];
                }
                if self.rng.random_bool(0.4) {
                    let lost = self.rng.random_range(500..5_000);
                    let paid = leaf("FBAInventoryReimbursement", local(lost));
                    self.post("FBAInventoryReimbursement", "Lost", begins + 5 * DAY, marketplace)
                        .breakdowns = vec![paid];
                }
                // What is held back at the end of one settlement comes back in the next; the last holds nothing back.
                if cycle + 1 < self.cycles {
                    let held = local(self.rng.random_range(1_000..40_000));
                    let debit = leaf("ReserveDebit", -held);
                    self.post("Adjustment", "Current Reserve Amount", ends - HOUR, marketplace).breakdowns =
                        vec![debit];
                    let credit = leaf("ReserveCredit", held);
                    self.post("Adjustment", "Previous Reserve Amount", ends + HOUR, marketplace).breakdowns =
                        vec![credit];
                }
            }
        }
    }
}
