//! Oracle Fusion: receivables, journals by bulk import, and the look-ups around them.

mod adf;
mod gl_import;
pub mod identity;
mod integrations;
mod journals;
mod lov;
mod receivables;

use std::collections::HashMap;

use axum::http::Method;

pub use gl_import::{GlLine, JournalBatch};
pub use receivables::{Document, DocumentLine};

use crate::http::{Incoming, Reply};
use crate::scenario::{Scenario, all_combinations};
use crate::{World, locked};

/// What changes at Fusion.
#[derive(Debug, Default)]
pub struct FusionState {
    tokens: HashMap<String, i64>,
    issued: u64,
    next_id: u64,
    /// Enabled combinations.
    pub(crate) combinations: Vec<String>,
    /// Receivables invoices, in the order of creation.
    pub invoices: Vec<Document>,
    /// Receivables credit memos.
    pub credit_memos: Vec<Document>,
    /// Journal batches.
    pub batches: Vec<JournalBatch>,
    jobs: Vec<integrations::Job>,
    /// Rows that a failed import left behind.
    interface: Vec<gl_import::InterfaceRow>,
}

impl FusionState {
    pub(crate) fn new(_: &Scenario) -> Self {
        Self { combinations: all_combinations().collect(), next_id: 300_000_100_000_000, ..Self::default() }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

const ROOTS: [&str; 2] = ["/fscmRestApi/resources/11.13.18.05/", "/fscmRestApi/resources/latest/"];

/// Answers a request to the instance.
pub(crate) fn handle(world: &World, request: &Incoming) -> Reply {
    let Some(path) = ROOTS.iter().find_map(|root| request.path.strip_prefix(root)) else {
        world.journal.unexpected(format!("Fusion {} {}: no such root", request.method, request.path));
        return Reply::text(404, "Not Found");
    };
    let resource = path.split('/').next().unwrap_or_default().to_owned();
    let reply = answer(world, request, path);
    let operation = format!("{} {resource}", request.method);
    world.journal.count("fusion", &operation, reply.status());
    if matches!(reply.status(), 400 | 404) {
        let words = match &reply {
            Reply::Answer { body, .. } => String::from_utf8_lossy(body).into_owned(),
            Reply::Slow { .. } | Reply::Cut => String::new(),
        };
        world.journal.unexpected(format!("{} {path} {:?}: {words}", request.method, request.query));
    }
    reply
}

fn answer(world: &World, request: &Incoming, path: &str) -> Reply {
    let token =
        request.header("authorization").and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    let expires = locked(&world.fusion).tokens.get(token).copied();
    if expires.is_none_or(|expires| expires <= world.clock.now()) {
        return Reply::Answer {
            status: 401,
            headers: vec![("www-authenticate", "Bearer".to_owned())],
            body: Vec::new(),
        };
    }
    if request.method == Method::POST {
        if world.faults.happens(|rates| rates.fusion.throttle) {
            return Reply::text(429, "Too Many Requests").with("retry-after", "5");
        }
        if world.faults.happens(|rates| rates.fusion.error_before_commit) {
            return Reply::text(503, "Service Unavailable");
        }
        if world.faults.happens(|rates| rates.fusion.reset_before_commit) {
            return Reply::Cut;
        }
        let reply = post(world, request, path);
        if reply.status() < 300 && world.faults.happens(|rates| rates.fusion.answer_lost) {
            return Reply::Cut;
        }
        return reply;
    }
    if request.method != Method::GET {
        return Reply::text(405, "Method Not Allowed");
    }
    get(world, request, path)
}

fn post(world: &World, request: &Incoming, path: &str) -> Reply {
    match path {
        "receivablesInvoices" => receivables::create(world, request, receivables::Kind::Invoice),
        "receivablesCreditMemos" => receivables::create(world, request, receivables::Kind::CreditMemo),
        "erpintegrations" => integrations::post(world, request),
        // Journals cannot be posted by REST.
        "journalBatches" => Reply::text(405, "Method Not Allowed"),
        _ => Reply::text(404, "Not Found"),
    }
}

fn get(world: &World, request: &Incoming, path: &str) -> Reply {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["receivablesInvoices"] => receivables::list(world, request, receivables::Kind::Invoice),
        ["receivablesCreditMemos"] => receivables::list(world, request, receivables::Kind::CreditMemo),
        ["receivablesInvoices", id, "child", "receivablesInvoiceLines"] => {
            receivables::lines(world, request, receivables::Kind::Invoice, id)
        }
        ["receivablesCreditMemos", id, "child", "receivablesCreditMemoLines"] => {
            receivables::lines(world, request, receivables::Kind::CreditMemo, id)
        }
        ["erpintegrations"] => integrations::get(world, request),
        ["journalBatches"] => journals::batches(world, request),
        ["journalBatches", id, "child", "journalHeaders"] => journals::headers(world, request, id),
        ["journalBatches", id, "child", "journalHeaders", key, "child", "journalLines"] => {
            journals::lines(world, request, id, key)
        }
        ["accountCombinationsLOV"] => lov::combinations(world, request),
        ["accountingPeriodStatusLOV"] => lov::periods(world, request),
        ["ledgersLOV"] => lov::ledgers(world, request),
        _ => Reply::text(404, "Not Found"),
    }
}
