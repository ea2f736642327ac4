//! How receipts and their references are created and deleted.

use serde_json::{Map, Value};

use super::{Receipt, Reference};
use crate::fusion::adf::Is::{self, Date, List, Number, Text};
use crate::fusion::adf::{self, Call, Refusal, children, refusal, text, well_formed};
use crate::fusion::receivables::minor;
use crate::fusion::{FusionState, customers, lov};
use crate::http::Reply;
use crate::scenario::{Currency, names};

const HEADER: [(&str, Is); 15] = [
    ("ReceiptNumber", Text(30)),
    ("ReceiptMethod", Text(30)),
    ("BusinessUnit", Text(240)),
    ("CustomerAccountNumber", Text(30)),
    ("CustomerSite", Text(150)),
    ("RemittanceBankAccountNumber", Text(100)),
    ("Currency", Text(15)),
    ("Amount", Number),
    ("AccountingDate", Date),
    ("ReceiptDate", Date),
    ("ConversionRateType", Text(30)),
    ("ConversionRate", Number),
    ("ConversionDate", Date),
    ("Comments", Text(2_000)),
    ("remittanceReferences", List),
];

const REFERENCE: [(&str, Is); 3] =
    [("ReceiptMatchBy", Text(30)), ("ReferenceNumber", Text(50)), ("ReferenceAmount", Number)];

const PATCH: [(&str, Is); 2] = [("CustomerAccountNumber", Text(30)), ("Comments", Text(2_000))];

const MATCH_BY: [&str; 3] = ["Transaction Number", "Purchase Order", "Sales Order"];

fn needed<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    text(body, name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Refusal {
    let words = format!("You must provide a value for the {name} attribute.");
    refusal("FND_CMN_REQ_ATTRIB_API_SERV", name, words)
}

/// Answers a POST.
pub(in crate::fusion) fn create(call: &Call<'_>, state: &mut FusionState) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match checked(call, state, &body) {
        Err(refusal) => call.refused(&refusal),
        Ok(mut receipt) => {
            receipt.id = state.id();
            for reference in &mut receipt.references {
                reference.id = state.id();
            }
            state.receipts.push(receipt);
            match state.receipts.last() {
                Some(receipt) => adf::one(call, "standardReceipts", super::row(call, receipt), 201),
                None => Reply::text(500, "Internal Server Error"),
            }
        }
    }
}

fn checked(call: &Call<'_>, state: &FusionState, body: &Map<String, Value>) -> Result<Receipt, Refusal> {
    well_formed(body, &HEADER)?;
    let world = call.world;
    let unit = needed(body, "BusinessUnit")?;
    let seller = world.scenario.sellers.iter().position(|seller| seller.fusion.business_unit == unit);
    let seller = seller.filter(|_| !state.knobs.removed_units.contains(unit)).ok_or_else(|| {
        refusal("AR_RAPI_BU_INVALID", "BusinessUnit", "The business unit you entered isn't valid.")
    })?;
    if needed(body, "ReceiptMethod")? != names::RECEIPT_METHOD {
        let words = "The receipt method you entered isn't valid.";
        return Err(refusal("AR_INVAL_RECEIPT_MTH_ID", "ReceiptMethod", words));
    }
    let currency = Currency::of(needed(body, "Currency")?).ok_or_else(|| {
        refusal("AR_RAPI_CURR_CODE_INVALID", "Currency", "The currency you entered isn't valid.")
    })?;
    if text(body, "RemittanceBankAccountNumber").is_some_and(|number| number != names::BANK_ACCOUNT) {
        let words = "The remittance bank account isn't valid.";
        return Err(refusal("AR_RAPI_REM_BK_AC_INVALID", "RemittanceBankAccountNumber", words));
    }
    let amount = match body.get("Amount") {
        None | Some(Value::Null) => return Err(missing("Amount")),
        given => minor(given, currency, "Amount")?,
    };
    if amount <= 0 {
        return Err(refusal("AR_RAPI_AMOUNT_INVALID", "Amount", "The receipt amount must be positive."));
    }
    converted(world, body, (currency, world.scenario.sellers[seller].fusion.ledger_currency))?;
    let customer = text(body, "CustomerAccountNumber");
    let known = |number| customers::find(state, &world.scenario.sellers[seller], number).is_some();
    if customer.is_some_and(|number| !known(number)) {
        let words = "The customer account number isn't valid.";
        return Err(refusal("AR_RAPI_CUS_NUM_INVALID", "CustomerAccountNumber", words));
    }
    let today = lov::today_text(world);
    let receipt_date = text(body, "ReceiptDate").unwrap_or(&today).to_owned();
    let date = text(body, "AccountingDate").unwrap_or(&receipt_date).to_owned();
    if !matches!(lov::status(world, state, 222, &date), Some('O' | 'F')) {
        let words = "The accounting date isn't in an open or future enterable period.";
        return Err(refusal("AR_GL_DATE_INVALID", "AccountingDate", words));
    }
    let number = needed(body, "ReceiptNumber")?.to_owned();
    let same = |one: &Receipt| {
        one.seller == seller
            && one.number == number
            && one.receipt_date == receipt_date
            && (one.amount, one.currency) == (amount, currency)
            && one.customer.as_deref() == customer
    };
    if state.receipts.iter().any(same) {
        let words = "A receipt with this number, date, amount and customer already exists. Enter a unique receipt number.";
        return Err(refusal("AR_RCP_DUP_NUM", "ReceiptNumber", words));
    }
    let now = world.clock.now();
    let references = children(body, "remittanceReferences")
        .map(|row| reference(row, currency, now))
        .collect::<Result<_, _>>()?;
    Ok(Receipt {
        id: 0,
        number,
        seller,
        method: names::RECEIPT_METHOD.to_owned(),
        customer: customer.map(str::to_owned),
        currency,
        amount,
        receipt_date,
        date,
        references,
        applications: Vec::new(),
        created: now,
        updated: now,
    })
}

