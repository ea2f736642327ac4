//! What an operator knows: products with their accounts, and how the books are set up.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::{MARKETPLACES, Marketplace, Product, Region, Scenario, ScenarioOptions, Seller};
use crate::clock::text;

/// Natural accounts by purpose.
pub const ACCOUNTS: [(&str, &str); 20] = [
    ("receivable", "12100"),
    ("settlement", "11800"),
    ("clearing", "12150"),
    ("tax_payable", "22100"),
    ("vat_payable", "22150"),
    ("commission", "61100"),
    ("fulfillment_fee", "61200"),
    ("other_fee", "61900"),
    ("input_vat", "13300"),
    ("advertising", "62100"),
    ("storage", "61300"),
    ("subscription", "61400"),
    ("reserve", "12900"),
    ("reimbursement", "43100"),
    ("shipping_revenue", "41800"),
    ("gift_wrap_revenue", "41850"),
    ("discount", "41900"),
    ("refund_goodwill", "41950"),
    ("rounding", "69900"),
    ("carry_forward", "12950"),
];

/// Product types with revenue account, cost-of-goods account and cost centre.
const TYPES: [(&str, &str, &str, &str); 4] = [
    ("mugs", "41000", "51000", "110"),
    ("lamps", "41100", "51100", "120"),
    ("books", "41200", "51200", "130"),
    ("tea", "41300", "51300", "110"),
];

/// Cost centres of the chart.
pub const COST_CENTERS: [&str; 4] = ["000", "110", "120", "130"];

/// How a combination is written.
const TEMPLATE: &str = "01-{cost_center}-{account}-000-00";

/// The combination of an account and a cost centre.
pub fn combination(account: &str, cost_center: &str) -> String {
    TEMPLATE.replace("{account}", account).replace("{cost_center}", cost_center)
}

/// Every combination that the chart of accounts holds and has enabled.
pub fn all_combinations() -> impl Iterator<Item = String> {
    let products = TYPES.iter().flat_map(|(_, revenue, cogs, _)| [*revenue, *cogs]);
    let accounts = ACCOUNTS.iter().map(|(_, account)| *account).chain(products);
    accounts.flat_map(|account| COST_CENTERS.iter().map(move |center| combination(account, center)))
}

/// A seller's set-up in Fusion.
#[derive(Debug, Clone)]
pub struct FusionSetup {
    /// Business unit.
    pub business_unit: String,
    /// Ledger name.
    pub ledger_name: String,
    /// Ledger id.
    pub ledger_id: String,
    /// Data access set id.
    pub data_access_set_id: String,
    /// First bill-to account number; the marketplaces' follow.
    pub first_customer: u32,
}

impl FusionSetup {
    /// The bill-to account number for a marketplace.
    pub fn customer(&self, marketplace: &Marketplace) -> String {
        let at = MARKETPLACES.iter().position(|m| m.id == marketplace.id).unwrap_or(0);
        (self.first_customer + u32::try_from(at).unwrap_or(0)).to_string()
    }
}

/// The one transaction source, type and so on that every business unit has.
pub mod names {
    /// Transaction source of invoices; does not number automatically.
    pub const INVOICE_SOURCE: &str = "Amazon Connector";
    /// Transaction type of invoices.
    pub const INVOICE_TYPE: &str = "Amazon Invoice";
    /// Transaction source of credit memos.
    pub const CREDIT_MEMO_SOURCE: &str = "Amazon Connector CM";
    /// Transaction type of credit memos.
    pub const CREDIT_MEMO_TYPE: &str = "Amazon Credit Memo";
    /// Payment terms.
    pub const TERMS: &str = "IMMEDIATE";
    /// Journal source.
    pub const JOURNAL_SOURCE: &str = "Amazon";
    /// Journal category.
    pub const JOURNAL_CATEGORY: &str = "Settlement";
    /// Conversion type with daily rates.
    pub const CONVERSION: &str = "Corporate";
    /// Scope of the identity domain.
    pub const SCOPE: &str = "urn:opc:resource:consumer::all";
    /// Client of the identity domain.
    pub const CLIENT: &str = "ml-connector-client";
    /// Its secret.
    pub const CLIENT_SECRET: &str = "idcs-secret-5d1f";
    /// Amazon application.
    pub const APPLICATION: &str = "amzn1.application-oa2-client.simulated";
    /// Its secret.
    pub const APPLICATION_SECRET: &str = "amzn1.oa2-cs.v1.secret-9c2e";
    /// The one that a rotation brings.
    pub const ROTATED_SECRET: &str = "amzn1.oa2-cs.v1.secret-b71d";
}

