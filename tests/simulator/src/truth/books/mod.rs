//! The scenario's own books: what the ledgers should hold by now, from what happened at Amazon alone.
//!
//! * An invoice is of the day that its order shipped, or a part of it: of what Amazon ships nobody is told when a part left,
//!   so that whoever looks only later sees one shipment; a credit memo of the day of the transaction that pays it out.
//! * A settlement's rows belong to the month in which they were posted. What earlier months come to is carried forward to
//!   the month in which it ends; there the settlement account takes the whole.
//! * Goods that are sold leave stock at what they cost on the day of the transaction that pays for them; refunded ones are
//!   stock again.
//! * What is held back over a month's end is accrued in that month and taken back in the month of its release.
//! * A settlement's cash is taken up by a receipt on its last day, as far as an invoice or credit memo stands for it.
//!
//! Days and months are those of the ledger's zone. Every amount is in the currency of its document; what journals in
//! another currency than the ledger's are worth in that is reckoned beside it ([`super::worth`]):
//!
//! * A settlement that Amazon paid out in the ledger's currency is worth that, each of its rows in proportion.
//! * Any other is worth what Fusion's rate of its journals' days says, and what is carried forward comes in at the rate at
//!   which it went out. What was held back over a month's end is taken back at that month's rate.

mod goods;
mod legs;
mod sales;

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::balances::{Balances, of_purpose};
use super::worth::{Rate, Worth};
use super::{LATE_GRACE, ORDER_GRACE, VERY_LATE_GRACE, is_invoiced, is_late, planted, refunds};
use crate::World;
use crate::clock::DAY;
use crate::fusion::FusionState;
use crate::scenario::{CYCLE, Currency, Expectation, Group, Item, Order, Transaction};
use legs::legs;
use sales::{Sold, sold};

/// After a month's end, when what is held back over it must be accrued.
const ACCRUAL_GRACE: i64 = 4 * DAY;

/// What should be there by now.
pub(super) fn books(world: &World, state: &FusionState) -> (Balances, Worth) {
    let zones = world.scenario.sellers.iter().map(|seller| zone(seller.fusion.time_zone)).collect();
    let seen = state.invoices.iter().filter_map(|invoice| invoice.subject().strip_suffix("/1")).collect();
    let (balances, worth) = (Balances::default(), Worth::default());
    let mut books = Books { world, now: world.clock.now(), zones, seen, balances, worth };
    books.invoices();
    books.credit_memos();
    books.settlements();
    books.accruals();
    (books.balances, books.worth)
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

struct Books<'a> {
    world: &'a World,
    now: i64,
    zones: Vec<TimeZone>,
    /// Orders of which somebody saw that a part had left.
    seen: HashSet<&'a str>,
    balances: Balances,
    worth: Worth,
}

