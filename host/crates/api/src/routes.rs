//! The table of routes: the one place that says what there is, who may, what comes in and what goes out. Requests are held
//! against it, the OpenAPI document is made of it, and the tests of roles and tenants walk it.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::role::Need;
use crate::shapes;

/// How a shape is written.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each row of the table says what its operation is")]
pub enum Operation {
    Health,
    Ready,
    Metrics,
    OpenApi,
    Sellers,
    Seller,
    Pause,
    Resume,
    SetCredential,
    Mappers,
    UploadMapper,
    ShadowMapper,
    ActivateMapper,
    RollBackMapper,
    Catalogs,
    ImportCatalog,
    ActivateCatalog,
    Documents,
    Document,
    Reviews,
    Review,
    ResolveReview,
    DismissReview,
    RetryReview,
    Reconciliation,
    Audit,
    ApiKeys,
    AddApiKey,
    RevokeApiKey,
}

/// An HTTP method that occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are HTTP's")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request brings.
#[derive(Clone, Copy)]
pub enum Body {
    /// Nothing.
    Nothing,
    /// JSON of a shape; whether it may be left out.
    Json(Shape, bool),
    /// A catalog file.
    Csv,
    /// A mapper's component, up to what the seller's policy admits.
    Wasm,
}

impl Body {
    /// Its media type.
    pub(crate) fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Json(..) => Some("application/json"),
            Self::Csv => Some("text/csv"),
            Self::Wasm => Some("application/wasm"),
        }
    }
}

/// What goes out.
#[derive(Clone, Copy)]
pub enum Reply {
    /// JSON of a shape.
    Json(Shape),
    /// Prometheus' text.
    Text,
}

/// A parameter of the query.
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it holds, as JSON schema: type and format.
    pub kind: (&'static str, Option<&'static str>),
    /// Whether it has to be there.
    pub required: bool,
}

const fn text(name: &'static str, about: &'static str) -> Param {
    Param { name, about, kind: ("string", None), required: false }
}

const fn time(name: &'static str, about: &'static str) -> Param {
    Param { name, about, kind: ("string", Some("date-time")), required: false }
}

const LIMIT: Param =
    Param { name: "limit", about: "Rows of a page, 1 to 200", kind: ("integer", None), required: false };
const AFTER: Param = text("after", "`next` of the page before");
const PAGE: &[Param] = &[LIMIT, AFTER];
const DOCUMENTS: &[Param] = &[
    LIMIT,
    AFTER,
    text("kind", "invoice, credit_memo, journal or receipt"),
    text("state", "planned, sending, submitted, unknown, confirmed or rejected"),
    text("subject", "The order id, settlement id or month that it is about"),
    time("from", "Planned at this time or later"),
    time("to", "Planned before this time"),
];
const REVIEWS: &[Param] =
    &[LIMIT, AFTER, text("code", "The reason's code"), text("kind", "What kind of thing it is about")];
const EVENTS: &[Param] = &[LIMIT, AFTER, text("subject", "What the events are about")];
const PERIOD: &[Param] =
    &[Param { name: "period", about: "The month, e.g. 2026-10", kind: ("string", None), required: true }];
const FILE: &[Param] = &[
    text("file", "The file's name, for people"),
    text("activate", "true: it decides from the next batch on"),
];

/// A row of the table.
pub struct Route {
    /// What it does.
    pub operation: Operation,
    /// How it is asked for.
    pub method: Method,
    /// Where; parts in braces vary.
    pub path: &'static str,
    /// Who may.
    pub need: Need,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What may stand in the query.
    pub query: &'static [Param],
    /// What a request brings.
    pub body: Body,
    /// What goes out.
    pub reply: Reply,
    /// The status of success.
    pub status: u16,
}

impl Route {
    /// Whether it changes something.
    pub fn changes(&self) -> bool {
        self.method != Method::Get
    }

    /// Whether a component is compiled or loaded for it.
    pub(crate) fn is_slow(&self) -> bool {
        use Operation as Op;
        matches!(
            self.operation,
            Op::UploadMapper | Op::ShadowMapper | Op::ActivateMapper | Op::RollBackMapper
        )
    }

    /// Whether an `Idempotency-Key` counts.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.method, Method::Post | Method::Put)
    }
}

