//! AutoInvoice: receivables by bulk import. Each transaction is imported as a whole or not at all, and what was wrong
//! with a row can be read nowhere by REST.

mod check;
mod distributions;
mod load;

use std::collections::{BTreeMap, HashSet};

pub(super) use load::{InterfaceLine, load};

use super::gl_import::Imported;
use super::receivables::{self, due, terms};
use super::{Document, DocumentLine, FusionState, Kind, TaxLine};
use crate::World;
use crate::scenario::{Currency, names};
use load::column as at;

/// Arguments of AutoInvoiceImportEss.
const ARGUMENTS: usize = 24;

fn failed(words: &str) -> Imported {
    Imported::Failed(format!("{words}\n"))
}

/// Imports the lines that the parameters select: business unit, source, default date, filters.
pub(super) fn import(world: &World, state: &mut FusionState, parameters: &str) -> Imported {
    let arguments: Vec<&str> = parameters.split(',').map(str::trim).collect();
    if arguments.len() != ARGUMENTS {
        return failed("The process takes 24 parameters.");
    }
    if state.knobs.consolidated_billing {
        return failed(
            "The invoices couldn't be imported because consolidated billing is enabled. Run the Import Receivables Transactions Using AutoInvoice process instead.",
        );
    }
    let (unit, source) = (arguments[0], arguments[1]);
    let found = world.scenario.sellers.iter().position(|seller| {
        let setup = &seller.fusion;
        setup.business_unit_id == unit || setup.business_unit == unit
    });
    let imported = [names::INVOICE_SOURCE, names::CREDIT_MEMO_SOURCE].contains(&source);
    let (Some(seller), true) = (found, imported && !state.knobs.removed_transaction_sources.contains(source))
    else {
        return failed(
            "The transaction source isn't valid for the business unit based on reference set association.",
        );
    };
    let setup = &world.scenario.sellers[seller].fusion;
    let selected = |line: &InterfaceLine| {
        let own = line.at(at::BU_NAME) == setup.business_unit || line.at(1) == setup.business_unit_id;
        own && line.at(at::SOURCE) == source
    };
    let (lines, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut state.interface_lines).into_iter().partition(selected);
    state.interface_lines = rest;
    let count = lines.len();
    let rejected = transactions(world, state, seller, lines);
    let left = rejected.len();
    state.interface_lines.extend(rejected);
    // Counts only: the rows' errors are in a table that REST does not show.
    let report = format!(
        "AutoInvoice Execution Report\n\nInterface Lines Selected: {count}\nInterface Lines Successfully Processed: {}\nInterface Lines Rejected: {left}\n",
        count - left
    );
    if left > 0 { Imported::Rejected(report) } else { Imported::Done(report) }
}

/// Imports transaction by transaction; gives back the lines of those that were rejected.
fn transactions(
    world: &World,
    state: &mut FusionState,
    seller: usize,
    lines: Vec<InterfaceLine>,
) -> Vec<InterfaceLine> {
    let mut keys: HashSet<Vec<String>> = [Kind::Invoice, Kind::CreditMemo]
        .into_iter()
        .flat_map(|kind| state.documents(kind))
        .filter(|document| document.seller == seller)
        .flat_map(|document| &document.lines)
        .filter_map(|line| line.key.clone())
        .collect();
    let mut groups = BTreeMap::<Vec<String>, Vec<(usize, InterfaceLine)>>::new();
    for (line, n) in lines.into_iter().zip(1_usize..) {
        groups.entry(line.transaction()).or_default().push((n, line));
    }
    let mut rejected = Vec::new();
    for lines in groups.into_values() {
        let refused = lines.iter().any(|(n, _)| state.knobs.reject_rows.contains(n));
        let lines: Vec<InterfaceLine> = lines.into_iter().map(|(_, line)| line).collect();
        let unique = lines.iter().all(|line| keys.insert(line.key()));
        let document = if refused || !unique { None } else { document(world, state, seller, &lines) };
        match document {
            Some((kind, document, credited)) => _ = take(state, kind, document, credited),
            None => rejected.extend(lines),
        }
    }
    rejected
}

