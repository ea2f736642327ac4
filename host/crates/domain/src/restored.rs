//! What a database that was put back from a copy may have sent without knowing of it.
//!
//! Between the copy and its restore documents may have reached Fusion that the copy does not know. They are made again from
//! the same records under the same keys, since no key holds a time; so what may be one of them is looked up under its key
//! before it is sent.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use crate::canonical::{Order, Pieces};
use crate::document::{Body, Credit, Document, JournalOf};
use crate::shipment::{self, Shipment};
use crate::{DocumentKey, Money};

/// Days after the restore whose documents are still looked up first. What was sent before the restore tells of something
/// that had happened by then; the days cover what is dated ahead, up to the end of its month or the first day of the next,
/// the seller's zone, and a machine whose clock was wrong.
const DATED_AHEAD: i64 = 40;

/// Whether a document may stand in Fusion already, although this database, restored at `restored_at`, has not sent it.
///
/// What a person asks for (a correction, a journal taken back) may be asked for once more at any time, so its date says
/// nothing. A document that was moved out of a closed period is judged by the day on which it happened.
pub fn may_stand(document: &Document, restored_at: Timestamp) -> bool {
    let takes_back = match &document.body {
        Body::CreditMemo { cause: Credit::Correction { .. }, .. } => true,
        Body::Journal { reverses, .. } => reverses.is_some(),
        _ => false,
    };
    if takes_back || document.revision > 0 {
        return true;
    }
    let restored_on = restored_at.to_zoned_datetime(TimeZone::UTC).date();
    let last = restored_on.saturating_add(DATED_AHEAD.days());
    document.moved_from.unwrap_or(document.date).min(document.date) <= last
}

/// The same document under the key that it has where its money was cut otherwise: an order that is seen when all of it has
/// left has one invoice, and had several if it was seen before; a settlement has one journal or one for each of its months, by
/// the transactions that were known. `None` for what is never cut.
pub fn cut_otherwise(document: &Document) -> Option<Document> {
    let subject = match &document.body {
        Body::Invoice { order, shipment: None, .. } => shipment::subject(order, 1),
        Body::Invoice { order, shipment: Some(_), .. } => order.to_string(),
        Body::Journal { reverses: Some(_), .. } => return None,
        Body::Journal { of: JournalOf::Settlement { group, part, adjustment }, .. } => {
            let whole = match adjustment {
                Some(number) => format!("{group}/adjustment-{number}"),
                None => group.to_string(),
            };
            match part {
                Some(part) if part.of > 1 => whole,
                _ => format!("{whole}/1"),
            }
        }
        _ => return None,
    };
    let key = DocumentKey::derive(document.kind().letter(), &document.seller, &subject, document.revision);
    Some(Document { key, ..document.clone() })
}

/// Ways to put pieces together that are gone through; an order of more of them is a person's.
const COMBINATIONS_MAX: u64 = 4_096;

/// What an order's next shipment may have held whose invoice comes to `total`, after those in `invoiced`: of the pieces that
/// have left since, every combination with that share of the order, the fullest first. It left at `shipped`.
pub fn shipments_over(
    order: &Order,
    invoiced: &[Shipment],
    total: Money,
    shipped: Timestamp,
) -> Vec<Shipment> {
    let held = |item: &crate::id::OrderItemId| -> u32 {
        let all = invoiced.iter().flat_map(|shipment| &shipment.items).filter(|one| one.item == *item);
        all.map(|one| one.quantity).sum()
    };
    let before: Vec<Pieces> = order
        .items
        .iter()
        .map(|item| Pieces { item: item.id.clone(), quantity: held(&item.id) })
        .filter(|one| one.quantity > 0)
        .collect();
    let left: Vec<Pieces> = order
        .items
        .iter()
        .map(|item| Pieces {
            item: item.id.clone(),
            quantity: item.quantity_fulfilled.saturating_sub(held(&item.id)),
        })
        .filter(|one| one.quantity > 0)
        .collect();
    let ways = left.iter().try_fold(1_u64, |ways, one| ways.checked_mul(u64::from(one.quantity) + 1));
    let Some(ways) = ways.filter(|ways| *ways <= COMBINATIONS_MAX) else { return Vec::new() };
    let number = u32::try_from(invoiced.len()).unwrap_or(u32::MAX).saturating_add(1);
    let all = (1..ways).rev().map(|way| {
        let items = combination(&left, way);
        Shipment {
            subject: shipment::subject(&order.id, number),
            number,
            shipped,
            last: order.is_shipped() && items == left,
            items,
            before: before.clone(),
        }
    });
    all.filter(|one| shipment::slice(order, one).is_ok_and(|share| share.total == Some(total))).collect()
}

