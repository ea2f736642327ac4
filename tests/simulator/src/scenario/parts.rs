//! Orders that leave in two shipments, and what of their money belongs to each.

use super::orders::{Expectation, Item, Order, Status};

impl Order {
    /// When the first of two shipments leaves, and how many pieces of each item are in it; `None` for an order that leaves
    /// at once. Several items leave one after the other, of a single one its first piece.
    pub fn first_part(&self) -> Option<(i64, Vec<u32>)> {
        let at = self.timeline.iter().find(|(_, status)| *status == Status::PartiallyShipped)?.0;
        if self.expectation != Expectation::Invoice || self.elsewhere || self.replaces.is_some() {
            return None;
        }
        let sold: Vec<usize> = (0..self.items.len()).filter(|n| self.items[*n].total() != 0).collect();
        let mut first = vec![0; self.items.len()];
        match sold.as_slice() {
            [only] if self.items[*only].quantity > 1 => first[*only] = 1,
            [one, _, ..] => first[*one] = self.items[*one].quantity,
            _ => return None,
        }
        Some((at, first))
    }

    /// How many pieces of each item have left by a time.
    pub fn left_by(&self, now: i64) -> Vec<u32> {
        let shipped = self.shipped().is_some_and(|at| at <= now);
        let all = self.items.iter().map(|item| if item.cancelled { 0 } else { item.quantity });
        match self.first_part() {
            _ if shipped => all.collect(),
            Some((at, first)) if at <= now => first,
            _ => vec![0; self.items.len()],
        }
    }

    /// The items of both shipments with their shares; an order that leaves at once has all in the second.
    pub fn parts(&self) -> [Vec<Item>; 2] {
        let first = self.first_part().map_or_else(|| vec![0; self.items.len()], |(_, first)| first);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for (item, pieces) in self.items.iter().zip(first) {
            let (before, after) = item.cut(pieces);
            one.extend(before);
            other.extend(after);
        }
        [one, other]
    }
}

impl Item {
    /// Its first pieces and the rest, each with its share of the money: so many of all pieces, the rest with the second.
    fn cut(&self, pieces: u32) -> (Option<Self>, Option<Self>) {
        if pieces == 0 {
            return (None, Some(self.clone()));
        }
        if pieces >= self.quantity {
            return (Some(self.clone()), None);
        }
        let share = |minor: i64| minor * i64::from(pieces) / i64::from(self.quantity);
        let first = Self {
            quantity: pieces,
            price: share(self.price),
            shipping: share(self.shipping),
            gift_wrap: share(self.gift_wrap),
            discount: share(self.discount),
            taxes: self.taxes.map(share),
            ..self.clone()
        };
        let rest = Self {
            quantity: self.quantity - pieces,
            price: self.price - first.price,
            shipping: self.shipping - first.shipping,
            gift_wrap: self.gift_wrap - first.gift_wrap,
            discount: self.discount - first.discount,
            taxes: [0, 1, 2].map(|n| self.taxes[n] - first.taxes[n]),
            ..self.clone()
        };
        (Some(first), Some(rest))
    }
}
