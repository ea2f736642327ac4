//! What is created, changed and deleted.

use serde_json::{Map, Value};

use super::{Document, Kind, check, distributions, lines, rows};
use crate::fusion::FusionState;
use crate::fusion::adf::{self, Call, Refusal, refusal, required, text, well_formed};
use crate::http::Reply;
use crate::scenario::names;

/// Answers a POST.
pub(in crate::fusion) fn create(call: &Call<'_>, state: &mut FusionState, kind: Kind) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let document = match checked(call, state, kind, &body) {
        Ok(document) => document,
        Err(refusal) => return call.refused(&refusal),
    };
    let id = take(state, kind, document);
    match state.document(kind, &id.to_string()) {
        Some(document) => adf::one(call, kind.names().path, rows::row(call, kind, document), 201),
        None => Reply::text(500, "Internal Server Error"),
    }
}

/// Takes a document in, under ids of its own.
pub(in crate::fusion) fn take(state: &mut FusionState, kind: Kind, mut document: Document) -> u64 {
    document.id = state.id();
    document.installment = state.id();
    let id = document.id;
    state.numbers.entry((kind, document.number.clone())).or_default().push(id);
    state.documents_mut(kind).push(document);
    id
}

impl FusionState {
    /// The number of a new document: the source's next, or the one that was sent, which must be new to the source
    /// and business unit.
    ///
    /// # Errors
    /// There is none, or it exists.
    pub(in crate::fusion) fn number(
        &mut self,
        kind: Kind,
        seller: usize,
        source: &str,
        sent: Option<&str>,
    ) -> Result<String, Refusal> {
        // A source that numbers by itself does not look at what was sent: two POSTs are two invoices.
        if source == names::AUTO_SOURCE || self.knobs.auto_numbering {
            let next = self.numbered.entry((seller, format!("{kind:?} {source}"))).or_insert(1_000);
            *next += 1;
            return Ok(next.to_string());
        }
        let Some(number) = sent else {
            return Err(refusal("27014", "TransactionNumber", "Attribute TransactionNumber is required."));
        };
        let same = |document: &&Document| document.seller == seller && document.source == source;
        if self.by_number(kind, number).iter().any(same) {
            let words =
                format!("The transaction number {number} already exists for this transaction source.");
            return Err(refusal("AR_TRX_NUM_DUP", "TransactionNumber", words));
        }
        Ok(number.to_owned())
    }
}

fn checked(
    call: &Call<'_>,
    state: &mut FusionState,
    kind: Kind,
    body: &Map<String, Value>,
) -> Result<Document, Refusal> {
    let names = kind.names();
    well_formed(body, names.header)?;
    let world = call.world;
    let seller = check::business_unit(world, state, required(body, "BusinessUnit")?)?;
    let source = check::source(state, kind, body)?;
    check::type_and_status(kind, body)?;
    let (terms, days) = check::terms(text(body, "PaymentTerms"))?;
    let customer = check::customer(world, state, seller, body)?;
    let (transaction_date, date) = check::dates(world, state, body)?;
    let ledger = world.scenario.sellers[seller].fusion.ledger_currency;
    let (currency, conversion) = check::currency(world, (kind, ledger), body, &transaction_date)?;
    let reason = check::reason(body, "CreditReason")?;
    let flexfield = check::flexfield(body, names.flexfield)?;
    let lines = lines::lines(kind, &world.scenario.sellers[seller], body, currency)?;
    let distributions = distributions::distributions(state, kind, body, (currency, &date), &lines)?;
    // The number last: a refusal uses none up.
    let number = state.number(kind, seller, &source, text(body, "TransactionNumber"))?;
    let owned = |name: &str| text(body, name).map(str::to_owned);
    let purchase_order = owned("PurchaseOrder").unwrap_or_default();
    let reference = match kind {
        Kind::Invoice => owned("CrossReference").unwrap_or_default(),
        Kind::CreditMemo => purchase_order.clone(),
    };
    let now = world.clock.now();
    Ok(Document {
        id: 0,
        installment: 0,
        number,
        seller,
        source,
        transaction_type: kind.transaction_type().to_owned(),
        currency,
        reference,
        purchase_order,
        customer,
        terms: terms.to_owned(),
        due_date: owned("DueDate").unwrap_or_else(|| check::due(&transaction_date, days)),
        date,
        transaction_date,
        conversion,
        comments: owned(names.comments),
        reason,
        status: "Complete".to_owned(),
        flexfield,
        lines,
        distributions,
        paid: 0,
        credited: 0,
        created: now,
        updated: now,
    })
}

