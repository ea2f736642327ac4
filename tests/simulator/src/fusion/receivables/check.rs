//! What a header must name: business unit, source, type, customer, terms, currency, dates, flexfield.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Kind;
use super::amount::digits;
use crate::World;
use crate::fusion::adf::{Refusal, children, refusal, required, text};
use crate::fusion::{FusionState, customers, lov};
use crate::scenario::{Currency, names};

type Body = Map<String, Value>;

/// The seller whose business unit is named.
pub(super) fn business_unit(world: &World, state: &FusionState, name: &str) -> Result<usize, Refusal> {
    let found = world.scenario.sellers.iter().position(|seller| seller.fusion.business_unit == name);
    found.filter(|_| !state.knobs.removed_units.contains(name)).ok_or_else(|| {
        refusal("AR_BU_NOT_FOUND", "BusinessUnit", "The business unit you entered doesn't exist.")
    })
}

impl Kind {
    /// The sources of the kind.
    pub(in crate::fusion) fn sources(self) -> [&'static str; 2] {
        match self {
            Self::Invoice => [names::INVOICE_SOURCE, names::AUTO_SOURCE],
            Self::CreditMemo => [names::CREDIT_MEMO_SOURCE, names::AUTO_SOURCE],
        }
    }

    /// The transaction type of the kind.
    pub(in crate::fusion) fn transaction_type(self) -> &'static str {
        match self {
            Self::Invoice => names::INVOICE_TYPE,
            Self::CreditMemo => names::CREDIT_MEMO_TYPE,
        }
    }
}

/// The source that is named.
pub(super) fn source(state: &FusionState, kind: Kind, body: &Body) -> Result<String, Refusal> {
    let source = required(body, "TransactionSource")?;
    if kind.sources().contains(&source) && !state.knobs.removed_transaction_sources.contains(source) {
        return Ok(source.to_owned());
    }
    Err(refusal(
        "AR_BATCH_SOURCE_NOT_FOUND",
        "TransactionSource",
        "The transaction source you entered doesn't exist.",
    ))
}

/// The type that is named, and the status: documents are created complete.
pub(super) fn type_and_status(kind: Kind, body: &Body) -> Result<(), Refusal> {
    if required(body, "TransactionType")? != kind.transaction_type() {
        let words = "The transaction type you entered doesn't exist.";
        return Err(refusal("AR_TYPE_NOT_FOUND", "TransactionType", words));
    }
    let status = kind.names().status;
    if text(body, status).is_some_and(|status| status != "Complete") {
        let words =
            "You can only create a complete invoice. You can't create an incomplete or frozen invoice.";
        return Err(refusal("AR-857798", status, words));
    }
    Ok(())
}

/// The customer that is billed, and that the names and sites are his.
pub(super) fn customer(
    world: &World,
    state: &FusionState,
    seller: usize,
    body: &Body,
) -> Result<String, Refusal> {
    let seller = &world.scenario.sellers[seller];
    let not_found = |path: &str| {
        let words = "The criteria you entered didn't return a bill-to customer. Ensure that you entered the correct customer name and account number.";
        refusal("AR_BILL_TO_CUST_NOT_FOUND", path, words)
    };
    let number = required(body, "BillToCustomerNumber")?;
    let name = customers::find(state, seller, number).ok_or_else(|| not_found("BillToCustomerNumber"))?;
    if text(body, "BillToCustomerName").is_some_and(|given| given != name) {
        return Err(not_found("BillToCustomerName"));
    }
    if text(body, "BillToSite").is_some_and(|site| site != customers::site(number)) {
        let words = "The bill-to site you entered doesn't exist.";
        return Err(refusal("AR_BILL_TO_SITE_NOT_FOUND", "BillToSite", words));
    }
    match (text(body, "ShipToCustomerName"), text(body, "ShipToCustomerNumber")) {
        (Some(_), None) => {
            let words = "Enter a ship-to customer number.";
            return Err(refusal("AR_SHIP_TO_CUST_NUM_REQ", "ShipToCustomerNumber", words));
        }
        (_, Some(ship)) if customers::find(state, seller, ship).is_none() => {
            let words = "The criteria you entered didn't return a ship-to customer.";
            return Err(refusal("AR_SHIP_TO_CUST_NOT_FOUND", "ShipToCustomerNumber", words));
        }
        _ => {}
    }
    for site in ["ShipToSite", "ShipToCustomerSite"] {
        let number = text(body, "ShipToCustomerNumber").unwrap_or(number);
        if text(body, site).is_some_and(|given| given != customers::site(number)) {
            let words = "The ship-to site you entered doesn't exist.";
            return Err(refusal("AR_SHIP_TO_SITE_NOT_FOUND", site, words));
        }
    }
    Ok(number.to_owned())
}

