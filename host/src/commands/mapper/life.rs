//! `mapper shadow`, `activate` and `rollback`: what changes which version maps.

use std::time::Duration;

use ml_connector_domain::SellerId;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::versions::{canary_place, life, replay::begins};

use super::{Whom, trial};
use crate::app::App;
use crate::commands::{Outcome, say};
use crate::config::Config;

type Failure = Box<dyn std::error::Error>;

/// The sellers that are meant.
///
/// # Errors
/// `MAP-SELLER`: nobody, or somebody whom the configuration does not name.
pub(super) fn sellers(config: &Config, whom: &Whom) -> Result<Vec<SellerId>, String> {
    let known: Vec<SellerId> = config.sellers.iter().map(|seller| seller.id.clone()).collect();
    if whom.all {
        return Ok(known);
    }
    if whom.seller.is_empty() {
        return Err("MAP-SELLER: say for whom: --seller ID, or --all".to_owned());
    }
    let wanted = whom.seller.iter().map(|id| SellerId::new(id.as_str()));
    wanted
        .map(|id| match known.contains(&id) {
            true => Ok(id),
            false => Err(format!("MAP-SELLER: the configuration names no seller {id}")),
        })
        .collect()
}

/// The version that a text names.
///
/// # Errors
/// `MAP-VERSION`: none, or several.
pub(in crate::commands) async fn version(app: &App, text: &str) -> Result<ContentHash, Failure> {
    let mut found: Vec<ContentHash> =
        app.store.mapper_versions().await?.into_iter().map(|row| row.digest).collect();
    found.retain(|digest| begins(digest, text));
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("MAP-VERSION: no version begins with `{text}`: see `mapper list`").into()),
        _ => {
            Err(format!("MAP-VERSION: {} versions begin with `{text}`: write more of it", found.len()).into())
        }
    }
}

/// As whom the log names who runs a command.
const WHO: &str = "the operator";

/// Lets a version run as the shadow.
pub(super) async fn shadow(config: Config, text: &str, whom: &Whom) -> Outcome {
    let whom = sellers(&config, whom)?;
    let app = App::open(config).await?;
    let digest = if text == "none" { None } else { Some(version(&app, text).await?) };
    let trials = trial::Trials::open(&app)?;
    let now = app.clock.shared().now();
    for seller in whom {
        if let Some(digest) = &digest {
            trials.may_map(&seller, digest).await?;
        }
        let shown = life::shadow(&*app.store, &seller, digest.clone(), (WHO, now)).await?;
        say(&format!("{seller}: shadow {shown}"));
    }
    app.store.close().await;
    Ok(())
}

/// Lets a version map.
pub(super) async fn activate(config: Config, text: &str, whom: &Whom, share: u8) -> Outcome {
    let whom = sellers(&config, whom)?;
    let app = App::open(config).await?;
    let digest = if text == "configured" { None } else { Some(version(&app, text).await?) };
    let trials = trial::Trials::open(&app)?;
    let now = app.clock.shared().now();
    let (mut moved, all) = (0, whom.len());
    for seller in whom {
        if digest.as_ref().is_some_and(|digest| canary_place(&seller, digest) >= share) {
            continue;
        }
        trials.may_map_or_configured(&seller, digest.as_ref()).await?;
        let why = format!("activated by {WHO} for {share} % of {all}");
        let moving = life::activate(&*app.store, &seller, digest.clone(), (why, now));
        let (shown, took) = timed(moving).await;
        let shown = shown?;
        say(&format!("{seller}: active {shown} ({:.1} ms)", took.as_secs_f64() * 1_000.0));
        moved += 1;
    }
    say(&format!("{moved} of {all} sellers"));
    app.store.close().await;
    Ok(())
}

/// Goes back to the version before.
pub(super) async fn roll_back(config: Config, whom: &Whom, text: Option<String>) -> Outcome {
    let meant = sellers(&config, whom)?;
    let app = App::open(config).await?;
    let only = match text {
        Some(text) => Some(version(&app, &text).await?),
        None => None,
    };
    let trials = trial::Trials::open(&app)?;
    let now = app.clock.shared().now();
    for seller in meant {
        let pointer = app.store.mapper_pointer(&seller).await?;
        if only.is_some() && pointer.active != only {
            continue;
        }
        if whom.all && pointer.previous.is_none() {
            say(&format!("{seller}: nothing to roll back to"));
            continue;
        }
        trials.may_map_or_configured(&seller, life::before(&seller, &pointer)?.as_ref()).await?;
        let (to, took) = timed(life::roll_back(&*app.store, &seller, (WHO, now))).await;
        let to = to?;
        say(&format!("{seller}: rolled back to {to} ({:.1} ms)", took.as_secs_f64() * 1_000.0));
    }
    app.store.close().await;
    Ok(())
}

/// Says how long something took by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "a figure for the operator; the books' clock may stand still")]
async fn timed<T>(moving: impl Future<Output = T>) -> (T, Duration) {
    let began = std::time::Instant::now();
    (moving.await, began.elapsed())
}
