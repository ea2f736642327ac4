//! An order that leaves in several shipments: an invoice for each.
//!
//! ```text
//! order     2 mugs 20.00, carriage 5.00; 1 lamp 30.00
//! 30 Oct    1 mug, 1 lamp       invoice 1: mug 10.00, carriage 2.50, lamp 30.00
//!  2 Nov    1 mug               invoice 2: mug 10.00, carriage 2.50
//! ```
//!
//! Amazon tells what is in a package only of orders that the seller ships; of others it tells how many pieces have left by
//! now, so that a shipment is what has left since the order was last looked at. What a shipment holds is kept with its
//! invoice and never worked out again.
//!
//! A shipment's share of a charge is the difference between what all pieces up to it and all pieces before it come to, and
//! the last one takes what is left: so the invoices of an order sum to it, charge by charge.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::canonical::{Charge, Order, OrderItem, Pieces};
use crate::id::{OrderId, OrderItemId};
use crate::money::{Money, MoneyError};

/// One of several shipments of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// `<order>/<number>`: what its invoice is about.
    pub subject: String,
    /// From 1.
    pub number: u32,
    /// When it left.
    pub shipped: Timestamp,
    /// What is in it.
    pub items: Vec<Pieces>,
    /// What earlier ones held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Pieces>,
    /// Whether nothing of the order follows: it takes what is left of every charge.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is to be invoiced of an order by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing, or nothing more.
    Nothing,
    /// The order as a whole.
    Whole,
    /// These shipments, in this order.
    Parts(Vec<Shipment>),
    /// Earlier shipments are invoiced, and why the rest cannot be.
    Unclear(String),
}

/// What an invoice of an order's shipment is about.
pub fn subject(order: &OrderId, number: u32) -> String {
    format!("{order}/{number}")
}

type Count = BTreeMap<OrderItemId, u32>;

fn count<'a>(pieces: impl IntoIterator<Item = &'a Pieces>) -> Count {
    let mut count = Count::new();
    for one in pieces {
        *count.entry(one.item.clone()).or_default() += one.quantity;
    }
    count
}

fn pieces(count: &Count) -> Vec<Pieces> {
    let some = count.iter().filter(|(_, quantity)| **quantity > 0);
    some.map(|(item, quantity)| Pieces { item: item.clone(), quantity: *quantity }).collect()
}

/// What has left of an order and is in none of the shipments that are invoiced already. Packages of one day, as `day` has
/// it, are one shipment.
pub fn due(order: &Order, invoiced: &[Shipment], day: impl Fn(Timestamp) -> Date) -> Due {
    if !(order.is_shipped() || order.is_partly_shipped()) {
        return if invoiced.is_empty() { Due::Whole } else { Due::Nothing };
    }
    if invoiced.iter().any(|shipment| shipment.last) {
        return Due::Nothing;
    }
    if !matches!((order.charges_total(), order.total), (Ok(sum), Some(total)) if sum == Some(total)) {
        return match (order.is_shipped(), invoiced.is_empty()) {
            // Its total is judged as any order's.
            (true, true) => Due::Whole,
            (true, false) => Due::Unclear("its charges do not come to its total".to_owned()),
            (false, _) => Due::Nothing,
        };
    }
    let cuts = cuts(order, invoiced, day);
    match (order.is_shipped(), invoiced.is_empty()) {
        (true, true) if cuts.len() < 2 => Due::Whole,
        (complete, _) => shipments(order, invoiced, cuts, complete),
    }
}

/// Pieces by the day on which they left, with the latest time of that day.
fn cuts(order: &Order, invoiced: &[Shipment], day: impl Fn(Timestamp) -> Date) -> Vec<(Timestamp, Count)> {
    let mut covered = count(invoiced.iter().flat_map(|shipment| &shipment.items));
    let mut left: Count = order
        .items
        .iter()
        .map(|item| {
            let before = covered.get(&item.id).copied().unwrap_or(0);
            (item.id.clone(), item.quantity_fulfilled.saturating_sub(before))
        })
        .collect();
    let mut days = BTreeMap::<Date, (Timestamp, Count)>::new();
    let mut packages: Vec<_> = order.packages.iter().collect();
    packages.sort_by_key(|package| package.shipped);
    let mut put = |at: Timestamp, item: &OrderItemId, quantity: u32| {
        let (time, count) = days.entry(day(at)).or_insert_with(|| (at, Count::new()));
        *time = (*time).max(at);
        *count.entry(item.clone()).or_default() += quantity;
    };
    for package in packages {
        for one in &package.items {
            let known = covered.entry(one.item.clone()).or_default();
            let new = one.quantity.saturating_sub(*known);
            *known -= one.quantity.min(*known);
            let rest = left.entry(one.item.clone()).or_default();
            let taken = new.min(*rest);
            *rest -= taken;
            if taken > 0 {
                put(package.shipped, &one.item, taken);
            }
        }
    }
    let at = order.shipped.unwrap_or(order.updated);
    for (item, rest) in left.iter().filter(|(_, rest)| **rest > 0) {
        put(at, item, *rest);
    }
    days.into_values().collect()
}

