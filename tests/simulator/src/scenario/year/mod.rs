//! A year of a seller's business: every kind of transaction, refunds after months, money that is held back over month
//! ends, transactions that show up late, settlements that end below zero.
//!
//! What must wait for a person is planted: products that no catalog names, and one transaction of an unknown type, in a
//! settlement of its own.

mod events;
#[cfg(test)]
mod tests;

use rand::RngExt as _;

use super::breakdowns::{leaf, node, refund_item, transaction_item};
use super::finances::{Books, CYCLE, Group, deposit};
use super::{Item, Marketplace, Order};
use crate::clock::{DAY, HOUR};

/// Orders ship within five days, and what businesses pay by invoice is held back for six weeks.
pub(super) const LONGEST_TAIL_DAYS: u32 = 52;
/// After the last settlement's end: what was planted is settled, and cash without a document has waited for a week.
pub(super) const REST: i64 = 12 * DAY;
/// No longer than this a transaction hides.
pub(crate) const LATEST: i64 = 20 * DAY;
/// The unknown transaction type.
pub(crate) const UNKNOWN: &str = "PartnerProgramSettlement";

/// Everything that happens to a seller whose orders end at `until`.
pub(super) fn happens(books: &mut Books<'_>, orders: &[Order], groups: &mut Vec<Group>, until: i64) {
    for (n, order) in orders.iter().enumerate() {
        let Some(shipped) = order.shipped() else { continue };
        if order.elsewhere {
            books.fulfilled_elsewhere(n, order, shipped);
        } else if order.total() != 0 {
            books.sale_with_aftermath((n, order), shipped, until);
        }
    }
    books.fees();
    events::happen(books, until);
    books.loans(groups.len());
    let first = groups.len();
    books.transfers(groups);
    books.plant(groups, first);
}