pub(super) fn seller(n: usize, options: &ScenarioOptions, rng: &mut ChaCha8Rng) -> Seller {
    let number = u32::try_from(n).unwrap_or(0);
    let count = rng.random_range(24..40_usize);
    let mut products: Vec<Product> = (0..count).map(|p| product(p, rng)).collect();
    let unmapped = count * options.unmapped_percent as usize / 100;
    // At least one is planted, unless none is wished for.
    let unmapped = if options.unmapped_percent == 0 { 0 } else { unmapped.max(1) };
    for product in products.iter_mut().rev().take(unmapped) {
        product.mapped = false;
    }
    Seller {
        id: format!("A{:013X}", 0x3_5E11_0000_u64 + u64::from(number)),
        name: format!("Seller {}", number + 1),
        products,
        discounts_negative: rng.random_bool(0.5),
        fusion: FusionSetup {
            business_unit: format!("Marketplace BU {}", number + 1),
            ledger_name: format!("US Ledger {}", number + 1),
            ledger_id: (300_000_046_975_970_u64 + u64::from(number)).to_string(),
            data_access_set_id: (300_000_046_975_990_u64 + u64::from(number)).to_string(),
            first_customer: 10_000 + 10 * number,
        },
    }
}

fn product(p: usize, rng: &mut ChaCha8Rng) -> Product {
    let (product_type, revenue_account, _, cost_center) = TYPES[p % TYPES.len()];
    // Slashes, plus signs and spaces occur in real SKUs.
    let sku = match p % 7 {
        3 => format!("{}/{p:03} +A", product_type.to_uppercase()),
        _ => format!("{}-{p:03}", product_type.to_uppercase()),
    };
    Product {
        title: format!("{product_type} no. {p}"),
        sku,
        product_type,
        revenue_account,
        cost_center,
        mapped: true,
        cents: rng.random_range(599..8_999),
    }
}

impl Scenario {
    /// The scenario as an operator would know it when setting the daemon up.
    pub fn for_the_operator(&self) -> Value {
        json!({
            "seed": self.options.seed,
            "start": text(self.start.as_millisecond()),
            "days": self.options.days,
            "end": text(self.end.as_millisecond()),
            "application": { "client_id": names::APPLICATION, "client_secret": names::APPLICATION_SECRET },
            "identity": {
                "client_id": names::CLIENT, "client_secret": names::CLIENT_SECRET, "scope": names::SCOPE,
            },
            "sellers": self.sellers.iter().map(seller_json).collect::<Vec<_>>(),
        })
    }
}

fn seller_json(seller: &Seller) -> Value {
    let authorization = |region: Region| {
        let own = MARKETPLACES.iter().filter(|m| m.region == region).map(|m| m.id);
        json!({
            "region": region.name(), "refresh_token": seller.refresh_token(region),
            "marketplaces": own.collect::<Vec<_>>(),
        })
    };
    let tax: Map<String, Value> = MARKETPLACES
        .iter()
        .map(|m| {
            let regime = if m.vat_percent == 0 {
                "exclusive".to_owned()
            } else {
                format!("inclusive:{}", m.vat_percent)
            };
            (m.id.to_owned(), json!(regime))
        })
        .collect();
    json!({
        "id": seller.id, "name": seller.name,
        "authorizations": Region::ALL.map(authorization),
        "fusion": fusion_json(&seller.fusion),
        "tax": tax,
        "products": seller.products.iter().map(product_json).collect::<Vec<_>>(),
    })
}

fn fusion_json(setup: &FusionSetup) -> Value {
    let bill_to: Map<String, Value> =
        MARKETPLACES.iter().map(|m| (m.id.to_owned(), json!(setup.customer(m)))).collect();
    let accounts: Map<String, Value> = ACCOUNTS.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    json!({
        "business_unit": setup.business_unit, "ledger_name": setup.ledger_name, "ledger_id": setup.ledger_id,
        "data_access_set_id": setup.data_access_set_id, "ledger_currency": "USD",
        "conversion_type": names::CONVERSION, "time_zone": "America/Los_Angeles",
        "transaction_source": names::INVOICE_SOURCE, "invoice_type": names::INVOICE_TYPE,
        "credit_memo_source": names::CREDIT_MEMO_SOURCE, "credit_memo_type": names::CREDIT_MEMO_TYPE,
        "payment_terms": names::TERMS, "journal_source": names::JOURNAL_SOURCE,
        "journal_category": names::JOURNAL_CATEGORY, "bill_to": bill_to,
        "combination": { "delimiter": "-", "template": TEMPLATE },
        "accounts": accounts, "default_cost_center": "000",
    })
}

fn product_json(product: &Product) -> Value {
    let known = |text: &'static str| if product.mapped { json!(text) } else { Value::Null };
    json!({
        "sku": product.sku, "product_type": product.product_type, "title": product.title, "mapped": product.mapped,
        "revenue_account": known(product.revenue_account), "cost_center": known(product.cost_center),
    })
}