const fn row(
    (operation, need): (Operation, Need),
    (method, path): (Method, &'static str),
    summary: &'static str,
    query: &'static [Param],
    (body, reply): (Body, Reply),
) -> Route {
    Route { operation, method, path, need, summary, query, body, reply, status: 200 }
}

const fn created(route: Route) -> Route {
    Route { status: 201, ..route }
}

macro_rules! get {
    ($op:ident, $need:ident, $path:literal, $summary:literal, $query:expr, $reply:ty) => {
        row(
            (Operation::$op, Need::$need),
            (Method::Get, $path),
            $summary,
            $query,
            (Body::Nothing, Reply::Json(shape::<$reply>)),
        )
    };
}

macro_rules! change {
    ($op:ident, $need:ident, $method:ident $path:literal, $summary:literal, $query:expr, $body:expr, $reply:ty) => {
        row(
            (Operation::$op, Need::$need),
            (Method::$method, $path),
            $summary,
            $query,
            ($body, Reply::Json(shape::<$reply>)),
        )
    };
}

/// All routes.
pub const ROUTES: &[Route] = &[
    get!(
        Health,
        Nothing,
        "/healthz",
        "Whether the process lives: its workers give signs of life",
        &[],
        shapes::Alive
    ),
    get!(
        Ready,
        Nothing,
        "/readyz",
        "Whether it can work: the database answers and fits, workers have started",
        &[],
        shapes::Ready
    ),
    row(
        (Operation::Metrics, Need::Read),
        (Method::Get, "/metrics"),
        "Figures of the sellers that the key is for, in Prometheus' text form",
        &[],
        (Body::Nothing, Reply::Text),
    ),
    get!(OpenApi, Nothing, "/v1/openapi.json", "This document", &[], shapes::AnyObject),
    get!(Sellers, Read, "/v1/sellers", "The sellers that the key is for", PAGE, shapes::Sellers),
    get!(
        Seller,
        Read,
        "/v1/sellers/{seller}",
        "How a seller stands: streams, documents, review",
        &[],
        shapes::Standing
    ),
    change!(Pause, Operate, Post "/v1/sellers/{seller}/pause", "Have its worker rest", &[], Body::Nothing, shapes::Resting),
    change!(Resume, Operate, Post "/v1/sellers/{seller}/resume", "Have its worker go on", &[], Body::Nothing, shapes::Resting),
    change!(
        SetCredential, Administer, Put "/v1/sellers/{seller}/credentials/{kind}",
        "Seal a credential: amazon-refresh-token-na, -eu or -fe. It can never be read", &[],
        Body::Json(shape::<shapes::NewCredential>, false), shapes::SealedAt
    ),
    get!(
        Mappers,
        Read,
        "/v1/sellers/{seller}/mappers",
        "The seller's versions and which of them maps",
        PAGE,
        shapes::Mappers
    ),
    created(change!(
        UploadMapper, Author, Post "/v1/sellers/{seller}/mappers",
        "Check a component and keep it as a validated version; the author's signature stands in Mapper-Signature", &[],
        Body::Wasm, shapes::AdmittedMapper
    )),
    change!(
        RollBackMapper, Operate, Post "/v1/sellers/{seller}/mappers/rollback", "Go back to the version before", &[],
        Body::Nothing, shapes::Decides
    ),
    change!(
        ShadowMapper, Author, Post "/v1/sellers/{seller}/mappers/{digest}/shadow",
        "Run a version beside the active one, posting nothing of it; `none` ends that", &[], Body::Nothing, shapes::Decides
    ),
    change!(
        ActivateMapper, Operate, Post "/v1/sellers/{seller}/mappers/{digest}/activate",
        "Let a version map from the next batch on; `configured` is the configuration's file", &[], Body::Nothing,
        shapes::Decides
    ),
    get!(
        Catalogs,
        Read,
        "/v1/sellers/{seller}/catalogs",
        "The seller's catalogs and which of them decides",
        PAGE,
        shapes::Catalogs
    ),
    created(change!(
        ImportCatalog, Operate, Post "/v1/sellers/{seller}/catalogs", "Check a catalog file and keep it as a version", FILE,
        Body::Csv, shapes::ImportedCatalog
    )),
    change!(
        ActivateCatalog, Operate, Post "/v1/sellers/{seller}/catalogs/{hash}/activate",
        "Let a catalog decide from the next batch on; `configured` is the configuration's file", &[], Body::Nothing,
        shapes::Decides
    ),
    get!(
        Documents,
        Read,
        "/v1/sellers/{seller}/documents",
        "Documents in the order in which they were planned",
        DOCUMENTS,
        shapes::Documents
    ),
    get!(
        Document,
        Read,
        "/v1/documents/{key}",
        "A document with its posting and what happened to it",
        &[],
        shapes::WholeDocument
    ),
    get!(
        Reviews,
        Read,
        "/v1/sellers/{seller}/review",
        "What waits for a person",
        REVIEWS,
        shapes::ReviewItems
    ),
    get!(
        Review,
        Read,
        "/v1/review/{id}",
        "An item, and what would be posted for it now",
        &[],
        shapes::WholeReview
    ),
    change!(
        ResolveReview, Operate, Post "/v1/review/{id}/resolve", "Plan what the item shows; the daemon posts it", &[],
        Body::Json(shape::<shapes::Approval>, true), shapes::Resolved
    ),
    change!(
        DismissReview, Operate, Post "/v1/review/{id}/dismiss", "Close an item for which nothing is to be posted", &[],
        Body::Json(shape::<shapes::Dismissal>, false), shapes::Settled
    ),
    change!(
        RetryReview, Operate, Post "/v1/review/{id}/retry", "Have the daemon map it again in its next cycle", &[],
        Body::Nothing, shapes::Settled
    ),
    get!(
        Reconciliation,
        Read,
        "/v1/sellers/{seller}/reconciliation",
        "A month tied out, seven ways",
        PERIOD,
        shapes::AnyObject
    ),
    get!(
        Audit,
        Read,
        "/v1/sellers/{seller}/audit",
        "Audit events in the order in which they were written",
        EVENTS,
        shapes::Events
    ),
    get!(ApiKeys, Administer, "/v1/api-keys", "The keys of the tenant", PAGE, shapes::Keys),
    created(change!(
        AddApiKey, Administer, Post "/v1/api-keys", "Make a key of the tenant; its secret is answered this once", &[],
        Body::Json(shape::<shapes::NewApiKey>, false), shapes::AddedKey
    )),
    change!(RevokeApiKey, Administer, Delete "/v1/api-keys/{id}", "Take a key out of use for ever", &[], Body::Nothing, shapes::KeyRow),
];
