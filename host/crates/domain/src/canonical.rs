//! Canonical records: what `normalize` makes of Amazon's payloads, whatever API version they came by.
//!
//! Open sets stay strings: Amazon adds statuses, breakdown and transaction types without notice.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{GroupId, MarketplaceId, OrderId, OrderItemId, Sku, TransactionId};
use crate::money::{Currency, Money, MoneyError};

/// An order as Amazon last told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Amazon's id.
    pub id: OrderId,
    /// Where it was placed. Empty text if Amazon does not say.
    pub marketplace: MarketplaceId,
    /// `PENDING`, `UNSHIPPED`, `SHIPPED`, `CANCELLED`, ...
    pub status: String,
    /// `AMAZON` or `MERCHANT`.
    pub fulfilled_by: String,
    /// `AMAZON`, or `NON_AMAZON` for multi-channel fulfilment, which is no sale on Amazon.
    pub channel: String,
    /// When the buyer ordered.
    pub created: Timestamp,
    /// When Amazon last changed it.
    pub updated: Timestamp,
    /// When the last package left, if Amazon says so.
    pub shipped: Option<Timestamp>,
    /// The order that this one replaces; a replacement has zero prices and is no sale.
    pub replaces: Option<OrderId>,
    /// What the buyer pays. Absent while the payment is pending.
    pub total: Option<Money>,
    /// The items.
    pub items: Vec<OrderItem>,
    /// Packages that have left, where Amazon tells: of orders that the seller ships only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// The number of the shipment, where this is not the order but one shipment's share of it
    /// ([`crate::shipment::slice`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<u32>,
}

/// A package that has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// When.
    pub shipped: Timestamp,
    /// What is in it.
    pub items: Vec<Pieces>,
}

/// So many pieces of an item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// The item.
    pub item: OrderItemId,
    /// How many.
    pub quantity: u32,
}

/// An item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// Amazon's id of the item within the order.
    pub id: OrderItemId,
    /// The seller's SKU.
    pub sku: Sku,
    /// What the buyer saw.
    pub title: String,
    /// Pieces ordered.
    pub quantity_ordered: u32,
    /// Pieces shipped.
    pub quantity_fulfilled: u32,
    /// Signed so that they sum to what the buyer pays for the item.
    pub charges: Vec<Charge>,
    /// `MARKETPLACE_FACILITATOR` where Amazon collects and remits the tax; else empty.
    pub tax_collection: String,
}

/// One part of what the buyer pays for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `ITEM`, `SHIPPING`, `GIFT_WRAP`, `DISCOUNT`, `TAX/ITEM`, ...
    pub kind: String,
    /// The amount; discounts are negative whatever sign Amazon sent.
    pub amount: Money,
}

impl Order {
    /// What an invoice of it is about: the order's id, or that of one shipment's share.
    pub fn subject(&self) -> String {
        match self.shipment {
            Some(number) => crate::shipment::subject(&self.id, number),
            None => self.id.as_str().to_owned(),
        }
    }

    /// Whether some of it has left and the rest has not.
    pub fn is_partly_shipped(&self) -> bool {
        self.status == "PARTIALLY_SHIPPED" && self.items.iter().any(|item| item.quantity_fulfilled > 0)
    }

    /// Whether all of it has left, so that the receivable is earned.
    pub fn is_shipped(&self) -> bool {
        self.status == "SHIPPED"
    }

    /// Whether it never becomes a sale: cancelled, or Amazon could not fulfil it.
    pub fn is_dead(&self) -> bool {
        matches!(self.status.as_str(), "CANCELLED" | "UNFULFILLABLE")
    }

    /// The sum of all charges; `None` for an order without any.
    ///
    /// # Errors
    /// Charges in two currencies, or a sum that does not fit.
    pub fn charges_total(&self) -> Result<Option<Money>, MoneyError> {
        let mut charges = self.items.iter().flat_map(|item| &item.charges).map(|charge| charge.amount);
        let Some(first) = charges.next() else { return Ok(None) };
        charges.try_fold(first, Money::checked_add).map(Some)
    }
}

/// One economic movement of the seller's balance at Amazon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Amazon's id.
    pub id: TransactionId,
    /// Amazon's transactionType: `Shipment`, `Refund`, `ServiceFee`, ...
    pub kind: String,
    /// How the money stands.
    pub status: TransactionStatus,
    /// Amazon's description.
    pub description: String,
    /// When Amazon posted it.
    pub posted: Timestamp,
    /// The settlement it belongs to; a deferred transaction has none, its release has.
    pub group: Option<GroupId>,
    /// Amazon's settlement id, as on the settlement report.
    pub settlement: Option<String>,
    /// The order behind it; storage, advertising and reserves have none.
    pub order: Option<OrderId>,
    /// On a release: the deferred transaction whose money this is.
    pub deferred_twin: Option<TransactionId>,
    /// On a deferred transaction that was released: the release.
    pub release_twin: Option<TransactionId>,
    /// The marketplace, where Amazon says.
    pub marketplace: Option<MarketplaceId>,
    /// Its effect on the balance.
    pub total: Money,
    /// The leaves of one cut of the breakdown tree; they sum to the total.
    pub legs: Vec<Leg>,
}