/// A foreign currency needs a conversion, the ledger's takes none.
fn converted(
    world: &crate::World,
    body: &Map<String, Value>,
    (currency, ledger): (Currency, Currency),
) -> Result<(), Refusal> {
    let conversion = text(body, "ConversionRateType");
    let rate = body.get("ConversionRate").is_some_and(|rate| !rate.is_null());
    let good = match conversion {
        None => currency == ledger,
        Some("User") => currency != ledger && rate,
        Some(other) => {
            let today = lov::today_text(world);
            let date = text(body, "ConversionDate").unwrap_or(&today);
            currency != ledger && !rate && lov::has_rate(world, other, date)
        }
    };
    if good {
        return Ok(());
    }
    let words = "The conversion rate type, rate and date don't fit the currency.";
    Err(refusal("AR_RAPI_RATE_INVALID", "ConversionRateType", words))
}

fn reference(row: &Map<String, Value>, currency: Currency, now: i64) -> Result<Reference, Refusal> {
    well_formed(row, &REFERENCE)?;
    let match_by = needed(row, "ReceiptMatchBy")?;
    if !MATCH_BY.contains(&match_by) {
        let words = "The value for the attribute ReceiptMatchBy isn't valid.";
        return Err(refusal("AR_RAPI_MATCH_BY_INVALID", "ReceiptMatchBy", words));
    }
    Ok(Reference {
        id: 0,
        match_by: match_by.to_owned(),
        number: needed(row, "ReferenceNumber")?.to_owned(),
        amount: minor(row.get("ReferenceAmount"), currency, "ReferenceAmount")?,
        created: now,
        used: false,
    })
}

/// Answers a POST of a remittance reference.
pub(in crate::fusion) fn add_reference(call: &Call<'_>, state: &mut FusionState, id: &str) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let new = state.id();
    let now = call.world.clock.now();
    let Some(receipt) = state.receipts.iter_mut().find(|receipt| receipt.id.to_string() == id) else {
        return Reply::text(404, "Not Found");
    };
    match reference(&body, receipt.currency, now) {
        Err(refusal) => call.refused(&refusal),
        Ok(reference) => {
            receipt.references.push(Reference { id: new, ..reference });
            receipt.updated = now;
            let path = format!("standardReceipts/{id}/child/remittanceReferences");
            match receipt.references.last() {
                Some(added) => adf::one(call, &path, super::reference(call, receipt, added), 201),
                None => Reply::text(500, "Internal Server Error"),
            }
        }
    }
}

/// Answers a PATCH: comments, and the customer while nothing is applied (what else can be changed is not known).
pub(in crate::fusion) fn patch(call: &Call<'_>, state: &mut FusionState, id: &str) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(at) = state.receipts.iter().position(|receipt| receipt.id.to_string() == id) else {
        return Reply::text(404, "Not Found");
    };
    if let Err(refusal) = well_formed(&body, &PATCH) {
        return call.refused(&refusal);
    }
    if let Some(customer) = text(&body, "CustomerAccountNumber") {
        let receipt = &state.receipts[at];
        let seller = &call.world.scenario.sellers[receipt.seller];
        let known = customers::find(state, seller, customer).is_some();
        if !known || !receipt.applications.is_empty() {
            let words = "You can't change the customer account of a receipt that is applied.";
            return call.refused(&refusal("AR_RAPI_CUS_CHANGE", "CustomerAccountNumber", words));
        }
        state.receipts[at].customer = Some(customer.to_owned());
    }
    state.receipts[at].updated = call.world.clock.now();
    adf::one(call, "standardReceipts", super::row(call, &state.receipts[at]), 200)
}

/// Answers a DELETE: only what is not applied can go.
pub(in crate::fusion) fn delete(state: &mut FusionState, id: &str) -> Reply {
    let Some(at) = state.receipts.iter().position(|receipt| receipt.id.to_string() == id) else {
        return Reply::text(404, "Not Found");
    };
    if !state.receipts[at].applications.is_empty() {
        return Reply::text(400, "You can't delete a receipt that is applied.");
    }
    state.receipts.remove(at);
    Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() }
}
