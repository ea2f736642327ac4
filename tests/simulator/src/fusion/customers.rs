//! receivablesCustomerAccountActivities: bill-to customers, and what is applied to what.

use serde_json::json;

use super::access::Privilege;
use super::adf::{Call, Child, Query, Resource, Row, time};
use super::{Document, FusionState};
use crate::scenario::{MARKETPLACES, Seller};

pub(super) const ACTIVITIES: Resource = Resource {
    name: "receivablesCustomerAccountActivities",
    privilege: Privilege::Receivables,
    queryable: &["AccountId", "AccountNumber", "CustomerName", "LastUpdateDate"],
    actions: |_| &[],
    rows,
};

/// The name of a customer.
pub(super) fn name(seller: &Seller, marketplace: &str) -> String {
    format!("{marketplace} buyers of {}", seller.name)
}

/// The number of a customer's only bill-to site.
pub(super) fn site(number: &str) -> String {
    format!("{number}-1")
}

/// The name of a customer of a business unit, if the number is one's.
pub(super) fn find(state: &FusionState, seller: &Seller, number: &str) -> Option<String> {
    if state.knobs.unknown_customers.contains(number) {
        return None;
    }
    let marketplace = MARKETPLACES.iter().find(|m| seller.fusion.customer(m) == number)?;
    Some(name(seller, marketplace.name))
}

fn rows<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (n, seller) in call.world.scenario.sellers.iter().enumerate() {
        for marketplace in &MARKETPLACES {
            let number = seller.fusion.customer(marketplace);
            let wanted = query.equal("AccountNumber").is_none_or(|wanted| wanted == number);
            if wanted && find(state, seller, &number).is_some() {
                rows.push(row(call, state, (n, seller), number, marketplace.name));
            }
        }
    }
    rows
}

fn row<'a>(
    call: &'a Call<'a>,
    state: &'a FusionState,
    (n, seller): (usize, &Seller),
    number: String,
    marketplace: &str,
) -> Row<'a> {
    let id = 300_000_047_000_000 + number.parse::<u64>().unwrap_or(0);
    let own = move |document: &&Document, number: &str| document.seller == n && document.customer == number;
    let invoices: Vec<&Document> = state.invoices.iter().filter(|one| own(one, &number)).collect();
    let open: i64 = invoices.iter().map(|one| one.balance()).sum();
    let latest = invoices.iter().map(|one| one.updated).max();
    let latest = latest.unwrap_or(call.world.scenario.start.as_millisecond());
    let mut row = Row::new(
        id.to_string(),
        json!({
            "AccountId": call.id(id), "AccountNumber": number, "CustomerName": name(seller, marketplace),
            "TotalOpenReceivablesForAccount": super::receivables::decimal(
                invoices.first().map_or(crate::scenario::Currency::Usd, |one| one.currency), open),
            "LastUpdateDate": time(latest),
        }),
    );
    let customer = number.clone();
    row.children.push(Child {
        name: "standardReceiptApplications",
        rows: Box::new(move || super::receipts::applications(call, state, n, &customer)),
    });
    row.children.push(Child {
        name: "transactionPaymentSchedules",
        rows: Box::new(move || {
            let own = state.invoices.iter().filter(|one| one.seller == n && one.customer == number);
            own.map(|one| super::receivables::installment(call, one)).collect()
        }),
    });
    row
}
