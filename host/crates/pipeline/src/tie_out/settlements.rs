//! T1 to T5: settlements against Amazon's statements, their journals, and each other.

use std::collections::BTreeMap;

use ml_connector_domain::document::Body;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{Money, Region};
use ml_connector_storage::Store;

use super::books::{Books, Settlement};
use crate::StageError;

/// T1: what Amazon says of a settlement in several places is the same: what it comes to, and what was paid out for it in
/// another currency.
pub(super) fn statements(books: &Books<'_>) -> TieOut {
    let mut of = TieOut::new("T1");
    let seller = &books.seller.id;
    for settlement in books.of_period() {
        if settlement.statements.is_empty() {
            let nothing = Money::zero(settlement.currency);
            of.open(seller, settlement.id(), nothing, "Amazon has stated no total anywhere yet");
        }
        if let [(only, total)] = settlement.statements.as_slice() {
            of.open(seller, settlement.id(), *total, format!("only {only} states a total so far"));
        }
        for stated in [&settlement.statements, &settlement.paid_out] {
            let Some(((first, total), others)) = stated.split_first() else { continue };
            for (source, stated) in others {
                of.check(seller, settlement.id(), *total, *stated, &format!("{first} and {source} differ"));
            }
        }
    }
    of
}

/// T2: a settlement's transactions come to its total.
pub(super) fn transactions(books: &Books<'_>) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T2");
    let seller = &books.seller.id;
    for settlement in books.of_period() {
        let (sum, total) = (settlement.sum()?, settlement.total()?);
        if settlement.statements.is_empty() {
            of.open(seller, settlement.id(), sum, "Amazon has stated no total anywhere yet");
        } else if sum != total && !settlement.journaled {
            let missing = total.checked_add(sum.negated())?;
            let cause = format!(
                "its {} transactions come to {sum}, not {total}: it waits, and is not journaled",
                settlement.rows.len()
            );
            of.open(seller, settlement.id(), missing, cause);
        } else {
            of.check(seller, settlement.id(), total, sum, "transactions are missing, or too many");
        }
    }
    Ok(of)
}

/// T3: every leg is in its booking, and every booking in the settlement's journals.
pub(super) fn lines(books: &Books<'_>) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T3");
    for settlement in books.of_period() {
        if settlement.rows.is_empty() {
            continue;
        }
        let late = settlement.rows.iter().filter(|row| row.not_journaled || row.waits).count();
        if settlement.journaled && late > 0 {
            let cause =
                format!("journaled; {late} of its transactions turned up or changed since and wait to be");
            of.open(&books.seller.id, settlement.id(), settlement.sum()?, cause);
        } else if settlement.journaled {
            legs(books, settlement, &mut of);
            accounts(books, settlement, &mut of)?;
        } else {
            let waiting = settlement.rows.iter().filter(|row| row.waits).count();
            let cause = format!("not journaled yet: {waiting} of its transactions wait for a person");
            of.open(&books.seller.id, settlement.id(), settlement.sum()?, cause);
        }
    }
    Ok(of)
}

/// Each transaction's legs sum to it, and it moves the settlement account by just that.
fn legs(books: &Books<'_>, settlement: &Settlement, of: &mut TieOut) {
    let account = books.account(purpose::SETTLEMENT).unwrap_or_default();
    for row in &settlement.rows {
        of.check(&books.seller.id, &row.id, row.total, row.legs, "its legs do not sum to its total");
        let net = row.booked.as_ref().and_then(|booked| booked.get(&account)).copied().unwrap_or_default();
        let net = Money::new(net, row.total.currency);
        of.check(&books.seller.id, &row.id, row.total, net, "it was booked over another amount");
        let journal = books.journal_of.get(&row.economic_id);
        if !journal.is_some_and(|key| settlement.journals.iter().any(|(own, _)| own == key)) {
            let nothing = Money::zero(row.total.currency);
            of.check(&books.seller.id, &row.id, row.total, nothing, "no journal of its settlement holds it");
        }
    }
}