/// Amazon's transactionStatus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransactionStatus {
    /// Held back until its maturity date.
    Deferred,
    /// Was held back; a transaction of its own released it.
    DeferredReleased,
    /// Counts towards its settlement.
    Released,
    /// A status that Amazon has not documented.
    Other(String),
}

/// One leaf of a breakdown tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its place in the tree: `AmazonFees/Commission/Base`.
    pub path: String,
    /// Its amount, signed as its effect on the balance.
    pub amount: Money,
    /// The SKU of the item it stands under.
    pub sku: Option<Sku>,
    /// The order item it stands under.
    pub order_item: Option<OrderItemId>,
    /// Pieces that were shipped or came back, on the first leg of an item's goods; nothing on any other leg, and on
    /// what was stored before quantities were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
}

impl Leg {
    /// Whether another leg is the same money of the same thing; the quantity says nothing about that.
    pub fn is_same_money(&self, other: &Self) -> bool {
        (&self.path, self.amount, &self.sku, &self.order_item)
            == (&other.path, other.amount, &other.sku, &other.order_item)
    }
}

impl Transaction {
    /// Names the economic event: a deferred transaction and its release are the same money, so both answer with
    /// the deferred one's id.
    pub fn economic_id(&self) -> &TransactionId {
        self.deferred_twin.as_ref().unwrap_or(&self.id)
    }

    /// Whether the settlement it names pays it out: deferred money does not count until its release does.
    pub fn counts(&self) -> bool {
        self.status == TransactionStatus::Released && self.group.is_some()
    }
}

/// A financial event group: one settlement of one currency of one authorisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Amazon's id.
    pub id: GroupId,
    /// Whether Amazon has closed it.
    pub closed: bool,
    /// The total as Amazon states it; sometimes missing even on a closed group.
    pub stated_total: Option<Money>,
    /// What Amazon paid out for it in another currency, or in its own; absent while open, and on records from before it
    /// was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_total: Option<Money>,
    /// The currency, where a total says so.
    pub currency: Option<Currency>,
    /// Its beginning.
    pub start: Timestamp,
    /// Its end; absent while open.
    pub end: Option<Timestamp>,
}

/// Money on its way to the seller's bank: what a settlement came to, and under which reference the bank shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// Amazon's id.
    pub id: String,
    /// The settlements that it pays out, by settlement id: the bridge between settlement report and bank line.
    pub settlements: Vec<String>,
    /// The amount; negative where Amazon charges the seller.
    pub amount: Option<Money>,
    /// `STARTED`, `IN_TRANSIT`, `PAID`, `FAILED`, ...
    pub status: String,
    /// The bank's reference.
    pub trace: Option<String>,
}

/// A settlement report as read: Amazon's own statement of what a settlement comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementReport {
    /// Settlement id; not the financial event group's id.
    pub settlement: String,
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// When the money is transferred.
    pub deposit: Option<Timestamp>,
    /// What its rows sum to, and what its summary row says.
    pub total: Money,
    /// Detail rows.
    pub rows: u32,
    /// The rows summed by their three labels.
    pub sums: Vec<ReportSum>,
}

/// The rows of a settlement report that carry the same labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSum {
    /// `transaction-type / amount-type / amount-description`, as the file spells them.
    pub label: String,
    /// How many.
    pub rows: u32,
    /// Their sum.
    pub amount: Money,
}

/// A marketplace that a seller takes part in, or that Amazon lists beside those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participation {
    /// Its id; pseudo-marketplaces have ids that no table lists.
    pub marketplace: MarketplaceId,
    /// Its name, e.g. `Amazon.de` or `Non-Amazon`.
    pub name: String,
    /// Country, ISO 3166.
    pub country: String,
    /// Currency, ISO 4217.
    pub currency: String,
    /// Whether the seller may sell there.
    pub participating: bool,
    /// Whether listings are suspended.
    pub suspended: bool,
}

/// What Amazon's catalog says of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The seller's SKU.
    pub sku: Sku,
    /// Amazon's id.
    pub asin: String,
    /// Amazon's product type, e.g. `DRINKING_CUP`.
    pub product_type: Option<String>,
    /// Title.
    pub title: Option<String>,
}

/// The calendar day of `time` in `zone`.
pub fn day_in(time: Timestamp, zone: &jiff::tz::TimeZone) -> Date {
    time.to_zoned_datetime(zone.clone()).date()
}
