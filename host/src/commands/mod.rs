//! The commands.

mod look;
mod serve;

use std::error::Error;
use std::path::Path;

use ml_connector_ports::Account;
use secrecy::SecretString;

pub(crate) use look::{explain, report, review};
pub(crate) use serve::serve;

use crate::app::{App, entropy, read_secret};
use crate::config::Config;
use crate::credentials::Kind;

/// What a command ends with.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Says to the operator what they asked for.
#[expect(clippy::print_stdout, reason = "the one writer of answers")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Says to the operator what is wrong.
#[expect(clippy::print_stderr, reason = "the one writer of complaints")]
pub(crate) fn complain(text: &str) {
    eprintln!("error: {text}");
}

/// An error with its causes, in one line each.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(&format!("\n  because: {inner}"));
        cause = inner.source();
    }
    words
}

/// Seals the secrets that the configuration names into the store.
pub(crate) async fn import_credentials(config: Config) -> Outcome {
    let app = App::open(config).await?;
    let credentials = app.credentials()?;
    let (at, mut rng) = (app.clock.shared().now(), entropy());
    let mut imported = 0;
    for (kind, path) in secrets(&app.config) {
        let secret: SecretString = read_secret(&app.config.path(path))?;
        credentials.set(&kind, &secret, at, &mut rng).await?;
        imported += 1;
    }
    app.store.close().await;
    say(&format!("{imported} credentials sealed; their files can be removed"));
    Ok(())
}

fn secrets(config: &Config) -> Vec<(Kind, &Path)> {
    let mut secrets = vec![
        (Kind::AmazonClientSecret, config.amazon.client_secret_file.as_path()),
        (Kind::FusionClientSecret, config.fusion.client_secret_file.as_path()),
    ];
    for seller in &config.sellers {
        for authorization in &seller.authorizations {
            let account = Account { seller: seller.id.clone(), region: authorization.region };
            secrets.push((Kind::RefreshToken(account), authorization.refresh_token_file.as_path()));
        }
    }
    secrets
}

/// Checks the configuration, the catalogs and the mappers.
pub(crate) async fn check(config: Config) -> Outcome {
    let app = App::open(config).await?;
    for (seller, parts) in app.sellers()? {
        let mapper = parts.mapper.identity();
        say(&format!(
            "{} ({}): {} catalog rules, mapper {} {} ({})",
            seller.id,
            seller.name,
            seller.catalog.rules.len(),
            mapper.name,
            mapper.version,
            mapper.digest
        ));
    }
    app.store.close().await;
    Ok(())
}
