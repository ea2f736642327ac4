//! Making outcomes.

use crate::{
    BatchContext, Booking, CreditMemoOutcome, DocumentLine, Invoice, JournalLine, Leg, Money, OrderItem,
    OrderOutcome, Reason, Transaction, TransactionOutcome,
};

impl Reason {
    /// Why a person has to look: a stable code, what it is about, and words.
    pub fn new(code: &str, subject: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            subject: subject.to_owned(),
            extra: Vec::new(),
        }
    }
}

impl DocumentLine {
    /// A line about an item: what it is, how much, and `(account, rule)`.
    pub fn of_item(item: &OrderItem, what: &str, amount: Money, (account, rule): (String, String)) -> Self {
        Self {
            // Not `format!`, which takes three times the fuel, for every line of every document.
            description: [what, " ", &item.sku].concat(),
            amount,
            quantity: item.quantity_fulfilled,
            account,
            sku: Some(item.sku.clone()),
            order_item_id: Some(item.id.clone()),
            rule,
            extra: Vec::new(),
        }
    }

    /// A line that takes back part of what a leg says, on `(account, rule)`.
    pub fn of_leg(leg: &Leg, what: &str, amount: Money, (account, rule): (String, String)) -> Self {
        Self {
            description: [what, " ", leg.sku.as_deref().unwrap_or_default()].concat().trim_end().to_owned(),
            amount,
            quantity: 1,
            account,
            sku: leg.sku.clone(),
            order_item_id: leg.order_item_id.clone(),
            rule,
            extra: Vec::new(),
        }
    }

    /// Says that the line is tax on the sale. In marketplaces for which the ledger names a tax code it then goes to Fusion
    /// as tax below its item's line; elsewhere it stays a line of its own.
    #[must_use]
    pub fn as_tax(mut self) -> Self {
        self.extra.push(("class".to_owned(), "tax".to_owned()));
        self
    }
}

impl OrderOutcome {
    /// Nothing for the books, and why.
    pub fn skip(why: &str) -> Self {
        Self::Skip(why.to_owned())
    }

    /// An invoice of all lines; or, if any could not be made, every distinct reason. Lines of nothing are left out.
    pub fn from_lines(lines: impl IntoIterator<Item = Result<DocumentLine, Reason>>) -> Self {
        match collect(lines) {
            Ok(lines) => Self::Invoice(Invoice { lines, extra: Vec::new() }),
            Err(reasons) => Self::Review(reasons),
        }
    }
}

/// All lines that are not zero, or every distinct reason.
///
/// # Errors
/// The reasons, if there is any.
pub(crate) fn collect(
    lines: impl IntoIterator<Item = Result<DocumentLine, Reason>>,
) -> Result<Vec<DocumentLine>, Vec<Reason>> {
    let (mut good, mut reasons) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Ok(line) if line.amount.is_zero() => {}
            Ok(line) => good.push(line),
            Err(reason) if reasons.contains(&reason) => {}
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() { Ok(good) } else { Err(reasons) }
}

impl CreditMemoOutcome {
    /// A credit memo against an order; or, if any line could not be made, every distinct reason.
    pub fn from_lines(order_id: &str, lines: impl IntoIterator<Item = Result<DocumentLine, Reason>>) -> Self {
        match collect(lines) {
            Ok(lines) => Self::CreditMemo(crate::CreditMemo {
                order_id: order_id.to_owned(),
                lines,
                extra: Vec::new(),
            }),
            Err(reasons) => Self::Review(reasons),
        }
    }
}

impl Booking {
    /// Books every leg of a transaction against the settlement account. `purpose` says, for a leg, the purpose of the
    /// ledger's account that it belongs to and the label that lines are summed by; a positive leg is a credit.
    pub fn settling<'a>(
        context: &BatchContext,
        transaction: &'a Transaction,
        purpose: impl Fn(&'a Leg) -> Result<(&'static str, &'static str), Reason>,
    ) -> TransactionOutcome {
        let (mut journal, mut reasons) = (Vec::new(), Vec::new());
        for leg in transaction.legs.iter().filter(|leg| !leg.amount.is_zero()) {
            let line =
                purpose(leg).and_then(|(purpose, label)| line(context, purpose, label, leg.amount.negated()));
            match line {
                Ok(line) => journal.push(line),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        match line(context, "settlement", "Settlement", transaction.total.clone()) {
            Ok(line) if line.amount.is_zero() => {}
            Ok(line) => journal.push(line),
            Err(reason) => reasons.push(reason),
        }
        if reasons.is_empty() {
            TransactionOutcome::Booking(Self { journal, credit_memo: None, extra: Vec::new() })
        } else {
            TransactionOutcome::Review(reasons)
        }
    }
}

fn line(context: &BatchContext, purpose: &str, label: &str, amount: Money) -> Result<JournalLine, Reason> {
    let account = context.account(purpose, None).ok_or_else(|| {
        Reason::new("no-account", purpose, format!("the seller's ledger names no account for `{purpose}`"))
    })?;
    let rule = ["ledger.accounts.", purpose].concat();
    Ok(JournalLine { account, amount, label: label.to_owned(), rule, extra: Vec::new() })
}
