//! What is mapped: orders as Amazon's larger sellers have them, three items each, and the ledger they go to.

use anyhow::Result;
use ml_connector_domain::canonical::{Charge, Order, OrderItem};
use ml_connector_domain::catalog::CatalogEntry;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_domain::{Currency, Money, Timestamp};

const LEDGER: &str = r#"{"business_unit":"US Business Unit","ledger_name":"US Primary Ledger","ledger_id":"1",
    "data_access_set_id":"2","ledger_currency":"USD","conversion_type":"Corporate",
    "time_zone":"America/Los_Angeles","transaction_source":"S","invoice_type":"I","credit_memo_source":"C",
    "credit_memo_type":"M","payment_terms":"IMMEDIATE","journal_source":"J","journal_category":"K",
    "bill_to":{"US":"1"},"combination":{"delimiter":"-","template":"01-{cost_center}-{account}-0000"},
    "accounts":{"receivable":"12000","settlement":"11200","clearing":"11900","tax_payable":"22100",
    "shipping_revenue":"41200","commission":"61000"},"default_cost_center":"000"}"#;

/// Products in the catalog.
const PRODUCTS: usize = 30;

/// The context of every batch.
pub(crate) fn context() -> Result<BatchContext> {
    let entry = |n: usize| CatalogEntry {
        sku: sku(n).as_str().into(),
        marketplace: "ATVPDKIKX0DER".into(),
        revenue: format!("41{n:03}"),
        cogs: None,
        cost_center: "110".to_owned(),
        rule: format!("catalog.csv:{}", n + 2),
        extra: Vec::new(),
    };
    Ok(BatchContext {
        seller: "A2EXAMPLESELLER".into(),
        settings: vec![("tax.ATVPDKIKX0DER".to_owned(), "exclusive".to_owned())],
        ledger: serde_json::from_str(LEDGER)?,
        catalog: (0..PRODUCTS).map(entry).collect(),
    })
}

fn sku(n: usize) -> String {
    format!("KITCHEN-MUG-{:04}", n % PRODUCTS)
}

/// So many orders, each unlike the others.
pub(crate) fn orders(count: usize) -> Result<Vec<Order>> {
    let at: Timestamp = "2026-09-02T06:30:00Z".parse()?;
    Ok((0..count).map(|n| order(n, at)).collect())
}

fn order(n: usize, at: Timestamp) -> Order {
    let items: Vec<OrderItem> = (0..3).map(|item| self::item(n, item)).collect();
    let total = items.iter().flat_map(|item| &item.charges).map(|charge| charge.amount.minor).sum();
    Order {
        id: format!("113-{:07}-{:07}", n / 10_000, n).as_str().into(),
        marketplace: "ATVPDKIKX0DER".into(),
        status: "SHIPPED".to_owned(),
        fulfilled_by: "AMAZON".to_owned(),
        channel: "AMAZON".to_owned(),
        created: at,
        updated: at,
        shipped: Some(at),
        replaces: None,
        total: Some(Money::new(total, Currency::USD)),
        items,
        packages: Vec::new(),
        shipment: None,
    }
}

fn item(order: usize, n: usize) -> OrderItem {
    let price = 999 + i64::try_from((order * 7 + n * 131) % 5_000).unwrap_or(0);
    let charge =
        |kind: &str, minor| Charge { kind: kind.to_owned(), amount: Money::new(minor, Currency::USD) };
    OrderItem {
        id: format!("{:014}", order * 3 + n).as_str().into(),
        sku: sku(order + n).as_str().into(),
        title: "Stoneware mug with a handle, dishwasher safe, 350 ml".to_owned(),
        quantity_ordered: 1,
        quantity_fulfilled: 1,
        charges: vec![charge("ITEM", price), charge("TAX/ITEM", price / 12)],
        tax_collection: "MARKETPLACE_FACILITATOR".to_owned(),
    }
}
