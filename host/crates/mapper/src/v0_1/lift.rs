//! From the guest to the domain.

use ml_connector_domain::Money;
use ml_connector_domain::id::{OrderId, OrderItemId, Sku};
use ml_connector_domain::mapping;
use ml_connector_domain::money::MoneyError;

use super::wit;
use crate::description::{DeclaredSetting, Description};

fn money(money: &wit::MoneyResult) -> Result<Money, MoneyError> {
    Ok(Money::new(money.minor, money.currency.parse()?))
}

fn reasons(reasons: Vec<wit::Reason>) -> Vec<mapping::Reason> {
    let reason = |reason: wit::Reason| mapping::Reason {
        code: reason.code,
        message: reason.message,
        subject: reason.subject,
    };
    reasons.into_iter().map(reason).collect()
}

/// The contract has no field of its own for a line's class: it travels as `("class", "tax")`.
fn class(extra: &[(String, String)]) -> mapping::LineClass {
    let tax = extra.iter().any(|(key, value)| key == "class" && value == "tax");
    if tax { mapping::LineClass::Tax } else { mapping::LineClass::Revenue }
}

fn document_lines(lines: Vec<wit::DocumentLine>) -> Result<Vec<mapping::DocumentLine>, MoneyError> {
    let line = |line: wit::DocumentLine| -> Result<mapping::DocumentLine, MoneyError> {
        Ok(mapping::DocumentLine {
            amount: money(&line.amount)?,
            description: line.description,
            quantity: line.quantity,
            account: line.account,
            sku: line.sku.map(Sku::new),
            order_item: line.order_item_id.map(OrderItemId::new),
            rule: line.rule,
            class: class(&line.extra),
        })
    };
    lines.into_iter().map(line).collect()
}

/// Who a mapper is.
pub(crate) fn description(description: wit::Description) -> Description {
    let setting = |setting: wit::Setting| DeclaredSetting {
        key: setting.key,
        description: setting.description,
        required: setting.required,
    };
    Description {
        name: description.name,
        version: description.version,
        settings: description.settings.into_iter().map(setting).collect(),
    }
}

/// What a mapper said of an order, in the domain's terms.
///
/// # Errors
/// A currency that is none.
pub(crate) fn order_outcome(outcome: wit::OrderOutcome) -> Result<mapping::OrderOutcome, MoneyError> {
    Ok(match outcome {
        wit::OrderOutcome::Invoice(invoice) => mapping::OrderOutcome::Invoice(document_lines(invoice.lines)?),
        wit::OrderOutcome::Review(why) => mapping::OrderOutcome::Review(reasons(why)),
        wit::OrderOutcome::Skip(why) => mapping::OrderOutcome::Skip(why),
    })
}

/// What a mapper said of a transaction, in the domain's terms.
///
/// # Errors
/// A currency that is none.
pub(crate) fn transaction_outcome(
    outcome: wit::TransactionOutcome,
) -> Result<mapping::TransactionOutcome, MoneyError> {
    Ok(match outcome {
        wit::TransactionOutcome::Booking(made) => mapping::TransactionOutcome::Booking(booking(made)?),
        wit::TransactionOutcome::Review(why) => mapping::TransactionOutcome::Review(reasons(why)),
        wit::TransactionOutcome::Skip(why) => mapping::TransactionOutcome::Skip(why),
    })
}

fn booking(booking: wit::Booking) -> Result<mapping::Booking, MoneyError> {
    let line = |line: wit::JournalLine| -> Result<mapping::JournalLine, MoneyError> {
        Ok(mapping::JournalLine {
            amount: money(&line.amount)?,
            account: line.account,
            label: line.label,
            rule: line.rule,
            conversion: None,
        })
    };
    let credit_memo = match booking.credit_memo {
        None => None,
        Some(wit::CreditMemoOutcome::CreditMemo(memo)) => Some(mapping::CreditMemoOutcome::CreditMemo {
            order: OrderId::new(memo.order_id),
            lines: document_lines(memo.lines)?,
        }),
        Some(wit::CreditMemoOutcome::Review(why)) => Some(mapping::CreditMemoOutcome::Review(reasons(why))),
    };
    Ok(mapping::Booking {
        journal: booking.journal.into_iter().map(line).collect::<Result<_, _>>()?,
        credit_memo,
    })
}