impl Books<'_> {
    fn sale_with_aftermath(&mut self, (n, order): (usize, &Order), shipped: i64, until: i64) {
        let posted = shipped + self.rng.random_range(HOUR..8 * HOUR);
        let sold: Vec<&Item> = order.items.iter().filter(|item| item.total() != 0).collect();
        self.shipments(n, order, posted);
        match self.rng.random_range(0..100_u32) {
            // Held back until delivery and a week; businesses' invoices until they are paid.
            0..20 => self.defer_for(7 * DAY),
            20..24 => {
                let long = self.rng.random_range(30 * DAY..45 * DAY);
                self.defer_for(long);
            }
            24..29 => self.late(until),
            _ => {}
        }
        let (kind, description) = match self.rng.random_range(0..1_000_u32) {
            0..80 => ("Refund", "Refund Order"),
            // The 2024-06-19 API's names for these two are not known: these are the events' of Finances v0.
            80..92 => ("GuaranteeClaim", "A-to-z Guarantee Refund"),
            92..100 => ("Chargeback", "Chargeback Refund"),
            100..104 => return self.retrocharge((n, order), posted, until),
            _ => return,
        };
        let after = match self.rng.random_range(0..10_u32) {
            0..6 => self.rng.random_range(DAY..25 * DAY),
            _ => self.rng.random_range(25 * DAY..150 * DAY),
        };
        if posted + after >= until {
            return;
        }
        let whole = sold.len() == 1 || self.rng.random_bool(0.5);
        let chosen = &sold[..if whole { sold.len() } else { 1 }];
        let items = chosen.iter().map(|item| refund_item(item)).collect();
        self.with_items(kind, description, posted + after, order, n, items);
        match self.rng.random_range(0..20_u32) {
            0..2 => self.defer_for(7 * DAY),
            2 => self.late(until),
            _ => {}
        }
    }

    /// Lets the last transaction show up days after it was posted.
    fn late(&mut self, until: i64) {
        let hidden = self.rng.random_range(3 * DAY..LATEST);
        if let Some(last) = self.transactions.last_mut().filter(|last| last.posted + LATEST < until) {
            last.visible = last.posted + hidden;
        }
    }

    /// Tax that a marketplace should have collected, and half of the time should not.
    fn retrocharge(&mut self, (n, order): (usize, &Order), posted: i64, until: i64) {
        let tax = order.total() / 20;
        let charged = posted + 30 * DAY;
        if tax == 0 || charged + 20 * DAY >= until {
            return;
        }
        let place = self.first_order + n;
        let charge = self.post("Retrocharge", "Retrocharge", charged, order.marketplace);
        charge.order = Some(place);
        charge.breakdowns = vec![node("Tax", vec![leaf("BaseTax", -tax), leaf("ShippingTax", -(tax / 10))])];
        if self.rng.random_bool(0.5) {
            let back = self.post("Retrocharge", "RetrochargeReversal", charged + 15 * DAY, order.marketplace);
            back.order = Some(place);
            back.breakdowns = vec![leaf("RetrochargeReversal", tax + tax / 10)];
        }
    }

    /// Amazon ships what was sold elsewhere, for a fee; the buyer pays nothing through Amazon.
    fn fulfilled_elsewhere(&mut self, n: usize, order: &Order, shipped: i64) {
        let fee = |item: &Item| {
            let each = 550 * order.marketplace.currency.per_cent() / 1_000;
            let fee = leaf("FBAPerUnitFulfillmentFee", -(i64::from(item.quantity) * each));
            transaction_item(item, vec![node("AmazonFees", vec![fee])])
        };
        let items = order.items.iter().filter(|item| !item.cancelled).map(fee).collect();
        self.with_items("Shipment", "Multi-Channel Fulfillment", shipped + 2 * HOUR, order, n, items);
    }

    /// A loan that is paid back out of one settlement, which ends below zero.
    fn loans(&mut self, settlements: usize) {
        let mut totals = vec![0_i64; settlements];
        for transaction in &self.transactions {
            if let Some(group) = transaction.group {
                totals[group - self.first_group] += transaction.total();
            }
        }
        let (taken, paid_back) = (self.cycles / 5, self.cycles / 3);
        for marketplace in self.markets.clone() {
            let at = |cycle: i64| self.start + cycle * CYCLE + 4 * DAY;
            let (taken, paid_back) = (at(taken), at(paid_back));
            let sum = totals[self.group(marketplace, paid_back) - self.first_group];
            let loan = sum.max(0) + 5_000 * marketplace.currency.per_cent() / 1_000;
            // The events' names of Finances v0 (LoanServicing): those of the 2024-06-19 API are not known.
            self.post("LoanServicing", "LoanAdvance", taken, marketplace).breakdowns =
                vec![leaf("LoanAdvance", loan)];
            self.post("LoanServicing", "LoanPayment", paid_back, marketplace).breakdowns =
                vec![leaf("LoanPayment", -loan)];
        }
    }

    /// Each settlement above zero goes to the bank; the transfer is part of no settlement.
    fn transfers(&mut self, groups: &[Group]) {
        let mut totals = vec![0_i64; groups.len()];
        for transaction in &self.transactions {
            if let Some(group) = transaction.group {
                totals[group - self.first_group] += transaction.total();
            }
        }
        for (group, total) in groups.iter().zip(totals).filter(|(_, total)| *total > 0) {
            let market = self.markets.iter().copied().find(|market| market.currency == group.currency);
            let Some(market) = market else { continue };
            let transfer = self.post("Transfer", "Transfer of funds", group.end + 2 * HOUR, market);
            transfer.group = None;
            transfer.breakdowns = vec![leaf("FundTransfer", -total)];
        }
    }

    /// A transaction of a type that nobody knows, in a settlement of its own after all others.
    fn plant(&mut self, groups: &mut Vec<Group>, place: usize) {
        let Some(marketplace) = self.markets.first().copied() else { return };
        let start = self.start + self.cycles * CYCLE;
        let number = self.rng.random::<u32>();
        let code = marketplace.currency.code();
        groups.push(Group {
            seller: self.seller,
            region: marketplace.region,
            currency: marketplace.currency,
            id: format!("FEG{:03}{code}99x{number:08x}", self.seller),
            start,
            end: start + 2 * DAY,
            deposit: deposit(marketplace, self.home),
            total: 0,
            paid_out: 0,
            transactions: 0,
            total_missing: false,
        });
        let group = self.first_group + place;
        let planted = self.post(UNKNOWN, "Partner program", start + DAY, marketplace);
        planted.group = Some(group);
        planted.visible = start + DAY + HOUR;
        planted.breakdowns = vec![leaf("PartnerProgramCredit", 4_200)];
    }
}

/// The amount of a marketplace that some dollar cents are.
fn local(marketplace: &Marketplace, cents: i64) -> i64 {
    cents * marketplace.currency.per_cent() / 1_000
}
