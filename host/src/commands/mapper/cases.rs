//! Golden cases on the component: the contract's JSON, taken through the same conversions as live records.
//!
//! What the mapper answers is compared word for word, with the `extra` of every record. What goes in is what the host
//! hands over: a case with an `extra` that no host of this version knows is refused, since it would show something that
//! never happens.

use jiff::tz::TimeZone;
use ml_connector_domain::canonical::{self, TransactionStatus};
use ml_connector_domain::catalog::CatalogEntry;
use ml_connector_domain::ledger::LedgerSetup;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::{Date, Money, Timestamp};
use ml_connector_mapper::{Batch, LoadedMapper, Run, Usage};
use ml_connector_ports::MapperFault;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is mapped: a golden case's input, or what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// What it is mapped with.
    pub(super) context: BatchContext,
    /// Orders, transactions, or one of each.
    pub(super) batches: Vec<Batch>,
}

/// What became of a case.
#[derive(Debug, Clone)]
pub(super) struct CaseRun {
    /// `{"orders": [...], "transactions": [...]}`, without members that are null or an empty list.
    pub(super) output: Value,
    /// Fuel burnt by all calls.
    pub(super) fuel: u64,
    /// What each call used of its limits.
    pub(super) usage: Vec<Usage>,
    /// What the mapper logged.
    pub(super) log: Vec<String>,
}

/// Why a case has no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CaseError {
    /// The input is not what the contract says.
    #[error("MAP-CASE: the input is not what the contract says: {0}")]
    Input(String),
    /// The mapper failed on it.
    #[error("MAP-FAULT: {0}")]
    Fault(#[from] MapperFault),
}