/// The terms that are named, or else the customer's, with the days that they give.
pub(in crate::fusion) fn terms(name: Option<&str>) -> Result<(&'static str, i64), Refusal> {
    match name {
        None | Some(names::TERMS) => Ok((names::TERMS, 0)),
        Some(names::LONG_TERMS) => Ok((names::LONG_TERMS, 30)),
        Some(_) => {
            Err(refusal("AR_TERMS_NOT_FOUND", "PaymentTerms", "The payment terms you entered don't exist."))
        }
    }
}

/// The day on which a document falls due.
pub(in crate::fusion) fn due(date: &str, days: i64) -> String {
    let date: Option<jiff::civil::Date> = date.parse().ok();
    let due = date.and_then(|date| date.checked_add(jiff::Span::new().days(days)).ok());
    due.map(|due| due.to_string()).unwrap_or_default()
}

/// Currency with conversion type, rate and date. Another currency than the ledger's needs a type that has a rate, or a
/// rate.
pub(super) fn currency(
    world: &World,
    (kind, ledger): (Kind, Currency),
    body: &Body,
    date: &str,
) -> Result<(Currency, [Option<String>; 3]), Refusal> {
    let attributes = kind.names();
    let code = required(body, attributes.currency)?;
    let invalid =
        "The currency you entered is invalid. You can only create an invoice in the ledger currency.";
    let currency =
        Currency::of(code).ok_or_else(|| refusal("AR_FUNC_CURRENCY_REQ", attributes.currency, invalid))?;
    if currency == ledger {
        return Ok((currency, [None, None, None]));
    }
    let conversion = text(body, "ConversionRateType");
    let Some(conversion) = conversion else {
        return Err(refusal("AR_FUNC_CURRENCY_REQ", attributes.currency, invalid));
    };
    let day = text(body, attributes.rate_date).unwrap_or(date);
    let rate = digits(body.get("ConversionRate"));
    let wrong = |path: &str, words: &str| Err(refusal("AR_RATE_INVALID", path, words));
    match conversion {
        _ if !lov::CONVERSIONS.contains(&conversion) => {
            wrong("ConversionRateType", "The conversion rate type you entered doesn't exist.")
        }
        "User" if rate.is_none() => wrong("ConversionRate", "Enter a conversion rate for the User type."),
        "User" => Ok((currency, [Some(conversion.to_owned()), rate, Some(day.to_owned())])),
        _ if rate.is_some() => wrong("ConversionRate", "A conversion rate is only for the User type."),
        _ if !lov::has_rate(world, conversion, day) => {
            wrong("ConversionRateType", "There is no conversion rate for the type and date.")
        }
        _ => Ok((currency, [Some(conversion.to_owned()), None, Some(day.to_owned())])),
    }
}

/// Transaction date and accounting date, which falls back to the first; its period must be open, or the next.
pub(super) fn dates(world: &World, state: &FusionState, body: &Body) -> Result<(String, String), Refusal> {
    let transaction = required(body, "TransactionDate")?;
    let accounting = text(body, "AccountingDate").unwrap_or(transaction);
    if matches!(lov::status(world, state, 222, accounting), Some('O' | 'F')) {
        return Ok((transaction.to_owned(), accounting.to_owned()));
    }
    let words = "The accounting date isn't in an open or future enterable period.";
    Err(refusal("AR_GL_DATE_INVALID", "AccountingDate", words))
}

/// The reason that a credit memo names, of the lookup.
pub(super) fn reason(body: &Body, name: &str) -> Result<Option<String>, Refusal> {
    let reason = text(body, name);
    if reason.is_some_and(|reason| !names::CREDIT_REASONS.contains(&reason)) {
        return Err(refusal("AR_CREDIT_REASON", name, "The credit reason you entered isn't valid."));
    }
    Ok(reason.map(str::to_owned))
}

/// A flexfield: context and segments.
pub(super) type Flexfield = (String, BTreeMap<String, String>);

/// The transaction flexfield: one row of a known context with known segments.
pub(super) fn flexfield(body: &Body, accessor: &str) -> Result<Option<Flexfield>, Refusal> {
    let Some(row) = children(body, accessor).next() else { return Ok(None) };
    let context = required(row, "__FLEX_Context")?;
    if context != names::FLEXFIELD {
        let words = format!("The value {context} for the attribute __FLEX_Context isn't valid.");
        return Err(refusal("FND_FLEX_CONTEXT", "__FLEX_Context", words));
    }
    let mut segments = BTreeMap::new();
    for (name, value) in row.iter().filter(|(name, _)| *name != "__FLEX_Context") {
        let value = value.as_str().unwrap_or_default();
        if !names::FLEXFIELD_SEGMENTS.contains(&name.as_str()) {
            return Err(refusal("27012", name, format!("Invalid attribute \"{name}\" in the payload")));
        }
        if value.chars().count() > 30 {
            return Err(refusal("27040", name, format!("Attribute {name} has more than 30 characters.")));
        }
        segments.insert(name.clone(), value.to_owned());
    }
    Ok(Some((context.to_owned(), segments)))
}
