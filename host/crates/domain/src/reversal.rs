//! The opposite of a document, which takes it back whole.

use jiff::civil::Date;

use crate::document::{Body, Document, Kind};
use crate::id::DocumentKey;
use crate::mapping::{Conversion, JournalLine};

/// A document of a kind that has no opposite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("REV-KIND: a {} is not taken back by a document of its kind", .0.as_str())]
pub struct NotReversible(pub Kind);

/// The key of what takes `key` back. It hangs on that key alone: a document is taken back once only, and the document
/// that took it back, having a key of its own, can be taken back in turn.
pub fn key(kind: Kind, original: &Document) -> DocumentKey {
    let subject = format!("reversal of {}", original.key);
    DocumentKey::derive(kind.letter(), &original.seller, &subject, original.revision)
}

/// The opposite journal: every line in its place, debits and credits swapped, linked to the original. It is zero with it
/// in the ledger's currency, too: figures that the original gave are turned round, and what Fusion converted it converts by
/// the rate of the same day.
///
/// # Errors
/// It is no journal.
pub fn journal(original: &Document, date: Date) -> Result<Document, NotReversible> {
    let Body::Journal { of, lines, transactions, rate, .. } = &original.body else {
        return Err(NotReversible(original.kind()));
    };
    let opposite = |line: &JournalLine| JournalLine {
        amount: line.amount.negated(),
        conversion: line.conversion.map(|conversion| match conversion {
            Conversion::Accounted(worth) => Conversion::Accounted(worth.negated()),
            Conversion::RateOf(day) => Conversion::RateOf(day),
        }),
        rule: format!("reversal of {}", original.key),
        ..line.clone()
    };
    Ok(Document {
        key: key(Kind::Journal, original),
        seller: original.seller.clone(),
        revision: original.revision,
        date,
        // It keeps the original's day, and with it the rate: else a foreign journal would not be taken back whole.
        moved_from: (date != original.transaction_date()).then(|| original.transaction_date()),
        currency: original.currency,
        body: Body::Journal {
            of: of.clone(),
            lines: lines.iter().map(opposite).collect(),
            transactions: *transactions,
            reverses: Some(original.key.clone()),
            rate: *rate,
        },
        origin: original.origin.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::document::{JournalOf, Origin};
    use crate::fx::OwnRate;
    use crate::id::ContentHash;
    use crate::money::{Currency, Money};

    fn original(lines: Vec<(u8, i64)>, currency: Currency) -> Document {
        let hash = || ContentHash::of(b"");
        let line = |(account, minor)| JournalLine {
            account: format!("01-000-{account}"),
            amount: Money::new(minor, currency),
            label: "Fees".to_owned(),
            rule: "r".to_owned(),
            conversion: None,
        };
        Document {
            key: DocumentKey::derive('J', &"A1".into(), "G1", 0),
            seller: "A1".into(),
            revision: 0,
            date: jiff::civil::date(2026, 9, 15),
            moved_from: None,
            currency,
            body: Body::Journal {
                of: JournalOf::whole("G1".into()),
                lines: lines.into_iter().map(line).collect(),
                transactions: 2,
                reverses: None,
                rate: None,
            },
            origin: Origin::new(hash(), hash(), hash()),
        }
    }

    fn lines(document: &Document) -> &[JournalLine] {
        match &document.body {
            Body::Journal { lines, .. } => lines,
            _ => &[],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn a_journal_and_its_reversal_are_zero_by_account(
            rows in prop::collection::vec((0_u8..6, -1_000_000_000_i64..1_000_000_000), 1..40),
        ) {
            let original = original(rows, Currency::USD);
            let reversal = journal(&original, original.date).expect("a journal");
            let mut sums = BTreeMap::<&str, i128>::new();
            for line in lines(&original).iter().chain(lines(&reversal)) {
                *sums.entry(&line.account).or_default() += i128::from(line.amount.minor);
            }
            prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
            prop_assert_eq!(lines(&original).len(), lines(&reversal).len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_it_was_worth_in_the_ledgers_currency_is_taken_back_too(
            rows in prop::collection::vec((0_u8..6, -1_000_000_i64..1_000_000, -1_000_000_i64..1_000_000, any::<bool>()), 1..40),
        ) {
            let pairs = rows.iter().map(|(account, minor, ..)| (*account, *minor)).collect();
            let mut original = original(pairs, Currency::JPY);
            let day = jiff::civil::date(2026, 8, 31);
            let (yen, dollars) = (Money::new(100_000, Currency::JPY), Money::new(67_000, Currency::USD));
            if let Body::Journal { lines, rate, .. } = &mut original.body {
                *rate = OwnRate::of(yen, dollars).ok();
                for (line, (_, _, worth, given)) in lines.iter_mut().zip(rows) {
                    let worth = Conversion::Accounted(Money::new(worth, Currency::USD));
                    line.conversion = Some(if given { worth } else { Conversion::RateOf(day) });
                }
            }
            let reversal = journal(&original, original.date).expect("a journal");
            prop_assert_eq!(reversal.own_rate(), original.own_rate());
            for (line, back) in lines(&original).iter().zip(lines(&reversal)) {
                match (line.conversion, back.conversion) {
                    (Some(Conversion::Accounted(worth)), Some(Conversion::Accounted(back))) => {
                        prop_assert_eq!(worth.minor + back.minor, 0);
                    }
                    (before, after) => prop_assert_eq!(before, after),
                }
            }
        }
    }

    #[test]
    fn it_is_taken_back_once_and_what_took_it_back_can_be_taken_back() {
        let original = original(vec![(1, 5), (2, -5)], Currency::JPY);
        let date = jiff::civil::date(2026, 10, 1);
        let first = journal(&original, date).expect("a journal");
        assert_eq!(first.key, journal(&original, original.date).expect("a journal").key, "whatever its date");
        let back = journal(&first, date).expect("a journal");
        assert!(back.key != first.key && back.key != original.key);
        assert_eq!((first.date, first.transaction_date()), (date, original.date));
        let amounts = |document| lines(document).iter().map(|line| line.amount).collect::<Vec<_>>();
        assert_eq!(amounts(&back), amounts(&original));
        let Body::Journal { reverses, .. } = &back.body else { panic!("a journal") };
        assert_eq!(reverses.as_ref(), Some(&first.key));
    }
}
