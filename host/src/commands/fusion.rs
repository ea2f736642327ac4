//! `fusion check` and `fusion authorize`: Oracle Fusion's side.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ml_connector_domain::reach;
use ml_connector_fusion::FusionCredentials;
use ml_connector_fusion::authorize::{Callback, Consent, exchange};
use ml_connector_fusion::check::{Level, Report, Wanted};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Outcome, say};
use crate::app::{App, entropy};
use crate::config::Config;
use crate::config_fusion::AuthConfig;
use crate::credentials::{CredentialStore, Kind};

/// How long a person may take on the identity domain's page.
const CONSENT_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Reads each seller's set-up back from the instance and says what is missing.
pub(crate) async fn fusion_check(config: Config, seller: Option<&str>, as_json: bool) -> Outcome {
    let app = App::open(config).await?;
    let client = app.fusion(&Arc::new(app.credentials()?))?;
    let sellers = app.config.sellers.iter().filter(|one| seller.is_none_or(|id| one.id.as_str() == id));
    let mut sellers: Vec<_> = sellers.map(|config| app.seller(config)).collect::<Result<_, _>>()?;
    for seller in &mut sellers {
        app.use_active_catalog(seller).await?;
    }
    if sellers.is_empty() {
        return Err(format!("FUS-SELLER: there is no seller {}", seller.unwrap_or_default()).into());
    }
    let mut reports = Vec::new();
    for seller in &sellers {
        let combinations = reach::combinations(&seller.ledger, &seller.catalog);
        let today = seller.day(app.clock.shared().now());
        let wanted = Wanted { setup: &seller.ledger, combinations: &combinations, today };
        reports.push((seller.id.as_str(), client.check(&wanted).await));
    }
    app.store.close().await;
    let missing: usize = reports.iter().map(|(_, report)| hindrances(report)).sum();
    if as_json {
        let rows = reports.iter().map(|(id, report)| json!({ "seller": id, "report": report }));
        say(&json!({ "ready": missing == 0, "sellers": rows.collect::<Vec<_>>() }).to_string());
    } else {
        reports.iter().for_each(|(id, report)| tell(id, report));
    }
    match missing {
        0 => Ok(()),
        1 => Err("FUS-CHECK: 1 thing is missing in Fusion".into()),
        count => Err(format!("FUS-CHECK: {count} things are missing in Fusion").into()),
    }
}

fn hindrances(report: &Report) -> usize {
    report.missing.iter().filter(|missing| missing.level == Level::Missing).count()
}

/// One line for each finding.
fn tell(id: &str, report: &Report) {
    for missing in &report.missing {
        let level = if missing.level == Level::Note { "note: " } else { "" };
        say(&format!("{} {id}: {level}{}: {}", missing.code, missing.message, missing.remedy));
    }
    for unreadable in &report.unreadable {
        let (what, first) = (&unreadable.what, &unreadable.first_posting);
        say(&format!("cannot be read {id}: {what}; the first posting would say: {first}"));
    }
    let (right, wrong) = (report.right.len(), hindrances(report));
    let state = if wrong == 0 { "ready" } else { "not ready" };
    say(&format!(
        "{id}: {state}; {right} as configured, {wrong} missing, {} cannot be read",
        report.unreadable.len()
    ));
}

/// A consent under way, as it is sealed: whoever reads the database cannot end it.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    verifier: String,
    expires: Timestamp,
}

fn redirect_uri(config: &Config) -> Result<&str, String> {
    match &config.fusion.auth {
        AuthConfig::AuthorizationCode { redirect_uri } => Ok(redirect_uri),
        _ => {
            Err("FUS-AUTHORIZE-METHOD: write [fusion.auth] method = \"authorization_code\" and redirect_uri"
                .to_owned())
        }
    }
}

/// Says where the browser is to be sent, and seals what goes with it.
pub(crate) async fn fusion_authorize_start(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let redirect_uri = redirect_uri(&app.config)?;
    let (mut state, mut verifier, mut rng) = ([0_u8; 32], [0_u8; 32], entropy());
    rng.fill_bytes(&mut state);
    rng.fill_bytes(&mut verifier);
    let consent = Consent::new(state, verifier);
    let now = app.clock.shared().now();
    let begun = Begun {
        state: consent.state.clone(),
        verifier: consent.verifier.expose_secret().to_owned(),
        expires: now.saturating_add(CONSENT_LIFE).unwrap_or(now),
    };
    let sealed: SecretString = serde_json::to_string(&begun)?.into();
    app.credentials()?.set(&Kind::FusionConsent, &sealed, now, &mut rng).await?;
    let url = consent.url(&app.fusion_options()?, &app.config.fusion.client_id, redirect_uri);
    app.store.close().await;
    say(&url);
    Ok(())
}

/// Takes the address that the browser was sent back to, and seals the refresh token that it stands for.
pub(crate) async fn fusion_authorize_finish(config: Config, address: &str) -> Outcome {
    let app = App::open(config).await?;
    let redirect_uri = redirect_uri(&app.config)?;
    let callback = Callback::parse(address)?;
    let credentials = app.credentials()?;
    let now = app.clock.shared().now();
    let begun = begun(&credentials, &callback, now).await?;
    // Used up before it is exchanged: the code works once, too.
    let used: SecretString = "{}".to_owned().into();
    credentials.set(&Kind::FusionConsent, &used, now, &mut entropy()).await?;
    let client = FusionCredentials {
        client_id: app.config.fusion.client_id.clone(),
        client_secret: credentials.get(&Kind::FusionClientSecret).await?,
        assertion_key: None,
        refresh_token: None,
    };
    let verifier = begun.verifier.into();
    let code = (&callback.code, &verifier, redirect_uri);
    let token = exchange(&app.http, &app.fusion_options()?, &client, code).await?;
    credentials.set(&Kind::FusionRefreshToken, &token, now, &mut entropy()).await?;
    app.store.close().await;
    say("the daemon acts in Fusion as the person who consented; run `ml-connector fusion check`");
    Ok(())
}

/// The consent that an answer belongs to.
async fn begun(credentials: &CredentialStore, callback: &Callback, now: Timestamp) -> Result<Begun, String> {
    let none = || {
        "FUS-AUTHORIZE-STATE: this answer belongs to no consent that was begun here within ten minutes"
            .to_owned()
    };
    let sealed = credentials.get(&Kind::FusionConsent).await.map_err(|_| none())?;
    let begun: Begun = serde_json::from_str(sealed.expose_secret()).map_err(|_| none())?;
    if begun.state == callback.state && now < begun.expires { Ok(begun) } else { Err(none()) }
}
