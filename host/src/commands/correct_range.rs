//! `correct --seller`: all documents of a range of days, made again with another catalog or mapper.

use std::path::Path;
use std::sync::Arc;

use ml_connector_domain::Date;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::correct_range::{self, Preview};
use ml_connector_pipeline::{Parts, Seller, catalogs, versions};
use serde_json::json;

use super::{Outcome, catalog, mapper, say, table};
use crate::app::App;
use crate::config::Config;

type Failure = Box<dyn std::error::Error>;

/// Pairs and documents left alone that are listed; the totals by account cover all.
const LISTED: usize = 50;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct RangeRequest {
    /// The seller's id: correct all documents of a range of days, after a catalog or a mapper was changed
    #[arg(long, conflicts_with_all = ["order", "yes"])]
    pub(crate) seller: Option<String>,
    /// The first accounting date
    #[arg(long, requires = "seller")]
    from: Option<Date>,
    /// The last accounting date
    #[arg(long, requires = "seller")]
    to: Option<Date>,
    /// The proposed mapper: an uploaded version, or a component's file that was uploaded; without it, the active one
    #[arg(long, requires = "seller")]
    mapper: Option<String>,
    /// The proposed catalog: a version or a file; without it, the active one
    #[arg(long, requires = "seller")]
    catalog: Option<String>,
    /// Show what would change, and keep that under a hash; plans nothing
    #[arg(long, requires_all = ["seller", "from", "to"])]
    preview: bool,
    /// Plan the very documents that a preview showed, and put its catalog and mapper into use
    #[arg(long, requires = "seller", conflicts_with_all = ["preview", "from", "to", "mapper", "catalog"])]
    approve: Option<String>,
    /// The preview as one JSON object
    #[arg(long, requires = "preview")]
    json: bool,
}

/// Shows or approves a correction over a range.
pub(crate) async fn correct_range(config: Config, seller: &str, request: RangeRequest) -> Outcome {
    let app = App::open(config).await?;
    let (own, parts) = catalog::seller(&app, seller)?;
    let done = match (&request.approve, request.from, request.to) {
        (Some(hash), ..) => approve(&parts, &own, hash).await,
        (None, Some(from), Some(to)) if request.preview => {
            preview(&app, (&parts, &own), (from, to), &request).await
        }
        _ => Err("COR-RANGE: give --from, --to and --preview, or --approve with a preview's hash".into()),
    };
    app.store.close().await;
    done
}

/// Parts and seller with what is proposed in the place of what is active.
async fn proposed(
    app: &App,
    (parts, seller): (&Parts, &Seller),
    request: &RangeRequest,
) -> Result<(Parts, Seller), Failure> {
    let digest = match &request.mapper {
        None => parts.store.mapper_pointer(&seller.id).await?.active,
        Some(text) => Some(uploaded(app, parts, text).await?),
    };
    let mut proposed = parts.clone();
    if let Some(digest) = digest {
        proposed.mapper = versions::load(parts, &digest).await?;
    }
    let hash = match request.catalog.as_deref() {
        None => catalog::version(app, seller, "active").await?,
        Some(text) if Path::new(text).is_file() => catalog::keep(app, Path::new(text), &seller.id).await?.0,
        Some(text) => catalog::version(app, seller, text).await?,
    };
    let seller = catalogs::with(parts, seller, &hash).await?.into_owned();
    Ok((proposed, seller))
}

/// The digest of an uploaded version, or of the configuration's component. A file is not taken as it is: what decides
/// about posted months has been checked, and signed where signatures are asked for.
async fn uploaded(app: &App, parts: &Parts, text: &str) -> Result<ContentHash, Failure> {
    if !Path::new(text).is_file() {
        return mapper::version(app, text).await;
    }
    let digest = ContentHash::of(&std::fs::read(text)?);
    let known = app.store.mapper_versions().await?.into_iter().any(|row| row.digest == digest);
    if known || parts.mapper.identity().digest == digest {
        return Ok(digest);
    }
    Err(format!(
        "COR-MAPPER: {text} is no version yet: `ml-connector mapper upload {text}` checks and keeps it"
    )
    .into())
}

