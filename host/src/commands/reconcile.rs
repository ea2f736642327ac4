//! `reconcile --period`: the seven tie-outs of a month, as a table, CSV, JSON or hledger text.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use ml_connector_audit::hledger;
use ml_connector_audit::period::Period;
use ml_connector_domain::tie_out::TieOut;
use ml_connector_domain::{Date, SellerId};
use ml_connector_pipeline::tie_out::{InReview, PeriodReport, tie_out};
use ml_connector_pipeline::{Seller, reconcile as compare};

use super::audit::{NotAsItWas, hledger_accounts};
use super::{Outcome, say};
use crate::app::App;
use crate::config::Config;

/// How the tie-outs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One row for each tie-out, difference, open item, review reason and balance
    Csv,
    /// One object
    Json,
    /// The books up to the period's end, with what accounts must hold by Amazon's records as balance assertions
    Hledger,
}

/// Ties a month out; fails with an exit code of its own if any figure differs.
pub(crate) async fn reconcile(
    config: Config,
    period: Period,
    seller: Option<SellerId>,
    format: Format,
    fresh: bool,
) -> Outcome {
    let app = App::open(config).await?;
    let mut sellers: Vec<Seller> = Vec::new();
    for (of, parts) in app.sellers()? {
        if seller.as_ref().is_some_and(|wanted| *wanted != of.id) {
            continue;
        }
        if fresh {
            compare::reconcile(&parts, &of, parts.clock.now()).await?;
        }
        sellers.push(of);
    }
    if let (Some(seller), true) = (&seller, sellers.is_empty()) {
        return Err(format!("REC-SELLER: the configuration names no seller {seller}").into());
    }
    let report = tie_out(app.store.as_ref(), &sellers, period).await?;
    match format {
        Format::Table => table(&report),
        Format::Csv => say(csv_text(&report)?.trim_end()),
        Format::Json => say(&serde_json::to_string(&report)?),
        Format::Hledger => say(hledger_text(&app, &report, period, seller.as_ref()).await?.trim_end()),
    }
    app.store.close().await;
    let differences: u64 = report.tie_outs.iter().map(|of| of.differences).sum();
    match usize::try_from(differences) {
        Ok(0) => Ok(()),
        count => Err(NotAsItWas::found(count.unwrap_or(usize::MAX)).into()),
    }
}

fn shown(title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table.add_rows(rows);
    say(&format!("{title}\n{table}"));
}

fn table(report: &PeriodReport) {
    let row = |of: &TieOut| {
        let figures =
            [of.checks, of.differences, of.open_items.len() as u64].map(|figure| figure.to_string());
        [of.id.to_owned(), of.name.to_owned()].into_iter().chain(figures).collect()
    };
    let title = format!("Period {} of {}", report.period, report.sellers.join(", "));
    let header = ["", "tie-out", "compared", "differences", "open items"];
    shown(&title, &header, report.tie_outs.iter().map(row).collect());
    let findings = report.tie_outs.iter().flat_map(|of| of.findings.iter().map(move |found| (of.id, found)));
    let rows = findings.map(|(id, found)| {
        [id, &found.subject, &found.currency, &found.expected, &found.found, &found.cause]
            .map(str::to_owned)
            .to_vec()
    });
    let header = ["", "what", "currency", "expected", "found", "why"];
    shown("Differences", &header, rows.collect());
    let open = report.tie_outs.iter().flat_map(|of| of.open_items.iter().map(move |item| (of.id, item)));
    let rows = open.map(|(id, item)| {
        [id, &item.subject, &item.currency, &item.amount, &item.cause].map(str::to_owned).to_vec()
    });
    shown("Open items", &["", "what", "currency", "amount", "why"], rows.collect());
    let header = ["what", "reason", "how many", "currency", "at stake", "oldest"];
    shown("Waiting for a person", &header, report.review.iter().map(review_row).collect());
}

fn review_row(row: &InReview) -> Vec<String> {
    vec![
        row.kind.clone(),
        row.code.clone(),
        row.subjects.to_string(),
        row.currency.clone().unwrap_or_default(),
        row.at_stake.clone().unwrap_or_default(),
        row.oldest.clone(),
    ]
}

/// A row of the CSV form; `kind` says which columns are filled.
#[derive(Default, serde::Serialize)]
struct Row<'a> {
    period: &'a str,
    kind: &'static str,
    id: &'a str,
    seller: &'a str,
    subject: &'a str,
    currency: &'a str,
    expected: &'a str,
    found: &'a str,
    checks: Option<u64>,
    differences: Option<u64>,
    cause: &'a str,
}

fn csv_text(report: &PeriodReport) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let of_period = |kind| Row { period: &report.period, kind, ..Row::default() };
    for of in &report.tie_outs {
        let (checks, differences) = (Some(of.checks), Some(of.differences));
        writer.serialize(Row { id: of.id, subject: of.name, checks, differences, ..of_period("tie-out") })?;
        for found in &of.findings {
            let (seller, subject, currency) = (found.seller.as_str(), &*found.subject, &*found.currency);
            let (expected, found, cause) = (&*found.expected, &*found.found, &*found.cause);
            let row = Row { id: of.id, seller, subject, currency, expected, ..of_period("difference") };
            writer.serialize(Row { found, cause, ..row })?;
        }
        for item in &of.open_items {
            let (seller, subject, currency) = (item.seller.as_str(), &*item.subject, &*item.currency);
            let (expected, cause) = (&*item.amount, &*item.cause);
            let row = Row { id: of.id, seller, subject, currency, expected, ..of_period("open item") };
            writer.serialize(Row { cause, ..row })?;
        }
    }
    for row in &report.review {
        let currency = row.currency.as_deref().unwrap_or_default();
        let expected = row.at_stake.as_deref().unwrap_or_default();
        let (subject, checks, cause) = (&*row.kind, Some(row.subjects), &*row.code);
        writer.serialize(Row { subject, currency, expected, checks, cause, ..of_period("review") })?;
    }
    for row in &report.balances {
        let (seller, subject, currency) = (&*row.seller, &*row.account, &*row.currency);
        let balance = Row { seller, subject, currency, expected: &row.amount, ..of_period("balance") };
        writer.serialize(Row { id: "T7", ..balance })?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The books up to the period's end, and one transaction that asserts what accounts must hold then by Amazon's records:
/// `hledger check` is an independent judge of them. Of one seller only, since accounts of several add up.
async fn hledger_text(
    app: &App,
    report: &PeriodReport,
    period: Period,
    seller: Option<&SellerId>,
) -> Result<String, Box<dyn std::error::Error>> {
    let documents = app.store.confirmed_documents(Date::MIN, period.last(), seller).await?;
    let mut text = hledger::export(&documents, |of| hledger_accounts(app, of))?;
    for of in &report.tie_outs {
        writeln!(text, "; {} {}: {} compared, {} differ", of.id, of.name, of.checks, of.differences)?;
    }
    if report.sellers.len() == 1 && !report.balances.is_empty() {
        let asserted: Vec<(String, String)> = report
            .balances
            .iter()
            .map(|row| (row.account.clone(), format!("{} {}", row.amount, row.currency)))
            .collect();
        text.push_str(&hledger::assertions(period.last(), &asserted));
    }
    Ok(text)
}
