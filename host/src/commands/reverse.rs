//! `reverse`: taking a posted document back.

use comfy_table::{Table, presets};
use ml_connector_domain::document::{Body, Document};
use ml_connector_domain::{Date, DocumentKey};
use ml_connector_pipeline::reverse::{self, Proposal, ReverseError};

use super::{Outcome, say};
use crate::app::App;
use crate::config::Config;

/// Shows what would take a document back, and plans it if that was confirmed. The daemon posts it.
pub(crate) async fn reverse(config: Config, key: &str, date: Option<Date>, yes: bool) -> Outcome {
    let app = App::open(config).await?;
    let key = DocumentKey::from_stored(key);
    let done = of_its_seller(&app, &key, date, yes).await;
    app.store.close().await;
    done
}

async fn of_its_seller(app: &App, key: &DocumentKey, date: Option<Date>, yes: bool) -> Outcome {
    for (seller, parts) in app.sellers()? {
        match reverse::propose(&parts, &seller, key, date).await {
            Err(ReverseError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
            Ok(proposal) => {
                show(&proposal);
                if !yes {
                    say("Nothing is planned yet: say it again with --yes.");
                    return Ok(());
                }
                let by = proposal.document.key.clone();
                reverse::plan(&parts, &seller, proposal, "the command line").await?;
                say(&format!("{by} is planned; the daemon posts it."));
                return Ok(());
            }
        }
    }
    Err(format!("REV-UNKNOWN: no document {key} of any configured seller").into())
}

fn show(proposal: &Proposal) {
    let Proposal { original, document, expected, moved } = proposal;
    say(&format!(
        "{} {} takes back {}, over {expected} dated {}{moved}:",
        document.kind().as_str(),
        document.key,
        original.document.key,
        document.date
    ));
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["line", "account", "amount", "what"]);
    for (row, n) in rows(document).into_iter().zip(1_u32..) {
        let [account, amount, what] = row;
        table.add_row([n.to_string(), account, amount, what]);
    }
    say(&table.to_string());
}

fn rows(document: &Document) -> Vec<[String; 3]> {
    match &document.body {
        Body::Journal { lines, .. } => lines
            .iter()
            .map(|line| [line.account.clone(), line.amount.to_string(), line.label.clone()])
            .collect(),
        _ => document
            .lines()
            .iter()
            .map(|line| [line.account.clone(), line.amount.to_string(), line.description.clone()])
            .collect(),
    }
}
