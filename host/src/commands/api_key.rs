//! `api-key`: who may ask the API for what.

use clap::Subcommand;
use jiff::SignedDuration;
use ml_connector_api::keys::{self, ID_BYTES, NewKey, SECRET_BYTES};
use ml_connector_api::{Role, openapi};
use ml_connector_domain::{SellerId, Timestamp};
use rand::Rng as _;
use secrecy::ExposeSecret as _;

use super::{Outcome, say, table};
use crate::app::{App, entropy};
use crate::config::Config;

/// As whom the log names who runs a command.
const WHO: &str = "the operator";

/// What is done about keys.
#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key and say it, this once
    Add {
        /// Whose sellers it is for
        #[arg(long, default_value = "default")]
        tenant: String,
        /// viewer, operator, mapper-author or admin
        #[arg(long)]
        role: Role,
        /// Only this seller of the tenant; may be given again
        #[arg(long)]
        seller: Vec<String>,
        /// After so many days it is no longer taken
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
        expires: Option<u16>,
    },
    /// List keys, without their secrets
    List,
    /// Take a key out of use for ever
    Revoke {
        /// Its id: what stands between the two underscores
        id: String,
    },
}

/// Runs one of them.
pub(crate) async fn api_key(config: Config, command: ApiKeyCommand) -> Outcome {
    let app = App::open(config).await?;
    let done = match command {
        ApiKeyCommand::Add { tenant, role, seller, expires } => {
            add(&app, (tenant, role), &seller, expires).await
        }
        ApiKeyCommand::List => list(&app).await,
        ApiKeyCommand::Revoke { id } => revoke(&app, &id).await,
    };
    app.store.close().await;
    done
}

/// Prints the API's description.
pub(crate) fn openapi() -> Outcome {
    say(&serde_json::to_string_pretty(&openapi::document())?);
    Ok(())
}

/// The sellers that a key is to be for; none is all of the tenant's.
fn sellers(config: &Config, tenant: &str, wanted: &[String]) -> Result<Option<Vec<SellerId>>, String> {
    let own = || config.sellers.iter().filter(|seller| seller.tenant == tenant);
    if own().next().is_none() {
        return Err(format!("API-TENANT: the configuration has no seller of tenant {tenant}"));
    }
    let one = |id: &String| match own().find(|seller| seller.id.as_str() == id) {
        Some(seller) => Ok(seller.id.clone()),
        None => Err(format!("API-SELLER: tenant {tenant} has no seller {id}")),
    };
    if wanted.is_empty() { Ok(None) } else { wanted.iter().map(one).collect::<Result<_, _>>().map(Some) }
}

async fn add(app: &App, (tenant, role): (String, Role), wanted: &[String], days: Option<u16>) -> Outcome {
    let sellers = sellers(&app.config, &tenant, wanted)?;
    let now = app.clock.shared().now();
    let after =
        |days: u16| now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now);
    let mut random = ([0; ID_BYTES], [0; SECRET_BYTES]);
    let mut rng = entropy();
    rng.fill_bytes(&mut random.0);
    rng.fill_bytes(&mut random.1);
    let new = NewKey { role, tenant, sellers, expires_at: days.map(after) };
    let made = keys::make(new, random, now);
    keys::keep(&*app.store, made.row, (WHO, now)).await?;
    // Nothing else goes to standard output, so that a script can keep it.
    say(made.token.expose_secret());
    Ok(())
}

fn minute(at: Option<Timestamp>) -> String {
    at.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

async fn list(app: &App) -> Outcome {
    let mut shown = table(&["id", "role", "tenant", "sellers", "made", "expires", "revoked"]);
    for key in app.store.api_keys().await? {
        let sellers = key.sellers.as_ref().map(|list| list.iter().map(SellerId::as_str).collect::<Vec<_>>());
        shown.add_row([
            key.id.clone(),
            key.role.clone(),
            key.tenant.clone(),
            sellers.map_or_else(|| "all".to_owned(), |list| list.join(", ")),
            minute(Some(key.created_at)),
            minute(key.expires_at),
            minute(key.revoked_at),
        ]);
    }
    say(&shown.to_string());
    Ok(())
}

async fn revoke(app: &App, id: &str) -> Outcome {
    let key = app.store.api_key(id).await?;
    let key = key.ok_or_else(|| format!("API-UNKNOWN: there is no key {id}: see api-key list"))?;
    if key.revoked_at.is_none() {
        keys::revoke(&*app.store, id, (WHO, app.clock.shared().now())).await?;
    }
    say(&format!("{id} is out of use"));
    Ok(())
}