/// Answers a PATCH: only a few attributes of the header can be changed.
pub(in crate::fusion) fn patch(call: &Call<'_>, state: &mut FusionState, kind: Kind, id: &str) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let names = kind.names();
    let Some(document) = id.parse().ok().and_then(|id| state.document_mut(kind, id)) else {
        return Reply::text(404, "Not Found");
    };
    match changed(kind, document, &body) {
        Err(refusal) => return call.refused(&refusal),
        Ok(new) => *document = Document { updated: call.world.clock.now(), ..new },
    }
    adf::one(call, names.path, rows::row(call, kind, document), 200)
}

fn changed(kind: Kind, document: &Document, body: &Map<String, Value>) -> Result<Document, Refusal> {
    let names = kind.names();
    let fixed = |name: &&String| {
        names.header.iter().any(|(known, _)| known == name) && !names.patch.iter().any(|(n, _)| n == name)
    };
    if let Some(name) = body.keys().find(fixed) {
        return Err(refusal("27008", name, format!("Attribute {name} can't be updated.")));
    }
    well_formed(body, names.patch)?;
    let mut new = document.clone();
    if let Some(status) = text(body, names.status) {
        let used = document.paid != 0 || document.credited != 0;
        if !["Complete", "Incomplete", "Frozen"].contains(&status) || (status != "Complete" && used) {
            let words = format!("The status {status} isn't valid for this transaction.");
            return Err(refusal("AR_STATUS_INVALID", names.status, words));
        }
        status.clone_into(&mut new.status);
    }
    if let Some(terms) = text(body, "PaymentTerms") {
        let (terms, days) = check::terms(Some(terms))?;
        terms.clone_into(&mut new.terms);
        new.due_date = check::due(&new.transaction_date, days);
    }
    if let Some(date) = text(body, "TransactionDate") {
        date.clone_into(&mut new.transaction_date);
    }
    if text(body, "TransactionType").is_some_and(|name| name != kind.transaction_type()) {
        let words = "The transaction type you entered doesn't exist.";
        return Err(refusal("AR_TYPE_NOT_FOUND", "TransactionType", words));
    }
    Ok(new)
}

/// Answers a POST of a line: only an incomplete invoice takes one, and all its distributions are generated anew.
pub(in crate::fusion) fn add_line(call: &Call<'_>, state: &mut FusionState, id: &str) -> Reply {
    let body = match call.body() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let now = call.world.clock.now();
    let Some(document) = id.parse().ok().and_then(|id| state.document_mut(Kind::Invoice, id)) else {
        return Reply::text(404, "Not Found");
    };
    if document.status != "Incomplete" {
        return Reply::text(400, "You can't add a line to a transaction that is complete.");
    }
    let seller = &call.world.scenario.sellers[document.seller];
    let line = match lines::one(Kind::Invoice, seller, &body, document.currency) {
        Ok(line) => line,
        Err(refusal) => return call.refused(&refusal),
    };
    if document.lines.iter().any(|known| known.number == line.number) {
        return call.refused(&refusal("AR_LINE_NUM_DUP", "LineNumber", "A line number exists twice."));
    }
    document.lines.push(line);
    document.distributions = distributions::generated(&document.lines);
    document.updated = now;
    let path = format!("receivablesInvoices/{id}/child/receivablesInvoiceLines");
    match document.lines.last() {
        Some(line) => adf::one(call, &path, rows::line(Kind::Invoice, document, line), 201),
        None => Reply::text(500, "Internal Server Error"),
    }
}

/// Answers a DELETE of an invoice, which must be incomplete and unused (the condition is assumed).
pub(in crate::fusion) fn delete(state: &mut FusionState, id: &str) -> Reply {
    let Some(document) = state.document(Kind::Invoice, id) else { return Reply::text(404, "Not Found") };
    if document.status == "Complete" || document.balance() != document.total() {
        return Reply::text(400, "You can't delete a transaction that is complete or applied.");
    }
    let id = document.id;
    state.remove(Kind::Invoice, id);
    Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() }
}

impl FusionState {
    /// Takes a document away.
    pub(in crate::fusion) fn remove(&mut self, kind: Kind, id: u64) {
        self.documents_mut(kind).retain(|document| document.id != id);
        self.numbers.values_mut().for_each(|ids| ids.retain(|known| *known != id));
    }
}
