//! `review`: what waits for a person, and what a person decides about it.

use clap::Subcommand;
use jiff::SignedDuration;
use ml_connector_domain::Timestamp;
use ml_connector_domain::document::Document;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::resolve::{self, Attempt};
use ml_connector_pipeline::{Parts, Seller};
use ml_connector_storage::ReviewRow;
use serde_json::{Value, json};

use super::{Outcome, say, table};
use crate::app::App;
use crate::config::Config;

type Failure = Box<dyn std::error::Error>;

/// Items read at the most: more of them nobody looks at one by one; totals cover all.
const ITEMS_MAX: u32 = 100_000;
/// As whom the log names who runs a command.
const WHO: &str = "the command line";

/// All of them.
#[derive(Subcommand)]
pub(crate) enum ReviewCommand {
    /// List single items, the oldest first
    List {
        /// The seller's id
        #[arg(long)]
        seller: Option<String>,
        /// The reason's code, e.g. unmapped-sku
        #[arg(long)]
        code: Option<String>,
        /// Only what waits for so many days or longer
        #[arg(long)]
        older_than: Option<u32>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show an item: its record, reasons, age, money at stake and story, and what would be posted for it now
    Show {
        /// Its number
        id: i64,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// After catalog or mapper was changed: show what would be posted for items, and with --approve plan just that
    Resolve {
        /// Their numbers
        #[arg(required_unless_present = "code")]
        ids: Vec<i64>,
        /// All items with this reason
        #[arg(long, conflicts_with = "ids", requires = "about")]
        code: Option<String>,
        /// ... about this: a SKU, a type, an account
        #[arg(long, requires = "code")]
        about: Option<String>,
        /// Plan what is shown; the daemon posts it
        #[arg(long)]
        approve: bool,
    },
    /// Have the daemon map items again; they stay open until that settles them
    Retry {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<i64>,
    },
    /// Close an item for which nothing is to be posted
    Dismiss {
        /// Its number
        id: i64,
        /// Why, in words, for the audit log
        #[arg(long)]
        because: String,
        /// Who decided
        #[arg(long, default_value = "the command line")]
        by: String,
    },
}

/// Runs a command.
///
/// # Errors
/// What the command says.
pub(crate) async fn review_items(config: Config, command: ReviewCommand) -> Outcome {
    let app = App::open(config).await?;
    let done = match command {
        ReviewCommand::List { seller, code, older_than, json } => {
            list(&app, (seller, code, older_than), json).await
        }
        ReviewCommand::Show { id, json } => show(&app, id, json).await,
        ReviewCommand::Resolve { ids, code, about, approve } => {
            let ids = match (code, about) {
                (Some(code), Some(about)) => sharing(&app, &code, &about).await?,
                _ => ids,
            };
            resolve_all(&app, &ids, approve).await
        }
        ReviewCommand::Retry { ids } => retry(&app, &ids).await,
        ReviewCommand::Dismiss { id, because, by } => dismiss(&app, id, (&by, &because)).await,
    };
    app.store.close().await;
    done
}

fn age(app: &App, since: Timestamp) -> String {
    let days = app.clock.shared().now().duration_since(since).as_hours() / 24;
    format!("{days} d")
}

async fn list(
    app: &App,
    (seller, code, older_than): (Option<String>, Option<String>, Option<u32>),
    as_json: bool,
) -> Outcome {
    let now = app.clock.shared().now();
    let wanted = |row: &ReviewRow| {
        let days = older_than.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        seller.as_ref().is_none_or(|id| row.seller.as_str() == id)
            && code.as_ref().is_none_or(|code| row.code == *code)
            && days.is_none_or(|age| now.duration_since(row.opened_at) >= age)
    };
    let mut rows = app.store.open_reviews(ITEMS_MAX).await?;
    rows.retain(wanted);
    if as_json {
        say(&json!({ "items": rows.iter().map(row_json).collect::<Vec<_>>() }).to_string());
        return Ok(());
    }
    let mut shown = table(&["id", "seller", "what", "reason", "about", "at stake", "age"]);
    for row in &rows {
        shown.add_row([
            row.id.to_string(),
            row.seller.to_string(),
            format!("{} {}", row.kind, row.subject),
            row.code.clone(),
            row.about.clone(),
            row.at_stake.map(|money| money.to_string()).unwrap_or_default(),
            age(app, row.opened_at),
        ]);
    }
    say(&shown.to_string());
    say(&format!("{} items", rows.len()));
    Ok(())
}

fn row_json(row: &ReviewRow) -> Value {
    json!({
        "id": row.id, "seller": row.seller.as_str(), "kind": row.kind, "subject": row.subject, "code": row.code,
        "about": row.about, "message": row.message,
        "at_stake": row.at_stake.map(|m| json!({ "minor": m.minor, "currency": m.currency.code() })),
        "opened_at": row.opened_at.to_string(),
    })
}

/// Everything that a command about items needs: the sellers are loaded once.
async fn with_seller(sellers: &[(Seller, Parts)], id: i64) -> Result<(&Seller, &Parts, ReviewRow), Failure> {
    let Some((_, parts)) = sellers.first() else { return Err("REV-SELLER: there are no sellers".into()) };
    let row = resolve::item(parts, id).await?;
    let found = sellers.iter().find(|(seller, _)| seller.id == row.seller);
    let (seller, parts) =
        found.ok_or_else(|| format!("REV-SELLER: the configuration names no seller {}", row.seller))?;
    Ok((seller, parts, row))
}

async fn show(app: &App, id: i64, as_json: bool) -> Outcome {
    let sellers = app.sellers()?;
    let (seller, parts, row) = with_seller(&sellers, id).await?;
    let all = app.store.open_reviews(ITEMS_MAX).await?;
    let same = |other: &&ReviewRow| {
        (&other.seller, &other.kind, &other.subject) == (&row.seller, &row.kind, &row.subject)
    };
    let reasons: Vec<&ReviewRow> = all.iter().filter(same).collect();
    let attempt = resolve::attempt(parts, seller, &row).await?;
    let sources = app.store.sources_about(&row.subject).await?;
    let story = app.store.story(std::slice::from_ref(&row.subject)).await?;
    if as_json {
        let body = json!({
            "item": row_json(&row), "reasons": reasons.iter().map(|row| row_json(row)).collect::<Vec<_>>(),
            "record": sources.first().map(|(_, _, record)| record), "attempt": attempt_json(&attempt)?,
            "story": story.iter().map(|event| json!({ "at": event.at.to_string(), "action": event.action, "detail": event.detail })).collect::<Vec<_>>(),
        });
        say(&body.to_string());
        return Ok(());
    }
    let at_stake = row.at_stake.map(|money| money.to_string()).unwrap_or_default();
    say(&format!(
        "{} {} of {}: {at_stake} at stake for {}",
        row.kind,
        row.subject,
        row.seller,
        age(app, row.opened_at)
    ));
    for reason in reasons {
        say(&format!("  {} {} ({}): {}", reason.id, reason.code, reason.about, reason.message));
    }
    for (kind, _, record) in &sources {
        say(&format!("{kind} as it was read: {record}"));
    }
    say("What happened:");
    for event in story {
        say(&format!("  {} {:<10} {}", event.at, event.action, event.detail));
    }
    say("What would be posted now:");
    tell(&attempt)
}

/// A document's bytes as they would be stored, and sent to Fusion from.
fn bytes(document: &Document) -> Result<String, Failure> {
    Ok(serde_json::to_string(document)?)
}

fn attempt_json(attempt: &Attempt) -> Result<Value, Failure> {
    let documents: Vec<Value> = attempt
        .documents
        .iter()
        .map(|document| {
            let body = bytes(document)?;
            Ok(json!({ "sha256": ContentHash::of(body.as_bytes()).as_str(), "body": body }))
        })
        .collect::<Result<_, Failure>>()?;
    let reasons = attempt.reasons.iter();
    let reasons = reasons.map(|r| json!({ "code": r.code, "about": r.about, "message": r.message }));
    Ok(json!({
        "settles": attempt.settles(), "documents": documents, "booked": attempt.booked,
        "reasons": reasons.collect::<Vec<_>>(), "note": attempt.note,
    }))
}

fn tell(attempt: &Attempt) -> Outcome {
    for document in &attempt.documents {
        let body = bytes(document)?;
        say(&format!(
            "  {} {} over {} dated {}, sha256 {}",
            document.kind().as_str(),
            document.key,
            document.total()?,
            document.date,
            ContentHash::of(body.as_bytes())
        ));
        for line in document.lines() {
            say(&format!(
                "    {:>16}  {}  {}  [{}]",
                line.amount.to_string(),
                line.account,
                line.description,
                line.rule
            ));
        }
    }
    if !attempt.booked.is_empty() {
        say("  for its settlement's journal:");
    }
    for line in &attempt.booked {
        say(&format!(
            "    {:>16}  {}  {}  [{}]",
            line.amount.to_string(),
            line.account,
            line.label,
            line.rule
        ));
    }
    for reason in &attempt.reasons {
        say(&format!("  it would wait on: {}: {}", reason.code, reason.message));
    }
    if let Some(note) = &attempt.note {
        say(&format!("  {note}"));
    }
    Ok(())
}

async fn sharing(app: &App, code: &str, about: &str) -> Result<Vec<i64>, Failure> {
    let rows = app.store.open_reviews(ITEMS_MAX).await?;
    let ids: Vec<i64> =
        rows.into_iter().filter(|row| row.code == code && row.about == about).map(|row| row.id).collect();
    if ids.is_empty() {
        return Err(format!("REV-CAUSE: no open item has the reason {code} about {about}").into());
    }
    Ok(ids)
}

/// Items that wait for one of these orders to be decided.
async fn waiting_for(app: &App, orders: &[String]) -> Result<Vec<i64>, Failure> {
    let rows = app.store.open_reviews(ITEMS_MAX).await?.into_iter();
    let own = rows.filter(|row| row.code == "order-in-review" && orders.contains(&row.about));
    Ok(own.map(|row| row.id).collect())
}

async fn resolve_all(app: &App, ids: &[i64], approve: bool) -> Outcome {
    let sellers = app.sellers()?;
    let resolved = resolve_each(&sellers, ids, approve).await?;
    let after = waiting_for(app, &resolved.orders).await?;
    let (mut settled, mut waiting) = (resolved.settled, resolved.waiting);
    if approve && !after.is_empty() {
        say("Refunds that waited for these orders:");
        let more = resolve_each(&sellers, &after, approve).await?;
        (settled, waiting) = (settled + more.settled, waiting + more.waiting);
    } else if !after.is_empty() {
        say(&format!("{} refunds wait for these orders, and are tried when they are resolved", after.len()));
    }
    say(&match approve {
        true => format!("{settled} are resolved, and the daemon posts what is planned; {waiting} wait on"),
        false => format!(
            "{settled} would be resolved, {waiting} would wait on; nothing is planned yet: say --approve"
        ),
    });
    Ok(())
}

/// What became of items.
#[derive(Default)]
struct Resolved {
    settled: usize,
    waiting: usize,
    /// The orders among what is settled.
    orders: Vec<String>,
}

async fn resolve_each(sellers: &[(Seller, Parts)], ids: &[i64], approve: bool) -> Result<Resolved, Failure> {
    let mut done = Resolved::default();
    for id in ids {
        // An item may have been closed with another about the same record.
        let (seller, parts, row) = match with_seller(sellers, *id).await {
            Err(error) if done.settled > 0 && error.to_string().starts_with("REV-CLOSED") => continue,
            found => found?,
        };
        let attempt = resolve::attempt(parts, seller, &row).await?;
        say(&format!("{id} {} {} ({})", row.kind, row.subject, row.code));
        tell(&attempt)?;
        if !attempt.settles() {
            done.waiting += 1;
            continue;
        }
        done.settled += 1;
        if row.kind == ml_connector_pipeline::kind::ORDER {
            done.orders.push(row.subject.clone());
        }
        if approve {
            resolve::approve(parts, seller, &row, attempt, WHO).await?;
        }
    }
    Ok(done)
}

async fn retry(app: &App, ids: &[i64]) -> Outcome {
    let sellers = app.sellers()?;
    for id in ids {
        let (seller, parts, row) = with_seller(&sellers, *id).await?;
        say(&format!("{id}: {}", resolve::retry(parts, seller, &row, WHO).await?));
    }
    Ok(())
}

async fn dismiss(app: &App, id: i64, why: (&str, &str)) -> Outcome {
    let sellers = app.sellers()?;
    let (seller, parts, row) = with_seller(&sellers, id).await?;
    resolve::dismiss(parts, seller, &row, why).await?;
    say(&format!("{id} is closed; who and why stand in the audit log"));
    Ok(())
}
