//! What an operator knows: products with their accounts, and how the books are set up.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::{
    Currency, MARKETPLACES, Marketplace, Product, Profile, Region, Scenario, ScenarioOptions, Seller, names,
};
use crate::clock::text;

/// Natural accounts by purpose.
pub const ACCOUNTS: [(&str, &str); 33] = [
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
    ("deferred", "12960"),
    ("inventory", "14100"),
    ("loan", "25100"),
    ("debt_recovery", "25200"),
    ("liquidation", "43200"),
    ("adjustment", "43900"),
    ("removal", "61500"),
    ("inbound", "61600"),
    ("postage", "61700"),
    ("chargeback", "61950"),
    ("guarantee_claim", "61960"),
    ("promotion_fee", "62200"),
    ("bad_debt", "69500"),
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
    /// Business unit id.
    pub business_unit_id: String,
    /// First bill-to account number; the marketplaces' follow.
    pub first_customer: u32,
    /// The ledger's currency.
    pub ledger_currency: Currency,
    /// The ledger's zone.
    pub time_zone: &'static str,
    /// Whether settlement cash is taken up by receipts.
    pub receipts: bool,
}

impl FusionSetup {
    /// The bill-to account number for a marketplace.
    pub fn customer(&self, marketplace: &Marketplace) -> String {
        let at = MARKETPLACES.iter().position(|m| m.id == marketplace.id).unwrap_or(0);
        (self.first_customer + u32::try_from(at).unwrap_or(0)).to_string()
    }
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
    let home = home(n, options.profile);
    Seller {
        id: format!("A{:013X}", 0x3_5E11_0000_u64 + u64::from(number)),
        name: format!("Seller {}", number + 1),
        products,
        discounts_negative: rng.random_bool(0.5),
        regions: home.regions.to_vec(),
        fusion: FusionSetup {
            business_unit: format!("Marketplace BU {}", number + 1),
            ledger_name: format!("{} Ledger {}", home.country, number + 1),
            ledger_id: (300_000_046_975_970_u64 + u64::from(number)).to_string(),
            data_access_set_id: (300_000_046_975_990_u64 + u64::from(number)).to_string(),
            business_unit_id: (300_000_046_987_000_u64 + u64::from(number)).to_string(),
            first_customer: 10_000 + 10 * number,
            ledger_currency: home.currency,
            time_zone: home.time_zone,
            receipts: options.profile == Profile::Year,
        },
    }
}

/// Where a seller sells and keeps its books.
struct Home {
    country: &'static str,
    regions: &'static [Region],
    currency: Currency,
    time_zone: &'static str,
}

const WORLDWIDE: Home =
    Home { country: "US", regions: &Region::ALL, currency: Currency::Usd, time_zone: "America/Los_Angeles" };

const HOMES: [Home; 3] = [
    Home { regions: &[Region::Na], ..WORLDWIDE },
    Home { country: "DE", regions: &[Region::Eu], currency: Currency::Eur, time_zone: "Europe/Berlin" },
    Home { country: "JP", regions: &[Region::Fe], currency: Currency::Jpy, time_zone: "Asia/Tokyo" },
];

fn home(n: usize, profile: Profile) -> &'static Home {
    match profile {
        Profile::Month => &WORLDWIDE,
        Profile::Year => &HOMES[n % HOMES.len()],
    }
}

fn product(p: usize, rng: &mut ChaCha8Rng) -> Product {
    let (product_type, revenue_account, cogs_account, cost_center) = TYPES[p % TYPES.len()];
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
        cogs_account,
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
                "expires_in": 3600, "user": names::USER, "password": names::USER_PASSWORD,
                "assertion": {
                    "private_key": crate::fusion::identity::PRIVATE_KEY, "key_id": names::ASSERTION_KEY,
                    "audience": names::ASSERTION_AUDIENCE,
                },
            },
            "sellers": self.sellers.iter().map(|seller| self.seller_json(seller)).collect::<Vec<_>>(),
        })
    }

    /// What a client of the first seller's books needs to know that begins at `now`.
    pub fn for_a_fusion_client(&self, now: jiff::Timestamp) -> Value {
        let setup = &self.sellers[0].fusion;
        let today = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        json!({
            "now": text(now.as_millisecond()), "today": today.to_string(),
            "period": today.strftime("%b-%y").to_string(),
            "client_id": names::CLIENT, "client_secret": names::CLIENT_SECRET, "scope": names::SCOPE,
            "user": names::USER, "password": names::USER_PASSWORD,
            "business_unit": setup.business_unit, "business_unit_id": setup.business_unit_id,
            "ledger": setup.ledger_name, "ledger_id": setup.ledger_id,
            "data_access_set_id": setup.data_access_set_id, "customer": setup.first_customer.to_string(),
            "currency": "USD", "source": names::INVOICE_SOURCE, "type": names::INVOICE_TYPE,
            "credit_memo_source": names::CREDIT_MEMO_SOURCE, "credit_memo_type": names::CREDIT_MEMO_TYPE,
            "auto_numbering_source": names::AUTO_SOURCE, "payment_terms": names::TERMS,
            "journal_source": names::JOURNAL_SOURCE, "journal_category": names::JOURNAL_CATEGORY,
            "receipt_method": names::RECEIPT_METHOD, "bank_account": names::BANK_ACCOUNT,
            "account": combination("41000", "110"), "receivable_account": combination("12100", "000"),
            "criteria_set": names::CRITERIA_SET,
        })
    }
}

