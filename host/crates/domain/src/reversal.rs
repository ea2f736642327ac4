//! The opposite of a document, which takes it back whole.

use jiff::civil::Date;

use crate::document::{Body, Document, Kind};
use crate::id::DocumentKey;
use crate::mapping::JournalLine;

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

/// The opposite journal: every line in its place, debits and credits swapped, linked to the original.
///
/// # Errors
/// It is no journal.
pub fn journal(original: &Document, date: Date) -> Result<Document, NotReversible> {
    let Body::Journal { of, lines, transactions, .. } = &original.body else {
        return Err(NotReversible(original.kind()));
    };
    let opposite = |line: &JournalLine| JournalLine {
        amount: line.amount.negated(),
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
    use crate::id::ContentHash;
    use crate::money::{Currency, Money};

    fn original(lines: Vec<(u8, i64)>, currency: Currency) -> Document {
        let hash = || ContentHash::of(b"");
        let line = |(account, minor)| JournalLine {
            account: format!("01-000-{account}"),
            amount: Money::new(minor, currency),
            label: "Fees".to_owned(),
            rule: "r".to_owned(),
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