/// The journals' lines come, account by account, to the bookings' lines; what is carried forward comes to nothing.
fn accounts(books: &Books<'_>, settlement: &Settlement, of: &mut TieOut) -> Result<(), StageError> {
    let mut differences = BTreeMap::<&str, (i64, i64)>::new();
    for booked in settlement.rows.iter().filter_map(|row| row.booked.as_ref()) {
        for (account, minor) in booked {
            differences.entry(account).or_default().0 += minor;
        }
    }
    let end = books.period.last();
    for (key, date) in &settlement.journals {
        // A later month of the settlement was not read with this period's documents: it has ended by then.
        let Some(recorded) = books.documents.get(key) else {
            let cause = format!("its journal {key} is dated {date}, after {end}");
            of.open(&books.seller.id, settlement.id(), settlement.sum()?, cause);
            return Ok(());
        };
        if let Body::Journal { lines, .. } = &recorded.row.document.body {
            for line in lines {
                differences.entry(&line.account).or_default().1 += line.amount.minor;
            }
        }
    }
    for (account, (booked, journaled)) in differences {
        let money = |minor| Money::new(minor, settlement.currency);
        let subject = format!("{} {account}", settlement.id());
        let cause = "its journals and its bookings differ on this account";
        of.check(&books.seller.id, &subject, money(booked), money(journaled), cause);
    }
    Ok(())
}

/// T4: what was read back from Fusion is what was sent.
pub(super) async fn read_back(books: &Books<'_>, store: &dyn Store) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T4");
    let seller = &books.seller.id;
    let (first, last) = (books.period.first(), books.period.last());
    for (key, recorded) in books.documents.iter().filter(|(_, one)| one.row.document.date >= first) {
        let (subject, sent) =
            (format!("{key} {}", recorded.row.document.subject()), recorded.row.document.total()?);
        match books.comparisons.get(key) {
            None => of.open(seller, &subject, sent, "not read back yet"),
            Some(None) => of.check(seller, &subject, sent, sent, ""),
            Some(Some((code, message))) if matches!(code.as_str(), "renumbered" | "number") => {
                of.check(seller, &subject, sent, sent, "");
                of.open(seller, &subject, sent, message.clone());
            }
            // Both figures stand in the finding's words; the amount alone may well be the same.
            Some(Some((code, message))) => {
                of.check(seller, &subject, sent, Money::zero(sent.currency), &format!("{code}: {message}"));
            }
        }
    }
    for state in ["planned", "sending", "submitted", "unknown", "rejected"] {
        for row in store.postings_in(seller, state, u32::MAX).await? {
            let document = &row.document;
            if (first..=last).contains(&document.date) {
                let subject = format!("{} {}", document.key, document.subject());
                of.open(seller, &subject, document.total()?, format!("its posting is {state}"));
            }
        }
    }
    Ok(of)
}

/// T5: what a settlement holds back as a reserve, the next one of its region and currency gives back.
pub(super) fn reserves(books: &Books<'_>) -> Result<TieOut, StageError> {
    let mut of = TieOut::new("T5");
    let seller = &books.seller.id;
    let mut chains = BTreeMap::<(Region, &str), Vec<&Settlement>>::new();
    for settlement in &books.settlements {
        chains.entry((settlement.region, settlement.currency.code())).or_default().push(settlement);
    }
    for chain in chains.values() {
        for (place, settlement) in chain.iter().enumerate() {
            let ends_here =
                settlement.ended.is_some_and(|day| books.period.first() <= day && day <= books.period.last());
            let held = Money::new(settlement.rows.iter().map(|row| row.reserve.0).sum(), settlement.currency);
            if !ends_here {
                continue;
            }
            if settlement.rows.iter().any(|row| row.waits) {
                of.open(seller, settlement.id(), held, "some of its transactions wait for a person");
                continue;
            }
            match chain.get(place + 1) {
                Some(next) if next.rows.iter().any(|row| row.waits) => {
                    of.open(
                        seller,
                        settlement.id(),
                        held,
                        format!("transactions of {} wait for a person", next.id()),
                    );
                }
                Some(next)
                    if next.ended.is_some()
                        || held.minor == 0
                        || next.rows.iter().any(|row| row.reserve.1 != 0) =>
                {
                    let back = Money::new(next.rows.iter().map(|row| row.reserve.1).sum(), next.currency);
                    let cause = format!("held back here, given back in {}", next.id());
                    of.check(seller, settlement.id(), held, back, &cause);
                }
                _ if held.minor == 0 => {}
                _ => of.open(seller, settlement.id(), held, "held back; the next settlement is still open"),
            }
        }
    }
    Ok(of)
}
