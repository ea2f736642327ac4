//! `audit`, `evidence` and `export`: what an auditor asks for. Verification works without configuration and master key.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ml_connector_audit::note::{SigningKey, VerifyingKey};
use ml_connector_audit::period::Period;
use ml_connector_audit::{AuditError, Finding, checkpoints, evidence as archive, hledger, verify};
use ml_connector_domain::ledger::purpose;
use ml_connector_domain::{Date, SellerId};
use ml_connector_storage::{Change, Store, StoreError};

use super::{Outcome, say};
use crate::app::{App, entropy};
use crate::config::Config;
use crate::credentials::{CredentialStore, Kind};
use crate::database::Place;

/// Findings said one by one.
const SAID: usize = 50;

/// Something was checked and is not as it was: an exit code of its own.
#[derive(Debug)]
pub(crate) struct NotAsItWas(usize);

impl NotAsItWas {
    pub(crate) fn found(count: usize) -> Self {
        Self(count)
    }
}

impl fmt::Display for NotAsItWas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} findings", self.0)
    }
}

impl Error for NotAsItWas {}

/// Says what was found; an error if there is anything.
fn judged(findings: &[Finding]) -> Outcome {
    findings.iter().take(SAID).for_each(|finding| say(&finding.to_string()));
    if findings.len() > SAID {
        say(&format!("and {} more", findings.len() - SAID));
    }
    if findings.is_empty() { Ok(()) } else { Err(Box::new(NotAsItWas(findings.len()))) }
}

