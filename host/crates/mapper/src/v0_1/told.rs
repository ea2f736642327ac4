//! What a mapper said, word for word, in the contract's JSON: golden cases compare it with what the native test compares,
//! the `extra` of every record included, of which the domain keeps what it knows.

use serde_json::{Map, Value, json};

use super::wit;

fn money(money: &wit::MoneyResult) -> Value {
    json!({ "minor": money.minor, "currency": money.currency })
}

fn extra(extra: &[(String, String)]) -> Value {
    extra.iter().map(|(name, value)| json!([name, value])).collect()
}

/// A variant's case with what it holds.
fn case(name: &str, held: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), held)]))
}

fn reasons(reasons: &[wit::Reason]) -> Value {
    let reason = |reason: &wit::Reason| {
        json!({
            "code": reason.code, "message": reason.message, "subject": reason.subject,
            "extra": extra(&reason.extra),
        })
    };
    reasons.iter().map(reason).collect()
}

fn document_lines(lines: &[wit::DocumentLine]) -> Value {
    let line = |line: &wit::DocumentLine| {
        json!({
            "description": line.description, "amount": money(&line.amount), "quantity": line.quantity,
            "account": line.account, "sku": line.sku, "order_item_id": line.order_item_id, "rule": line.rule,
            "extra": extra(&line.extra),
        })
    };
    lines.iter().map(line).collect()
}

/// What a mapper said of an order.
pub(crate) fn order_outcome(outcome: &wit::OrderOutcome) -> Value {
    match outcome {
        wit::OrderOutcome::Invoice(invoice) => {
            let held = json!({ "lines": document_lines(&invoice.lines), "extra": extra(&invoice.extra) });
            case("Invoice", held)
        }
        wit::OrderOutcome::Review(why) => case("Review", reasons(why)),
        wit::OrderOutcome::Skip(why) => case("Skip", json!(why)),
    }
}

/// What a mapper said of a transaction.
pub(crate) fn transaction_outcome(outcome: &wit::TransactionOutcome) -> Value {
    match outcome {
        wit::TransactionOutcome::Booking(made) => case("Booking", booking(made)),
        wit::TransactionOutcome::Review(why) => case("Review", reasons(why)),
        wit::TransactionOutcome::Skip(why) => case("Skip", json!(why)),
    }
}

fn booking(booking: &wit::Booking) -> Value {
    let line = |line: &wit::JournalLine| {
        json!({
            "account": line.account, "amount": money(&line.amount), "label": line.label, "rule": line.rule,
            "extra": extra(&line.extra),
        })
    };
    let credit_memo = booking.credit_memo.as_ref().map(|memo| match memo {
        wit::CreditMemoOutcome::CreditMemo(memo) => {
            let lines = document_lines(&memo.lines);
            let held = json!({ "order_id": memo.order_id, "lines": lines, "extra": extra(&memo.extra) });
            case("CreditMemo", held)
        }
        wit::CreditMemoOutcome::Review(why) => case("Review", reasons(why)),
    });
    json!({
        "journal": booking.journal.iter().map(line).collect::<Value>(), "credit_memo": credit_memo,
        "extra": extra(&booking.extra),
    })
}
