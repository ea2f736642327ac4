//! What an outcome does to the books, by account: so that two versions can be compared in an accountant's terms.

use std::collections::BTreeMap;

use ml_connector_domain::mapping::{
    CreditMemoOutcome, DocumentLine, OrderOutcome, Reason, TransactionOutcome,
};
use ml_connector_storage::{Difference, DifferenceTotals};

/// What is booked and where (`invoice 01-110-41000`, `journal ...`, `credit memo ...`, `review unmapped-sku`,
/// `skip`), and in which currency; with the amount in minor units.
pub type Effect = BTreeMap<(String, String), i64>;

fn add(effect: &mut Effect, what: &str, account: &str, currency: &str, minor: i64) {
    let place = effect.entry((format!("{what} {account}"), currency.to_owned())).or_default();
    *place = place.saturating_add(minor);
}

fn lines(effect: &mut Effect, what: &str, lines: &[DocumentLine]) {
    for line in lines {
        add(effect, what, &line.account, line.amount.currency.code(), line.amount.minor);
    }
}

/// A review and a skip move nothing; they stand as an entry of one.
fn review(effect: &mut Effect, reasons: &[Reason]) {
    for reason in reasons {
        add(effect, "review", &reason.code, "", 1);
    }
}

/// What an order's outcome does.
pub fn order_effects(outcome: &OrderOutcome) -> Effect {
    let mut effect = Effect::new();
    match outcome {
        OrderOutcome::Invoice(invoice) => lines(&mut effect, "invoice", invoice),
        OrderOutcome::Review(reasons) => review(&mut effect, reasons),
        OrderOutcome::Skip(_) => add(&mut effect, "skip", "", "", 1),
    }
    effect
}

/// What a transaction's outcome does.
pub fn transaction_effects(outcome: &TransactionOutcome) -> Effect {
    let mut effect = Effect::new();
    match outcome {
        TransactionOutcome::Booking(booking) => {
            for line in &booking.journal {
                add(&mut effect, "journal", &line.account, line.amount.currency.code(), line.amount.minor);
            }
            match &booking.credit_memo {
                None => {}
                Some(CreditMemoOutcome::CreditMemo { lines: memo, .. }) => {
                    lines(&mut effect, "credit memo", memo);
                }
                Some(CreditMemoOutcome::Review(reasons)) => review(&mut effect, reasons),
            }
        }
        TransactionOutcome::Review(reasons) => review(&mut effect, reasons),
        TransactionOutcome::Skip(_) => add(&mut effect, "skip", "", "", 1),
    }
    effect
}

/// Where two versions book a record otherwise.
pub(super) fn differences(subject: &str, one: &Effect, other: &Effect) -> Vec<Difference> {
    let mut places: Vec<_> = one.keys().chain(other.keys()).collect();
    places.sort();
    places.dedup();
    let of = |effect: &Effect, place| effect.get(place).copied().unwrap_or(0);
    places
        .into_iter()
        .filter(|place| of(one, place) != of(other, place))
        .map(|place| Difference {
            subject: subject.to_owned(),
            account: place.0.trim_end().to_owned(),
            currency: place.1.clone(),
            active_minor: of(one, place),
            shadow_minor: of(other, place),
        })
        .collect()
}

/// Differences summed by account, as the store sums a shadow's.
pub fn sum_by_account(differences: impl IntoIterator<Item = Difference>) -> Vec<DifferenceTotals> {
    let mut sums: BTreeMap<(String, String), DifferenceTotals> = BTreeMap::new();
    for found in differences {
        let sum = sums.entry((found.account.clone(), found.currency.clone())).or_insert(DifferenceTotals {
            account: found.account,
            currency: found.currency,
            records: 0,
            active_minor: 0,
            shadow_minor: 0,
            example: found.subject,
        });
        sum.records += 1;
        sum.active_minor = sum.active_minor.saturating_add(found.active_minor);
        sum.shadow_minor = sum.shadow_minor.saturating_add(found.shadow_minor);
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use ml_connector_domain::Money;
    use ml_connector_domain::mapping::LineClass;

    use super::*;

    fn invoice(lines: &[(&str, i64)]) -> Effect {
        let line = |(account, minor): &(&str, i64)| DocumentLine {
            description: String::new(),
            amount: Money::new(*minor, "USD".parse().expect("a currency")),
            quantity: 1,
            account: (*account).to_owned(),
            sku: None,
            order_item: None,
            rule: String::new(),
            class: LineClass::Revenue,
        };
        order_effects(&OrderOutcome::Invoice(lines.iter().map(line).collect()))
    }

    #[test]
    fn a_moved_amount_differs_on_both_accounts() {
        let (one, other) =
            (invoice(&[("01", 700), ("02", 300)]), invoice(&[("01", 600), ("01", 100), ("03", 300)]));
        let found = differences("113-1", &one, &other);
        let rows: Vec<_> =
            found.iter().map(|d| (d.account.as_str(), d.active_minor, d.shadow_minor)).collect();
        assert_eq!(rows, [("invoice 02", 300, 0), ("invoice 03", 0, 300)]);
        assert_eq!(differences("113-1", &one, &one), []);
        let review = order_effects(&OrderOutcome::Review(vec![Reason::new("unmapped-sku", "MUG", "")]));
        assert_eq!(
            differences("113-1", &review, &order_effects(&OrderOutcome::Skip(String::new()))).len(),
            2
        );
    }
}
