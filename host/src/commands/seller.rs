//! `seller`: who is served, how each stands, and who rests.

use clap::Subcommand;
use ml_connector_domain::SellerId;
use ml_connector_domain::Timestamp;
use ml_connector_pipeline::pause;
use serde_json::{Value, json};

use super::{Outcome, say, table};
use crate::app::App;
use crate::config::{Config, SellerConfig};

/// Who pauses from the command line, in the audit log's words.
const WHO: &str = "the operator";

/// What is done about sellers.
#[derive(Subcommand)]
pub(crate) enum SellerCommand {
    /// List the configured sellers
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Have a seller's worker rest: nothing is read, mapped or posted until it is resumed. A running daemon obeys within a
    /// minute, at the end of a cycle
    Pause {
        /// The seller's id
        seller: String,
    },
    /// Have it go on
    Resume {
        /// The seller's id
        seller: String,
    },
    /// Say how a seller's streams, documents and review items stand
    Status {
        /// The seller's id
        seller: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them.
pub(crate) async fn seller(config: Config, command: SellerCommand) -> Outcome {
    let app = App::open(config).await?;
    let done = match command {
        SellerCommand::List { json } => list(&app, json).await,
        SellerCommand::Pause { seller } => rest(&app, &seller).await,
        SellerCommand::Resume { seller } => go_on(&app, &seller).await,
        SellerCommand::Status { seller, json } => status(&app, &seller, json).await,
    };
    app.store.close().await;
    done
}

fn configured<'a>(app: &'a App, id: &str) -> Result<&'a SellerConfig, String> {
    let found = app.config.sellers.iter().find(|seller| seller.id.as_str() == id);
    found.ok_or_else(|| {
        let known: Vec<&str> = app.config.sellers.iter().map(|seller| seller.id.as_str()).collect();
        format!("SEL-UNKNOWN: the configuration has no seller {id}: it has {}", known.join(", "))
    })
}

async fn list(app: &App, as_json: bool) -> Outcome {
    let mut rows = Vec::new();
    for seller in &app.config.sellers {
        let pause = app.store.seller_pause(&seller.id).await?;
        let regions: Vec<String> = seller.authorizations.iter().map(|own| own.region.to_string()).collect();
        rows.push((seller, regions, pause));
    }
    if as_json {
        let rows = rows.iter().map(|(seller, regions, pause)| {
            let paused = pause.as_ref().map(|pause| json!({ "since": pause.since, "by": pause.by }));
            json!({ "seller": seller.id, "name": seller.name, "regions": regions, "paused": paused })
        });
        say(&json!({ "sellers": rows.collect::<Vec<_>>() }).to_string());
        return Ok(());
    }
    let mut shown = table(&["seller", "name", "regions", "rests since", "by"]);
    for (seller, regions, pause) in &rows {
        let (since, by) =
            pause.as_ref().map(|pause| (minute(pause.since), pause.by.clone())).unwrap_or_default();
        shown.add_row([seller.id.as_str(), &seller.name, &regions.join(", "), &since, &by]);
    }
    say(&shown.to_string());
    Ok(())
}

async fn rest(app: &App, id: &str) -> Outcome {
    let seller = &configured(app, id)?.id;
    let pause = pause::pause(&*app.store, seller, (WHO, app.clock.shared().now())).await?;
    say(&format!(
        "{seller} rests since {}, by {}: `seller resume {seller}` has it go on",
        pause.since, pause.by
    ));
    Ok(())
}

async fn go_on(app: &App, id: &str) -> Outcome {
    let seller = &configured(app, id)?.id;
    let rested = pause::resume(&*app.store, seller, (WHO, app.clock.shared().now())).await?;
    say(&format!("{seller} {}", if rested { "goes on" } else { "did not rest" }));
    Ok(())
}

/// How a seller stands, as one object.
async fn standing(app: &App, seller: &SellerId) -> Result<Value, Box<dyn std::error::Error>> {
    let now = app.clock.shared().now();
    let streams = app.store.stream_states(Some(seller)).await?;
    let streams: Vec<Value> = streams
        .iter()
        .map(|stream| {
            json!({
                "region": stream.region, "stream": stream.stream, "read_up_to": stream.position,
                "lag_seconds": now.duration_since(stream.position).as_secs(),
                "asked_at": stream.polled_at, "last_new": stream.read_at,
            })
        })
        .collect();
    let counts = app.store.posting_counts().await?;
    let documents: serde_json::Map<String, Value> = counts
        .into_iter()
        .filter(|row| row.seller == *seller)
        .map(|row| (row.what, row.count.into()))
        .collect();
    let reviews = app.store.seller_reviews().await?;
    let reviews: Vec<Value> = reviews
        .iter()
        .filter(|row| row.seller == *seller)
        .map(|row| {
            json!({ "code": row.code, "kind": row.kind, "count": row.count, "at_stake": row.at_stake, "oldest": row.oldest })
        })
        .collect();
    let oldest = app.store.oldest_unposted().await?;
    let oldest = oldest.into_iter().find(|(own, _)| own == seller).map(|(_, at)| at);
    let pause = app.store.seller_pause(seller).await?;
    Ok(json!({
        "seller": seller, "paused": pause.map(|pause| json!({ "since": pause.since, "by": pause.by })),
        "streams": streams, "documents": documents, "oldest_unposted": oldest, "review": reviews,
    }))
}

async fn status(app: &App, id: &str, as_json: bool) -> Outcome {
    let standing = standing(app, &configured(app, id)?.id).await?;
    if as_json {
        say(&standing.to_string());
        return Ok(());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(pause) = standing["paused"].as_object() {
        say(&format!("rests since {}, by {}", text(&pause["since"]), text(&pause["by"])));
    }
    let mut streams = table(&["region", "stream", "read up to", "asked at", "last new"]);
    for stream in standing["streams"].as_array().into_iter().flatten() {
        streams.add_row(
            ["region", "stream", "read_up_to", "asked_at", "last_new"].map(|key| text(&stream[key])),
        );
    }
    say(&streams.to_string());
    let mut documents = table(&["documents", "count"]);
    for (state, count) in standing["documents"].as_object().into_iter().flatten() {
        documents.add_row([state.clone(), text(count)]);
    }
    say(&documents.to_string());
    for review in standing["review"].as_array().into_iter().flatten() {
        say(&format!(
            "{} of {} wait for a person: {}",
            review["count"],
            text(&review["kind"]),
            text(&review["code"])
        ));
    }
    Ok(())
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
