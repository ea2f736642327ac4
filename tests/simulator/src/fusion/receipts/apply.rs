//! How receipts are applied: by AutoMatch, or by the action of later releases.

use serde_json::{Value, json};

use super::{Application, Receipt};
use crate::fusion::adf::{Call, refusal, text};
use crate::fusion::receivables::minor;
use crate::fusion::{Document, FusionState, Kind};
use crate::http::Reply;

/// Whether a reference means a document.
fn means(document: &Document, match_by: &str, number: &str) -> bool {
    match match_by {
        "Transaction Number" => document.number == number,
        "Purchase Order" => document.purchase_order == number,
        _ => document.lines.iter().any(|line| line.sales_order.as_deref() == Some(number)),
    }
}

/// Applies every reference that AutoMatch has not seen to what it names, as far as balances go. A credit memo is used up
/// by a negative amount.
pub(in crate::fusion) fn automatch(state: &mut FusionState, now: i64) {
    for at in 0..state.receipts.len() {
        for n in 0..state.receipts[at].references.len() {
            let receipt = &state.receipts[at];
            let reference = &receipt.references[n];
            let kind = if reference.amount < 0 { Kind::CreditMemo } else { Kind::Invoice };
            let own = |document: &&Document| {
                document.seller == receipt.seller
                    && document.currency == receipt.currency
                    && receipt.customer.as_ref() == Some(&document.customer)
                    && document.balance() != 0
                    && means(document, &reference.match_by, &reference.number)
            };
            if reference.used {
                continue;
            }
            let Some(document) = state.documents(kind).iter().find(own) else { continue };
            let amount = match kind {
                Kind::Invoice => reference.amount.min(document.balance()).min(receipt.unapplied()),
                Kind::CreditMemo => reference.amount.max(document.balance()),
            };
            if amount != 0 {
                let id = document.id;
                state.receipts[at].references[n].used = true;
                book(state, (at, kind, id), amount, now);
            }
        }
    }
}

fn book(state: &mut FusionState, (at, kind, id): (usize, Kind, u64), amount: i64, now: i64) {
    let Some(document) = state.document_mut(kind, id) else { return };
    document.paid += amount;
    document.updated = now;
    let (number, installment) = (document.number.clone(), document.installment);
    let receipt = &mut state.receipts[at];
    receipt.applications.push(Application { number, installment, amount });
    receipt.updated = now;
}

/// Answers the action `applyReceipt`, which later releases have.
pub(in crate::fusion) fn apply(call: &Call<'_>, state: &mut FusionState, id: &str) -> Reply {
    let found = state.receipts.iter().position(|receipt| receipt.id.to_string() == id);
    let (true, Some(at)) = (state.knobs.apply_receipt, found) else { return Reply::text(404, "Not Found") };
    if !call.request.header("content-type").unwrap_or_default().contains("adf.action+json") {
        return Reply::text(415, "Unsupported Media Type");
    }
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let known = ["appliedPaymentScheduleId", "amountApplied", "calledFrom"];
    if let Some(name) = body.keys().find(|name| !known.contains(&name.as_str())) {
        return Reply::text(400, format!("Invalid attribute \"{name}\" in the payload"));
    }
    let receipt: &Receipt = &state.receipts[at];
    let wanted = match body.get("appliedPaymentScheduleId") {
        Some(Value::Number(number)) => number.to_string(),
        _ => text(&body, "appliedPaymentScheduleId").unwrap_or_default().to_owned(),
    };
    let own = |one: &&Document| one.seller == receipt.seller && one.installment.to_string() == wanted;
    let invoice = state.invoices.iter().find(own).map(|one| (Kind::Invoice, one));
    let found = invoice.or_else(|| state.credit_memos.iter().find(own).map(|one| (Kind::CreditMemo, one)));
    let amount = minor(body.get("amountApplied"), receipt.currency, "amountApplied");
    match (found, amount) {
        (None, _) => call.refused(&refusal(
            "AR_RAPI_APP_PS_ID_INVALID",
            "appliedPaymentScheduleId",
            "The payment schedule isn't valid.",
        )),
        (_, Err(refusal)) => call.refused(&refusal),
        (Some((kind, document)), Ok(amount)) => {
            let fits = match kind {
                Kind::Invoice => amount > 0 && amount <= document.balance() && amount <= receipt.unapplied(),
                Kind::CreditMemo => amount < 0 && amount >= document.balance(),
            };
            if !fits || document.currency != receipt.currency {
                let words = "The amount applied is more than the balance or the unapplied amount.";
                return call.refused(&refusal("AR_RAPI_APPLIED_AMT_INVALID", "amountApplied", words));
            }
            let id = document.id;
            book(state, (at, kind, id), amount, call.world.clock.now());
            Reply::json(200, &json!({ "result": "SUCCESS" }))
        }
    }
}