impl Scenario {
    fn seller_json(&self, seller: &Seller) -> Value {
        let mut body = seller_json(seller);
        if self.options.profile == Profile::Year {
            // A year's operator keeps stock, at costs that change, and takes refunded goods back into it.
            body["returned_goods"] = json!("refunded");
            let products = seller.products.iter().map(|product| self.with_costs(seller, product));
            body["products"] = products.collect();
        }
        body
    }

    fn with_costs(&self, seller: &Seller, product: &Product) -> Value {
        let mut body = product_json(product);
        if product.mapped {
            let rises = self.costs_rise();
            let until = rises.yesterday().unwrap_or(rises);
            let costs = seller.marketplaces().flat_map(|marketplace| {
                let cost = |raised, from: Option<String>, to: Option<String>| {
                    json!({
                        "marketplace": marketplace.id, "valid_from": from, "valid_to": to,
                        "unit_cost": product.unit_cost(marketplace, raised).to_string(),
                        "currency": marketplace.currency.code(),
                    })
                };
                [cost(false, None, Some(until.to_string())), cost(true, Some(rises.to_string()), None)]
            });
            body["cogs_account"] = json!(product.cogs_account);
            body["costs"] = costs.collect();
        }
        body
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
        "authorizations": seller.regions.iter().copied().map(authorization).collect::<Vec<_>>(),
        "fusion": fusion_json(&seller.fusion),
        "fusion_setup": fusion_setup_json(&seller.fusion),
        "tax": tax,
        "products": seller.products.iter().map(product_json).collect::<Vec<_>>(),
    })
}

fn fusion_json(setup: &FusionSetup) -> Value {
    let bill_to: Map<String, Value> =
        MARKETPLACES.iter().map(|m| (m.id.to_owned(), json!(setup.customer(m)))).collect();
    let accounts: Map<String, Value> = ACCOUNTS.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    let mut ledger = json!({
        "business_unit": setup.business_unit, "ledger_name": setup.ledger_name, "ledger_id": setup.ledger_id,
        "data_access_set_id": setup.data_access_set_id, "ledger_currency": setup.ledger_currency.code(),
        "conversion_type": names::CONVERSION, "time_zone": setup.time_zone,
        "transaction_source": names::INVOICE_SOURCE, "invoice_type": names::INVOICE_TYPE,
        "credit_memo_source": names::CREDIT_MEMO_SOURCE, "credit_memo_type": names::CREDIT_MEMO_TYPE,
        "payment_terms": names::TERMS, "journal_source": names::JOURNAL_SOURCE,
        "journal_category": names::JOURNAL_CATEGORY, "bill_to": bill_to,
        "combination": { "delimiter": "-", "template": TEMPLATE },
        "accounts": accounts, "default_cost_center": "000",
    });
    if setup.receipts {
        ledger["receipts"] = receipts_json();
    }
    ledger
}

fn receipts_json() -> Value {
    json!({ "method": names::RECEIPT_METHOD, "bank_account": names::BANK_ACCOUNT })
}

/// What else is set up there, beyond what every ledger names.
fn fusion_setup_json(setup: &FusionSetup) -> Value {
    let tax: Map<String, Value> = MARKETPLACES
        .iter()
        .map(|m| (m.id.to_owned(), json!({ "regime": tax_regime(m), "rate_code": tax_rate_code(m) })))
        .collect();
    json!({
        "business_unit_id": setup.business_unit_id, "legal_entity": names::LEGAL_ENTITY,
        "chart_of_accounts": { "id": "300000046975900", "segments": names::SEGMENTS, "balancing_segment": 1 },
        "auto_numbering_source": names::AUTO_SOURCE, "other_payment_terms": names::LONG_TERMS,
        "memo_line": names::MEMO_LINE, "tax": tax,
        "transaction_flexfield": {
            "context": names::FLEXFIELD, "order_segment": names::FLEXFIELD_SEGMENTS[0],
            "document_segment": names::FLEXFIELD_SEGMENTS[1],
        },
        "credit_memo_reason": names::CREDIT_REASONS[0],
        "receipts": receipts_json(),
        "auto_invoice": { "business_unit_id": setup.business_unit_id, "line_context": names::FLEXFIELD },
        "auto_post": { "criteria_set": names::CRITERIA_SET },
        "suspense_account": combination(names::SUSPENSE_ACCOUNT, "000"),
        "parent_account": combination(names::PARENT_ACCOUNT, "000"),
        "expired_account": combination(names::EXPIRED_ACCOUNT, "000"),
        "conversion_type_without_rates": names::CONVERSION_WITHOUT_RATES,
    })
}

/// The tax regime of a marketplace.
pub fn tax_regime(marketplace: &Marketplace) -> String {
    format!("{} TAX", marketplace.currency.code())
}

/// The rate code of a marketplace's regime.
pub fn tax_rate_code(marketplace: &Marketplace) -> String {
    format!("{} STANDARD", marketplace.currency.code())
}

fn product_json(product: &Product) -> Value {
    let known = |text: &'static str| if product.mapped { json!(text) } else { Value::Null };
    json!({
        "sku": product.sku, "product_type": product.product_type, "title": product.title, "mapped": product.mapped,
        "revenue_account": known(product.revenue_account), "cost_center": known(product.cost_center),
    })
}
