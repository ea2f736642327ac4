//! How documents are read.

use serde_json::{Value, json};

use super::{Document, Kind, decimal};
use crate::fusion::FusionState;
use crate::fusion::access::Privilege;
use crate::fusion::adf::{Call, Child, Query, Resource, Row, time};

/// The attributes that `q` may name; the purchase order and cross reference are assumed.
const QUERYABLE: [&str; 13] = [
    "CustomerTransactionId",
    "TransactionNumber",
    "BusinessUnit",
    "TransactionSource",
    "TransactionType",
    "TransactionDate",
    "AccountingDate",
    "BillToCustomerNumber",
    "CrossReference",
    "PurchaseOrder",
    "InvoiceStatus",
    "CreationDate",
    "LastUpdateDate",
];

pub(in crate::fusion) const INVOICES: Resource = Resource {
    name: "receivablesInvoices",
    privilege: Privilege::Receivables,
    queryable: &QUERYABLE,
    actions: |_| &[],
    rows: |call, state, query| rows(call, state, query, Kind::Invoice),
};

pub(in crate::fusion) const CREDIT_MEMOS: Resource = Resource {
    name: "receivablesCreditMemos",
    privilege: Privilege::Receivables,
    queryable: &QUERYABLE,
    actions: |_| &[],
    rows: |call, state, query| rows(call, state, query, Kind::CreditMemo),
};

/// The documents that may be wanted, laid out. What was created a moment ago is not there yet.
fn rows<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query, kind: Kind) -> Vec<Row<'a>> {
    let now = call.world.clock.now();
    let seen = |document: &&Document| document.created + state.knobs.lag() <= now;
    let id = query.key.as_deref().or_else(|| query.equal("CustomerTransactionId"));
    let found: Vec<&Document> = match (id, query.equal("TransactionNumber")) {
        (Some(id), _) => state.document(kind, id).into_iter().collect(),
        (None, Some(number)) => state.by_number(kind, number),
        (None, None) => {
            let order = query.equal("CrossReference").filter(|_| kind == Kind::Invoice);
            let all = state.documents(kind).iter();
            all.filter(|document| order.is_none_or(|order| document.reference == order)).collect()
        }
    };
    found.into_iter().filter(seen).map(|document| row(call, kind, document)).collect()
}

fn optional(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// A document with its children.
pub(super) fn row<'a>(call: &'a Call<'a>, kind: Kind, document: &'a Document) -> Row<'a> {
    let names = kind.names();
    let seller = &call.world.scenario.sellers[document.seller];
    let [conversion, rate, rate_date] = &document.conversion;
    let mut row = Row::new(
        document.id.to_string(),
        json!({
            "CustomerTransactionId": call.id(document.id), "TransactionNumber": document.number,
            "DocumentNumber": null, "TransactionDate": document.transaction_date,
            "AccountingDate": document.date, "BusinessUnit": seller.fusion.business_unit,
            "TransactionSource": document.source, "TransactionType": document.transaction_type,
            "BillToCustomerNumber": document.customer, "BillToSite": crate::fusion::customers::site(&document.customer),
            names.currency: document.currency.code(), "ConversionRateType": conversion, "ConversionRate": rate,
            names.rate_date: rate_date, "PurchaseOrder": optional(&document.purchase_order),
            names.comments: document.comments, names.status: document.status,
            "EnteredAmount": decimal(document.currency, document.total()),
            "CreationDate": time(document.created), "LastUpdateDate": time(document.updated),
        }),
    );
    let balance = decimal(document.currency, document.balance());
    let own = match kind {
        Kind::Invoice => json!({
            "CrossReference": optional(&document.reference), "PaymentTerms": document.terms,
            "DueDate": document.due_date, "InvoiceBalanceAmount": balance, "SpecialInstructions": null,
            "InternalNotes": null, "InvoicingRule": null,
        }),
        // The balance's name is assumed.
        Kind::CreditMemo => {
            json!({ "CreditReason": document.reason, "CreditMemoBalanceAmount": balance })
        }
    };
    row.attributes.extend(own.as_object().cloned().unwrap_or_default());
    row.children = children(call, kind, document);
    row
}

fn children<'a>(call: &'a Call<'a>, kind: Kind, document: &'a Document) -> Vec<Child<'a>> {
    let names = kind.names();
    let mut all = vec![
        Child {
            name: names.lines,
            rows: Box::new(move || document.lines.iter().map(|one| line(kind, document, one)).collect()),
        },
        Child { name: names.distributions, rows: Box::new(move || distributions(kind, document)) },
        Child { name: names.flexfield, rows: Box::new(move || flexfield(document).into_iter().collect()) },
    ];
    if kind == Kind::Invoice {
        all.push(Child {
            name: "receivablesInvoiceInstallments",
            rows: Box::new(move || vec![installment(call, document)]),
        });
    }
    all
}

fn line<'a>(kind: Kind, document: &'a Document, line: &'a super::DocumentLine) -> Row<'a> {
    let names = kind.names();
    let mut row = Row::new(
        line.number.to_string(),
        json!({
            "LineNumber": line.number, names.line_description: line.description,
            names.line_quantity: line.quantity, "UnitSellingPrice": line.price,
            names.line_amount: decimal(document.currency, line.amount), "SalesOrder": line.sales_order,
            "ItemNumber": null, "MemoLine": null,
        }),
    );
    let taxes = move || {
        let all = line.taxes.iter().zip(1_u64..);
        all.map(|(tax, n)| {
            Row::new(
                n.to_string(),
                json!({
                    "DetailedTaxLineNumber": n, "TaxAmount": decimal(document.currency, tax.amount),
                    "TaxRegimeCode": tax.regime, "TaxRateCode": tax.rate_code,
                }),
            )
        })
        .collect()
    };
    row.children.push(Child { name: names.taxes, rows: Box::new(taxes) });
    row
}

fn distributions<'a>(kind: Kind, document: &Document) -> Vec<Row<'a>> {
    let all = document.distributions.iter().zip(1_u64..);
    all.map(|(one, n)| {
        Row::new(
            format!("{:016X}", (document.id + n).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            json!({
                "AccountClass": one.class, "AccountCombination": one.account,
                "Amount": decimal(document.currency, one.amount), "Percent": null,
                kind.names().distribution_line: one.line, "DetailedTaxLineNumber": one.tax_line,
            }),
        )
    })
    .collect()
}

fn flexfield<'a>(document: &Document) -> Option<Row<'a>> {
    let (context, segments) = document.flexfield.as_ref()?;
    let mut row = Row::new(
        document.id.to_string(),
        json!({ "__FLEX_Context": context, "__FLEX_Context_DisplayValue": context }),
    );
    row.attributes.extend(segments.iter().map(|(name, value)| (name.clone(), json!(value))));
    Some(row)
}

/// A document's only installment.
pub(in crate::fusion) fn installment<'a>(call: &Call<'_>, document: &Document) -> Row<'a> {
    let amount = |minor| decimal(document.currency, minor);
    let status = if document.balance() == 0 { "Closed" } else { "Open" };
    Row::new(
        document.installment.to_string(),
        json!({
            "InstallmentId": call.id(document.installment), "InstallmentSequenceNumber": 1,
            "InstallmentDueDate": document.due_date, "OriginalAmount": amount(document.total()),
            "InstallmentBalanceDue": amount(document.balance()), "AmountPaid": amount(document.paid),
            "InstallmentAmountCredited": amount(document.credited), "InstallmentStatus": status,
        }),
    )
}