fn take(state: &mut FusionState, kind: Kind, document: Document, credited: Option<u64>) -> u64 {
    let (total, now) = (document.total(), document.created);
    let id = receivables::take(state, kind, document);
    // A credit memo that names lines of an invoice is applied to it.
    if let Some(invoice) = credited {
        if let Some(invoice) = state.document_mut(Kind::Invoice, invoice) {
            invoice.credited -= total;
            invoice.updated = now;
        }
        if let Some(memo) = state.document_mut(kind, id) {
            memo.credited = total;
        }
    }
    id
}

/// The document of a transaction's lines, with the invoice that it credits; none if something is wrong with it.
fn document(
    world: &World,
    state: &mut FusionState,
    seller: usize,
    lines: &[InterfaceLine],
) -> Option<(Kind, Document, Option<u64>)> {
    let first = lines.first()?;
    let kind = check::kind(first)?;
    let currency = Currency::of(first.at(at::CURRENCY))?;
    if !lines.iter().all(|line| check::line(world, state, seller, line, currency)) {
        return None;
    }
    let credited = check::credited(state, seller, kind, lines)?;
    let own = own_lines(lines, currency)?;
    let (terms, days) = terms(Some(first.at(at::TERM)).filter(|term| !term.is_empty())).ok()?;
    let date = check::date(first, at::GL_DATE)?;
    let transaction_date = check::date(first, at::TRX_DATE)?;
    let distributions = distributions::of(state, lines, &own, currency, &date)?;
    let sent = Some(first.at(at::TRX_NUMBER)).filter(|number| !number.is_empty());
    let source = first.at(at::SOURCE);
    let number = state.number(kind, seller, source, sent).ok()?;
    let now = world.clock.now();
    let owned = |column: usize| Some(first.at(column).to_owned()).filter(|text| !text.is_empty());
    let purchase_order = first.at(at::PURCHASE_ORDER).to_owned();
    Some((
        kind,
        Document {
            id: 0,
            installment: 0,
            number,
            seller,
            source: source.to_owned(),
            transaction_type: kind.transaction_type().to_owned(),
            currency,
            reference: if kind == Kind::CreditMemo { purchase_order.clone() } else { String::new() },
            purchase_order,
            customer: first.at(at::CUSTOMER).to_owned(),
            terms: terms.to_owned(),
            due_date: due(&transaction_date, days),
            date,
            transaction_date,
            conversion: [owned(at::CONVERSION_TYPE), owned(at::RATE), owned(at::CONVERSION_DATE)],
            comments: owned(at::COMMENTS),
            reason: None,
            status: "Complete".to_owned(),
            flexfield: None,
            lines: own,
            distributions,
            paid: 0,
            credited: 0,
            created: now,
            updated: now,
        },
        credited,
    ))
}

/// Lines with the tax lines that are linked to them; none if a tax line is linked to nothing.
fn own_lines(lines: &[InterfaceLine], currency: Currency) -> Option<Vec<DocumentLine>> {
    let mut own: Vec<DocumentLine> = lines
        .iter()
        .filter(|line| line.at(at::LINE_TYPE) == "LINE")
        .zip(1_u64..)
        .map(|(line, number)| {
            Some(DocumentLine {
                number,
                description: line.at(at::DESCRIPTION).to_owned(),
                amount: currency.minor(line.at(at::AMOUNT))?,
                quantity: line.at(at::QUANTITY).parse().map(serde_json::Value::Number).ok(),
                price: line.at(at::UNIT_PRICE).parse().map(serde_json::Value::Number).ok(),
                sales_order: Some(line.at(at::SALES_ORDER).to_owned()).filter(|order| !order.is_empty()),
                taxes: Vec::new(),
                key: Some(line.key()),
            })
        })
        .collect::<Option<_>>()?;
    for line in lines.iter().filter(|line| line.at(at::LINE_TYPE) == "TAX") {
        let key = Some(line.link());
        let of = own.iter_mut().find(|own| own.key == key)?;
        of.taxes.push(TaxLine {
            amount: currency.minor(line.at(at::AMOUNT))?,
            regime: line.at(at::TAX_REGIME).to_owned(),
            rate_code: line.at(at::TAX_RATE_CODE).to_owned(),
        });
    }
    (!own.is_empty()).then_some(own)
}
