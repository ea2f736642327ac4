//! `catalog`: check, try, import and compare the files that say which accounts a product's money goes to.

mod cases;
mod look;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use ml_connector_domain::catalog::Catalog;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::{Date, SellerId};
use ml_connector_pipeline::catalog_file;
use ml_connector_pipeline::catalogs::{self, NewVersion};
use ml_connector_pipeline::versions::replay::begins;
use ml_connector_pipeline::{Parts, Seller};

use super::{Outcome, say};
use crate::app::App;
use crate::config::Config;

type Failure = Box<dyn std::error::Error>;

/// As whom the log names who runs a command.
const WHO: &str = "the operator";

/// A catalog file's largest size, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// All of them. A version is named by its hash or the first six digits or more of it, `active`, or `configured`.
#[derive(Subcommand)]
pub(crate) enum CatalogCommand {
    /// Check a file: every mistake with its line and column
    Lint {
        /// The file
        file: PathBuf,
    },
    /// Hold a file against cases: sku, marketplace, day, and what is expected
    Test {
        /// The file
        file: PathBuf,
        /// The cases, as CSV
        cases: PathBuf,
        /// The ledger's default cost centre
        #[arg(long, default_value = "000")]
        default_cost_center: String,
    },
    /// Check a file, keep it as a version for ever, and let it decide from the next batch on
    Import {
        /// The file
        file: PathBuf,
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// Keep it, and leave the active version as it is
        #[arg(long)]
        inactive: bool,
    },
    /// Let a version decide from the next batch on; a running daemon takes it up
    Activate {
        /// The version
        version: String,
        /// The seller's id
        #[arg(long)]
        seller: String,
    },
    /// List the versions of all sellers
    List,
    /// Say which products of stored orders and transactions are mapped, by which rule, and which are not
    Coverage {
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// The first day
        #[arg(long)]
        from: Option<Date>,
        /// The last day
        #[arg(long)]
        to: Option<Date>,
        /// Another catalog than the active one: a version or a file
        #[arg(long, default_value = "active")]
        catalog: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Compare two catalogs: rules, and what stored orders and transactions would be mapped to
    Diff {
        /// A version or a file
        one: String,
        /// A version or a file
        other: String,
        /// The seller's id
        #[arg(long)]
        seller: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command that needs no configuration; the others are given back.
///
/// # Errors
/// What the command says.
pub(crate) fn without_config(command: CatalogCommand) -> Result<Option<CatalogCommand>, Failure> {
    match command {
        CatalogCommand::Lint { file } => lint(&file).map(|()| None),
        CatalogCommand::Test { file, cases, default_cost_center } => {
            cases::test(&file, &cases, &default_cost_center).map(|()| None)
        }
        other => Ok(Some(other)),
    }
}

/// Runs a command.
///
/// # Errors
/// What the command says.
pub(crate) async fn run(config: Config, command: CatalogCommand) -> Outcome {
    let Some(command) = without_config(command)? else { return Ok(()) };
    let app = App::open(config).await?;
    let done = match command {
        CatalogCommand::Import { file, seller, inactive } => import(&app, &file, &seller, inactive).await,
        CatalogCommand::Activate { version, seller } => activate(&app, &version, &seller).await,
        CatalogCommand::List => look::list(&app).await,
        CatalogCommand::Coverage { seller, from, to, catalog, json } => {
            let range = (from.unwrap_or(Date::MIN), to.unwrap_or(Date::MAX));
            look::coverage(&app, &seller, &catalog, range, json).await
        }
        CatalogCommand::Diff { one, other, seller, json } => {
            look::diff(&app, &seller, (&one, &other), json).await
        }
        CatalogCommand::Lint { .. } | CatalogCommand::Test { .. } => Ok(()),
    };
    app.store.close().await;
    done
}

/// A file's text and rules.
///
/// # Errors
/// It cannot be read, or every mistake in it, a line each.
fn read(file: &Path) -> Result<(String, Catalog), Failure> {
    let cannot = |error: &dyn std::fmt::Display| format!("CAT-READ: cannot read {}: {error}", file.display());
    let size = std::fs::metadata(file).map_err(|error| cannot(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(cannot(&format!("{size} bytes are more than {FILE_BYTES_MAX}")).into());
    }
    let text = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
    let catalog = catalog_file::parse(&file.display().to_string(), &text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok((text, catalog))
}

fn lint(file: &Path) -> Outcome {
    let (text, catalog) = read(file)?;
    say(&format!(
        "{}: {} rules, sha256 {}",
        file.display(),
        catalog.rules.len(),
        ContentHash::of(text.as_bytes())
    ));
    Ok(())
}

/// The seller that a text names, with its parts.
pub(super) fn seller(app: &App, id: &str) -> Result<(Seller, Parts), Failure> {
    let found = app.sellers()?.into_iter().find(|(seller, _)| seller.id == SellerId::new(id));
    found.ok_or_else(|| format!("CAT-SELLER: the configuration names no seller {id}").into())
}

/// Keeps a file as a version of a seller.
///
/// # Errors
/// It has mistakes, or the store failed.
pub(super) async fn keep(
    app: &App,
    file: &Path,
    seller: &SellerId,
) -> Result<(ContentHash, Catalog), Failure> {
    let (text, catalog) = read(file)?;
    let (file, at) = (file.display().to_string(), app.clock.shared().now());
    let new = NewVersion { seller, file: &file, text, catalog: catalog.clone(), who: WHO, at };
    let hash = catalogs::keep(&*app.store, new).await?;
    Ok((hash, catalog))
}

async fn import(app: &App, file: &Path, id: &str, inactive: bool) -> Outcome {
    let (seller, _) = seller(app, id)?;
    let (hash, catalog) = keep(app, file, &seller.id).await?;
    say(&format!("{}: {} rules, sha256 {hash}", file.display(), catalog.rules.len()));
    if inactive {
        say("kept; it is not active");
        return Ok(());
    }
    point(app, &seller.id, Some(hash)).await
}

async fn activate(app: &App, text: &str, id: &str) -> Outcome {
    let (seller, _) = seller(app, id)?;
    let hash = match text {
        "configured" => None,
        _ => Some(version(app, &seller, text).await?),
    };
    point(app, &seller.id, hash).await
}

async fn point(app: &App, seller: &SellerId, hash: Option<ContentHash>) -> Outcome {
    let at = app.clock.shared().now();
    let shown = catalogs::point(&*app.store, seller, hash, (WHO, at)).await?;
    say(&format!("{seller}: {shown} decides from the next batch on"));
    Ok(())
}

/// The hash of a version that a text names.
///
/// # Errors
/// `CAT-VERSION`: none, or several.
pub(super) async fn version(app: &App, seller: &Seller, text: &str) -> Result<ContentHash, Failure> {
    if text == "active" {
        let pointer = app.store.catalog_pointer(&seller.id).await?;
        return Ok(pointer.active.unwrap_or_else(|| seller.catalog_hash.clone()));
    }
    if text == "configured" || begins(&seller.catalog_hash, text) {
        return Ok(seller.catalog_hash.clone());
    }
    let rows = app.store.catalog_versions().await?;
    let mut found: Vec<ContentHash> =
        rows.into_iter().filter(|row| row.seller == seller.id).map(|row| row.hash).collect();
    found.retain(|hash| begins(hash, text));
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let id = &seller.id;
            Err(format!("CAT-VERSION: no file and no version of {id} is called `{text}`: see `catalog list`")
                .into())
        }
        _ => {
            Err(format!("CAT-VERSION: {} versions begin with `{text}`: write more of it", found.len()).into())
        }
    }
}

/// The catalog that a text names: a file, or a version.
///
/// # Errors
/// As for [`version`], or the file has mistakes.
pub(super) async fn named(app: &App, seller: &Seller, text: &str) -> Result<(ContentHash, Catalog), Failure> {
    let path = Path::new(text);
    if path.is_file() {
        let (text, catalog) = read(path)?;
        return Ok((ContentHash::of(text.as_bytes()), catalog));
    }
    let hash = version(app, seller, text).await?;
    if hash == seller.catalog_hash {
        return Ok((hash, Catalog::clone(&seller.catalog)));
    }
    let body = app.store.catalog_body(&hash).await?;
    let body = body.ok_or_else(|| format!("CAT-VERSION: the store does not have catalog {hash}"))?;
    Ok((hash, serde_json::from_str(&body)?))
}
