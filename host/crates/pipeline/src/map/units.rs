//! What of an order is mapped: the order, or the share of each of its shipments.
//!
//! The mapper sees a shipment's share as an order that has shipped whole. What is invoiced already is cut again as its
//! invoice says, so that it can be compared.

use std::collections::BTreeSet;

use ml_connector_domain::Money;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::catalog::Asked;
use ml_connector_domain::document::Body;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::shipment::{Due, Shipment, due, slice, subject};
use ml_connector_storage::{Change, DocumentRow};

use super::ToReview;
use crate::invoices::{invoices_of, shipment};
use crate::seller::Dated;
use crate::{Parts, Seller, StageError, leg, restored, stage};

/// An order, or a shipment's share of one, on its way to the mapper.
pub(crate) struct Unit {
    pub(crate) order: Order,
    /// Which of several shipments it is.
    pub(crate) shipment: Option<Shipment>,
    /// The invoice that stands for it.
    pub(crate) posted: Option<DocumentRow>,
    /// Whether nothing of the order follows.
    pub(crate) complete: bool,
}

impl Unit {
    /// The source under which its receivable is recognised: the order's id for the whole and for the first shipment, so
    /// that an order is never invoiced both whole and in parts.
    pub(crate) fn source(&self) -> String {
        match &self.shipment {
            Some(shipment) if shipment.number > 1 => shipment.subject.clone(),
            _ => self.order.id.as_str().to_owned(),
        }
    }

    /// The source of the shipment before it, without which it is not invoiced.
    pub(crate) fn before(&self) -> Option<String> {
        match self.shipment.as_ref()?.number {
            0 | 1 => None,
            2 => Some(self.order.id.as_str().to_owned()),
            number => Some(subject(&self.order.id, number - 1)),
        }
    }

    /// Where its order is once it is invoiced.
    pub(crate) fn stage(&self) -> &'static str {
        if self.complete { stage::DOCUMENTED } else { stage::WAITING }
    }
}

impl Dated for Unit {
    fn products<'a>(&'a self, seller: &Seller) -> Vec<Asked<'a>> {
        self.order.products(seller)
    }
}

/// What becomes of an order before any mapper sees it.
pub(crate) struct Cut {
    pub(crate) units: Vec<Unit>,
    /// What is changed where there is nothing to map.
    pub(crate) changes: Vec<Change>,
}

/// Cuts an order into what is to be mapped of it.
///
/// # Errors
/// The store failed, or an amount does not fit.
pub(crate) async fn cut(
    parts: &Parts,
    seller: &Seller,
    order: Order,
    review: &ToReview<'_>,
) -> Result<Cut, StageError> {
    let invoices = invoices_of(parts, seller, &order.id).await?;
    let invoiced: Vec<Shipment> = invoices.iter().filter_map(shipment).cloned().collect();
    let complete = !order.is_partly_shipped();
    let only = |unit: Unit| Ok(Cut { units: vec![unit], changes: Vec::new() });
    if let ([whole], true) = (invoices.as_slice(), invoiced.is_empty()) {
        return only(Unit { order, shipment: None, posted: Some(whole.clone()), complete: true });
    }
    let nothing = |changes| Ok(Cut { units: Vec::new(), changes });
    let since = restored::shipments_since(parts, seller, &order, &invoiced).await?;
    let all = [invoiced.as_slice(), since.as_slice()].concat();
    match due(&order, &all, |at| seller.day(at)) {
        Due::Whole => only(Unit { order, shipment: None, posted: None, complete: true }),
        Due::Nothing if !since.is_empty() => Ok(Cut { units: new(&order, since)?, changes: Vec::new() }),
        Due::Nothing if invoices.is_empty() => nothing(vec![review.stage(stage::WAITING)]),
        Due::Nothing => Ok(Cut { units: again(&order, invoices, complete)?, changes: Vec::new() }),
        Due::Unclear(why) => nothing(review.and_stage(&[unclear(&order, &why)])),
        Due::Parts(shipments) => match changed_before(&order, &invoices)? {
            Some(why) => nothing(review.and_stage(&[unclear(&order, &why)])),
            None => Ok(Cut { units: new(&order, [since, shipments].concat())?, changes: Vec::new() }),
        },
    }
}

fn unclear(order: &Order, why: &str) -> Reason {
    let message = format!(
        "{why}, so that what is left of it cannot be told: correct its first invoices (ml-connector correct {}), or book the rest in Fusion",
        order.id
    );
    Reason::new("shipments-unclear", order.id.as_str(), message)
}

/// The shipments that are invoiced, as they are now.
fn again(order: &Order, invoices: Vec<DocumentRow>, complete: bool) -> Result<Vec<Unit>, StageError> {
    let mut units = Vec::with_capacity(invoices.len());
    for row in invoices {
        let Some(of) = shipment(&row).cloned() else { continue };
        let mut share = slice(order, &of)?;
        if order.is_dead() {
            share.status.clone_from(&order.status);
        }
        units.push(Unit { order: share, shipment: Some(of), posted: Some(row), complete });
    }
    Ok(units)
}

fn new(order: &Order, shipments: Vec<Shipment>) -> Result<Vec<Unit>, StageError> {
    let mut units = Vec::with_capacity(shipments.len());
    for of in shipments {
        let (order, complete) = (slice(order, &of)?, of.last);
        units.push(Unit { order, shipment: Some(of), posted: None, complete });
    }
    Ok(units)
}

/// Why the shares of earlier shipments are not what they were invoiced over; a corrected invoice is over what the order
/// was by then.
fn changed_before(order: &Order, invoices: &[DocumentRow]) -> Result<Option<String>, StageError> {
    for row in invoices {
        let (Some(of), Body::Invoice { net_of, .. }) = (shipment(row), &row.document.body) else { continue };
        let now = slice(order, of)?.total;
        if net_of.is_empty() && now != Some(row.expected) {
            let now = now.map_or_else(String::new, |now: Money| now.to_string());
            let key = &row.document.key;
            return Ok(Some(format!(
                "the order changed after shipment {} was invoiced over {} ({key}): it comes to {now} now",
                of.number, row.expected
            )));
        }
    }
    Ok(None)
}

/// Whether the shipment before a unit's is invoiced, here or earlier.
///
/// # Errors
/// The store failed.
pub(crate) async fn follows(
    parts: &Parts,
    seller: &Seller,
    unit: &Unit,
    planned: &BTreeSet<String>,
) -> Result<bool, StageError> {
    let Some(before) = unit.before() else { return Ok(true) };
    if planned.contains(&before) {
        return Ok(true);
    }
    Ok(parts.store.recognized_by(&seller.id, &before, leg::RECEIVABLE).await?.is_some())
}
