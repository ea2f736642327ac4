//! T7 in the ledger's currency: what settlements with a rate of their own put in transit is what Amazon paid out, and what
//! they carry forward ends at nothing.

use ml_connector_domain::document::Body;
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{Money, own_rate};

use super::balances::{journaled, settled_by_the_end};
use super::books::{Books, Settlement};
use crate::StageError;

pub(super) fn explained(books: &Books<'_>, of: &mut TieOut) -> Result<(), StageError> {
    for settlement in &books.settlements {
        let Some(rate) = &settlement.rate else { continue };
        let nothing = Money::zero(rate.converted.currency);
        let (in_transit, carried) = if settled_by_the_end(books, settlement) {
            (settlement.in_transit()?, nothing)
        } else {
            let rows = settlement.rows.iter().filter(|row| journaled(books, settlement, row));
            let sum = Money::sum(settlement.currency, rows.map(|row| row.total))?;
            (nothing, rate.worth(sum)?)
        };
        let rows = [
            (purpose::SETTLEMENT, in_transit, "money in transit is not worth what Amazon paid out"),
            (purpose::CARRY_FORWARD, carried, "what is carried forward is worth another amount"),
        ];
        for (purpose, expected, cause) in rows {
            let Some(account) = books.account(purpose) else { continue };
            let found = worth(books, settlement, &account)?.unwrap_or(nothing);
            of.check(&books.seller.id, &format!("{} {account}", settlement.id()), expected, found, cause);
        }
    }
    Ok(())
}

/// What a settlement's journals up to the period's end put on an account in the ledger's currency.
fn worth(books: &Books<'_>, settlement: &Settlement, account: &str) -> Result<Option<Money>, StageError> {
    let mut sum: Option<Money> = None;
    for (key, _) in &settlement.journals {
        let Some(recorded) = books.documents.get(key) else { continue };
        let Body::Journal { lines, .. } = &recorded.row.document.body else { continue };
        let Some(worth) = own_rate::worth_on(lines, account)? else { continue };
        sum = Some(sum.map_or(Ok(worth), |sum| sum.checked_add(worth))?);
    }
    Ok(sum)
}
