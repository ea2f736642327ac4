//! What goes in and out, as JSON. Names are public: add, never rename.

use ml_connector_domain::{Money, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON object whose members are described elsewhere.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct AnyObject(pub(crate) serde_json::Map<String, Value>);

/// A time as text.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_string()
}

/// Money in whole minor units.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Amount {
    /// Minor units: cents, pence, yen.
    pub(crate) minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { minor: money.minor, currency: money.currency.code().to_owned() }
    }
}

macro_rules! page {
    ($(#[$doc:meta])* $name:ident of $row:ty) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, JsonSchema)]
        pub(crate) struct $name {
            /// The rows.
            pub(crate) items: Vec<$row>,
            /// What to send as `after` for the next page; null on the last.
            pub(crate) next: Option<String>,
        }
    };
}

page!(
    /// A page of sellers.
    Sellers of SellerRow
);
page!(
    /// A page of documents.
    Documents of DocumentRow
);
page!(
    /// A page of the review queue.
    ReviewItems of ReviewItem
);
page!(
    /// A page of audit events.
    Events of Event
);
page!(
    /// A page of keys.
    Keys of KeyRow
);

/// Whether the process lives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Alive {
    /// `ok`, or `late`: a worker gives no sign of life.
    pub(crate) status: String,
}

/// Whether it can work.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ready {
    /// Whether all of these hold.
    pub(crate) ready: bool,
    /// Whether the database answers.
    pub(crate) database: bool,
    /// Whether it has this version's form.
    pub(crate) schema: bool,
    /// Whether every seller's worker has begun.
    pub(crate) workers: bool,
}

/// A seller's pause.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pause {
    /// Since when.
    pub(crate) since: String,
    /// Who wanted that.
    pub(crate) by: String,
}

/// A seller.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SellerRow {
    /// Its merchant token.
    pub(crate) seller: String,
    /// Its name, for people.
    pub(crate) name: String,
    /// Where it has authorised us.
    pub(crate) regions: Vec<String>,
    /// Whether its worker rests.
    pub(crate) paused: Option<Pause>,
}

/// How a seller stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Standing {
    /// The seller.
    #[serde(flatten)]
    pub(crate) seller: SellerRow,
    /// Its streams.
    pub(crate) streams: Vec<Stream>,
    /// Documents by the state of their postings.
    pub(crate) documents: std::collections::BTreeMap<String, u64>,
    /// When the oldest document was planned that is neither confirmed nor rejected.
    pub(crate) oldest_unposted: Option<String>,
    /// What waits for a person, by reason and currency.
    pub(crate) review: Vec<ReviewSum>,
}

/// Where a stream stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stream {
    /// Where.
    pub(crate) region: String,
    /// Which.
    pub(crate) stream: String,
    /// Everything before this has been read.
    pub(crate) read_up_to: String,
    /// How far that is behind now.
    pub(crate) lag_seconds: i64,
    /// When it was last asked.
    pub(crate) asked_at: String,
    /// When it last brought something new.
    pub(crate) last_new: Option<String>,
}

/// What waits for a person for one reason.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewSum {
    /// What kind of thing.
    pub(crate) kind: String,
    /// The reason's code.
    pub(crate) code: String,
    /// How many.
    pub(crate) count: u64,
    /// The money at stake, in one currency.
    pub(crate) at_stake: Option<Amount>,
    /// Since when the oldest waits.
    pub(crate) oldest: String,
}

/// Whether a seller rests now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Resting {
    /// The seller.
    pub(crate) seller: String,
    /// Its pause.
    pub(crate) paused: Option<Pause>,
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<secrecy::SecretString, D::Error> {
    String::deserialize(from).map(Into::into)
}

/// A credential to be sealed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCredential {
    /// The secret, as Amazon gave it.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "String", length(min = 1, max = 8192))]
    pub(crate) secret: secrecy::SecretString,
}

/// A credential that was sealed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SealedAt {
    /// Which.
    pub(crate) kind: String,
    /// When.
    pub(crate) set_at: String,
}

/// A seller's mappers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Mappers {
    /// The digest of the one that maps; null is the configuration's file.
    pub(crate) active: Option<String>,
    /// The digest of the one that runs beside it.
    pub(crate) shadow: Option<String>,
    /// Versions, the newest change first.
    pub(crate) items: Vec<MapperRow>,
    /// What to send as `after` for the next page; null on the last.
    pub(crate) next: Option<String>,
}

/// A version of a mapper.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MapperRow {
    /// SHA-256 of the component.
    pub(crate) digest: String,
    /// As it describes itself.
    pub(crate) name: String,
    /// As it describes itself.
    pub(crate) version: String,
    /// Who signed it.
    pub(crate) author: Option<String>,
    /// `validated`, `shadow`, `active` or `retired`.
    pub(crate) state: String,
    /// Why.
    pub(crate) why: String,
    /// Since when.
    pub(crate) changed_at: String,
}

/// A component that was kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AdmittedMapper {
    /// SHA-256 of the component.
    pub(crate) digest: String,
    /// What it is and who signed it, in words.
    pub(crate) why: String,
    /// Fixtures that it mapped twice.
    pub(crate) fixtures: usize,
}

/// What decides now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Decides {
    /// The seller.
    pub(crate) seller: String,
    /// The version, or `the configuration's file`.
    pub(crate) version: String,
}

/// A seller's catalogs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Catalogs {
    /// The hash of the one that decides; null is the configuration's file.
    pub(crate) active: Option<String>,
    /// Versions, the newest first.
    pub(crate) items: Vec<CatalogRow>,
    /// What to send as `after` for the next page; null on the last.
    pub(crate) next: Option<String>,
}