async fn preview(app: &App, base: (&Parts, &Seller), range: (Date, Date), request: &RangeRequest) -> Outcome {
    let (parts, seller) = proposed(app, base, request).await?;
    let preview = correct_range::preview(&parts, &seller, range).await?;
    let pending = correct_range::pending(&parts, &seller, range).await?;
    let hash = preview.hash()?;
    if request.json {
        let body = json!({
            "preview": hash.as_str(), "pending": pending, "by_account": preview.by_account(), "content": preview,
        });
        say(&body.to_string());
        return Ok(());
    }
    show(&preview);
    if pending > 0 {
        say(&format!(
            "{pending} documents dated in the range are not confirmed yet, and not corrected by this"
        ));
    }
    say(&format!("preview {hash}"));
    if preview.pairs.is_empty() {
        say("nothing would change");
    } else {
        say(&format!("to plan exactly this: ml-connector correct --seller {} --approve {hash}", seller.id));
    }
    Ok(())
}

fn show(preview: &Preview) {
    say(&format!(
        "{} to {} by mapper {} and catalog {}:",
        preview.from, preview.to, preview.mapper, preview.catalog
    ));
    let mut pairs =
        table(&["what", "about", "takes back", "by", "dated", "replaced by", "account", "now", "then"]);
    for pair in preview.pairs.iter().take(LISTED) {
        for (n, row) in pair.accounts.iter().enumerate() {
            let first = |text: &str| if n == 0 { text.to_owned() } else { String::new() };
            pairs.add_row([
                first(&pair.kind),
                first(&pair.subject),
                first(pair.replaced.as_str()),
                first(pair.reversal.key.as_str()),
                first(&pair.replacement.date.to_string()),
                first(pair.replacement.key.as_str()),
                row.account.clone(),
                amount(row.before, &row.currency),
                amount(row.after, &row.currency),
            ]);
        }
    }
    say(&pairs.to_string());
    if let Some(more) = preview.pairs.len().checked_sub(LISTED).filter(|more| *more > 0) {
        say(&format!("and {more} pairs more: --json lists them"));
    }
    let mut accounts = table(&["account", "now", "then", "difference"]);
    for row in preview.by_account() {
        accounts.add_row([
            row.account.clone(),
            amount(row.before, &row.currency),
            amount(row.after, &row.currency),
            amount(row.after - row.before, &row.currency),
        ]);
    }
    say("over all, debits positive:");
    say(&accounts.to_string());
    for left in preview.left.iter().take(LISTED) {
        let words: Vec<String> = left.reasons.iter().map(|r| format!("{}: {}", r.code, r.message)).collect();
        say(&format!("left as it is: {} of {}: {}", left.key, left.subject, words.join("; ")));
    }
    say(&format!(
        "{} documents are replaced, {} stay the same, {} are left as they are",
        preview.pairs.len(),
        preview.unchanged,
        preview.left.len()
    ));
}

fn amount(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => ml_connector_domain::Money::new(minor, currency).to_string(),
        Err(_) => format!("{minor} {currency}"),
    }
}

async fn approve(parts: &Parts, seller: &Seller, text: &str) -> Outcome {
    let shown = correct_range::find(parts, seller, text).await?;
    let mapper = versions::load(parts, &shown.mapper).await?;
    let proposed = (
        Parts { mapper: Arc::clone(&mapper), ..parts.clone() },
        catalogs::with(parts, seller, &shown.catalog).await?.into_owned(),
    );
    let count =
        correct_range::approve((&proposed.0, &proposed.1), (parts, seller), &shown, "the command line")
            .await?;
    let before = shown.pairs.len() - count;
    if before > 0 {
        say(&format!("{before} pairs were planned before"));
    }
    say(&format!("{count} pairs are planned; the daemon posts them and reads them back"));
    Ok(())
}
