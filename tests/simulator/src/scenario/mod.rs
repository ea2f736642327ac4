//! What happens at Amazon, from the first order to the last settlement, decided before the first request.

mod breakdowns;
mod finances;
mod money;
pub mod names;
mod operator;
mod orders;
mod parts;
pub(crate) mod rates;
#[cfg(test)]
mod tests;
mod year;

pub use breakdowns::Breakdown;
pub(crate) use finances::CYCLE;
pub use finances::{Group, Transaction, TransactionItem};
pub use money::Currency;
pub use operator::{
    ACCOUNTS, COST_CENTERS, FusionSetup, all_combinations, combination, tax_rate_code, tax_regime,
};
pub use orders::{Expectation, Item, Order, Status};
pub(crate) use year::UNKNOWN;

use jiff::Timestamp;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::clock::DAY;

/// What kind of business a scenario is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Sellers in every region with one ledger each, and the commonest kinds of transactions.
    #[default]
    Month,
    /// Sellers at home in one region each, in turn NA, EU and FE, each with a ledger of its own zone and currency, and
    /// every kind of transaction: what happens in a year.
    Year,
}

/// What a scenario is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScenarioOptions {
    /// Everything follows from it.
    pub seed: u64,
    /// Sellers.
    pub sellers: u32,
    /// Days on which orders are placed.
    pub days: u32,
    /// Orders a day and seller.
    pub orders_per_day: u32,
    /// The first day.
    pub start: Timestamp,
    /// Share of products that the catalog does not name.
    pub unmapped_percent: u32,
    /// What kind of business it is about.
    pub profile: Profile,
}

/// A region of the Selling Partner API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    /// North America.
    Na,
    /// Europe.
    Eu,
    /// The Far East.
    Fe,
}

impl Region {
    /// All regions.
    pub const ALL: [Self; 3] = [Self::Na, Self::Eu, Self::Fe];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Na => "na",
            Self::Eu => "eu",
            Self::Fe => "fe",
        }
    }
}

/// A marketplace of the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marketplace {
    /// Amazon's id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Region.
    pub region: Region,
    /// Currency.
    pub currency: Currency,
    /// Share of VAT in prices, in percent; 0 where tax comes on top.
    pub vat_percent: u32,
    /// Out of a hundred orders, this many are placed here.
    pub share: u32,
}

/// The marketplaces: four currencies, one without minor units, one with tax on top.
pub const MARKETPLACES: [Marketplace; 4] = [
    Marketplace {
        id: "ATVPDKIKX0DER",
        name: "Amazon.com",
        region: Region::Na,
        currency: Currency::Usd,
        vat_percent: 0,
        share: 45,
    },
    Marketplace {
        id: "A1F83G8C2ARO7P",
        name: "Amazon.co.uk",
        region: Region::Eu,
        currency: Currency::Gbp,
        vat_percent: 20,
        share: 20,
    },
    Marketplace {
        id: "A1PA6795UKMFR9",
        name: "Amazon.de",
        region: Region::Eu,
        currency: Currency::Eur,
        vat_percent: 19,
        share: 20,
    },
    Marketplace {
        id: "A1VC38T7YXB528",
        name: "Amazon.co.jp",
        region: Region::Fe,
        currency: Currency::Jpy,
        vat_percent: 10,
        share: 15,
    },
];

/// A product.
#[derive(Debug, Clone)]
pub struct Product {
    /// SKU; some hold characters that clients forget to encode.
    pub sku: String,
    /// Type.
    pub product_type: &'static str,
    /// Title.
    pub title: String,
    /// Natural revenue account in the operator's catalog.
    pub revenue_account: &'static str,
    /// Natural account for what its goods cost, in the operator's catalog of a year.
    pub cogs_account: &'static str,
    /// Cost centre in the operator's catalog.
    pub cost_center: &'static str,
    /// Whether the operator's catalog names it.
    pub mapped: bool,
    /// Price in dollar cents.
    pub cents: i64,
}

impl Product {
    /// What a piece costs the seller in a marketplace's currency, in minor units: two fifths of its price, and a tenth more
    /// from the day on which suppliers raise their prices.
    pub fn unit_cost(&self, marketplace: &Marketplace, raised: bool) -> i64 {
        self.cents * marketplace.currency.per_cent() / 1_000 * if raised { 44 } else { 40 } / 100
    }
}

/// A seller.
#[derive(Debug, Clone)]
pub struct Seller {
    /// Merchant token.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its products.
    pub products: Vec<Product>,
    /// Whether this seller's discounts are sent negative: Amazon documents no sign.
    pub discounts_negative: bool,
    /// Where it sells.
    pub regions: Vec<Region>,
    /// How its books are set up.
    pub fusion: FusionSetup,
}

