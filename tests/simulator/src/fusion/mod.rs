//! Oracle Fusion: receivables, receipts, journals by bulk import, and the look-ups around them.
//!
//! Order of answers: what is due happens, then [`access`] lets a request in (credentials, privileges, faults), then
//! the resource answers. Names that Oracle's public pages do not show are marked as assumed where they stand.

mod access;
mod adf;
mod auto_invoice;
mod chart;
mod customers;
mod gl_import;
pub mod identity;
mod integrations;
mod journals;
pub mod knobs;
mod lov;
mod receipts;
mod receivables;

use std::collections::{BTreeMap, HashMap};

use axum::http::Method;
use serde_json::json;

pub use gl_import::{GlLine, Journal, JournalBatch};
pub use receipts::Receipt;
pub use receivables::{Distribution, Document, DocumentLine, Kind, TaxLine};

use crate::http::{Incoming, Reply};
use crate::scenario::Scenario;
use crate::{World, locked};
use adf::{Call, Resource};

/// What changes at Fusion.
#[derive(Debug, Default)]
pub struct FusionState {
    identity: identity::IdentityState,
    /// Requests so far: rows without an order turn with it.
    turn: usize,
    next_id: u64,
    next_request: u64,
    chart: chart::Chart,
    /// What the control port has set.
    pub(crate) knobs: knobs::Knobs,
    /// Receivables invoices, in the order of creation.
    pub invoices: Vec<Document>,
    /// Receivables credit memos.
    pub credit_memos: Vec<Document>,
    /// Standard receipts.
    pub receipts: Vec<Receipt>,
    /// Journal batches.
    pub batches: Vec<JournalBatch>,
    /// Numbers that a source has given by itself, by seller and source.
    numbered: BTreeMap<(usize, String), u64>,
    /// Ids of the documents of a number.
    numbers: HashMap<(Kind, String), Vec<u64>>,
    jobs: Vec<integrations::Job>,
    /// Rows of GL_INTERFACE that no import has taken.
    interface: Vec<gl_import::InterfaceRow>,
    /// Rows of RA_INTERFACE_LINES_ALL that no import has taken.
    interface_lines: Vec<auto_invoice::InterfaceLine>,
    /// Automatic postings that have run.
    pub(crate) postings: u64,
}