/// A version of a catalog.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct CatalogRow {
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// The file's name.
    pub(crate) file: String,
    /// Who or what brought it.
    pub(crate) why: String,
    /// When.
    pub(crate) at: String,
}

/// A catalog that was kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportedCatalog {
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// Its rules.
    pub(crate) rules: usize,
    /// Whether it decides from the next batch on.
    pub(crate) active: bool,
}

/// A document in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DocumentRow {
    /// Under this it is posted, at most once.
    pub(crate) key: String,
    /// Whose.
    pub(crate) seller: String,
    /// invoice, credit_memo, journal or receipt.
    pub(crate) kind: String,
    /// What it is about.
    pub(crate) subject: String,
    /// 0 for the first, one more for each correction.
    pub(crate) revision: u32,
    /// Accounting date.
    pub(crate) date: String,
    /// What Amazon says it amounts to.
    pub(crate) expected: Amount,
    /// Where its posting stands.
    pub(crate) state: String,
    /// When it was planned; known in lists only.
    pub(crate) planned_at: Option<String>,
    /// SHA-256 of its bytes.
    pub(crate) sha256: String,
}

/// A document with all that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WholeDocument {
    /// What lists show.
    #[serde(flatten)]
    pub(crate) row: DocumentRow,
    /// Its posting: the state with what belongs to it.
    pub(crate) posting: Value,
    /// The document itself, as it is stored.
    pub(crate) document: Value,
    /// The newest 1,000 events about it.
    pub(crate) story: Vec<Event>,
}

/// An audit event.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// Its place in the log.
    pub(crate) id: i64,
    /// When.
    pub(crate) at: String,
    /// What it is about.
    pub(crate) subject: String,
    /// What happened.
    pub(crate) action: String,
    /// In words.
    pub(crate) detail: String,
}

/// An item of the review queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewItem {
    /// Its number.
    pub(crate) id: i64,
    /// Whose.
    pub(crate) seller: String,
    /// What kind of thing it is about.
    pub(crate) kind: String,
    /// About what.
    pub(crate) subject: String,
    /// The reason's code.
    pub(crate) code: String,
    /// What the reason is about.
    pub(crate) about: String,
    /// The reason in words.
    pub(crate) message: String,
    /// The money at stake.
    pub(crate) at_stake: Option<Amount>,
    /// Since when.
    pub(crate) opened_at: String,
}

/// An item with what would become of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WholeReview {
    /// The item.
    #[serde(flatten)]
    pub(crate) item: ReviewItem,
    /// What would be posted for it now.
    pub(crate) attempt: Option<Attempt>,
    /// Why that could not be found out.
    pub(crate) attempt_failed: Option<String>,
}

/// What would become of an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Attempt {
    /// Whether it would be resolved.
    pub(crate) settles: bool,
    /// Documents that would be planned.
    pub(crate) documents: Vec<ProposedDocument>,
    /// Lines that would be booked for a settlement.
    pub(crate) booked: Vec<Value>,
    /// Reasons for which it would wait on.
    pub(crate) reasons: Vec<WaitsOn>,
    /// What else is to be said.
    pub(crate) note: Option<String>,
}

/// A document that would be planned.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProposedDocument {
    /// SHA-256 of its bytes.
    pub(crate) sha256: String,
    /// The document.
    pub(crate) document: Value,
}

/// A reason to wait on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WaitsOn {
    /// Its code.
    pub(crate) code: String,
    /// What it is about.
    pub(crate) about: String,
    /// In words.
    pub(crate) message: String,
}

/// What is approved.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Approval {
    /// SHA-256 of each document that was shown: where they would be others now, nothing is planned.
    pub(crate) documents: Option<Vec<String>>,
}

/// What became of an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Resolved {
    /// The item.
    pub(crate) id: i64,
    /// Keys of what was planned.
    pub(crate) planned: Vec<String>,
    /// Items that waited for this one, and can be resolved now.
    pub(crate) waiting: Vec<i64>,
}

/// Why an item is closed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dismissal {
    /// Why nothing is to be posted, for the audit log.
    #[schemars(length(min = 10, max = 2000))]
    pub(crate) because: String,
}

/// What was done about an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Settled {
    /// The item.
    pub(crate) id: i64,
    /// In words.
    pub(crate) told: String,
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct KeyRow {
    /// Its public part.
    pub(crate) id: String,
    /// What it may do.
    pub(crate) role: String,
    /// Whose it is.
    pub(crate) tenant: String,
    /// The sellers that it is for; null for all of its tenant's.
    pub(crate) sellers: Option<Vec<String>>,
    /// When it was made.
    pub(crate) created_at: String,
    /// From when on it is no longer taken.
    pub(crate) expires_at: Option<String>,
    /// When it was taken out of use.
    pub(crate) revoked_at: Option<String>,
}

/// A key to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// viewer, operator, mapper-author or admin.
    #[schemars(extend("enum" = ["viewer", "operator", "mapper-author", "admin"]))]
    pub(crate) role: String,
    /// The sellers that it is for; without them all of the tenant's.
    #[serde(default)]
    pub(crate) sellers: Option<Vec<String>>,
    /// After so many days it is no longer taken.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3650))]
    pub(crate) expires_days: Option<u16>,
}

/// A key that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AddedKey {
    /// The key.
    #[serde(flatten)]
    pub(crate) row: KeyRow,
    /// The whole key. Answered once: a repeated request has null here.
    pub(crate) key: Option<String>,
}