/// Days from the scenario's first to the one on which suppliers raise their prices.
const RAISED_AFTER_DAYS: i64 = 47;

impl Scenario {
    /// The day on which suppliers raise their prices.
    pub fn costs_rise(&self) -> jiff::civil::Date {
        let first = self.start.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        first.saturating_add(jiff::Span::new().days(RAISED_AFTER_DAYS))
    }
}

impl Seller {
    /// The marketplaces where it sells.
    pub fn marketplaces(&self) -> impl Iterator<Item = &'static Marketplace> {
        MARKETPLACES.iter().filter(|marketplace| self.regions.contains(&marketplace.region))
    }

    /// The refresh token of a region.
    pub fn refresh_token(&self, region: Region) -> String {
        format!("Atzr|{}-{}-refresh", self.id, region.name())
    }
}

/// The whole scenario.
#[derive(Debug)]
pub struct Scenario {
    /// What it was made of.
    pub options: ScenarioOptions,
    /// Its first moment.
    pub start: Timestamp,
    /// When everything has come to rest.
    pub end: Timestamp,
    /// Sellers.
    pub sellers: Vec<Seller>,
    /// Orders, all sellers', by creation.
    pub orders: Vec<Order>,
    /// Transactions, all sellers', by posted date.
    pub transactions: Vec<Transaction>,
    /// Settlements.
    pub groups: Vec<Group>,
    /// Indices for quick answers.
    pub(crate) index: Index,
}

/// By seller and region: what is asked for by time.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// `(time of a status change, order)`, sorted.
    pub(crate) updates: Vec<Vec<(i64, usize)>>,
    /// `(posted, transaction)`, sorted.
    pub(crate) posted: Vec<Vec<(i64, usize)>>,
}

/// The purposes that draw from generators of their own.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Products = 1,
    Orders = 2,
    Finances = 3,
}

fn generator(seed: u64, purpose: Purpose, seller: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64 + 16 * seller as u64);
    rng
}

impl Scenario {
    /// Makes a scenario.
    pub fn generate(options: ScenarioOptions) -> Self {
        let start = options.start.as_millisecond();
        let cycles = finances::cycles(&options);
        let (mut sellers, mut orders) = (Vec::new(), Vec::new());
        let (mut transactions, mut groups) = (Vec::new(), Vec::new());
        for n in 0..options.sellers as usize {
            let seller = operator::seller(n, &options, &mut generator(options.seed, Purpose::Products, n));
            let own = orders::orders(n, &seller, &options, &mut generator(options.seed, Purpose::Orders, n));
            let mut rng = generator(options.seed, Purpose::Finances, n);
            let first = orders.len();
            let (own_transactions, own_groups) =
                finances::finances((n, &seller), (first, groups.len()), &own, &options, &mut rng);
            sellers.push(seller);
            orders.extend(own);
            transactions.extend(own_transactions);
            groups.extend(own_groups);
        }
        for transaction in &transactions {
            if let Some(group) = transaction.group {
                groups[group].total += transaction.total();
                groups[group].transactions += 1;
            }
        }
        groups.iter_mut().for_each(Group::pay_out);
        let rest = if options.profile == Profile::Year { year::REST } else { 4 * DAY };
        let end = start + cycles * finances::CYCLE + rest;
        let index = Index::new(options.sellers as usize, &orders, &transactions);
        let end = Timestamp::from_millisecond(end).unwrap_or(options.start);
        Self { options, start: options.start, end, sellers, orders, transactions, groups, index }
    }
}

impl Index {
    fn new(sellers: usize, orders: &[Order], transactions: &[Transaction]) -> Self {
        let mut index =
            Self { updates: vec![Vec::new(); 3 * sellers], posted: vec![Vec::new(); 3 * sellers] };
        for (n, order) in orders.iter().enumerate() {
            let slot = Self::slot(order.seller, order.marketplace.region);
            index.updates[slot].extend(order.timeline.iter().map(|(at, _)| (*at, n)));
        }
        for (n, transaction) in transactions.iter().enumerate() {
            index.posted[Self::slot(transaction.seller, transaction.region)].push((transaction.posted, n));
        }
        index.updates.iter_mut().chain(index.posted.iter_mut()).for_each(|list| list.sort_unstable());
        index
    }

    pub(crate) fn slot(seller: usize, region: Region) -> usize {
        3 * seller + region as usize
    }
}