/// The key that signs checkpoints; made and sealed if there is none yet.
pub(crate) async fn signing_key(
    store: &dyn Store,
    credentials: &CredentialStore,
    now: Timestamp,
) -> Result<SigningKey, Box<dyn Error>> {
    if store.log_key().await?.is_none() {
        let mut rng = entropy();
        let secret = SigningKey::generate(&mut rng);
        let public = SigningKey::parse(&secret)?.public().to_string();
        let sealed = credentials.sealed(&Kind::AuditKey, &secret, now, &mut rng).await?;
        match store.apply(vec![Change::AuditKey { public, at: now }, sealed]).await {
            // Another process was faster: its key is the one.
            Ok(()) | Err(StoreError::Twice { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let key = SigningKey::parse(&credentials.get(&Kind::AuditKey).await?)?;
    match store.log_key().await? {
        Some(named) if named == key.public().to_string() => Ok(key),
        _ => Err("AUD-KEY: the sealed audit key is not the one that the database names: somebody changed it"
            .into()),
    }
}

/// Prints the public key.
pub(crate) async fn audit_key(config: Config, pem: bool) -> Outcome {
    let app = App::open(config).await?;
    let now = app.clock.shared().now();
    let key = signing_key(&*app.store, &app.credentials()?, now).await?;
    app.store.close().await;
    say(&if pem { key.public().pem().trim_end().to_owned() } else { key.public().to_string() });
    Ok(())
}

/// Signs the log as it stands.
pub(crate) async fn audit_checkpoint(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let now = app.clock.shared().now();
    let key = signing_key(&*app.store, &app.credentials()?, now).await?;
    let file = app.config.path(&app.config.audit.checkpoints);
    let written = checkpoints::write(&*app.store, &key, &file, now).await?;
    app.store.close().await;
    say(&match written {
        Some(checkpoint) => format!(
            "{} events are signed, root {}, as of {}; {} ends with it",
            checkpoint.size,
            checkpoint.root,
            checkpoint.at,
            file.display()
        ),
        None => "there is no event to sign yet".to_owned(),
    });
    Ok(())
}

/// What `audit verify` is given.
pub(crate) struct VerifyRequest {
    pub(crate) place: Place,
    pub(crate) checkpoints: Vec<PathBuf>,
    pub(crate) public_key: Option<String>,
}

impl VerifyRequest {
    /// What the configuration names; its file of checkpoints is taken if it is there.
    ///
    /// # Errors
    /// The database's address cannot be read.
    pub(crate) fn of(
        config: &Config,
        mut checkpoints: Vec<PathBuf>,
        public_key: Option<String>,
    ) -> Result<Self, Box<dyn Error>> {
        let own = config.path(&config.audit.checkpoints);
        if checkpoints.is_empty() && own.exists() {
            checkpoints.push(own);
        }
        Ok(Self { place: Place::of(config)?, checkpoints, public_key })
    }
}

/// A key as it is given: the text itself, or a file with it.
fn given_key(text: &str) -> Result<VerifyingKey, AuditError> {
    match std::fs::read_to_string(text) {
        Ok(file) => VerifyingKey::parse(&file),
        Err(_) => VerifyingKey::parse(text),
    }
}

/// Verifies a log offline.
pub(crate) async fn audit_verify(request: VerifyRequest) -> Outcome {
    let given = request.public_key.as_deref().map(given_key).transpose()?;
    let mut outside = Vec::new();
    for file in &request.checkpoints {
        outside.extend(checkpoints::read(file)?);
    }
    let store = request.place.open_to_read().await?;
    let named = store.log_key().await.map_err(|error| {
        let path = request.place.words();
        format!("AUD-NO-LOG: {path} holds no audit log, or was made by a version before it: start the daemon once\n  because: {}", super::with_causes(&error))
    })?;
    let own = named.as_deref().map(VerifyingKey::parse).transpose();
    let (key, trusted) = match (given, own) {
        (Some(key), _) => (key, true),
        (None, Ok(Some(key))) => (key, false),
        (None, Ok(None)) => {
            return Err("AUD-KEY: the database names no key: give it with --public-key".into());
        }
        (None, Err(error)) => return Err(error.into()),
    };
    let verdict = verify::verify(&*store, &outside, &key).await?;
    store.close().await;
    say(&format!("{} events and {} signed checkpoints read", verdict.events, verdict.checkpoints));
    match &verdict.newest {
        Some(newest) => {
            say(&format!("the newest checkpoint is of {} events, signed at {}", newest.size, newest.at))
        }
        None => say("no checkpoint: nothing shows that the tail was not cut"),
    }
    if !trusted {
        say(&format!("the key is the database's own; compare it with the one you noted: {key}"));
    }
    if verdict.findings.is_empty() {
        say("the log is as it was written");
    }
    judged(&verdict.findings)
}

/// Writes the evidence of a period, after signing what is not signed yet.
pub(crate) async fn evidence(config: Config, period: Period, out: &Path) -> Outcome {
    let app = App::open(config).await?;
    let now = app.clock.shared().now();
    let key = signing_key(&*app.store, &app.credentials()?, now).await?;
    checkpoints::write(&*app.store, &key, &app.config.path(&app.config.audit.checkpoints), now).await?;
    let beside = out.with_extension("new");
    let failed = |source| AuditError::File { what: "write", path: beside.display().to_string(), source };
    let file = std::fs::File::create(&beside).map_err(failed)?;
    let packed = match archive::pack(&*app.store, period, key.public(), &file).await {
        Ok(packed) => packed,
        Err(error) => {
            // Half an archive is none.
            let _removed = std::fs::remove_file(&beside);
            return Err(error.into());
        }
    };
    file.sync_all().and_then(|()| std::fs::rename(&beside, out)).map_err(failed)?;
    app.store.close().await;
    say(&format!(
        "{}: {} documents, {} events, {} payloads, resting on the checkpoint of {} events at {}",
        out.display(),
        packed.documents,
        packed.events,
        packed.payloads,
        packed.checkpoint.size,
        packed.checkpoint.at
    ));
    Ok(())
}

/// Checks an archive of evidence.
pub(crate) fn evidence_verify(file: &Path, public_key: Option<&str>) -> Outcome {
    let given = public_key.map(given_key).transpose()?;
    let trusted = given.is_some();
    let failed = |source| AuditError::File { what: "read", path: file.display().to_string(), source };
    let checked = archive::check(std::fs::File::open(file).map_err(failed)?, given)?;
    say(&format!(
        "{} documents, {} proven events, {} payloads",
        checked.documents, checked.events, checked.payloads
    ));
    if let Some(checkpoint) = &checked.checkpoint {
        say(&format!(
            "they rest on the checkpoint of {} events, signed at {}",
            checkpoint.size, checkpoint.at
        ));
    }
    if let (false, Some(key)) = (trusted, &checked.key) {
        say(&format!("the key is the archive's own; compare it with the operator's: {key}"));
    }
    if checked.findings.is_empty() {
        say("the evidence is as it was written");
    }
    judged(&checked.findings)
}

/// The accounts that a seller's documents do not name themselves.
pub(crate) fn hledger_accounts(app: &App, of: &SellerId) -> Option<hledger::Accounts> {
    let ledger = &app.config.sellers.iter().find(|seller| seller.id == *of)?.ledger;
    let clearing = ledger.receipts.as_ref().and_then(|receipts| ledger.account(&receipts.clearing));
    Some(hledger::Accounts { receivable: ledger.account(purpose::RECEIVABLE)?, clearing })
}

/// Writes confirmed documents as hledger text to a file, or to standard output.
pub(crate) async fn export_hledger(
    config: Config,
    period: Option<Period>,
    seller: Option<SellerId>,
    out: Option<&Path>,
) -> Outcome {
    let app = App::open(config).await?;
    if let Some(seller) = &seller
        && !app.config.sellers.iter().any(|of| of.id == *seller)
    {
        return Err(format!("EXP-SELLER: the configuration names no seller {seller}").into());
    }
    let (from, to) = period.map_or((Date::MIN, Date::MAX), |period| (period.first(), period.last()));
    let documents = app.store.confirmed_documents(from, to, seller.as_ref()).await?;
    let text = hledger::export(&documents, |of| hledger_accounts(&app, of))?;
    app.store.close().await;
    match out {
        Some(path) => std::fs::write(path, text).map_err(|source| {
            AuditError::File { what: "write", path: path.display().to_string(), source }.into()
        }),
        None => {
            say(text.trim_end());
            Ok(())
        }
    }
}

/// Signs the log from time to time until it is told to stop, and once more then.
pub(crate) struct Checkpoints {
    pub(crate) store: std::sync::Arc<dyn Store>,
    pub(crate) key: SigningKey,
    pub(crate) file: PathBuf,
    pub(crate) every: jiff::SignedDuration,
}

impl Checkpoints {
    /// Runs until `stopped`; what was appended by then is signed. The clock does not move while it signs.
    pub(crate) async fn run(
        self,
        clock: std::sync::Arc<dyn ml_connector_domain::Clock>,
        _registered: Box<dyn Send + Sync>,
        stopped: tokio_util::sync::CancellationToken,
    ) {
        while !stopped.is_cancelled() {
            let now = clock.now();
            let next = now.saturating_add(self.every).unwrap_or(now);
            tokio::select! {
                // First: a sleep that is asked again could step the clock.
                biased;
                () = stopped.cancelled() => {}
                () = clock.sleep_until(next) => {}
            }
            self.write(clock.now()).await;
        }
    }

    async fn write(&self, now: Timestamp) {
        match checkpoints::write(&*self.store, &self.key, &self.file, now).await {
            Ok(Some(checkpoint)) => tracing::debug!(events = checkpoint.size, "the audit log is signed"),
            Ok(None) => {}
            // The daemon goes on: what is not signed yet is signed with the next one.
            Err(error) => {
                tracing::error!(error = %super::with_causes(&error), "the audit log cannot be signed")
            }
        }
    }
}

/// Refuses a database that has fewer events than the file's newest checkpoint signs: a backup was put back, or the tail was
/// cut. It does not know what was posted since.
///
/// # Errors
/// It is one, or that could not be found out.
pub(crate) async fn compare_with_file(store: &dyn Store, key: &VerifyingKey, file: &Path) -> Outcome {
    let Some(frontier) = store.log_frontier().await? else { return Ok(()) };
    if !file.exists() {
        return Ok(());
    }
    let placed = checkpoints::read(file)?;
    let signed = placed.iter().filter_map(|placed| key.checkpoint(&placed.note).ok());
    let newest = signed.map(|checkpoint| checkpoint.size).max();
    match newest {
        Some(newest) if newest > frontier.size() => Err(format!(
            "AUD-BEHIND: {} signs {newest} events and the database has {}: it does not know what was posted since. If a backup \
             was put back, run `ml-connector restore`; if none was, the log's tail was cut: run `ml-connector audit verify`",
            file.display(),
            frontier.size()
        )
        .into()),
        _ => Ok(()),
    }
}