/// The combination of a number below the product of all quantities, each with none added.
fn combination(left: &[Pieces], mut way: u64) -> Vec<Pieces> {
    let mut items = Vec::with_capacity(left.len());
    for one in left {
        let ways = u64::from(one.quantity) + 1;
        let quantity = u32::try_from(way % ways).unwrap_or(one.quantity);
        way /= ways;
        if quantity > 0 {
            items.push(Pieces { item: one.item.clone(), quantity });
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;
    use crate::document::{JournalOf, Origin};
    use crate::id::ContentHash;

    fn journal(date: &str) -> Document {
        let nothing = ContentHash::of(b"");
        Document {
            key: DocumentKey::from_stored("JTEST"),
            seller: "A1".into(),
            revision: 0,
            date: date.parse().expect("a date"),
            moved_from: None,
            currency: Currency::USD,
            body: Body::Journal {
                of: JournalOf::whole("G1".into()),
                lines: Vec::new(),
                transactions: 0,
                reverses: None,
                rate: None,
            },
            origin: Origin::new(nothing.clone(), nothing.clone(), nothing),
        }
    }

    fn restored_at() -> Timestamp {
        "2026-10-01T12:00:00Z".parse().expect("a time")
    }

    #[test]
    fn what_happened_before_the_restore_may_stand_and_what_happens_long_after_cannot() {
        assert!(may_stand(&journal("2025-01-31"), restored_at()));
        assert!(may_stand(&journal("2026-11-10"), restored_at()));
        assert!(!may_stand(&journal("2026-11-11"), restored_at()));
    }

    #[test]
    fn a_document_that_was_moved_is_judged_by_the_day_on_which_it_happened() {
        let moved =
            Document { moved_from: Some("2026-09-30".parse().expect("a date")), ..journal("2027-01-01") };
        assert!(may_stand(&moved, restored_at()));
    }

    #[test]
    fn a_settlement_cut_into_months_and_a_whole_one_name_each_other() {
        let nothing =
            crate::document::CarryAccounts { settlement: String::new(), carry_forward: String::new() };
        let of = |of: JournalOf| {
            let mut document = journal("2026-10-01");
            if let Body::Journal { of: own, .. } = &mut document.body {
                *own = of;
            }
            document.key = DocumentKey::derive('J', &document.seller, document.subject(), 0);
            document
        };
        let adjusting = |months: (u32, u32)| of(JournalOf::adjusting("G1".into(), 2, months, &nothing));
        let month = of(JournalOf::part_of("G1".into(), 1, 2, &nothing));
        for (whole, first) in
            [(of(JournalOf::whole("G1".into())), month), (adjusting((1, 1)), adjusting((1, 2)))]
        {
            assert_eq!(cut_otherwise(&whole).expect("a settlement").key, first.key);
            assert_eq!(cut_otherwise(&first).expect("a settlement").key, whole.key);
        }
    }

    #[test]
    fn what_a_person_asks_for_may_stand_whenever_it_is_dated() {
        assert!(may_stand(&Document { revision: 1, ..journal("2028-01-01") }, restored_at()));
        let mut reversal = journal("2028-01-01");
        if let Body::Journal { reverses, .. } = &mut reversal.body {
            *reverses = Some(DocumentKey::from_stored("JTAKEN"));
        }
        assert!(may_stand(&reversal, restored_at()));
    }
}
