//! `credentials`, `keys` and `authorize`: what the daemon may do, and on whose behalf.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use ml_connector_amazon::CredentialSource as _;
use ml_connector_amazon::authorize::{Callback, Consent};
use ml_connector_amazon::by_code;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Region, SellerId};
use ml_connector_ports::Account;
use ml_connector_storage::Change;
use rand::Rng as _;
use secrecy::SecretString;

use super::{Outcome, say};
use crate::app::{App, entropy, read_secret};
use crate::config::{Config, ConsentConfig};
use crate::credentials::Kind;
use crate::keys::KeySource;

/// How long a seller may take on Amazon's consent page.
const CONSENT_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Seals the secrets that the configuration names into the store. A file that is gone is left out if its secret is
/// sealed already.
pub(crate) async fn import_credentials(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let credentials = app.credentials()?;
    let (at, mut rng) = (app.clock.shared().now(), entropy());
    let mut imported = 0;
    for (kind, path) in configured(&app.config) {
        let path = app.config.path(path);
        if !path.exists() && credentials.get(&kind).await.is_ok() {
            continue;
        }
        let secret: SecretString = read_secret(&path)?;
        credentials.set(&kind, &secret, at, &mut rng).await?;
        imported += 1;
    }
    app.store.close().await;
    say(&format!("{imported} credentials sealed; their files can be removed"));
    Ok(())
}

/// What the configuration needs, with the files it comes from.
pub(crate) fn configured(config: &Config) -> Vec<(Kind, &Path)> {
    let mut secrets = vec![
        (Kind::AmazonClientSecret, config.amazon.client_secret_file.as_path()),
        (Kind::FusionClientSecret, config.fusion.client_secret_file.as_path()),
    ];
    let key = config.fusion.private_key_file();
    secrets.extend(key.map(|file| (Kind::FusionPrivateKey, file)));
    for seller in &config.sellers {
        for authorization in &seller.authorizations {
            let account = Account { seller: seller.id.clone(), region: authorization.region };
            secrets.push((Kind::RefreshToken(account), authorization.refresh_token_file.as_path()));
        }
    }
    secrets
}

/// Changes the master key while a daemon may run: it takes the new one from the same source when it needs it.
pub(crate) async fn rotate_master_key(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let source = KeySource::of(&app.config)?;
    source.add_new(&mut entropy())?;
    let rewrapped = app.credentials()?.rewrap(&mut entropy()).await?;
    let dropped = source.drop_old()?;
    app.store.close().await;
    say(&format!("{rewrapped} credentials are wrapped under the new master key"));
    if !dropped {
        say("the old key is not needed any more: leave only the first where it comes from");
    }
    Ok(())
}

/// Has Amazon issue a new client secret, which it delivers to the application's queue.
pub(crate) async fn rotate_client_secret(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let amazon = app.amazon(&Arc::new(app.credentials()?))?;
    amazon.rotate_client_secret(Region::Na).await?;
    app.store.close().await;
    say(
        "Amazon delivers the new client secret to the application's queue: put it into its file and run `credentials import`",
    );
    say("the old one works for seven more days");
    Ok(())
}

fn consent_config(config: &Config) -> Result<&ConsentConfig, String> {
    config
        .amazon
        .consent
        .as_ref()
        .ok_or_else(|| "AUT-CONFIG: write [amazon.consent] with application_id and redirect_uri".to_owned())
}

/// Says where the seller's browser is to be sent, and remembers the state that goes with it.
pub(crate) async fn authorize_url(
    config: Config,
    seller: SellerId,
    region: Region,
    country: Option<String>,
) -> Outcome {
    let app = App::open(config).await?;
    let consent = consent_config(&app.config)?;
    let mut bytes = [0_u8; 32];
    entropy().fill_bytes(&mut bytes);
    // As random as a key; its hash is what is stored, so that who reads the database cannot finish somebody's consent.
    let state = ContentHash::of(&bytes).as_str().to_owned();
    let url = Consent {
        application_id: &consent.application_id,
        region,
        country: country.as_deref(),
        state: &state,
        redirect_uri: &consent.redirect_uri,
        draft: consent.draft,
    }
    .url()?;
    let now = app.clock.shared().now();
    let expires = now.saturating_add(CONSENT_LIFE).unwrap_or(now);
    let state_hash = ContentHash::of(state.as_bytes());
    app.store.apply(vec![Change::Consent { state_hash, seller, region, expires }]).await?;
    app.store.close().await;
    say(&url);
    Ok(())
}

/// Takes the address that Amazon sent the seller's browser back to, and seals the refresh token that it stands for.
pub(crate) async fn authorize_finish(config: Config, address: &str) -> Outcome {
    let app = App::open(config).await?;
    let redirect_uri = consent_config(&app.config)?.redirect_uri.clone();
    let callback = Callback::parse(address)?;
    let now = app.clock.shared().now();
    let state_hash = ContentHash::of(callback.state.as_bytes());
    let Some((seller, region)) = app.store.consent(&state_hash, now).await? else {
        let message = "AUT-STATE: this answer belongs to no consent that was begun here within the last hour";
        return Err(message.into());
    };
    if seller.as_str() != callback.selling_partner_id {
        let other = callback.selling_partner_id;
        return Err(format!("AUT-SELLER: the consent was begun for {seller}, and {other} gave it").into());
    }
    // Used up before it is exchanged: Amazon's code works once, too.
    app.store.apply(vec![Change::ConsentUsed { state_hash }]).await?;
    let credentials = app.credentials()?;
    let application = credentials.application(now).await?;
    let code = (&callback.code, redirect_uri.as_str());
    let token = by_code(&app.http, &app.config.amazon.lwa_url, &application, code, now).await?;
    let account = Account { seller: seller.clone(), region };
    credentials.set(&Kind::RefreshToken(account), &token, now, &mut entropy()).await?;
    app.store.close().await;
    say(&format!("{seller} has authorised {region}; the authorisation is to be renewed within 365 days"));
    Ok(())
}
