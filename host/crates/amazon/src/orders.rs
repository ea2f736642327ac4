//! Orders, by either version of the API.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use ml_connector_domain::OrderId;
use ml_connector_ports::{Account, Ask, Page, RawRecord, SourceError, Urgency};
use ml_connector_remote::Response;
use secrecy::SecretString;

use crate::call::{Call, Caller, NOT_FOUND, RESTRICTED_EXPIRED};
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

/// A page of searchOrders.
pub(crate) async fn current(
    caller: &Caller,
    refused: &RefusedSets,
    account: &Account,
    ask: Ask<'_>,
) -> Result<Page, SourceError> {
    let (from, to) = (instant(ask.window.from), instant(ask.window.to));
    let mut query = vec![
        ("lastUpdatedAfter", from.as_str()),
        ("lastUpdatedBefore", to.as_str()),
        ("maxResultsPerPage", "100"),
    ];
    query.extend(ask.token.map(|token| ("paginationToken", token)));
    let operation = Operation::SearchOrders;
    let call = Call::get(account, operation, &query, ask.urgency);
    page_of(operation, ask, &with_data_sets(caller, refused, call).await?)
}

/// One order as it is now; `None` if Amazon does not serve it.
pub(crate) async fn one(
    caller: &Caller,
    refused: &RefusedSets,
    account: &Account,
    order: &OrderId,
) -> Result<Option<RawRecord>, SourceError> {
    let operation = Operation::GetOrder;
    let segments = [order.as_str()];
    let call = Call { segments: &segments, ..Call::get(account, operation, &[], Urgency::Live) };
    match with_data_sets(caller, refused, call).await {
        Ok(answer) => {
            wire::orders::one(&answer.body).map(Some).map_err(|error| not_understood(operation, &error))
        }
        Err(SourceError::Refused { code: NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls with the data sets that are wanted. If Amazon refuses one that an order can be booked without (as happened
/// with 2026-01-01 in the Far East), it is left out.
async fn with_data_sets(
    caller: &Caller,
    refused: &RefusedSets,
    call: Call<'_>,
) -> Result<Response, SourceError> {
    let account = call.account;
    loop {
        let without = refused.of(account);
        let buyer = BUYER.iter().filter(|_| caller.options.buyer_data);
        let wanted = NEEDED.iter().chain(&USEFUL).chain(buyer);
        let sets: Vec<&'static str> = wanted.filter(|set| !without.contains(*set)).copied().collect();
        let included = sets.join(",");
        let mut query = call.query.to_vec();
        query.push(("includedData", included.as_str()));
        let asked =
            Call { segments: call.segments, ..Call::get(account, call.operation, &query, call.urgency) };
        match caller.call(asked).await {
            Err(SourceError::Refused { code: "AMZ-DATA-SET", message }) => {
                let named = |set: &&&str| message.contains(**set);
                let Some(set) = sets.iter().filter(|set| !NEEDED.contains(set)).find(named) else {
                    return Err(SourceError::Refused { code: "AMZ-DATA-SET", message });
                };
                tracing::warn!(seller = %account.seller, region = %account.region, set, "orders are read without a data set");
                refused.add(account, set);
            }
            result => return result,
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
    let restricted = match caller.options.buyer_data {
        true => {
            restricted(caller, account, (ORDERS_PATH, &["buyerInfo", "shippingAddress"]), ask.urgency).await?
        }
        false => None,
    };
    let call = Call { restricted, ..Call::get(account, operation, &query, ask.urgency) };
    let answer = caller.call(call).await?;
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

/// Who bought, and where it goes.
const ORDERS_PATH: &str = "/orders/v0/orders";
/// Gift wrap is money, and stands among the restricted data of the items.
const ITEMS_PATH: &str = "/orders/v0/orders/{orderId}/orderItems";

/// A token for restricted data. Without the role there is none; what is missing then shows where an order does not
/// foot.
async fn restricted(
    caller: &Caller,
    account: &Account,
    (path, elements): (&str, &[&str]),
    urgency: Urgency,
) -> Result<Option<SecretString>, SourceError> {
    match caller.restricted_token(account, path, elements, urgency).await {
        Ok(token) => Ok(Some(token)),
        Err(SourceError::Refused { code, message }) => {
            tracing::warn!(code, %message, path, "read without restricted data");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn items(
    caller: &Caller,
    account: &Account,
    order: &str,
    urgency: Urgency,
) -> Result<Vec<String>, SourceError> {
    let token = restricted(caller, account, (ITEMS_PATH, &["buyerInfo"]), urgency).await?;
    match items_by(caller, account, order, urgency, token).await {
        // By Amazon's clock it had expired and is forgotten: once more, with a fresh one.
        Err(SourceError::Transient { code: RESTRICTED_EXPIRED, .. }) => {
            let token = restricted(caller, account, (ITEMS_PATH, &["buyerInfo"]), urgency).await?;
            items_by(caller, account, order, urgency, token).await
        }
        result => result,
    }
}

async fn items_by(
    caller: &Caller,
    account: &Account,
    order: &str,
    urgency: Urgency,
    restricted: Option<SecretString>,
) -> Result<Vec<String>, SourceError> {
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
