//! `correct`: takes back the invoice of an order that changed, and invoices it anew if it still is a sale.

use comfy_table::{Table, presets};
use ml_connector_domain::document::Document;
use ml_connector_pipeline::correct::{self, Correction};
use ml_connector_pipeline::{Parts, Seller, invoices};

use super::{Outcome, say};
use crate::app::App;
use crate::config::Config;

/// Shows what a correction would do, and plans it if it is wished for; the daemon posts it.
pub(crate) async fn correct(config: Config, order: String, yes: bool) -> Outcome {
    let app = App::open(config).await?;
    let order = order.as_str().into();
    let (seller, parts) = seller_of(&app, &order).await?;
    match correct::proposal(&parts, &seller, &order).await? {
        Err(reasons) => {
            app.store.close().await;
            let words: Vec<String> = reasons
                .iter()
                .map(|reason| format!("COR-NONE: {}: {}", reason.code, reason.message))
                .collect();
            return Err(words.join("\n").into());
        }
        Ok(correction) => {
            show(&correction)?;
            if yes {
                correct::plan(&parts, &seller, &correction).await?;
                say("planned: the daemon posts what was shown and reads it back");
            } else {
                say("nothing is planned yet: say --yes to plan it");
            }
        }
    }
    app.store.close().await;
    Ok(())
}

/// The seller whose invoice stands for the order.
async fn seller_of(
    app: &App,
    order: &ml_connector_domain::OrderId,
) -> Result<(Seller, Parts), Box<dyn std::error::Error>> {
    for (seller, parts) in app.sellers()? {
        if invoices::current_key(&parts, &seller, order).await?.is_some() {
            return Ok((seller, parts));
        }
    }
    Err(format!("COR-ORDER: no seller has an invoice for order {order}: see ml-connector explain {order}")
        .into())
}

fn show(correction: &Correction) -> Outcome {
    let Correction { posted, credit_memo, invoice, .. } = correction;
    say(&format!("posted:      {}", in_words(&posted.document)?));
    say(&format!("takes back:  {}", in_words(credit_memo)?));
    match invoice {
        Some(invoice) => say(&format!("new invoice: {}", in_words(invoice)?)),
        None => say("new invoice: none, the order is no sale any more"),
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["account", "now", "then", "difference"]);
    for row in correction.accounts() {
        let difference = row.after.checked_add(row.before.negated())?;
        table.add_row([row.account, row.before.to_string(), row.after.to_string(), difference.to_string()]);
    }
    say(&table.to_string());
    Ok(())
}

fn in_words(document: &Document) -> Result<String, Box<dyn std::error::Error>> {
    let kind = document.kind().as_str();
    Ok(format!("{kind} {} over {} dated {}", document.key, document.total()?, document.date))
}
