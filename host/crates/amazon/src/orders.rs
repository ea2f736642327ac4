//! Orders, by either version of the API.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ml_connector_ports::{Account, Ask, Page, RawRecord, SourceError, Urgency};
use secrecy::SecretString;

use crate::call::{Call, Caller};
use crate::client::{instant, loops, not_understood, page_of};
use crate::marketplace;
use crate::operation::Operation;
use crate::wire::{self, orders_v0};

/// Data sets without which an order cannot be booked rightly: if one is refused, orders wait.
const NEEDED: [&str; 3] = ["PROCEEDS", "TAX", "FULFILLMENT"];
/// Data sets that an order can be booked without: a ship date, reasons and promotion names.
const USEFUL: [&str; 3] = ["PROMOTION", "CANCELLATION", "PACKAGES"];
/// Who bought, and where it goes; asked for only if the configuration says so.
const BUYER: [&str; 2] = ["BUYER", "RECIPIENT"];

/// Data sets that Amazon refuses for an account, until the process ends.
#[derive(Debug, Default)]
pub(crate) struct RefusedSets {
    inner: Mutex<HashMap<Account, HashSet<&'static str>>>,
}

impl RefusedSets {
    fn of(&self, account: &Account) -> HashSet<&'static str> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned().unwrap_or_default()
    }

    fn add(&self, account: &Account, set: &'static str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.entry(account.clone()).or_default().insert(set);
    }
}

/// A page of searchOrders. If Amazon refuses a data set that an order can be booked without (as happened with
/// 2026-01-01 in the Far East), the page is read without it.
pub(crate) async fn current(
    caller: &Caller,
    refused: &RefusedSets,
    account: &Account,
    ask: Ask<'_>,
) -> Result<Page, SourceError> {
    let (from, to) = (instant(ask.window.from), instant(ask.window.to));
    loop {
        let without = refused.of(account);
        let buyer = BUYER.iter().filter(|_| caller.options.buyer_data);
        let sets: Vec<&'static str> = NEEDED
            .iter()
            .chain(&USEFUL)
            .chain(buyer)
            .filter(|set| !without.contains(*set))
            .copied()
            .collect();
        let included = sets.join(",");
        let mut query = vec![
            ("lastUpdatedAfter", from.as_str()),
            ("lastUpdatedBefore", to.as_str()),
            ("maxResultsPerPage", "100"),
            ("includedData", included.as_str()),
        ];
        query.extend(ask.token.map(|token| ("paginationToken", token)));
        let operation = Operation::SearchOrders;
        match caller.call(Call::get(account, operation, &query, ask.urgency)).await {
            Ok(answer) => return page_of(operation, ask, &answer),
            Err(SourceError::Refused { code: "AMZ-DATA-SET", message }) => {
                let named = |set: &&&str| message.contains(**set);
                let Some(set) = sets.iter().filter(|set| !NEEDED.contains(set)).find(named) else {
                    return Err(SourceError::Refused { code: "AMZ-DATA-SET", message });
                };
                tracing::warn!(seller = %account.seller, region = %account.region, set, "orders are read without a data set");
                refused.add(account, set);
            }
            Err(error) => return Err(error),
        }
    }
}

/// A page of Orders v0 with the items of each order, as one record of ours around Amazon's bytes.
pub(crate) async fn v0(caller: &Caller, account: &Account, ask: Ask<'_>) -> Result<Page, SourceError> {
    let (from, to) = (instant(ask.window.from), instant(ask.window.to));
    let ids: Vec<&str> =
        marketplace::ALL.iter().filter(|m| m.region == account.region).map(|m| m.id).collect();
    let ids = ids.join(",");
    let mut query = vec![
        ("MarketplaceIds", ids.as_str()),
        ("LastUpdatedAfter", from.as_str()),
        ("LastUpdatedBefore", to.as_str()),
        ("MaxResultsPerPage", "100"),
    ];
    query.extend(ask.token.map(|token| ("NextToken", token)));
    let operation = Operation::GetOrders;
    let answer = caller.call(Call::get(account, operation, &query, ask.urgency)).await?;
    let list = orders_v0::list(&answer.body).map_err(|error| not_understood(operation, &error))?;
    loops(operation, list.next.as_deref(), ask.token)?;
    let mut records = Vec::with_capacity(list.orders.len());
    for (id, order) in list.orders {
        let items = items(caller, account, &id, ask.urgency).await?;
        let json = orders_v0::joined(&order, &items);
        // Nothing tells that restricted data is missing but its absence.
        if orders_v0::lost_buyer_data(&json) {
            tracing::warn!(code = "AMZ-RESTRICTED", order = %id,
                "gift wrap is stated without its price: check the application's restricted roles");
        }
        let buyer_data = wire::buyer::is_in(&json);
        records.push(RawRecord { natural_id: id, json, buyer_data });
    }
    Ok(Page { records, next: list.next, applied_to: list.applied_to })
}

/// Gift wrap is money, and stands among the restricted data of the items.
const ITEMS_PATH: &str = "/orders/v0/orders/{orderId}/orderItems";

async fn items(
    caller: &Caller,
    account: &Account,
    order: &str,
    urgency: Urgency,
) -> Result<Vec<String>, SourceError> {
    let restricted: Option<SecretString> =
        match caller.restricted_token(account, ITEMS_PATH, &["buyerInfo"], urgency).await {
            Ok(token) => Some(token),
            // Without the role there is no token; what is missing then shows where an order does not foot.
            Err(SourceError::Refused { code, message }) => {
                tracing::warn!(code, %message, "items are read without restricted data");
                None
            }
            Err(error) => return Err(error),
        };
    let operation = Operation::GetOrderItems;
    let segments = [order, "orderItems"];
    let (mut items, mut token): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let query: Vec<(&str, &str)> = token.iter().map(|token| ("NextToken", token.as_str())).collect();
        let restricted = restricted.clone();
        let call = Call { segments: &segments, restricted, ..Call::get(account, operation, &query, urgency) };
        let answer = caller.call(call).await?;
        let page = orders_v0::items(&answer.body).map_err(|error| not_understood(operation, &error))?;
        items.extend(page.items);
        loops(operation, page.next.as_deref(), token.as_deref())?;
        token = page.next;
        if token.is_none() {
            return Ok(items);
        }
    }
}