impl FusionState {
    pub(crate) fn new(_: &Scenario) -> Self {
        Self {
            chart: chart::Chart::new(),
            next_id: 300_000_100_000_000,
            next_request: 301_457,
            ..Self::default()
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The documents of a kind.
    fn documents(&self, kind: Kind) -> &Vec<Document> {
        match kind {
            Kind::Invoice => &self.invoices,
            Kind::CreditMemo => &self.credit_memos,
        }
    }

    fn documents_mut(&mut self, kind: Kind) -> &mut Vec<Document> {
        match kind {
            Kind::Invoice => &mut self.invoices,
            Kind::CreditMemo => &mut self.credit_memos,
        }
    }
}

const ROOT: &str = "/fscmRestApi/resources";
const VERSIONS: [&str; 2] = ["/11.13.18.05/", "/latest/"];

/// Everything there is to read, except erpintegrations.
const RESOURCES: [&Resource; 16] = [
    &receivables::INVOICES,
    &receivables::CREDIT_MEMOS,
    &receipts::RECEIPTS,
    &customers::ACTIVITIES,
    &journals::BATCHES,
    &lov::COMBINATIONS,
    &lov::PERIODS,
    &lov::LEDGERS,
    &lov::LEGAL_ENTITIES,
    &lov::BUSINESS_UNITS,
    &lov::JOURNAL_SOURCES,
    &lov::JOURNAL_CATEGORIES,
    &lov::CONVERSION_TYPES,
    &lov::CURRENCIES,
    &lov::CHARTS,
    &lov::CALENDARS,
];

/// Lets happen what is due: jobs that have come to their end.
pub(crate) fn settle(world: &World, state: &mut FusionState) {
    integrations::run_due(world, state);
}

/// Answers a request to the instance.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    let below = request.path.strip_prefix(ROOT);
    if below.is_some_and(|rest| rest.trim_end_matches('/').is_empty()) && request.method == Method::GET {
        return versions();
    }
    let found = below.and_then(|rest| VERSIONS.iter().find_map(|version| rest.strip_prefix(version)));
    let Some(path) = found else {
        world.journal.unexpected(format!("Fusion {} {}: no such root", request.method, request.path));
        return Reply::text(404, "Not Found");
    };
    let resource = path.split('/').next().unwrap_or_default().to_owned();
    let reply = match Call::new(world, request) {
        Ok(call) => access::answer(&call, path),
        Err(reply) => reply,
    };
    let operation = format!("{} {resource}", request.method);
    world.journal.count("fusion", &operation, reply.status());
    if matches!(reply.status(), 400 | 404 | 405 | 415) {
        let words = match &reply {
            Reply::Answer { body, .. } => String::from_utf8_lossy(body).into_owned(),
            Reply::Slow { .. } | Reply::Cut => String::new(),
        };
        world.journal.unexpected(format!("{} {path} {:?}: {words}", request.method, request.query));
    }
    reply
}

fn versions() -> Reply {
    let allowed: Vec<String> = (1..=9).map(|version| version.to_string()).collect();
    let extension = json!({ "defaultFrameworkVersion": "1", "allowedFrameworkVersions": allowed });
    let item = json!({ "version": "11.13.18.05", "isLatest": true, "adf:extension": extension });
    Reply::json(200, &json!({ "items": [item] }))
}

/// Answers a request that was let in.
fn route(call: &Call<'_>, state: &mut FusionState, path: &str) -> Reply {
    let parts: Vec<&str> = path.split('/').collect();
    let not_allowed = || Reply::text(405, "Method Not Allowed");
    if let ["erpintegrations"] = parts.as_slice() {
        return match call.request.method {
            Method::GET => integrations::get(call, state),
            Method::POST => integrations::post(call, state),
            _ => not_allowed(),
        };
    }
    if call.request.method == Method::GET {
        let Some(of) = RESOURCES.iter().find(|of| of.name == parts[0]) else {
            return Reply::text(404, "Not Found");
        };
        return match parts[1..] {
            ["describe"] => adf::describe(call, state, of),
            _ => adf::get(call, state, of, &parts[1..]),
        };
    }
    match (&call.request.method, parts.as_slice()) {
        (&Method::POST, ["receivablesInvoices"]) => receivables::create(call, state, Kind::Invoice),
        (&Method::POST, ["receivablesCreditMemos"]) => receivables::create(call, state, Kind::CreditMemo),
        (&Method::PATCH, ["receivablesInvoices", id]) => receivables::patch(call, state, Kind::Invoice, id),
        (&Method::PATCH, ["receivablesCreditMemos", id]) => {
            receivables::patch(call, state, Kind::CreditMemo, id)
        }
        (&Method::DELETE, ["receivablesInvoices", id]) => receivables::delete(state, id),
        (&Method::POST, ["standardReceipts"]) => receipts::create(call, state),
        (&Method::DELETE, ["standardReceipts", id]) => receipts::delete(state, id),
        (&Method::POST, ["standardReceipts", id, "child", "remittanceReferences"]) => {
            receipts::add_reference(call, state, id)
        }
        (&Method::POST, ["standardReceipts", id, "action", "applyReceipt"]) => {
            receipts::apply(call, state, id)
        }
        (&Method::PATCH, ["journalBatches", id]) => journals::patch(call, state, id),
        (&Method::DELETE, ["journalBatches", id]) => journals::delete(state, id),
        // Journals cannot be posted by REST, and lists of values only be read.
        _ if RESOURCES.iter().any(|of| of.name == parts[0]) => not_allowed(),
        _ => Reply::text(404, "Not Found"),
    }
}

/// Answers a GET of what was committed, for the control port.
pub(crate) fn committed(world: &World) -> serde_json::Value {
    let mut state = locked(&world.fusion);
    settle(world, &mut state);
    knobs::committed(world, &state)
}