#[derive(Deserialize)]
struct Case {
    context: Context,
    #[serde(default)]
    orders: Vec<Order>,
    #[serde(default)]
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Context {
    seller: String,
    #[serde(default)]
    settings: Vec<(String, String)>,
    ledger: Ledger,
    #[serde(default)]
    catalog: Vec<Entry>,
    #[serde(default)]
    extra: Extra,
}

/// Named strings of a record.
type Extra = Vec<(String, String)>;

#[derive(Deserialize)]
struct Ledger {
    name: String,
    currency: String,
    time_zone: String,
    combination: String,
    default_cost_center: String,
    #[serde(default)]
    accounts: Vec<(String, String)>,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Entry {
    sku: String,
    marketplace: String,
    revenue_account: String,
    cogs_account: Option<String>,
    cost_center: String,
    rule: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Amount {
    minor: i64,
    currency: String,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    marketplace: String,
    status: String,
    fulfilled_by: String,
    created: i64,
    updated: i64,
    shipped_on: Option<Date>,
    replaces: Option<String>,
    total: Option<Amount>,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    sku: String,
    title: String,
    quantity_ordered: u32,
    quantity_fulfilled: u32,
    #[serde(default)]
    charges: Vec<Charge>,
    tax_collection: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Charge {
    kind: String,
    amount: Amount,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Transaction {
    id: String,
    kind: String,
    description: String,
    posted: i64,
    group: Option<String>,
    order_id: Option<String>,
    marketplace: Option<String>,
    total: Amount,
    #[serde(default)]
    legs: Vec<Leg>,
    #[serde(default)]
    extra: Extra,
}

#[derive(Deserialize)]
struct Leg {
    path: String,
    amount: Amount,
    sku: Option<String>,
    order_item_id: Option<String>,
    #[serde(default)]
    extra: Extra,
}

fn wrong(error: impl std::fmt::Display) -> CaseError {
    CaseError::Input(error.to_string())
}

/// Takes the value of a name out of a record's `extra`; the host hands no other name over.
fn handed(record: &str, extra: Extra, name: Option<&str>) -> Result<Option<String>, CaseError> {
    let mut found = None;
    for (own, value) in extra {
        if name == Some(own.as_str()) {
            found = Some(value);
        } else {
            return Err(wrong(format!(
                "a {record} with `{own}` in its extra: this host hands none over, see wit/README.md"
            )));
        }
    }
    Ok(found)
}

fn money(amount: &Amount) -> Result<Money, CaseError> {
    let currency = amount.currency.parse().map_err(|error| wrong(format!("{}: {error}", amount.currency)))?;
    Ok(Money::new(amount.minor, currency))
}

fn time(millis: i64) -> Result<Timestamp, CaseError> {
    Timestamp::from_millisecond(millis).map_err(wrong)
}

impl Context {
    fn domain(self) -> Result<BatchContext, CaseError> {
        let Ledger { name, currency, time_zone, combination, default_cost_center, accounts, extra } =
            self.ledger;
        handed("batch-context", self.extra, None)?;
        handed("ledger", extra, None)?;
        // What a mapper does not see is of no account here.
        let none = "-";
        let ledger = json!({
            "business_unit": none, "ledger_name": name, "ledger_id": none, "data_access_set_id": none,
            "ledger_currency": currency, "conversion_type": none, "time_zone": time_zone,
            "transaction_source": none, "invoice_type": none, "credit_memo_source": none,
            "credit_memo_type": none, "payment_terms": none, "journal_source": none, "journal_category": none,
            "bill_to": {}, "combination": { "delimiter": none, "template": combination },
            "accounts": accounts.into_iter().map(|(k, v)| (k, Value::from(v))).collect::<Map<_, _>>(),
            "default_cost_center": default_cost_center,
        });
        let ledger: LedgerSetup =
            serde_json::from_value(ledger).map_err(|e| wrong(format!("context.ledger: {e}")))?;
        let entry = |entry: Entry| CatalogEntry {
            sku: entry.sku.as_str().into(),
            marketplace: entry.marketplace.as_str().into(),
            revenue: entry.revenue_account,
            cogs: entry.cogs_account,
            cost_center: entry.cost_center,
            rule: entry.rule,
            extra: entry.extra,
        };
        Ok(BatchContext {
            seller: self.seller.as_str().into(),
            settings: self.settings,
            ledger,
            catalog: self.catalog.into_iter().map(entry).collect(),
        })
    }
}

impl Order {
    fn domain(self, zone: &TimeZone) -> Result<canonical::Order, CaseError> {
        let noon = |day: Date| zone.to_timestamp(day.at(12, 0, 0, 0)).map_err(wrong);
        let channel = handed("order", self.extra, Some("channel"))?;
        Ok(canonical::Order {
            id: self.id.as_str().into(),
            marketplace: self.marketplace.as_str().into(),
            status: self.status,
            fulfilled_by: self.fulfilled_by,
            channel: channel.unwrap_or_else(|| "AMAZON".to_owned()),
            created: time(self.created)?,
            updated: time(self.updated)?,
            shipped: self.shipped_on.map(noon).transpose()?,
            replaces: self.replaces.map(|id| id.as_str().into()),
            total: self.total.as_ref().map(money).transpose()?,
            items: self.items.into_iter().map(Item::domain).collect::<Result<_, _>>()?,
            packages: Vec::new(),
            shipment: None,
        })
    }
}

impl Item {
    fn domain(self) -> Result<canonical::OrderItem, CaseError> {
        let charge = |charge: Charge| {
            handed("charge", charge.extra, None)?;
            Ok(canonical::Charge { amount: money(&charge.amount)?, kind: charge.kind })
        };
        handed("order-item", self.extra, None)?;
        Ok(canonical::OrderItem {
            id: self.id.as_str().into(),
            sku: self.sku.as_str().into(),
            title: self.title,
            quantity_ordered: self.quantity_ordered,
            quantity_fulfilled: self.quantity_fulfilled,
            charges: self.charges.into_iter().map(charge).collect::<Result<_, CaseError>>()?,
            tax_collection: self.tax_collection,
        })
    }
}

impl Transaction {
    fn domain(self) -> Result<canonical::Transaction, CaseError> {
        handed("transaction", self.extra, None)?;
        let leg = |leg: Leg| {
            let quantity = handed("leg", leg.extra, Some("quantity"))?;
            Ok(canonical::Leg {
                amount: money(&leg.amount)?,
                path: leg.path,
                sku: leg.sku.map(|sku| sku.as_str().into()),
                order_item: leg.order_item_id.map(|id| id.as_str().into()),
                quantity: quantity.map(|text| text.parse().map_err(wrong)).transpose()?,
            })
        };
        Ok(canonical::Transaction {
            id: self.id.as_str().into(),
            kind: self.kind,
            status: TransactionStatus::Released,
            description: self.description,
            posted: time(self.posted)?,
            group: self.group.map(|id| id.as_str().into()),
            settlement: None,
            order: self.order_id.map(|id| id.as_str().into()),
            deferred_twin: None,
            release_twin: None,
            marketplace: self.marketplace.map(|id| id.as_str().into()),
            total: money(&self.total)?,
            legs: self.legs.into_iter().map(leg).collect::<Result<_, CaseError>>()?,
        })
    }
}

/// Without members that are null or an empty list.
pub(super) fn comparable(value: Value) -> Value {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Array(list) => list.into_iter().map(comparable).collect(),
        Value::Object(members) => {
            let left = members.into_iter().filter(|(_, value)| !empty(value));
            Value::Object(left.map(|(name, value)| (name, comparable(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Reads a golden case's input.
///
/// # Errors
/// [`CaseError::Input`].
pub(super) fn parse(input: &str) -> Result<Input, CaseError> {
    let Case { context, orders, transactions } = serde_json::from_str(input).map_err(wrong)?;
    let context = context.domain()?;
    let zone = TimeZone::get(&context.ledger.time_zone).map_err(wrong)?;
    let mut batches = Vec::new();
    if !orders.is_empty() {
        let orders = orders.into_iter().map(|order| order.domain(&zone)).collect::<Result<_, _>>()?;
        batches.push(Batch::Orders(orders));
    }
    if !transactions.is_empty() {
        let transactions = transactions.into_iter().map(Transaction::domain).collect::<Result<_, _>>()?;
        batches.push(Batch::Transactions(transactions));
    }
    Ok(Input { context, batches })
}

/// Maps an input. Blocks for as long as that takes.
///
/// # Errors
/// [`CaseError::Fault`].
pub(super) fn run(mapper: &LoadedMapper, input: &Input) -> Result<CaseRun, CaseError> {
    let mut output = Map::new();
    let mut run = CaseRun { output: Value::Null, fuel: 0, usage: Vec::new(), log: Vec::new() };
    for batch in &input.batches {
        let kind = match batch {
            Batch::Orders(_) => "orders",
            Batch::Transactions(_) => "transactions",
        };
        output.insert(kind.to_owned(), Value::Array(run.took(mapper.tell(&input.context, batch))?));
    }
    run.output = comparable(Value::Object(output));
    Ok(run)
}

impl CaseRun {
    fn took(&mut self, run: Run<Value>) -> Result<Vec<Value>, CaseError> {
        let mapped = run.result?;
        self.fuel += mapped.fuel;
        self.usage.push(run.usage);
        self.log.extend(mapped.log);
        Ok(mapped.outcomes)
    }

    /// Each limit with the largest share of it that a call used; 1 is all of it.
    pub(super) fn shares(&self) -> Vec<(&'static str, f64)> {
        let mut largest: Vec<(&'static str, f64)> = Vec::new();
        for (name, share) in self.usage.iter().flat_map(Usage::shares) {
            match largest.iter_mut().find(|(known, _)| *known == name) {
                Some((_, most)) => *most = most.max(share),
                None => largest.push((name, share)),
            }
        }
        largest
    }

    /// Whether another run of the same input came to the same: all but how long it took.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.output, self.fuel, &self.log) == (&other.output, other.fuel, &other.log)
    }
}