fn shipments(order: &Order, invoiced: &[Shipment], cuts: Vec<(Timestamp, Count)>, complete: bool) -> Due {
    let first = u32::try_from(invoiced.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut before = count(invoiced.iter().flat_map(|shipment| &shipment.items));
    let mut parts: Vec<Shipment> = Vec::with_capacity(cuts.len());
    for ((shipped, held), number) in cuts.into_iter().zip(first..) {
        parts.push(Shipment {
            subject: subject(&order.id, number),
            number,
            shipped,
            items: pieces(&held),
            before: pieces(&before),
            last: false,
        });
        for (item, quantity) in held {
            *before.entry(item).or_default() += quantity;
        }
    }
    if complete && parts.is_empty() {
        // Pieces that were never shipped may leave something of a charge.
        parts.push(Shipment {
            subject: subject(&order.id, first),
            number: first,
            shipped: order.shipped.unwrap_or(order.updated),
            items: Vec::new(),
            before: pieces(&before),
            last: true,
        });
        match slice(order, &parts[0]) {
            Ok(rest) if rest.items.is_empty() => return Due::Nothing,
            Ok(_) => {}
            Err(error) => return Due::Unclear(error.to_string()),
        }
    }
    if let (true, Some(last)) = (complete, parts.last_mut()) {
        last.last = true;
    }
    if parts.is_empty() { Due::Nothing } else { Due::Parts(parts) }
}

/// A shipment's share of an order, as an order that has shipped whole. Of an item of which no piece is in it, only what is
/// left of its charges is there, as one piece.
///
/// # Errors
/// Amounts that do not fit.
pub fn slice(order: &Order, shipment: &Shipment) -> Result<Order, MoneyError> {
    let (own, before) = (count(&shipment.items), count(&shipment.before));
    let of = |count: &Count, item: &OrderItem| count.get(&item.id).copied().unwrap_or(0);
    let mut items = Vec::new();
    for item in &order.items {
        let (own, before) = (of(&own, item), of(&before, item));
        let mut charges = Vec::with_capacity(item.charges.len());
        for charge in &item.charges {
            let upto = if shipment.last { charge.amount } else { share(charge.amount, own + before, item)? };
            let amount = upto.checked_add(share(charge.amount, before, item)?.negated())?;
            charges.push(Charge { kind: charge.kind.clone(), amount });
        }
        if own > 0 || charges.iter().any(|charge| charge.amount.minor != 0) {
            let quantity = own.max(1);
            items.push(OrderItem {
                quantity_ordered: quantity,
                quantity_fulfilled: quantity,
                charges,
                ..item.clone()
            });
        }
    }
    let mut slice = Order {
        items,
        status: "SHIPPED".to_owned(),
        shipped: Some(shipment.shipped),
        packages: Vec::new(),
        shipment: Some(shipment.number),
        ..order.clone()
    };
    slice.total = match (slice.charges_total()?, order.total) {
        (None, Some(total)) => Some(Money::zero(total.currency)),
        (total, _) => total,
    };
    Ok(slice)
}

/// What so many pieces of an item bear of a charge, rounded towards nothing.
fn share(amount: Money, pieces: u32, item: &OrderItem) -> Result<Money, MoneyError> {
    if pieces == 0 || pieces >= item.quantity_ordered {
        return Ok(if pieces == 0 { Money::zero(amount.currency) } else { amount });
    }
    let minor = i128::from(amount.minor) * i128::from(pieces) / i128::from(item.quantity_ordered);
    let minor = i64::try_from(minor).map_err(|_| MoneyError::OutOfRange(minor.to_string()))?;
    Ok(Money::new(minor, amount.currency))
}

#[cfg(test)]
mod tests;
