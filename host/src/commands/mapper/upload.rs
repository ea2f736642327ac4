//! `mapper upload`: what comes in is checked from its first byte to its last fixture, and kept for ever.

use std::path::{Path, PathBuf};

use ml_connector_domain::SellerId;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::MapperIdentity;
use ml_connector_pipeline::versions::life::changed;
use ml_connector_ports::Mapper as _;
use ml_connector_storage::{Change, MapperChange};

use super::trial::Trials;
use super::{Whom, component, life, look, project};
use crate::app::App;
use crate::commands::{Outcome, say};
use crate::config::Config;
use crate::signature;

type Failure = Box<dyn std::error::Error>;

/// A component that comes in.
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    digest: ContentHash,
    signatures: Vec<String>,
    /// Golden cases that came with it.
    cases: Option<PathBuf>,
}

impl Incoming {
    /// One that brings no golden cases.
    pub(crate) fn new(bytes: Vec<u8>, signatures: Vec<String>) -> Self {
        Self { digest: ContentHash::of(&bytes), bytes, signatures, cases: None }
    }
}

/// What a component showed for a seller.
struct Passed {
    identity: MapperIdentity,
    author: Option<String>,
    fixtures: usize,
    cases: usize,
}

/// A component that was kept.
pub(crate) struct Kept {
    /// Its name.
    pub(crate) digest: ContentHash,
    /// Why it may be used, in words.
    pub(crate) why: String,
    /// Fixtures that it mapped twice, and golden cases that it passed, by seller.
    pub(crate) sellers: Vec<(SellerId, usize, usize)>,
}

/// Checks a component and keeps it.
pub(super) async fn upload(
    config: Config,
    file: &Path,
    whom: &Whom,
    (signature, cases): (Option<PathBuf>, Option<PathBuf>),
) -> Outcome {
    let whom = life::sellers(&config, whom)?;
    let app = App::open(config).await?;
    let mut bytes_max = 0;
    let trials = Trials::open(&app)?;
    for seller in &whom {
        bytes_max = bytes_max.max(trials.door(seller)?.0.component_bytes_max());
    }
    let bytes = look::read(file, bytes_max)?;
    let signatures = match &signature {
        Some(path) => vec![signature::read(path)?],
        None => signature::read_beside(file)?,
    };
    let incoming = Incoming { cases, ..Incoming::new(bytes, signatures) };
    let kept = check_and_keep(&trials, &whom, incoming, "the operator").await?;
    say(&format!("{}\nsha256 {}\nvalidated for {} sellers", kept.why, kept.digest, whom.len()));
    for (seller, fixtures, cases) in kept.sellers {
        say(&format!(
            "{seller}: {fixtures} fixtures mapped twice, the same byte for byte and fuel for fuel; {cases} golden cases passed"
        ));
    }
    app.store.close().await;
    Ok(())
}

/// Checks a component for every seller, and keeps it where all let it in.
///
/// # Errors
/// A seller's rules or fixtures refuse it, in words that begin with a code, or the store failed.
pub(crate) async fn check_and_keep(
    trials: &Trials<'_>,
    whom: &[SellerId],
    incoming: Incoming,
    who: &str,
) -> Result<Kept, Failure> {
    let mut passed = Vec::new();
    for seller in whom {
        let tried = try_for(trials, seller, &incoming).await;
        passed.push((seller, tried.map_err(|error| format!("seller {seller}: {error}"))?));
    }
    keep(trials.app(), incoming, &passed, who).await
}

async fn try_for(trials: &Trials<'_>, seller: &SellerId, incoming: &Incoming) -> Result<Passed, Failure> {
    let Incoming { bytes, digest, signatures, cases } = incoming;
    let (door, _) = trials.door(seller)?;
    let author = door.author(digest, signatures)?;
    if author.is_none() && !signatures.is_empty() {
        return Err(format!(
            "SIG-AUTHOR: no author in [mappers.authors] has signed {digest}: add the key, have it signed, or leave the signature out"
        )
        .into());
    }
    let (in_use, fixtures) = (trials.in_use(seller).await?, trials.fixtures(seller).await?);
    let validated = door.validate((bytes, signatures), &in_use, &fixtures)?;
    let cases = match cases {
        None => 0,
        Some(folder) => project::check_all(&validated.mapper, folder)?,
    };
    let identity = validated.mapper.identity().clone();
    Ok(Passed { identity, author, fixtures: validated.fixtures.len(), cases })
}

async fn keep(
    app: &App,
    incoming: Incoming,
    passed: &[(&SellerId, Passed)],
    who: &str,
) -> Result<Kept, Failure> {
    let Some((_, first)) = passed.first() else { return Err("MAP-SELLER: there is no seller".into()) };
    let Incoming { bytes, digest, signatures, .. } = incoming;
    let now = app.clock.shared().now();
    let by = first.author.as_ref().map_or("nobody".to_owned(), |author| format!("`{author}`"));
    let (name, version) = (first.identity.name.clone(), first.identity.version.clone());
    let why = format!("{name} {version} uploaded by {who}, signed by {by}");
    let kept = component(&first.identity, bytes, (first.author.clone(), signatures), now);
    let mut changes = vec![Change::Mapper(MapperChange::Component(Box::new(kept)))];
    for (seller, _) in passed {
        changes.push(changed(now, seller, digest.as_str(), why.clone()));
        let (seller, digest, why) = ((*seller).clone(), digest.clone(), why.clone());
        changes.push(Change::Mapper(MapperChange::Validated { seller, digest, why, at: now }));
    }
    app.store.apply(changes).await?;
    let sellers = passed.iter().map(|(seller, of)| ((*seller).clone(), of.fixtures, of.cases)).collect();
    Ok(Kept { digest, why, sellers })
}