impl Books<'_> {
    /// The first day of the month of a time.
    fn month(&self, seller: usize, at: i64) -> Date {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        self.zones[seller].to_datetime(at).date().first_of_month()
    }

    /// When a month ends.
    fn end_of(&self, seller: usize, month: Date) -> i64 {
        let next = month.last_of_month().tomorrow().unwrap_or(Date::MAX);
        let midnight = self.zones[seller].to_timestamp(next.at(0, 0, 0, 0));
        midnight.map_or(i64::MAX, |midnight| midnight.as_millisecond())
    }

    fn add(&mut self, (seller, month): (usize, Date), account: &str, currency: Currency, net: i64) {
        let month = month.strftime("%Y-%m").to_string();
        self.balances.add(seller, &month, account, currency, net);
    }

    /// A journal's line: in the ledger's currency it is worth what the rate says.
    fn journal(&mut self, place: (usize, Date), account: &str, currency: Currency, (net, rate): (i64, Rate)) {
        self.add(place, account, currency, net);
        let (seller, month) = place;
        if self.ledger(seller) != currency {
            self.worth.add(seller, &month.strftime("%Y-%m").to_string(), account, (net, rate));
        }
    }

    fn ledger(&self, seller: usize) -> Currency {
        self.world.scenario.sellers[seller].fusion.ledger_currency
    }

    /// What is sold is a credit, the receivable the debit; what is taken back has the opposite sign.
    fn sale(&mut self, place: (usize, Date), currency: Currency, lines: &[Sold]) {
        for line in lines {
            self.add(place, &line.account, currency, -line.amount);
        }
        let total = lines.iter().map(|line| line.amount).sum();
        self.add(place, &of_purpose("receivable"), currency, total);
    }

    fn invoices(&mut self) {
        for order in &self.world.scenario.orders {
            let Some(shipped) = order.shipped() else { continue };
            if order.expectation != Expectation::Invoice || shipped + ORDER_GRACE >= self.now {
                continue;
            }
            let [first, rest] = order.parts();
            match order.first_part() {
                Some((left, _)) if self.in_parts(order, left, shipped) => {
                    self.invoice(order, left, &first);
                    self.invoice(order, shipped, &rest);
                }
                _ => self.invoice(order, shipped, &order.items),
            }
        }
    }

    /// Whether both shipments have an invoice: packages of two days are told apart by whoever looks at them, others by who
    /// saw the first one leave.
    fn in_parts(&self, order: &Order, left: i64, shipped: i64) -> bool {
        let day = |at| {
            let at = Timestamp::from_millisecond(at).unwrap_or_default();
            self.zones[order.seller].to_datetime(at).date()
        };
        self.seen.contains(order.id.as_str()) || (order.by_merchant() && day(left) != day(shipped))
    }

    fn invoice(&mut self, order: &Order, shipped: i64, items: &[Item]) {
        let seller = &self.world.scenario.sellers[order.seller];
        let lines: Vec<Sold> = items
            .iter()
            .flat_map(|item| {
                let parts = [
                    ("ProductCharges", item.price),
                    ("Shipping", item.shipping),
                    ("GiftWrap", item.gift_wrap),
                    ("Promotions", -item.discount),
                    ("Tax", item.taxes[0]),
                    ("Tax", item.taxes[1]),
                    ("Tax", item.taxes[2]),
                ];
                let product = &seller.products[item.product];
                parts
                    .into_iter()
                    .flat_map(|(what, minor)| sold(product, order.marketplace, what, minor))
                    .collect::<Vec<_>>()
            })
            .collect();
        let place = (order.seller, self.month(order.seller, shipped));
        self.sale(place, order.marketplace.currency, &lines);
    }

    fn credit_memos(&mut self) {
        for (_, refund) in refunds(self.world).filter(|(_, refund)| is_invoiced(self.world, refund)) {
            let grace = if is_late(refund) { CYCLE + VERY_LATE_GRACE } else { LATE_GRACE };
            if refund.posted + grace >= self.now {
                continue;
            }
            let seller = &self.world.scenario.sellers[refund.seller];
            let lines: Vec<Sold> = refund
                .items
                .iter()
                .flat_map(|item| {
                    let product = &seller.products[item.product];
                    item.breakdowns.iter().flat_map(move |root| {
                        let leaves: Vec<i64> = match root.parts.as_slice() {
                            [] => vec![root.amount],
                            parts => parts.iter().map(|part| part.amount).collect(),
                        };
                        leaves
                            .into_iter()
                            .flat_map(|minor| sold(product, refund.marketplace, root.name, minor))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let place = (refund.seller, self.month(refund.seller, refund.posted));
            self.sale(place, refund.marketplace.currency, &lines);
        }
    }

    fn settlements(&mut self) {
        let mut by_group: Vec<Vec<&Transaction>> = vec![Vec::new(); self.world.scenario.groups.len()];
        for transaction in &self.world.scenario.transactions {
            if let Some(group) = transaction.group {
                by_group[group].push(transaction);
            }
        }
        let due = super::due(self.world);
        let planted = planted::settlements(self.world);
        let groups = self.world.scenario.groups.iter().enumerate();
        for (((n, group), own), due) in groups.zip(by_group).zip(due) {
            if due < self.now && !own.is_empty() && !planted.contains(group.id.as_str()) {
                self.settlement((n, group), &own);
                self.cash(group, &own);
            }
        }
    }

    /// The rate of a settlement's journal of a month.
    fn rate(&self, (n, group): (usize, &Group), month: Date) -> Rate {
        let end = Timestamp::from_millisecond(group.end).unwrap_or_default();
        let end = self.zones[group.seller].to_datetime(end).date();
        let day = if month == end.first_of_month() { end } else { month.last_of_month() };
        Rate::own(self.world, n)
            .unwrap_or_else(|| Rate::daily(group.currency, self.ledger(group.seller), day))
    }

    fn settlement(&mut self, (n, group): (usize, &Group), own: &[&Transaction]) {
        let (seller, currency) = (group.seller, group.currency);
        let last = self.month(seller, group.end);
        let [carry_forward, settled] = ["carry_forward", "settlement"].map(of_purpose);
        for transaction in own {
            let month = self.month(seller, transaction.posted).min(last);
            let rate = self.rate((n, group), month);
            for (account, amount) in legs(transaction).into_iter().chain(self.goods(transaction)) {
                self.journal((seller, month), &account, currency, (-amount, rate));
            }
            let total = transaction.total();
            if month < last {
                self.journal((seller, month), &carry_forward, currency, (total, rate));
                self.journal((seller, last), &carry_forward, currency, (-total, rate));
            }
            self.journal((seller, last), &settled, currency, (total, rate));
        }
    }

    /// A receipt cannot be negative: what a settlement takes back on balance stays on clearing.
    fn cash(&mut self, group: &Group, own: &[&Transaction]) {
        if !self.world.scenario.sellers[group.seller].fusion.receipts {
            return;
        }
        let paid: i64 =
            own.iter().filter(|one| is_invoiced(self.world, one)).map(|one| one.buyer_total()).sum();
        if paid > 0 {
            let place = (group.seller, self.month(group.seller, group.end));
            self.add(place, &of_purpose("clearing"), group.currency, paid);
            self.add(place, &of_purpose("receivable"), group.currency, -paid);
        }
    }

    fn accruals(&mut self) {
        for held in &self.world.scenario.transactions {
            let Some((released, _)) = &held.released else { continue };
            let month = self.month(held.seller, held.posted);
            let back = self.month(held.seller, *released);
            if month == back {
                continue;
            }
            let (currency, ledger) = (held.marketplace.currency, self.ledger(held.seller));
            let rate = Rate::daily(currency, ledger, month.last_of_month());
            self.accrual(held, month, (1, rate));
            self.accrual(held, back, (-1, rate));
        }
    }

    fn accrual(&mut self, held: &Transaction, month: Date, (sign, rate): (i64, Rate)) {
        if self.end_of(held.seller, month).saturating_add(ACCRUAL_GRACE) >= self.now {
            return;
        }
        let (place, currency) = ((held.seller, month), held.marketplace.currency);
        for (account, amount) in legs(held).into_iter().chain(self.goods(held)) {
            self.journal(place, &account, currency, (-amount * sign, rate));
        }
        self.journal(place, &of_purpose("deferred"), currency, (held.total() * sign, rate));
    }
}
